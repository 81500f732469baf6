//! How nodes find each other and form exactly one cluster. `docs/bootstrap.md` has the rules, by
//! the numbers that comments here name, and the argument.
//!
//! Invariants: a data directory that names a cluster goes back to it and to no other; a promise is
//! durable before anybody is told; only the founder that has all promises founds. The decision is
//! a pure state machine (`Decider`); everything else here asks, writes and waits for it. Not here:
//! what the founder does with the founding (raft), and who listens on the client port (server).

mod ask;
mod contradiction;
mod decision;
mod error;
mod founding;
pub mod limits;
mod marker;
mod multicast_announcer;
mod obstacle;
mod peer_protocol;
mod peer_responder;
mod peer_source;
mod peers;
mod promise;
mod run;
mod seed_keeper;
mod status;
#[cfg(test)]
mod tests;
mod timing;
mod view;
mod waiting;

pub(crate) use ask::unix_ms;
pub use ask::{AskError, ClockDifference, ask, ask_clock};
pub use decision::{Decider, DeciderSettings, Step};
pub use error::BootstrapError;
pub use founding::{Founding, FoundingMember};
pub use marker::{Marker, MarkerError};
pub use multicast_announcer::MulticastAnnouncer;
pub use obstacle::Obstacle;
pub use peer_protocol::{Answer, FrameError, PREAMBLE, Question};
pub use peer_responder::PeerResponder;
pub use peer_source::PeerSource;
pub use promise::{Arbiter, Promise, PromiseRequest, Refusal, Standing, Terms};
pub use run::{Decision, complete_founding, run};
pub use seed_keeper::{SeedKeeper, SeedRow, SeedTiming};
pub use status::{Attempt, BootstrapStatus};
pub use timing::Timing;
pub use view::{Heard, HeardAt, MarkerView, PeerAnswer, View};
pub use waiting::Waiting;
