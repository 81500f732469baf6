//! Every bound of the client port that is not a configuration key, with its reason.

use std::time::Duration;

/// A stranger says within this time which protocol it speaks, and a client who it is. Real clients
/// do both in one round trip; clients behind a busy virtual machine in a second.
pub(crate) const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that have not authenticated yet. Each holds a few kilobytes for `GREETING_TIMEOUT`
/// at most; a flood of strangers meets this bound before it meets the memory.
pub(crate) const STRANGERS_MAX: usize = 512;
/// How much the thread that accepts and greets gives way to all others, from 0 to 19: at 10 it has
/// a tenth of their share where there is not enough for all.
pub(crate) const DOORMAN_NICENESS: i32 = 10;
/// After so many connections the doorman pauses: the scheduler lets a thread that never does run
/// for milliseconds before the threads that serve get their turn again. With 32 the p99 of a client
/// inside grew by half under a flood, with 64 it tripled, with 16 the flood was held up twice as
/// long for nothing.
pub(crate) const ACCEPTS_PER_TURN: u32 = 32;
/// The pause; with it up to 20,000 connections a second are let in.
pub(crate) const TURN_PAUSE: Duration = Duration::from_millis(1);
/// One line in the log for refused connections in this time, however many there are.
pub(crate) const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// A pause after the system refused to accept, mostly for want of descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes asked of the socket at a time. A stranger's buffer starts smaller.
pub(crate) const READ_BYTES: usize = 32 * 1024;
/// First bytes of a stranger: an authentication message is about 200.
pub(crate) const STRANGER_READ_BYTES: usize = 1024;
/// With more than this waiting to be sent, nothing more is read from the client: one that does not
/// read its answers gets to ask nothing new.
pub(crate) const SEND_HIGH_WATER_BYTES: usize = 1024 * 1024;
/// Pieces handed to the system in one write.
pub(crate) const PIECES_PER_WRITE: usize = 64;
/// Batches of events that may wait for one connection. It only falls behind when the whole process
/// does, since events are queued for the socket at once.
pub(crate) const EVENT_BATCHES_MAX: usize = 8192;
/// How long a connection that is being closed may take to send what is left.
pub(crate) const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages handled before other things get their turn, so that a client that sends without pause
/// cannot hold up its own answers.
pub(crate) const MESSAGES_PER_TURN: usize = 64;
/// Bytes of a question of another node on the client port.
pub(crate) const PEER_QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
