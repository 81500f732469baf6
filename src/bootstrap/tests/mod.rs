//! Model checking of the decision, and real instances over loopback.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]

mod crashes;
mod decisions;
mod explore;
mod instance;
mod loopback;
mod responder;
mod seeds;
mod world;
