//! A message as it travels: its header, its frames, and the way back from fragments.
//!
//! A [`ClientMessage`] is one contiguous run of frames that were checked when it was made; reading
//! it yields slices of it. What the frames mean is the business of [`message`](crate::message).

use std::collections::BTreeMap;

use bytes::{Buf, Bytes, BytesMut};

use crate::field::FieldError;
use crate::frame::{DecodeError, FRAME_HEADER_BYTES, FrameFlags, check_initial_frame, read_header};
use crate::limits::{FRAGMENT_ASSEMBLIES_MAX, MESSAGE_FRAMES_MAX};
use crate::message::MessageType;

/// Type, correlation id and acks byte: what even the shortest initial frame holds.
pub(crate) const INITIAL_CONTENT_BYTES_MIN: usize = RESPONSE_HEADER_BYTES;
/// Initial-frame bytes before the parameters of requests and events.
pub(crate) const REQUEST_HEADER_BYTES: usize = 16;
/// Initial-frame bytes before the parameters of responses and errors.
pub(crate) const RESPONSE_HEADER_BYTES: usize = 13;
pub(crate) const FRAGMENT_ID_BYTES: usize = 8;
const CORRELATION_ID_AT: usize = 4;
const PARTITION_ID_AT: usize = 12;

/// What ties an answer or an event to its request. Clients may use one again: not a key for state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId(pub i64);

/// A data partition of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub i32);

impl PartitionId {
    /// The message belongs to no partition.
    pub const NONE: Self = Self(-1);
}

/// One received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    frames: Bytes,
}

impl ClientMessage {
    /// Reads bytes that hold exactly one unfragmented message.
    ///
    /// # Errors
    /// The bytes are anything else.
    pub fn parse(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut at = 0;
        let mut frames = 0;
        loop {
            let header = bytes.get(at..).and_then(read_header);
            let (frame_bytes, flags) = header.ok_or(DecodeError::NotOneMessage)??;
            if at == 0 {
                if !flags.contains(FrameFlags::UNFRAGMENTED) {
                    return Err(DecodeError::UnexpectedFlags { flags: flags.0 });
                }
                check_initial_frame(frame_bytes - FRAME_HEADER_BYTES, flags)?;
            }
            frames += 1;
            if frames > MESSAGE_FRAMES_MAX {
                return Err(DecodeError::TooManyFrames { limit: MESSAGE_FRAMES_MAX });
            }
            at += frame_bytes;
            if flags.contains(FrameFlags::IS_FINAL) {
                break;
            }
        }
        if at == bytes.len() { Ok(Self { frames: bytes }) } else { Err(DecodeError::NotOneMessage) }
    }

    /// Frames that the decoder has checked: complete, and the first one long enough.
    pub(crate) fn from_frames(frames: Bytes) -> Self {
        Self { frames }
    }

    /// What kind of message this is.
    #[must_use]
    pub fn message_type(&self) -> MessageType {
        MessageType(self.initial_content().get_u32_le())
    }

    /// The id the sender chose.
    #[must_use]
    pub fn correlation_id(&self) -> CorrelationId {
        let mut rest = &self.initial_content()[CORRELATION_ID_AT..];
        CorrelationId(rest.get_i64_le())
    }

    /// The partition of a request or an event; none when the initial frame is a response's.
    #[must_use]
    pub fn partition_id(&self) -> PartitionId {
        let rest = &self.initial_content()[PARTITION_ID_AT..];
        rest.first_chunk().map_or(PartitionId::NONE, |raw| PartitionId(i32::from_le_bytes(*raw)))
    }

    /// The flags of the initial frame.
    #[must_use]
    pub fn flags(&self) -> FrameFlags {
        FrameFlags((&self.frames[4..]).get_u16_le())
    }

    /// Whether this is an event rather than a response.
    #[must_use]
    pub fn is_event(&self) -> bool {
        self.flags().contains(FrameFlags::IS_EVENT)
    }

    /// The size on the wire.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        self.frames.len()
    }

    /// The frames behind the initial one.
    pub(crate) fn reader(&self) -> FrameReader<'_> {
        FrameReader { frames: &self.frames, at: FRAME_HEADER_BYTES + self.initial_content().len() }
    }

    /// The packed parameters, if this is a message of type `expected`.
    pub(crate) fn parameters_of(
        &self,
        expected: MessageType,
        header_bytes: usize,
    ) -> Result<&[u8], DecodeError> {
        let actual = self.message_type();
        if actual != expected {
            return Err(DecodeError::WrongType { expected, actual });
        }
        let content = self.initial_content();
        content.get(header_bytes..).ok_or(DecodeError::InitialFrameTooShort {
            bytes: content.len(),
            minimum: header_bytes,
        })
    }

    pub(crate) fn initial_content(&self) -> &[u8] {
        let length = (&self.frames[..]).get_u32_le() as usize;
        &self.frames[FRAME_HEADER_BYTES..length]
    }
}

/// One frame while reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) flags: FrameFlags,
    pub(crate) content: &'a [u8],
    message: &'a Bytes,
}

impl Frame<'_> {
    pub(crate) fn to_bytes(self) -> Bytes {
        if self.content.is_empty() { Bytes::new() } else { self.message.slice_ref(self.content) }
    }
}

/// Walks over the frames behind the initial one.
#[derive(Clone, Debug)]
pub struct FrameReader<'a> {
    frames: &'a Bytes,
    at: usize,
}

impl<'a> FrameReader<'a> {
    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.frames.len()
    }

    pub(crate) fn peek(&self) -> Option<Frame<'a>> {
        let rest = self.frames.get(self.at..)?;
        let (length, flags) = read_header(rest)?.ok()?;
        Some(Frame { flags, content: rest.get(FRAME_HEADER_BYTES..length)?, message: self.frames })
    }

    pub(crate) fn next(&mut self) -> Result<Frame<'a>, FieldError> {
        let frame = self.peek().ok_or(FieldError::Missing)?;
        self.at += FRAME_HEADER_BYTES + frame.content.len();
        Ok(frame)
    }

    /// The next frame as one that carries a value.
    pub(crate) fn next_value(&mut self) -> Result<Frame<'a>, FieldError> {
        let frame = self.peek().ok_or(FieldError::Missing)?;
        if frame.flags.contains(FrameFlags::IS_NULL) {
            return Err(FieldError::UnexpectedNull);
        }
        if frame.flags.contains(FrameFlags::BEGIN_DATA_STRUCTURE)
            || frame.flags.contains(FrameFlags::END_DATA_STRUCTURE)
        {
            return Err(FieldError::UnexpectedFrame);
        }
        self.next()
    }

    pub(crate) fn begin(&mut self) -> Result<(), FieldError> {
        let frame = self.peek().ok_or(FieldError::Missing)?;
        if frame.flags.contains(FrameFlags::IS_NULL) {
            return Err(FieldError::UnexpectedNull);
        }
        if !frame.flags.contains(FrameFlags::BEGIN_DATA_STRUCTURE) {
            return Err(FieldError::UnexpectedFrame);
        }
        self.next().map(drop)
    }

    /// Takes the end of the open structure if it is next.
    pub(crate) fn take_end(&mut self) -> Result<bool, FieldError> {
        self.take_if(FrameFlags::END_DATA_STRUCTURE)
    }

    pub(crate) fn take_null(&mut self) -> Result<bool, FieldError> {
        self.take_if(FrameFlags::IS_NULL)
    }

    /// Skips what a newer peer put behind the fields we know, up to the end of this structure.
    pub(crate) fn skip_to_end(&mut self) -> Result<(), FieldError> {
        let mut open = 1usize;
        while open > 0 {
            let flags = self.next()?.flags;
            if flags.contains(FrameFlags::BEGIN_DATA_STRUCTURE) {
                open += 1;
            } else if flags.contains(FrameFlags::END_DATA_STRUCTURE) {
                open -= 1;
            }
        }
        Ok(())
    }

    fn take_if(&mut self, flag: FrameFlags) -> Result<bool, FieldError> {
        let found = self.peek().ok_or(FieldError::Missing)?.flags.contains(flag);
        if found {
            self.next()?;
        }
        Ok(found)
    }
}

/// A message ready for the socket: one piece, or several when it carries large values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedMessage {
    head: Bytes,
    rest: Vec<Bytes>,
}

impl EncodedMessage {
    pub(crate) fn new(head: Bytes, rest: Vec<Bytes>) -> Self {
        Self { head, rest }
    }

    /// The pieces in the order they must be written.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.head).chain(&self.rest)
    }

    /// The pieces in the order they must be written.
    pub fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        std::iter::once(self.head).chain(self.rest)
    }

    /// The size on the wire.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    /// All pieces as one, copied if there is more than one.
    #[must_use]
    pub fn into_contiguous(self) -> Bytes {
        if self.rest.is_empty() {
            return self.head;
        }
        let mut whole = BytesMut::with_capacity(self.wire_bytes());
        self.pieces().for_each(|piece| whole.extend_from_slice(piece));
        whole.freeze()
    }
}

/// What ends the header of an initial frame.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InitialTail {
    Partition(PartitionId),
    NoBackupAcks,
}

impl InitialTail {
    /// Responses carry no partition.
    pub(crate) fn of_response(_: PartitionId) -> Self {
        Self::NoBackupAcks
    }
}

/// Puts fragmented messages together again.
#[derive(Debug, Default)]
pub(crate) struct FragmentAssembly {
    open: BTreeMap<i64, BytesMut>,
    /// Bytes held by all open messages together.
    held: usize,
}

impl FragmentAssembly {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes one fragment; yields the message when it was the last one.
    pub(crate) fn push(
        &mut self,
        mut fragment: Bytes,
        flags: FrameFlags,
        limit: usize,
    ) -> Result<Option<ClientMessage>, DecodeError> {
        let frame_bytes = (&fragment[..]).get_u32_le() as usize;
        let mut extra = fragment.split_to(frame_bytes);
        extra.advance(FRAME_HEADER_BYTES);
        let id = extra.get_i64_le();

        // All open messages share one budget, so that many half ones cannot add up.
        let bytes = self.held + fragment.len();
        if bytes > limit {
            return Err(DecodeError::MessageTooLarge { bytes, limit });
        }
        if flags.contains(FrameFlags::BEGIN_FRAGMENT) {
            if self.open.len() >= FRAGMENT_ASSEMBLIES_MAX {
                let limit = FRAGMENT_ASSEMBLIES_MAX;
                return Err(DecodeError::TooManyFragmentedMessages { limit });
            }
            if self.open.insert(id, BytesMut::from(&fragment[..])).is_some() {
                return Err(DecodeError::RepeatedFragment { id });
            }
            self.held = bytes;
            return Ok(None);
        }
        let message = self.open.get_mut(&id).ok_or(DecodeError::UnknownFragment { id })?;
        message.extend_from_slice(&fragment);
        self.held = bytes;
        if !flags.contains(FrameFlags::END_FRAGMENT) {
            return Ok(None);
        }
        let whole = self.open.remove(&id).unwrap_or_default().freeze();
        self.held -= whole.len();
        Self::check(&whole)?;
        Ok(Some(ClientMessage::from_frames(whole)))
    }

    /// Each fragment was complete; what is left to check are the whole's first frame and size.
    fn check(whole: &Bytes) -> Result<(), DecodeError> {
        let (frame_bytes, flags) = read_header(whole).ok_or(DecodeError::NotOneMessage)??;
        check_initial_frame(
            frame_bytes - FRAME_HEADER_BYTES,
            // Inside a fragment the message's own first frame need not repeat these.
            flags.union(FrameFlags::UNFRAGMENTED),
        )?;
        let mut frames = 0;
        let mut at = 0;
        while let Some(header) = whole.get(at..).and_then(read_header) {
            at += header?.0;
            frames += 1;
        }
        if frames > MESSAGE_FRAMES_MAX {
            return Err(DecodeError::TooManyFrames { limit: MESSAGE_FRAMES_MAX });
        }
        Ok(())
    }
}
