//! The image of the whole machine.

use thiserror::Error;

/// A view of the state at one moment.
#[derive(Debug)]
pub struct Frozen {}

impl Frozen {
    /// The image in blocks of at most 256 KiB, unless one record is larger.
    pub fn blocks(self) -> impl Iterator<Item = Vec<u8>> + Send {
        std::iter::empty()
    }
}

/// Why an image cannot be restored.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The image was written by another version of the format.
    #[error("machine image has version {found}, this program reads version {known}")]
    Version {
        /// What the image says.
        found: u32,
        /// What this program reads.
        known: u32,
    },
    /// A block does not decode.
    #[error("machine image does not decode at item {item}")]
    Damaged {
        /// Items read before.
        item: u64,
    },
    /// The image ends before its last item.
    #[error("machine image ends after {items} items without its end mark")]
    CutShort {
        /// Items read.
        items: u64,
    },
    /// The image holds other content than its end mark says.
    #[error("machine image does not match the digest at its end")]
    Mismatch,
}
