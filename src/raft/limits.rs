//! Every bound of replication, with its reason.

use std::time::Duration;

/// Bytes of one frame: the largest log entry and what travels beside it.
pub(crate) const FRAME_BYTES_MAX: usize = 80 * 1024 * 1024;
/// Bytes of the first frame of a connection, read before anybody has said who they are.
pub(crate) const HELLO_BYTES_MAX: usize = 4 * 1024;
/// How long a connection may take to say who it is.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections of other nodes: five each, so this is far more than a group can use.
pub(crate) const CONNECTIONS_MAX: usize = 1024;
/// Requests of one connection that are worked on at a time; then it is not read any further.
pub(crate) const REQUESTS_PER_CONNECTION_MAX: usize = 1024;
/// Frames queued on one outgoing connection before its users wait.
pub(crate) const LINK_QUEUE_FRAMES: usize = 32;
/// Append requests on their way to one follower: enough to fill a long line, and at about 1 MiB
/// each not much memory.
pub(crate) const APPENDS_IN_FLIGHT_MAX: usize = 16;
/// Entries of one append request; its bytes are bounded by the log's reader.
pub(crate) const APPEND_ENTRIES_MAX: u64 = 1024;
/// Commands of this node without an answer. Below the number of replies that the machine remembers
/// for one node (65,536), so that no open command can be forgotten there.
pub(crate) const OPEN_COMMANDS_MAX: usize = 32_768;
/// Their bytes.
pub(crate) const OPEN_COMMAND_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The largest command: what the log takes for one entry, with room for its frame.
pub(crate) const COMMAND_BYTES_MAX: u64 = 60 * 1024 * 1024;
/// Commands of one batch on its way to the leader.
pub(crate) const BATCH_COMMANDS_MAX: usize = 512;
/// About the bytes of one batch; a single command may be larger.
pub(crate) const BATCH_BYTES_MAX: u64 = 1024 * 1024;
/// Batches of this node on their way to the leader.
pub(crate) const BATCHES_IN_FLIGHT_MAX: usize = 64;
/// Linearizable reads that wait for their round.
pub(crate) const WAITING_READS_MAX: usize = 65_536;
/// Reports of other nodes that wait for the leader's loop: a node sends a few each second.
pub(crate) const REPORTS_WAITING_MAX: usize = 256;
/// Keys whose reads are counted between two reports; more are not counted.
pub(crate) const TOUCHED_KEYS_MAX: usize = 8_192;
/// Bytes of a snapshot in one chunk.
pub(crate) const SNAPSHOT_CHUNK_BYTES: usize = 512 * 1024;
/// Bytes of a snapshot written or sent in a second: the log's syncs and the appends go first.
pub(crate) const SNAPSHOT_BYTES_PER_SECOND: u64 = 128 * 1024 * 1024;
/// How often a change of the membership looks whether heartbeats were answered.
pub(crate) const HEARTBEAT_LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long a command waits before it is sent again after a refusal that will pass.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// How long a failed connection attempt keeps others from trying again.
pub(crate) const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
