//! Every limit of this crate, with its reason and what a client sees on reaching it.
//!
//! A connection that crosses one of these is out of step or hostile: the decoder returns a
//! [`DecodeError`](crate::DecodeError) and the server closes the connection.

// req: R-3
/// The whole message a client may send before it is authenticated, as real members limit it: a
/// stranger must not make a node hold more than this.
pub const UNAUTHENTICATED_MESSAGE_BYTES_MAX: usize = 4096;

/// The default for a whole message after authentication. The largest captured message was 1.2 MB;
/// 64 MiB leaves room for `putAll` batches and is far below what would hurt a node.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Frames in one message. An empty frame costs 6 bytes on the wire and about 40 once decoded into
/// a list, so bytes alone would not bound the memory a message of empty frames takes.
pub const MESSAGE_FRAMES_MAX: usize = 2 * 1024 * 1024;

/// Fragmented messages that may be open on one connection at a time. No captured client fragments
/// at all; a client that does sends one message after the other.
pub const FRAGMENT_ASSEMBLIES_MAX: usize = 16;

/// Values of at least this size leave as pieces of their own and are not copied into the message.
/// Below it a copy is cheaper than one more element in the gathering write.
pub const SHARED_PIECE_BYTES_MIN: usize = 4096;

/// Messages up to this size are copied out of the receive buffer, so that what is kept of them, in
/// the log above all, never pins a buffer many times as large, and the buffer is used again.
pub const COPIED_MESSAGE_BYTES_MAX: usize = 16 * 1024;
