//! What can go wrong with durable data, and what the operator is to do about it.
//!
//! Every variant is cheap to clone, since one failed sync fails every notice that waits for it.
//! A damaged structure is always named by file and place; it is never repaired in silence.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The advice that goes with a damaged or shortened log: a node may not come back under its old id
/// after it forgot something that it had acknowledged.
const REJOIN: &str = "do not start this node under its old id: set the data directory aside and \
                      let the node join again, empty, as a new member (new node id)";

/// An error of the durable layer. Any of these is final for the running process.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused a file operation.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was tried, as a verb: "write", "sync", "rename".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// sled returned an error.
    #[error("could not {action} the log database {}", path.display())]
    Sled {
        /// What was tried.
        action: &'static str,
        /// The database directory.
        path: PathBuf,
        /// sled's own error.
        #[source]
        source: sled::Error,
    },
    /// sled panicked, which it does in several recovery paths instead of returning an error.
    #[error(
        "the log database {} failed while trying to {action}: {panic}; {REJOIN}",
        path.display()
    )]
    SledPanic {
        /// What was tried.
        action: &'static str,
        /// The database directory.
        path: PathBuf,
        /// The text of the panic.
        panic: String,
    },
    /// A durable structure does not read back as it was written.
    #[error("{} is damaged at {place}: {damage}; {REJOIN}", path.display())]
    Damaged {
        /// The file (or the database directory for what lies in sled).
        path: PathBuf,
        /// Record, index or offset.
        place: Place,
        /// What is wrong there.
        damage: Damage,
    },
    /// The log ends before, or differs from, what the mark file says was durable.
    #[error(
        "the log in {} is damaged and was cut short, it is behind its mark: it {found}, but \
         {expected} had been made durable; {REJOIN}",
        path.display()
    )]
    BehindMark {
        /// The log's directory.
        path: PathBuf,
        /// What the log holds.
        found: String,
        /// What the mark names.
        expected: String,
    },
    /// A directory written by a newer release.
    #[error(
        "{} has format version {found}, this release reads up to {supported}; start the release \
         that wrote it, or a newer one",
        path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version this release understands.
        supported: u32,
    },
    /// Another process holds the directory.
    #[error(
        "{} is in use by another process; one statekeeper process uses one data directory: stop \
         the other one or configure another directory",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The directory belongs to another node than the configuration names.
    #[error(
        "{} belongs to node {found}, but the configuration names node {configured}; correct the \
         configuration or use another data directory",
        path.display()
    )]
    OtherNode {
        /// The identity file.
        path: PathBuf,
        /// The node id on disk.
        found: u64,
        /// The node id configured.
        configured: u64,
    },
    /// The directory already names another cluster.
    #[error(
        "{} belongs to cluster {found}, it cannot be moved to cluster {wanted}; a node changes its \
         cluster only with an empty data directory",
        path.display()
    )]
    OtherCluster {
        /// The identity file.
        path: PathBuf,
        /// The cluster on disk.
        found: String,
        /// The cluster asked for.
        wanted: String,
    },
    /// The directory has promised its one founding to somebody else.
    #[error(
        "{} holds a promise to founder {found} already, none is free for founder {wanted}",
        path.display()
    )]
    AlreadyPromised {
        /// The identity file.
        path: PathBuf,
        /// The founder that holds the promise.
        found: u64,
        /// The founder that asked.
        wanted: u64,
    },
    /// The sync shim is not linked in: sled's flush would not reach the disk.
    #[error(
        "the sync shim was not called when a record was flushed to {}: an acknowledged write \
         would not survive a power cut; this program was linked wrongly, use an official build \
         for Linux (a preloaded library that defines sync_file_range also causes this)",
        path.display()
    )]
    ShimNotLinked {
        /// The database directory.
        path: PathBuf,
    },
    /// sled wrote a value into an unsynced side file.
    #[error(
        "{} holds {files} side files of sled, which are not made durable; {REJOIN}",
        path.display()
    )]
    SideFiles {
        /// The `blobs` directory.
        path: PathBuf,
        /// How many files it holds.
        files: u64,
    },
    /// A single entry is larger than the log takes.
    #[error("log entry {index} has {bytes} bytes, the limit is {limit}")]
    EntryTooLarge {
        /// The entry's index.
        index: u64,
        /// Its encoded size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Entries were handed over in an order that would leave a hole.
    #[error("log entry {found} does not follow the last log entry: {expected} is next")]
    NotConsecutive {
        /// The index that would have been right.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// A value of ours could not be brought into its durable form.
    #[error("could not encode {what}: {source}")]
    Encode {
        /// What was to be written.
        what: &'static str,
        /// The encoder's answer.
        #[source]
        source: postcard::Error,
    },
    /// A snapshot was received in an order or size that does not fit.
    #[error("snapshot chunk at offset {found} does not fit, {expected} is next")]
    ChunkOutOfOrder {
        /// The offset that would have been right.
        expected: u64,
        /// The offset that came.
        found: u64,
    },
    /// The writer has stopped, after an error or because it was closed.
    #[error("the log writer of {} has stopped; the process is to be restarted", path.display())]
    Stopped {
        /// The log's directory.
        path: PathBuf,
    },
    /// A snapshot was asked for that is not there.
    #[error("there is no snapshot file {}", path.display())]
    NoSnapshot {
        /// The file.
        path: PathBuf,
    },
}

/// Where in a durable structure something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The whole file.
    File,
    /// A byte offset.
    Offset(u64),
    /// A log index.
    Index(u64),
    /// A named record.
    Record(&'static str),
    /// A block of a snapshot, counted from 0.
    Block(u64),
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The opening bytes are not the expected ones.
    Magic,
    /// The checksum does not fit.
    Checksum {
        /// As stored.
        stored: u32,
        /// As calculated.
        calculated: u32,
    },
    /// It ends too early.
    Truncated,
    /// It goes on after its end.
    TrailingBytes,
    /// A length or count outside its limits.
    Length(u64),
    /// An entry is missing between its neighbours.
    Hole,
    /// A piece of a large entry is missing.
    MissingPiece(u16),
    /// The bytes pass their checksum and still do not decode.
    Undecodable,
    /// The file is not there although something refers to it.
    Missing,
    /// The content is not the one that the pointer names.
    OtherContent,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => write!(f, "its whole"),
            Self::Offset(offset) => write!(f, "offset {offset}"),
            Self::Index(index) => write!(f, "log index {index}"),
            Self::Record(name) => write!(f, "record {name}"),
            Self::Block(number) => write!(f, "block {number}"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => write!(f, "it does not begin with the expected bytes"),
            Self::Checksum { stored, calculated } => {
                write!(f, "the checksum is {stored:08x}, the content gives {calculated:08x}")
            }
            Self::Truncated => write!(f, "it ends too early"),
            Self::TrailingBytes => write!(f, "bytes follow after its end"),
            Self::Length(length) => write!(f, "the length {length} is out of range"),
            Self::Hole => write!(f, "an entry is missing"),
            Self::MissingPiece(piece) => write!(f, "piece {piece} of a large entry is missing"),
            Self::Undecodable => write!(f, "the content does not decode"),
            Self::Missing => write!(f, "it is missing"),
            Self::OtherContent => write!(f, "the content is not the one that was recorded"),
        }
    }
}

impl StorageError {
    /// Wraps an operating system error; made to be used in `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: Arc::new(source) }
    }

    /// Wraps a sled error; made to be used in `map_err`.
    pub(crate) fn sled(action: &'static str, path: &Path) -> impl FnOnce(sled::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Sled { action, path, source }
    }

    /// Names a damaged place.
    pub(crate) fn damaged(path: &Path, place: Place, damage: Damage) -> Self {
        Self::Damaged { path: path.to_owned(), place, damage }
    }
}

impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        let kind = match &error {
            StorageError::Io { source, .. } => source.kind(),
            StorageError::Damaged { .. }
            | StorageError::BehindMark { .. }
            | StorageError::NewerFormat { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
