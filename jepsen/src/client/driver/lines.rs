//! The lines between the harness and a child: answers by their id, events by their listener.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::client::listener::Sink;
use crate::client::{Failure, ListenerEvent};

/// Lines that may wait for a child that reads slowly or not at all: a few for each process.
const WAITING_LINES_MAX: usize = 1024;

/// Both directions.
pub(super) struct Lines {
    out: mpsc::Sender<String>,
    state: Mutex<State>,
    next: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    listeners: HashMap<String, Sink>,
    ended: bool,
}

impl Lines {
    /// Begins to write and to read.
    pub(super) fn begin(
        input: ChildStdin,
        output: ChildStdout,
        tasks: &mut JoinSet<()>,
    ) -> Arc<Self> {
        let (out, waiting) = mpsc::channel(WAITING_LINES_MAX);
        let (state, next) = (Mutex::default(), AtomicU64::new(1));
        let lines = Arc::new(Self { out, state, next });
        tasks.spawn(write(input, waiting));
        tasks.spawn(read(output, Arc::clone(&lines)));
        lines
    }

    /// Sends a command under a new id; its answer comes through what is given back.
    pub(super) async fn send(
        &self,
        mut command: Value,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Value>, Failure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        command["id"] = id.into();
        let (sender, answer) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if state.ended {
                return Err(Failure::NotSent("the driver has ended".to_owned()));
            }
            state.waiting.insert(id, sender);
        }
        match timeout_at(deadline, self.out.send(format!("{command}\n"))).await {
            Ok(Ok(())) => Ok(answer),
            Ok(Err(_)) | Err(_) => {
                self.state.lock().waiting.remove(&id);
                Err(Failure::NotSent("the driver takes no lines".to_owned()))
            }
        }
    }

    /// Sends a command that has no answer, if there is room for it.
    pub(super) fn send_now(&self, command: &Value) {
        // A child that reads nothing any more has nothing to close either.
        let _ = self.out.try_send(format!("{command}\n"));
    }

    /// Where the events of a listener go from now on.
    pub(super) fn hear(&self, listener: &str, sink: Sink) {
        self.state.lock().listeners.insert(listener.to_owned(), sink);
    }

    /// Nobody hears this listener.
    pub(super) fn unhear(&self, listener: &str) {
        self.state.lock().listeners.remove(listener);
    }

    fn take(&self, line: Value) {
        let mut state = self.state.lock();
        if let Some(id) = line["id"].as_u64() {
            if let Some(waiting) = state.waiting.remove(&id) {
                // Whoever gave up before has dropped its end.
                let _ = waiting.send(line);
            }
            return;
        }
        let (Some(label), Some(f)) = (line["listener"].as_str(), line["f"].as_str()) else {
            return;
        };
        let given = |field: &str| line.get(field).filter(|value| !value.is_null()).cloned();
        let Some(sink) = state.listeners.get(label) else { return };
        let event = ListenerEvent {
            listener: label.to_owned(),
            f: f.to_owned(),
            key: given("key").unwrap_or(Value::Null),
            value: given("value"),
            old: given("old"),
        };
        if f == "lost" || !sink.send(event) {
            state.listeners.remove(label);
        }
    }

    /// Whoever still waits learns at once that the child is gone.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        state.waiting.clear();
        state.listeners.clear();
    }
}

async fn write(mut input: ChildStdin, mut lines: mpsc::Receiver<String>) {
    while let Some(line) = lines.recv().await {
        if input.write_all(line.as_bytes()).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

async fn read(output: ChildStdout, lines: Arc<Lines>) {
    let mut output = BufReader::new(output).lines();
    while let Ok(Some(line)) = output.next_line().await {
        match serde_json::from_str(&line) {
            Ok(line) => lines.take(line),
            Err(error) => eprintln!("a driver wrote a line that is no JSON ({error}): {line:.200}"),
        }
    }
    lines.end();
}
