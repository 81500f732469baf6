//! Several nodes in one process: founding, replication, failures, snapshots, membership.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod events;
mod failures;
mod founding;
mod identity;
mod line;
mod snapshots;
mod trial;
mod waits;
