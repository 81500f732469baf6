//! Several nodes in one process: founding, replication, failures, snapshots, membership.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::disallowed_methods, reason = "a task of a test ends with its runtime")]

mod events;
mod failures;
mod founding;
mod identity;
mod line;
mod snapshots;
mod trial;
mod waits;
