//! Looks at everything a start depends on, and at the seed directory, from outside of the node: it
//! works while the node is down as well.
//!
//! Observing and judging are apart: `Observations` are gathered here, `judge` is a pure function
//! from them to findings. Nothing is made, held or written; only `SeedStore::remove` changes
//! something. Not here: what the node's own admin API says, which the command line asks for.

mod address;
mod finding;
mod judge;
mod observations;
mod observe;
mod seeds;
#[cfg(test)]
mod tests;

pub use crate::seed::folder_of as seed_folder;
pub use address::{AddressFound, AddressSource, NodeFound, Reached};
pub use finding::{Counts, Finding, Level};
pub use judge::{Expected, address_finding, findings};
pub use observations::{
    AlarmFound, CoordinatorFound, DataFound, DataState, MulticastFound, NodeState, NodeUp,
    Observations, PortFound, SeedsFound, SeedsState,
};
pub use observe::observe;
pub use seeds::{
    Judged, LockFound, MarkerFound, SeedFound, SeedLook, SeedStore, Sorted, SortedSeed,
};
