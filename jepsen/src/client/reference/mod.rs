//! A server in memory, always right: one mutex, and around it delays, time-outs and losses by seed.
//! And the same, spoilt: one answer in so many is wrong, in one certain way.
//!
//! It shows that workloads and checkers raise no false alarm, and that they raise the true one. It
//! is no model of statekeeper: what it does is what the models say, and nothing else.

mod client;
mod objects;
mod spoil;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;

pub use client::ReferenceClient;
pub use spoil::{Spoil, Wrong};
use state::State;

use super::{Listen, Listener, Outcome};

/// What happens to requests on their way.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The longest delay of a request, and again of its answer.
    pub delay_max: Duration,
    /// One request in so many is refused.
    pub refused_one_in: u32,
    /// One request in so many is lost before it is done.
    pub lost_before_one_in: u32,
    /// One request in so many is done and its answer lost.
    pub lost_after_one_in: u32,
    /// One request in so many is done later, after its caller was told that nobody knows.
    pub late_one_in: u32,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            delay_max: Duration::from_millis(2),
            refused_one_in: 50,
            lost_before_one_in: 200,
            lost_after_one_in: 200,
            late_one_in: 200,
        }
    }
}

impl Weather {
    /// Every request arrives at once, and so does its answer.
    pub fn fair() -> Self {
        Self {
            delay_max: Duration::ZERO,
            refused_one_in: 0,
            lost_before_one_in: 0,
            lost_after_one_in: 0,
            late_one_in: 0,
        }
    }
}

/// The server; a copy is the same one.
#[derive(Clone)]
pub struct Reference {
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    weather: Weather,
    state: Mutex<State>,
    /// Whoever waits for a lock looks again.
    released: Notify,
    clients: AtomicU64,
}

impl Reference {
    /// A server whose delays, losses and wrong answers come from the seed.
    pub fn new(seed: u64, spoil: Option<Spoil>) -> Self {
        Self::in_weather(seed, spoil, Weather::default())
    }

    /// As `new`, with another weather.
    pub fn in_weather(seed: u64, spoil: Option<Spoil>, weather: Weather) -> Self {
        let state = Mutex::new(State::new(seed, spoil));
        let (released, clients) = (Notify::new(), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { seed, weather, state, released, clients }) }
    }

    /// One more logical process.
    pub fn client(&self) -> ReferenceClient {
        let number = self.shared.clients.fetch_add(1, Ordering::Relaxed) + 1;
        let random = StdRng::seed_from_u64(self.shared.seed ^ number.wrapping_mul(0x9e37_79b9));
        ReferenceClient::new(Arc::clone(&self.shared), number, random)
    }

    /// Listens to a map, or to one key of it.
    pub fn listen(&self, wanted: &Listen) -> Listener {
        self.shared.state.lock().listen(wanted)
    }

    /// Ends every registration, as the failure of a node does.
    pub fn lose_listeners(&self) {
        self.shared.state.lock().lose_listeners();
    }

    /// Ends the session of a client, as its time does: its locks are free.
    pub fn expire_session(&self, client: u64) {
        self.shared.state.lock().expire_session(client);
        self.shared.released.notify_waiters();
    }

    /// How many wrong answers were given so far.
    pub fn wrong_answers(&self) -> u64 {
        self.shared.state.lock().wrong_answers()
    }
}

/// Whether this is the one in so many; never, for zero.
fn hits(random: &mut StdRng, one_in: u32) -> bool {
    one_in > 0 && random.random_ratio(1, one_in)
}

fn refused(why: &str) -> Outcome {
    Outcome::Fail { error: why.to_owned() }
}

#[cfg(test)]
mod tests;
