//! Frames: the incremental decoder that cuts a byte stream into messages.
//!
//! The decoder looks at every header once, however many reads a message arrives in, and never asks
//! for memory because a header claims a length. A complete message leaves as a slice of the
//! receive buffer, without a copy.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use crate::client_message::{
    ClientMessage, CorrelationId, EncodedMessage, FRAGMENT_ID_BYTES, FragmentAssembly,
    INITIAL_CONTENT_BYTES_MIN, InitialTail,
};
use crate::field::FieldError;
use crate::limits::{
    COPIED_MESSAGE_BYTES_MAX, MESSAGE_FRAMES_MAX, SHARED_PIECE_BYTES_MIN,
    UNAUTHENTICATED_MESSAGE_BYTES_MAX,
};
use crate::message::MessageType;

/// Length and flags in front of every frame's content.
pub const FRAME_HEADER_BYTES: usize = 6;
const FLAGS_AT: usize = 4;

/// The flag bits of a frame. Test bits, never the whole value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameFlags(pub u16);

impl FrameFlags {
    /// First frame of a message or of its first fragment.
    pub const BEGIN_FRAGMENT: Self = Self(0x8000);
    /// First frame of the last fragment.
    pub const END_FRAGMENT: Self = Self(0x4000);
    /// Both of the above: a message in one piece.
    pub const UNFRAGMENTED: Self = Self(0xc000);
    /// Last frame of a message or fragment.
    pub const IS_FINAL: Self = Self(0x2000);
    /// An empty frame that opens a list, a map or a custom type.
    pub const BEGIN_DATA_STRUCTURE: Self = Self(0x1000);
    /// An empty frame that closes it.
    pub const END_DATA_STRUCTURE: Self = Self(0x0800);
    /// An empty frame that stands for null.
    pub const IS_NULL: Self = Self(0x0400);
    /// On the initial frame of events.
    pub const IS_EVENT: Self = Self(0x0200);
    /// On the initial frame of a smart client's requests; means nothing to us.
    pub const BACKUP_AWARE: Self = Self(0x0100);
    /// On the initial frame of backup events.
    pub const BACKUP_EVENT: Self = Self(0x0080);
    /// An event in one piece.
    pub const EVENT: Self = Self(0xc200);
    /// No flag at all: a plain frame.
    pub const NONE: Self = Self(0);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Why bytes from a peer are not a message. Everything but [`DecodeError::Field`] and
/// [`DecodeError::WrongType`] leaves the stream out of step: close the connection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// A header whose length does not even cover the header.
    #[error("frame length {length} is below the {FRAME_HEADER_BYTES} bytes of its header")]
    FrameTooShort {
        /// The length as the peer wrote it.
        length: i32,
    },
    /// The message is, or announces to be, larger than allowed.
    #[error("message of at least {bytes} bytes is above the limit of {limit}")]
    MessageTooLarge {
        /// Bytes announced so far.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// More frames than a message may have.
    #[error("message has more than {limit} frames")]
    TooManyFrames {
        /// The limit in force.
        limit: usize,
    },
    /// A first frame that is too short to be one.
    #[error("initial frame holds {bytes} bytes, at least {minimum} are needed")]
    InitialFrameTooShort {
        /// Content bytes received.
        bytes: usize,
        /// Content bytes needed.
        minimum: usize,
    },
    /// A first frame with flags that only later frames can have.
    #[error("initial frame carries unexpected flags {flags:#06x}")]
    UnexpectedFlags {
        /// All flags of the frame.
        flags: u16,
    },
    /// A fragment from a client that is not authenticated.
    // req: R-5
    #[error("fragmented messages are not accepted before authentication")]
    FragmentBeforeAuthentication,
    /// A later fragment of a message that never began.
    #[error("fragment {id} continues a message that did not begin")]
    UnknownFragment {
        /// The fragmentation id.
        id: i64,
    },
    /// A first fragment with an id that is in use.
    #[error("fragment {id} begins a message that began before")]
    RepeatedFragment {
        /// The fragmentation id.
        id: i64,
    },
    /// Too many fragmented messages at a time.
    #[error("more than {limit} fragmented messages at a time")]
    TooManyFragmentedMessages {
        /// The limit in force.
        limit: usize,
    },
    /// Bytes given as one complete message end early or late.
    #[error("bytes are not exactly one message")]
    NotOneMessage,
    /// A message was decoded as one of another type.
    #[error("message type {actual} where {expected} was expected")]
    WrongType {
        /// The type asked for.
        expected: MessageType,
        /// The type found.
        actual: MessageType,
    },
    /// A parameter cannot be read. The stream itself is intact.
    #[error("field {field} of {message} cannot be read")]
    Field {
        /// The message.
        message: MessageType,
        /// The parameter.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: FieldError,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Unauthenticated,
    Authenticated { message_bytes_max: usize },
}

/// Cuts the bytes of one connection into messages.
///
/// Call [`feed`](Self::feed) with the receive buffer until it yields `None`, then read more into
/// the same buffer. The decoder remembers how far it has looked, so nothing else may take bytes
/// from that buffer.
#[derive(Debug)]
pub struct FrameDecoder {
    mode: Mode,
    /// Bytes of the open message whose headers have been read, the contents perhaps still to come.
    scanned: usize,
    frames: usize,
    complete: bool,
    assembly: FragmentAssembly,
}

/// The first bytes of what was received, in memory of their own if they are few.
fn take(received: &mut BytesMut, length: usize) -> Bytes {
    if length > COPIED_MESSAGE_BYTES_MAX {
        return received.split_to(length).freeze();
    }
    let bytes = Bytes::copy_from_slice(&received[..length]);
    received.advance(length);
    bytes
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameDecoder {
    /// A decoder for a connection that has just been opened: small messages in one piece only.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mode: Mode::Unauthenticated,
            scanned: 0,
            frames: 0,
            complete: false,
            assembly: FragmentAssembly::default(),
        }
    }

    /// Lifts the limits of strangers once the client has proved who it is.
    pub fn set_authenticated(&mut self, message_bytes_max: usize) {
        self.mode = Mode::Authenticated { message_bytes_max };
    }

    /// Takes the next complete message from the front of `received`, if it is there.
    ///
    /// # Errors
    /// What the peer sent is not a message or above a limit; the connection cannot go on.
    pub fn feed(&mut self, received: &mut BytesMut) -> Result<Option<ClientMessage>, DecodeError> {
        loop {
            while !self.complete {
                if !self.scan_frame(received)? {
                    return Ok(None);
                }
            }
            if received.len() < self.scanned {
                return Ok(None);
            }
            let bytes = take(received, self.scanned);
            (self.scanned, self.frames, self.complete) = (0, 0, false);
            if let Some(message) = self.accept(bytes)? {
                return Ok(Some(message));
            }
        }
    }

    /// Whether bytes of an unfinished message or fragment have been seen.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.scanned > 0 || !self.assembly.is_empty()
    }

    /// Reads the header behind the last frame. False when it has not arrived yet.
    fn scan_frame(&mut self, received: &BytesMut) -> Result<bool, DecodeError> {
        let Some(header) = received.get(self.scanned..).and_then(read_header) else {
            return Ok(false);
        };
        let (frame_bytes, flags) = header?;
        let limit = self.message_bytes_max();
        let bytes = self.scanned.saturating_add(frame_bytes);
        if bytes > limit {
            return Err(DecodeError::MessageTooLarge { bytes, limit });
        }
        if self.frames == 0 {
            self.check_initial(frame_bytes - FRAME_HEADER_BYTES, flags)?;
        }
        self.frames += 1;
        if self.frames > MESSAGE_FRAMES_MAX {
            return Err(DecodeError::TooManyFrames { limit: MESSAGE_FRAMES_MAX });
        }
        self.scanned = bytes;
        self.complete = flags.contains(FrameFlags::IS_FINAL);
        Ok(true)
    }

    fn check_initial(&self, content_bytes: usize, flags: FrameFlags) -> Result<(), DecodeError> {
        let unfragmented = flags.contains(FrameFlags::UNFRAGMENTED);
        if !unfragmented && self.mode == Mode::Unauthenticated {
            return Err(DecodeError::FragmentBeforeAuthentication);
        }
        check_initial_frame(content_bytes, flags)
    }

    fn accept(&mut self, bytes: Bytes) -> Result<Option<ClientMessage>, DecodeError> {
        let Some((_, flags)) = read_header(&bytes).transpose()? else {
            return Err(DecodeError::NotOneMessage);
        };
        if flags.contains(FrameFlags::UNFRAGMENTED) {
            return Ok(Some(ClientMessage::from_frames(bytes)));
        }
        self.assembly.push(bytes, flags, self.message_bytes_max())
    }

    fn message_bytes_max(&self) -> usize {
        match self.mode {
            Mode::Unauthenticated => UNAUTHENTICATED_MESSAGE_BYTES_MAX,
            Mode::Authenticated { message_bytes_max } => message_bytes_max,
        }
    }
}

/// Length and flags of the frame that begins here; `None` when the header is not complete.
pub(crate) fn read_header(mut bytes: &[u8]) -> Option<Result<(usize, FrameFlags), DecodeError>> {
    if bytes.len() < FRAME_HEADER_BYTES {
        return None;
    }
    let length = bytes.get_i32_le();
    let flags = FrameFlags(bytes.get_u16_le());
    Some(match usize::try_from(length) {
        Ok(frame_bytes) if frame_bytes >= FRAME_HEADER_BYTES => Ok((frame_bytes, flags)),
        _ => Err(DecodeError::FrameTooShort { length }),
    })
}

pub(crate) fn check_initial_frame(
    content_bytes: usize,
    flags: FrameFlags,
) -> Result<(), DecodeError> {
    let structural = FrameFlags::BEGIN_DATA_STRUCTURE
        .union(FrameFlags::END_DATA_STRUCTURE)
        .union(FrameFlags::IS_NULL);
    if flags.intersects(structural) {
        return Err(DecodeError::UnexpectedFlags { flags: flags.0 });
    }
    let minimum = if flags.contains(FrameFlags::UNFRAGMENTED) {
        INITIAL_CONTENT_BYTES_MIN
    } else {
        FRAGMENT_ID_BYTES
    };
    if content_bytes < minimum {
        return Err(DecodeError::InitialFrameTooShort { bytes: content_bytes, minimum });
    }
    Ok(())
}

/// Writes one message: small contents into one buffer, large ones as pieces of their own.
#[derive(Debug)]
pub struct FrameWriter {
    buffer: BytesMut,
    /// Where in the buffer a large content belongs, in order.
    shared: Vec<(usize, Bytes)>,
    last_frame_at: usize,
}

impl FrameWriter {
    pub(crate) fn new() -> Self {
        Self { buffer: BytesMut::with_capacity(128), shared: Vec::new(), last_frame_at: 0 }
    }

    /// The first frame: the header that every message has, then what `fixed` packs.
    pub(crate) fn initial(
        &mut self,
        flags: FrameFlags,
        message_type: MessageType,
        correlation_id: CorrelationId,
        tail: InitialTail,
        fixed: impl FnOnce(&mut BytesMut),
    ) {
        self.packed(flags, |out| {
            out.extend_from_slice(&message_type.0.to_le_bytes());
            out.extend_from_slice(&correlation_id.0.to_le_bytes());
            match tail {
                InitialTail::Partition(id) => out.extend_from_slice(&id.0.to_le_bytes()),
                // Backup acks: 0, or clients wait for backup events that never come.
                InitialTail::NoBackupAcks => out.extend_from_slice(&[0]),
            }
            fixed(out);
        });
    }

    /// An empty frame, for its flags.
    pub(crate) fn mark(&mut self, flags: FrameFlags) {
        self.header(flags, 0);
    }

    /// A frame with these bytes, copied.
    pub(crate) fn copied(&mut self, content: &[u8]) {
        self.header(FrameFlags::NONE, content.len());
        self.buffer.extend_from_slice(content);
    }

    /// A frame with these bytes, shared when they are large.
    pub(crate) fn bytes(&mut self, content: &Bytes) {
        if content.len() < SHARED_PIECE_BYTES_MIN {
            return self.copied(content);
        }
        self.header(FrameFlags::NONE, content.len());
        self.shared.push((self.buffer.len(), content.clone()));
    }

    /// A frame whose content `fill` writes into the buffer.
    pub(crate) fn packed(&mut self, flags: FrameFlags, fill: impl FnOnce(&mut BytesMut)) {
        self.header(flags, 0);
        let at = self.last_frame_at;
        fill(&mut self.buffer);
        let length = wire_length(self.buffer.len() - at);
        self.buffer[at..at + FLAGS_AT].copy_from_slice(&length.to_le_bytes());
    }

    /// The message, its last frame marked as such.
    pub(crate) fn finish(mut self) -> EncodedMessage {
        let flags_at = self.last_frame_at + FLAGS_AT;
        // The second byte is the high one: frames are little-endian.
        self.buffer[flags_at + 1] |= FrameFlags::IS_FINAL.0.to_be_bytes()[0];
        let mut buffer = self.buffer.freeze();
        let mut pieces = Vec::with_capacity(self.shared.len() * 2);
        let mut taken = 0;
        let mut head = None;
        for (at, content) in self.shared {
            let before = buffer.split_to(at - taken);
            taken = at;
            if head.is_none() {
                head = Some(before);
            } else {
                pieces.push(before);
            }
            pieces.push(content);
        }
        match head {
            None => EncodedMessage::new(buffer, pieces),
            Some(head) => {
                if !buffer.is_empty() {
                    pieces.push(buffer);
                }
                EncodedMessage::new(head, pieces)
            }
        }
    }

    fn header(&mut self, flags: FrameFlags, content_bytes: usize) {
        self.last_frame_at = self.buffer.len();
        let length = wire_length(content_bytes + FRAME_HEADER_BYTES);
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer.extend_from_slice(&flags.0.to_le_bytes());
    }
}

fn wire_length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("values and answers are limited far below 2 GiB")
}
