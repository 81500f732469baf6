//! One question and one answer on the client port, behind the three bytes `SKN`.
//!
//! A frame is a u32 length, then magic, version, a postcard body and a CRC-32C over all three.
//! Bytes from outside yield a `FrameError`, never a panic; nothing is allocated past the limits. A
//! frame of another version is told from garbage, so that an operator is not sent after a Hazelcast
//! member that is not there.

use super::founding::FoundingMember;
use super::limits::{FRAME_BYTES_MAX, MEMBERS_MAX, TEXT_BYTES_MAX};
use super::promise::{Promise, PromiseRequest, Refusal};
use super::view::PeerAnswer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use statekeeper_machine::ClusterId;

/// The first bytes on a connection between nodes that find each other.
pub const PREAMBLE: [u8; 3] = *b"SKN";

const MAGIC: [u8; 3] = *b"skn";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = MAGIC.len() + 1;
const SUM_BYTES: usize = 4;

/// What one node asks another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Who are you?
    Ask,
    /// Will you take part in this founding and in no other?
    Promise(PromiseRequest),
    /// The founding is given up; only its founder says so.
    Release(Promise),
    /// The cluster is there.
    Founded {
        /// The cluster.
        cluster_id: ClusterId,
        /// Its first voters.
        members: Vec<FoundingMember>,
    },
    /// What time is it? Nodes of before this question close without an answer.
    Clock,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To `Ask`.
    Node(PeerAnswer),
    /// To the others: done, and durable where it has to be.
    Granted,
    /// To the others: not done.
    Refused(Refusal),
    /// To `Clock`.
    Clock {
        /// Milliseconds since 1970 by the clock of who answers.
        unix_ms: u64,
    },
}

/// Why bytes are no question or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not the opening bytes of a frame, or fewer.
    #[error("not a frame of a node")]
    Magic,
    /// Another release.
    #[error("version {0} is not known")]
    Version(u8),
    /// Cut off or changed.
    #[error("the checksum does not fit")]
    Checksum,
    /// The body is not what its version says, or a part of it is too long.
    #[error("the body does not decode")]
    Body,
    /// Longer than any frame.
    #[error("{0} bytes are more than a frame has")]
    TooLong(u32),
}

/// A question or an answer.
pub(crate) trait Framed: Serialize + DeserializeOwned {
    /// Whether its texts and lists are as long as they may be.
    fn is_bounded(&self) -> bool;
}

impl Framed for Question {
    fn is_bounded(&self) -> bool {
        match self {
            Self::Ask | Self::Release(_) | Self::Clock => true,
            Self::Promise(request) => is_short(&request.terms.cluster_name),
            Self::Founded { members, .. } => {
                let short = |member: &FoundingMember| {
                    is_short(&member.raft_address) && is_short(&member.client_address)
                };
                members.len() <= MEMBERS_MAX && members.iter().all(short)
            }
        }
    }
}

impl Framed for Answer {
    fn is_bounded(&self) -> bool {
        match self {
            Self::Node(answer) => {
                is_short(&answer.cluster_name)
                    && is_short(&answer.raft_address)
                    && is_short(&answer.client_address)
            }
            Self::Refused(Refusal::OtherName(name)) => is_short(name),
            Self::Granted
            | Self::Clock { .. }
            | Self::Refused(
                Refusal::OtherNode(_)
                | Refusal::HasCluster(_)
                | Refusal::Promised(_)
                | Refusal::OtherExpect(_)
                | Refusal::OtherArbiter(_)
                | Refusal::NotDurable,
            ) => true,
        }
    }
}

fn is_short(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control)
}

/// The whole frame with its length before it.
pub(crate) fn encode<T: Framed>(message: &T) -> Vec<u8> {
    // Plain values in memory always serialise; an empty body is refused by who reads it.
    let body = postcard::to_stdvec(message).unwrap_or_default();
    seal(&body)
}

/// A frame without a body, which says only which version is spoken here.
pub(crate) fn version_only() -> Vec<u8> {
    seal(&[])
}

fn seal(body: &[u8]) -> Vec<u8> {
    let bytes = HEAD_BYTES + body.len() + SUM_BYTES;
    // Bounded far below by what a node says; the reader refuses more.
    let mut frame = u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    frame.extend_from_slice(&MAGIC);
    frame.push(VERSION);
    frame.extend_from_slice(body);
    let sum = crc32c::crc32c(&frame[4..]);
    frame.extend_from_slice(&sum.to_le_bytes());
    frame
}

/// The length of a frame from the four bytes before it.
pub(crate) fn frame_bytes(length: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_le_bytes(length);
    let bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= FRAME_BYTES_MAX);
    bytes.ok_or(FrameError::TooLong(length))
}

/// Reads a frame, which begins behind its length.
pub(crate) fn decode<T: Framed>(frame: &[u8]) -> Result<T, FrameError> {
    let (head, rest) = frame.split_first_chunk::<HEAD_BYTES>().ok_or(FrameError::Magic)?;
    let [magic @ .., version] = *head;
    if magic != MAGIC {
        return Err(FrameError::Magic);
    }
    let (body, sum) = rest.split_last_chunk::<SUM_BYTES>().ok_or(FrameError::Checksum)?;
    let calculated = crc32c::crc32c(&frame[..frame.len() - SUM_BYTES]);
    if u32::from_le_bytes(*sum) != calculated {
        return Err(FrameError::Checksum);
    }
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    match postcard::take_from_bytes::<T>(body) {
        Ok((message, [])) if message.is_bounded() => Ok(message),
        Ok(_) | Err(_) => Err(FrameError::Body),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::bootstrap::{Arbiter, Terms};
    use proptest::prelude::*;
    use statekeeper_machine::NodeId;

    fn promise() -> Promise {
        Promise { founder: NodeId(1), cluster_id: ClusterId(u128::MAX) }
    }

    fn questions() -> Vec<Question> {
        let member = FoundingMember {
            node: NodeId(2),
            raft_address: "a:5751".to_owned(),
            client_address: "a:5701".to_owned(),
        };
        let arbiter = Arbiter::StaticList { places: 3 };
        let terms = Terms { cluster_name: "c".to_owned(), expect: 3, arbiter };
        let request = PromiseRequest { target: NodeId(2), promise: promise(), terms };
        vec![
            Question::Ask,
            Question::Promise(request),
            Question::Release(promise()),
            Question::Founded { cluster_id: ClusterId(7), members: vec![member] },
            Question::Clock,
        ]
    }

    fn answers() -> Vec<Answer> {
        let node = PeerAnswer {
            cluster_name: "c".to_owned(),
            cluster_id: Some(ClusterId(7)),
            node: NodeId(2),
            raft_address: "[::1]:5751".to_owned(),
            client_address: "[::1]:5701".to_owned(),
            promise: Some(promise()),
            expect: 3,
        };
        let refusals = [Refusal::Promised(promise()), Refusal::OtherName("d".to_owned())];
        let clock = Answer::Clock { unix_ms: 1_700_000_000_123 };
        let mut answers = vec![Answer::Node(node), Answer::Granted, clock];
        answers.extend(refusals.map(Answer::Refused));
        answers
    }

    fn behind_its_length(frame: &[u8]) -> &[u8] {
        let (length, rest) = frame.split_first_chunk::<4>().unwrap();
        assert_eq!(frame_bytes(*length), Ok(rest.len()));
        rest
    }

    fn reads_back<T: Framed + PartialEq + std::fmt::Debug>(messages: Vec<T>) {
        for message in messages {
            let frame = encode(&message);
            let frame = behind_its_length(&frame);
            assert_eq!(decode::<T>(frame).as_ref(), Ok(&message));
            for end in 0..frame.len() {
                assert!(decode::<T>(&frame[..end]).is_err());
            }
            for bit in 0..frame.len() * 8 {
                let mut flipped = frame.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(decode::<T>(&flipped).is_err());
            }
        }
    }

    #[test]
    fn questions_and_answers_read_back_and_no_flipped_bit_passes() {
        reads_back(questions());
        reads_back(answers());
    }

    #[test]
    fn another_version_is_told_from_garbage() {
        let mut frame = version_only();
        frame[4 + MAGIC.len()] = 9;
        let end = frame.len() - SUM_BYTES;
        let sum = crc32c::crc32c(&frame[4..end]).to_le_bytes();
        frame[end..].copy_from_slice(&sum);
        assert_eq!(decode::<Answer>(behind_its_length(&frame)), Err(FrameError::Version(9)));
        assert_eq!(decode::<Answer>(b"HTTP/1.1 400"), Err(FrameError::Magic));
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_read() {
        assert_eq!(frame_bytes([0xff; 4]), Err(FrameError::TooLong(u32::MAX)));
        let long = Question::Promise(PromiseRequest {
            target: NodeId(2),
            promise: promise(),
            terms: Terms {
                cluster_name: "c".repeat(TEXT_BYTES_MAX + 1),
                expect: 3,
                arbiter: Arbiter::Alone,
            },
        });
        let frame = encode(&long);
        assert_eq!(decode::<Question>(behind_its_length(&frame)), Err(FrameError::Body));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_frame_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let frame = seal(&body);
            let _ = decode::<Question>(&frame[4..]);
            let _ = decode::<Answer>(&frame[4..]);
            let _ = decode::<Question>(&body);
        }
    }
}
