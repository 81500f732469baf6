//! Model checking of the decision, and real instances over loopback.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod crashes;
mod decisions;
mod explore;
mod instance;
mod loopback;
mod responder;
mod seeds;
mod world;
