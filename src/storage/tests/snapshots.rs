//! Snapshot files: written, sent, received, kept, damaged.
