//! Every bound of the durable layer, with its reason.

/// The largest encoded log entry. A client's message is bounded far below it; what is larger is an
/// error before anything is written.
pub(crate) const ENTRY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes on their way to the disk before `append` waits: keeps a slow disk from eating the memory.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of the log's newest part kept decoded in memory for replication and apply.
pub(crate) const TAIL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes that one read from the disk, or one replication request, takes at most (one entry more).
pub(crate) const READ_BYTES_MAX: usize = 1024 * 1024;

/// The largest block of a snapshot: a damaged length must not make us allocate more.
pub(crate) const SNAPSHOT_BLOCK_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// The largest log id and membership in a snapshot's header.
pub(crate) const SNAPSHOT_META_BYTES_MAX: u32 = 1024 * 1024;

/// Bytes of a snapshot between two syncs, so that the log's syncs get their turn.
pub(crate) const SNAPSHOT_SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// Snapshot files kept: the current one, and one that may still be on its way to a follower.
pub(crate) const SNAPSHOTS_KEPT: usize = 2;
