//! The decoder: any cut of the stream, limits, fragments.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::{open_decoder, received};
use crate::limits::{
    COPIED_MESSAGE_BYTES_MAX, FRAGMENT_ASSEMBLIES_MAX, MESSAGE_FRAMES_MAX, SHARED_PIECE_BYTES_MIN,
    UNAUTHENTICATED_MESSAGE_BYTES_MAX,
};
use crate::messages::map::{get, put, put_all};
use crate::{
    ClientMessage, CorrelationId, Data, DecodeError, Entries, FrameDecoder, FrameFlags, PartitionId,
};

fn put_of(value_bytes: usize) -> put::Request {
    put::Request {
        name: "query".to_owned(),
        key: Data::from_parts(-11, b"\0\0\0\x01a"),
        value: Data::from_parts(-12, &vec![7; value_bytes]),
        thread_id: 1,
        ttl: -1,
    }
}

fn wire(request: &put::Request) -> Bytes {
    request.encode(CorrelationId(5), PartitionId(3)).into_contiguous()
}

/// A frame of these flags around this content.
fn frame(flags: u16, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i32_le(i32::try_from(content.len() + 6).unwrap());
    out.put_u16_le(flags);
    out.put_slice(content);
    out
}

/// `message` as fragments with this id, of so many frames each; at least two of them, since one
/// that both begins and ends is what an unfragmented message looks like.
fn fragments(message: &[u8], id: i64, frames_each: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let length = u32::from_le_bytes(*rest.first_chunk().unwrap()) as usize;
        let (frame, after) = rest.split_at(length);
        frames.push(frame.to_vec());
        rest = after;
    }
    let count = frames.len().div_ceil(frames_each);
    frames
        .chunks_mut(frames_each)
        .enumerate()
        .map(|(index, part)| {
            let first = if index == 0 { FrameFlags::BEGIN_FRAGMENT.0 } else { 0 };
            let last = if index + 1 == count { FrameFlags::END_FRAGMENT.0 } else { 0 };
            part.last_mut().unwrap()[5] |= 0x20;
            [frame(first | last, &id.to_le_bytes()), part.concat()].concat()
        })
        .collect()
}

fn feed_all(decoder: &mut FrameDecoder, bytes: &[u8]) -> Result<Vec<ClientMessage>, DecodeError> {
    let mut buffer = BytesMut::from(bytes);
    let mut messages = Vec::new();
    while let Some(message) = decoder.feed(&mut buffer)? {
        messages.push(message);
    }
    Ok(messages)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_do_not_depend_on_how_the_stream_is_cut(
        sizes in prop::collection::vec(0usize..6000, 1..6),
        cuts in prop::collection::vec(1usize..900, 1..40),
    ) {
        let stream: Vec<u8> = sizes.iter().flat_map(|size| wire(&put_of(*size))).collect();
        let mut decoder = open_decoder();
        let mut buffer = BytesMut::new();
        let mut decoded = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
            while let Some(message) = decoder.feed(&mut buffer).unwrap() {
                decoded.push(put::Request::decode(&message).unwrap());
            }
        }
        let sent: Vec<_> = sizes.iter().map(|size| put_of(*size)).collect();
        prop_assert_eq!(decoded, sent);
        prop_assert!(!decoder.is_mid_message());
    }

    #[test]
    fn fragments_come_together_whatever_their_size(
        value_bytes in 0usize..5000,
        frames_each in 1usize..4,
    ) {
        let message = wire(&put_of(value_bytes));
        let stream = fragments(&message, 9, frames_each).concat();
        let decoded = feed_all(&mut open_decoder(), &stream).unwrap();
        prop_assert_eq!(decoded.len(), 1);
        prop_assert_eq!(put::Request::decode(&decoded[0]).unwrap(), put_of(value_bytes));
        prop_assert_eq!(decoded[0].correlation_id(), CorrelationId(5));
    }
}

// checks: R-5
#[test]
fn fragmented_messages_may_interleave_with_each_other_and_with_whole_ones() {
    let whole = wire(&put_of(10));
    let first = fragments(&wire(&put_of(20)), 1, 2);
    let second = fragments(&wire(&put_of(30)), 2, 2);
    let stream =
        [&first[0], &second[0], &whole.to_vec(), &second[1], &first[1]].map(Vec::as_slice).concat();
    let decoded = feed_all(&mut open_decoder(), &stream).unwrap();
    let decoded: Vec<_> = decoded.iter().map(|m| put::Request::decode(m).unwrap()).collect();
    assert_eq!(decoded, [put_of(10), put_of(30), put_of(20)]);
}

#[test]
fn a_length_below_its_own_header_is_refused() {
    for length in [5, 0, -1, i32::MIN] {
        let bytes = [&i32::to_le_bytes(length)[..], &[0, 0xc0]].concat();
        let error = feed_all(&mut open_decoder(), &bytes).unwrap_err();
        assert_eq!(error, DecodeError::FrameTooShort { length });
    }
}

#[test]
fn strangers_may_send_4096_bytes_and_not_one_more() {
    let overhead = wire(&put_of(0)).len();
    let largest = put_of(UNAUTHENTICATED_MESSAGE_BYTES_MAX - overhead);
    assert_eq!(feed_all(&mut FrameDecoder::new(), &wire(&largest)).unwrap().len(), 1);

    let larger = wire(&put_of(UNAUTHENTICATED_MESSAGE_BYTES_MAX - overhead + 1));
    let error = feed_all(&mut FrameDecoder::new(), &larger).unwrap_err();
    assert_eq!(error, DecodeError::MessageTooLarge { bytes: 4097, limit: 4096 });
    assert_eq!(feed_all(&mut open_decoder(), &larger).unwrap().len(), 1);
}

#[test]
fn strangers_may_not_fragment() {
    let stream = fragments(&wire(&put_of(1)), 1, 2).concat();
    let error = feed_all(&mut FrameDecoder::new(), &stream).unwrap_err();
    assert_eq!(error, DecodeError::FragmentBeforeAuthentication);
}

#[test]
fn a_header_is_judged_before_its_bytes_arrive() {
    let mut decoder = FrameDecoder::new();
    decoder.set_authenticated(1000);
    let header = [&1001i32.to_le_bytes()[..], &[0, 0xc0]].concat();
    let error = feed_all(&mut decoder, &header).unwrap_err();
    assert_eq!(error, DecodeError::MessageTooLarge { bytes: 1001, limit: 1000 });
}

#[test]
fn a_claimed_length_reserves_nothing() {
    let mut buffer = BytesMut::with_capacity(64);
    buffer.put_i32_le(60 * 1024 * 1024);
    buffer.put_u16_le(0xc000);
    assert_eq!(open_decoder().feed(&mut buffer).unwrap(), None);
    assert!(buffer.capacity() <= 64);
}

#[test]
fn the_sum_of_a_messages_frames_is_limited_too() {
    let mut decoder = FrameDecoder::new();
    decoder.set_authenticated(1000);
    let mut stream = frame(0xc000, &[0; 16]);
    (0..4).for_each(|_| stream.extend(frame(0, &[0; 300])));
    let error = feed_all(&mut decoder, &stream).unwrap_err();
    assert_eq!(error, DecodeError::MessageTooLarge { bytes: 22 + 4 * 306, limit: 1000 });
}

#[test]
fn empty_frames_are_counted() {
    let mut stream = frame(0xc000, &[0; 16]);
    (0..MESSAGE_FRAMES_MAX).for_each(|_| stream.extend_from_slice(&[6, 0, 0, 0, 0, 0]));
    let error = feed_all(&mut open_decoder(), &stream).unwrap_err();
    assert_eq!(error, DecodeError::TooManyFrames { limit: MESSAGE_FRAMES_MAX });
}

#[test]
fn an_initial_frame_must_hold_its_header_and_no_structure() {
    let short = frame(0xe000, &[0; 12]);
    let error = feed_all(&mut open_decoder(), &short).unwrap_err();
    assert_eq!(error, DecodeError::InitialFrameTooShort { bytes: 12, minimum: 13 });
    for flag in [0x1000, 0x0800, 0x0400] {
        let error = feed_all(&mut open_decoder(), &frame(0xe000 | flag, &[0; 16])).unwrap_err();
        assert_eq!(error, DecodeError::UnexpectedFlags { flags: 0xe000 | flag });
    }
}

#[test]
fn fragments_out_of_order_are_refused() {
    let parts = fragments(&wire(&put_of(1)), 7, 1);
    let error = feed_all(&mut open_decoder(), &parts[1]).unwrap_err();
    assert_eq!(error, DecodeError::UnknownFragment { id: 7 });
    let twice = [&parts[0][..], &parts[0]].concat();
    let error = feed_all(&mut open_decoder(), &twice).unwrap_err();
    assert_eq!(error, DecodeError::RepeatedFragment { id: 7 });
}

#[test]
fn half_messages_share_one_budget_and_are_counted() {
    let mut decoder = FrameDecoder::new();
    decoder.set_authenticated(6000);
    let begin = |id: i64| fragments(&wire(&put_of(2500)), id, 3).swap_remove(0);
    assert!(feed_all(&mut decoder, &begin(1)).unwrap().is_empty());
    assert!(decoder.is_mid_message());
    let mut many = open_decoder();
    let small = |id: i64| fragments(&wire(&put_of(1)), id, 1).swap_remove(0);
    for id in 0..FRAGMENT_ASSEMBLIES_MAX as i64 {
        assert!(feed_all(&mut many, &small(id)).unwrap().is_empty());
    }
    let error = feed_all(&mut many, &small(-1)).unwrap_err();
    assert!(matches!(error, DecodeError::TooManyFragmentedMessages { .. }));

    let whole = fragments(&wire(&put_of(2500)), 2, 3).concat();
    let again = fragments(&wire(&put_of(2500)), 3, 3).concat();
    assert_eq!(feed_all(&mut decoder, &[whole, again].concat()).unwrap().len(), 2);
    let too_much = fragments(&wire(&put_of(5900)), 4, 3).concat();
    let error = feed_all(&mut decoder, &too_much).unwrap_err();
    assert!(matches!(error, DecodeError::MessageTooLarge { limit: 6000, .. }), "{error}");
}

#[test]
fn large_values_are_slices_of_what_was_received_and_small_ones_pin_nothing() {
    for (bytes, is_slice) in [(100_000, true), (COPIED_MESSAGE_BYTES_MAX / 2, false)] {
        let mut buffer = BytesMut::from(&wire(&put_of(bytes))[..]);
        let range = buffer.as_ptr_range();
        let message = open_decoder().feed(&mut buffer).unwrap().unwrap();
        let request = put::Request::decode(&message).unwrap();
        assert_eq!(range.contains(&request.value.as_bytes().as_ptr()), is_slice, "{bytes}");
        assert!(!range.contains(&request.value.detached().as_bytes().as_ptr()));
    }
}

#[test]
fn the_receive_buffer_is_used_again_while_messages_are_kept() {
    let mut decoder = open_decoder();
    let mut buffer = BytesMut::with_capacity(8192);
    let first = buffer.as_ptr();
    let kept: Vec<_> = (0..100)
        .map(|_| {
            buffer.reserve(4096);
            buffer.extend_from_slice(&wire(&put_of(100)));
            decoder.feed(&mut buffer).unwrap().unwrap()
        })
        .collect();
    buffer.reserve(8192);
    assert_eq!(buffer.as_ptr(), first, "{} messages are kept", kept.len());
}

#[test]
fn large_values_leave_uncopied_and_small_ones_together() {
    let large = Data::from_parts(-12, &vec![1; SHARED_PIECE_BYTES_MIN]);
    let small = Data::from_parts(-12, &[1; 100]);
    let response = get::Response { response: Some(large.clone()) }.encode(CorrelationId(1));
    let pieces: Vec<_> = response.pieces().collect();
    assert_eq!(pieces.len(), 2);
    assert_eq!(pieces[1].as_ptr(), large.as_bytes().as_ptr());
    let response = get::Response { response: Some(small.clone()) }.encode(CorrelationId(1));
    assert_eq!(response.pieces().count(), 1);

    let entries = Entries(vec![(small.clone(), large.clone()), (large.clone(), small)]);
    let request = put_all::Request { name: "m".into(), entries, trigger_map_loader: Some(true) };
    let encoded = request.encode(CorrelationId(1), PartitionId(0));
    assert_eq!(encoded.pieces().count(), 5);
    let whole = encoded.clone().into_contiguous();
    assert_eq!(whole.len(), encoded.wire_bytes());
    assert_eq!(put_all::Request::decode(&received(&whole)).unwrap(), request);
}

#[test]
fn bytes_that_are_not_exactly_one_message_do_not_parse() {
    let whole = wire(&put_of(1));
    assert!(ClientMessage::parse(whole.clone()).is_ok());
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(ClientMessage::parse(longer.into()), Err(DecodeError::NotOneMessage));
    for cut in 0..whole.len() {
        let error = ClientMessage::parse(whole.slice(..cut)).unwrap_err();
        assert_eq!(error, DecodeError::NotOneMessage);
    }
}
