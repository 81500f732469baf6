//! One logical process inside a driver.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::lines::Lines;
use super::millis;
use crate::client::listener::channel;
use crate::client::{Client, Effect, Failure, Listen, Listener, Op, Outcome, answer, counter};

/// A client library's client with a thread of its own. Dropped, it ends as by a crash: its session
/// ends by its time.
pub struct DriverClient {
    lines: Arc<Lines>,
    process: u64,
    node: String,
    /// The call that was given up: its thread is busy with it until it is answered.
    unanswered: Option<oneshot::Receiver<Value>>,
    listeners: Vec<String>,
}

impl DriverClient {
    pub(super) fn new(lines: Arc<Lines>, process: u64, node: String) -> Self {
        Self { lines, process, node, unanswered: None, listeners: Vec::new() }
    }

    /// Sends a command of this process and waits for its answer.
    pub(super) async fn ask(&mut self, command: Value, within: Duration) -> Result<Value, Failure> {
        let deadline = Instant::now() + within;
        if let Some(earlier) = &mut self.unanswered {
            if timeout_at(deadline, earlier).await.is_err() {
                return Err(Failure::NotSent("an earlier call is not answered yet".to_owned()));
            }
            self.unanswered = None;
        }
        let mut answer = self.lines.send(command, deadline).await?;
        let mut line = match timeout_at(deadline, &mut answer).await {
            Ok(Ok(line)) => line,
            Ok(Err(_)) => return Err(Failure::ConnectionLost("the driver has ended".to_owned())),
            Err(_) => {
                self.unanswered = Some(answer);
                return Err(Failure::TimedOut);
            }
        };
        if let Some(class) = line["error"].as_str() {
            return Err(Failure::of_class(class, line["message"].as_str().unwrap_or_default()));
        }
        match line.get_mut("ok") {
            Some(told) => Ok(told.take()),
            None => Err(Failure::OutsideProtocol(format!("a driver answered {line:.200}"))),
        }
    }

    async fn perform(&mut self, op: &Op, within: Duration) -> Outcome {
        if op.object == "counter" {
            return counter::perform(self, op, within).await;
        }
        let mut command = match serde_json::to_value(op) {
            Ok(command) => command,
            Err(error) => return answer::cannot(op, &error.to_string()),
        };
        command["process"] = self.process.into();
        command["within"] = millis(within).into();
        match self.ask(command, within).await {
            Ok(told) => answer::ok(op, told),
            Err(failure) => failure.outcome(Effect::of(&op.object, &op.f)),
        }
    }

    async fn register(&mut self, wanted: &Listen, within: Duration) -> Result<Listener, Outcome> {
        let (sink, listener) = channel();
        self.lines.hear(&wanted.listener, sink);
        self.listeners.push(wanted.listener.clone());
        let mut command = json!({
            "process": self.process,
            "object": "map",
            "name": wanted.map,
            "f": "listen",
            "listener": wanted.listener,
            "within": millis(within),
        });
        if let Some(key) = &wanted.key {
            command["key"] = key.clone();
        }
        match self.ask(command, within).await {
            Ok(_) => Ok(listener),
            Err(failure) => {
                self.lines.unhear(&wanted.listener);
                Err(failure.outcome(Effect::Once))
            }
        }
    }
}

impl Client for DriverClient {
    fn call<'a>(&'a mut self, op: &'a Op, within: Duration) -> BoxFuture<'a, Outcome> {
        self.perform(op, within).boxed()
    }

    fn node(&self) -> Option<String> {
        Some(self.node.clone())
    }

    fn listen<'a>(
        &'a mut self,
        wanted: &'a Listen,
        within: Duration,
    ) -> BoxFuture<'a, Result<Listener, Outcome>> {
        self.register(wanted, within).boxed()
    }
}

impl Drop for DriverClient {
    fn drop(&mut self) {
        self.listeners.iter().for_each(|listener| self.lines.unhear(listener));
        self.lines.send_now(&json!({ "process": self.process, "do": "close" }));
    }
}
