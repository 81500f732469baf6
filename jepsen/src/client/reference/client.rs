//! One logical process on the reference server.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::state::{Applied, SESSION_TIME_TO_LIVE};
use super::{Shared, hits, refused};
use crate::client::{
    Client, Effect, Failure, Listen, Listener, Op, Outcome, SessionSeen, answer, counter,
};

/// How often who waits for a lock looks whether a session has ended meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A client; dropped, its session ends by its time.
pub struct ReferenceClient {
    shared: Arc<Shared>,
    number: u64,
    random: StdRng,
    beats: bool,
}

impl ReferenceClient {
    pub(super) fn new(shared: Arc<Shared>, number: u64, random: StdRng) -> Self {
        Self { shared, number, random, beats: true }
    }

    /// What the server knows it by, as `Reference::expire_session` wants it.
    pub fn number(&self) -> u64 {
        self.number
    }

    async fn perform(&mut self, op: &Op, within: Duration) -> Outcome {
        match op.object.as_str() {
            "counter" => counter::perform(self, op, within).await,
            "session" => self.on_session(op),
            _ => {
                let effect = Effect::of(&op.object, &op.f);
                let answer = tokio::time::timeout(within, self.exchange(op, effect)).await;
                answer.unwrap_or_else(|_| Failure::TimedOut.outcome(effect))
            }
        }
    }

    async fn exchange(&mut self, op: &Op, effect: Effect) -> Outcome {
        self.travel().await;
        let weather = self.shared.weather;
        if hits(&mut self.random, weather.refused_one_in) {
            return refused("refused by the weather");
        }
        if hits(&mut self.random, weather.lost_before_one_in) {
            return Failure::TimedOut.outcome(effect);
        }
        if op.object != "lock" && hits(&mut self.random, weather.late_one_in) {
            self.shared.state.lock().apply_late(self.number, op, Instant::now());
            return Failure::TimedOut.outcome(effect);
        }
        let outcome = self.wait_for(op).await;
        if op.f == "release" {
            self.shared.released.notify_waiters();
        }
        self.travel().await;
        if hits(&mut self.random, weather.lost_after_one_in) {
            Failure::TimedOut.outcome(effect)
        } else {
            outcome
        }
    }

    async fn wait_for(&self, op: &Op) -> Outcome {
        let patience = op.value.as_ref().and_then(Value::as_u64).unwrap_or(0);
        let gives_up = Instant::now() + Duration::from_millis(patience);
        loop {
            let released = self.shared.released.notified();
            {
                let mut state = self.shared.state.lock();
                if op.object == "lock" && state.take_ended(self.number) {
                    return refused("the session had ended");
                }
                match state.apply(self.number, op, Instant::now()) {
                    Applied::Done(outcome) => return outcome,
                    Applied::Waits => {}
                }
            }
            if op.f == "try-acquire" && Instant::now() >= gives_up {
                return answer::ok(op, json!(0));
            }
            let mut wake = Instant::now() + LOOK_INTERVAL;
            if op.f == "try-acquire" {
                wake = wake.min(gives_up);
            }
            // Either is a reason to look again.
            let _ = tokio::time::timeout_at(wake, released).await;
        }
    }

    /// The operations that the native client has on its session.
    fn on_session(&mut self, op: &Op) -> Outcome {
        let now = Instant::now();
        let mut state = self.shared.state.lock();
        let told = match op.f.as_str() {
            "state" => json!({
                "session": self.number,
                "ttl-ms": u64::try_from(SESSION_TIME_TO_LIVE.as_millis()).unwrap_or(u64::MAX),
                "heartbeat-age-ms": 0,
                "beats": self.beats,
            }),
            "pause" => {
                self.beats = false;
                state.begin_expiry(self.number, now);
                json!(false)
            }
            "resume" | "heartbeat" => {
                self.beats = true;
                state.keep_alive(self.number, now);
                json!(true)
            }
            "close" => {
                state.expire_session(self.number);
                drop(state);
                self.shared.released.notify_waiters();
                json!(true)
            }
            _ => return answer::cannot(op, "not an operation of a session"),
        };
        answer::ok(op, told)
    }

    async fn travel(&mut self) {
        let longest = self.shared.weather.delay_max;
        if !longest.is_zero() {
            let share = self.random.random_range(0.0..=1.0);
            tokio::time::sleep(longest.mul_f64(share)).await;
        }
    }
}

impl Client for ReferenceClient {
    fn call<'a>(&'a mut self, op: &'a Op, within: Duration) -> BoxFuture<'a, Outcome> {
        self.perform(op, within).boxed()
    }

    fn node(&self) -> Option<String> {
        Some("reference".to_owned())
    }

    fn session(&self) -> Option<SessionSeen> {
        // It beats until the client is dropped.
        let (renewed_at, time_to_live) = (std::time::Instant::now(), SESSION_TIME_TO_LIVE);
        Some(SessionSeen { renewed_at, time_to_live })
    }

    fn listen<'a>(
        &'a mut self,
        wanted: &'a Listen,
        _within: Duration,
    ) -> BoxFuture<'a, Result<Listener, Outcome>> {
        let listener = self.shared.state.lock().listen(wanted);
        Box::pin(std::future::ready(Ok(listener)))
    }
}

impl Drop for ReferenceClient {
    fn drop(&mut self) {
        self.shared.state.lock().begin_expiry(self.number, Instant::now());
    }
}
