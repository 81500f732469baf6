//! A driver process: commands as lines of JSON, answers and events as lines back.

use super::kind::Kind;
use super::network::Namespace;
use super::{provision, tail};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any call that is meant to end, shorter than a test run's patience.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// What the client raised: class, message and causes as the client's language shows them.
#[derive(Debug, Clone)]
pub(crate) struct CallError {
    pub(crate) class: String,
    pub(crate) message: String,
    pub(crate) causes: String,
}

impl CallError {
    /// Class, message and causes in one text, to look for words in.
    pub(crate) fn text(&self) -> String {
        format!("{}: {} {}", self.class, self.message, self.causes)
    }
}

/// The answer of one command.
pub(crate) type Answer = Result<Value, CallError>;

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<u64, SyncSender<Value>>>,
    events: Mutex<Vec<Value>>,
    event_came: Condvar,
}

/// A process with clients in it; killed by its id when dropped.
pub(crate) struct Driver {
    pub(crate) kind: Kind,
    child: Child,
    stdin: Mutex<ChildStdin>,
    shared: Arc<Shared>,
    next_id: AtomicU64,
    dir: TempDir,
}

/// A command whose answer has not been waited for.
pub(crate) struct Pending {
    command: Value,
    answer: Receiver<Value>,
}

impl Driver {
    /// Starts the program; no client in it yet.
    pub(crate) fn spawn(kind: Kind) -> Driver {
        Driver::run(kind, provision::driver(kind))
    }

    /// As `spawn`, on a host of its own.
    pub(crate) fn spawn_in(kind: Kind, namespace: &Namespace) -> Driver {
        Driver::run(kind, namespace.wrap(&provision::driver(kind)))
    }

    fn run(kind: Kind, mut command: Command) -> Driver {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("stderr")).unwrap();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{kind} cannot be started ({error}); run: cargo xtask setup-clients")
            });
        let stdin = Mutex::new(child.stdin.take().unwrap());
        let stdout = child.stdout.take().unwrap();
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        std::thread::spawn(move || read(stdout, &reader));
        Driver { kind, child, stdin, shared, next_id: AtomicU64::new(1), dir }
    }

    /// Starts the program and a client named `default` with these options.
    pub(crate) fn start(kind: Kind, options: Value) -> Driver {
        let driver = Driver::spawn(kind);
        driver.start_client("default", options);
        driver
    }

    /// Starts one more client in the same process.
    pub(crate) fn start_client(&self, client: &str, options: Value) {
        let mut command = options;
        command["op"] = json!("start");
        command["client"] = json!(client);
        self.ok(command);
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn call(&self, command: Value) -> Answer {
        self.call_async(command).wait(ANSWER_TIMEOUT)
    }

    /// Sends a command and expects it to work.
    pub(crate) fn ok(&self, command: Value) -> Value {
        let sent = command.to_string();
        match self.call(command) {
            Ok(value) => value,
            Err(error) => panic!("{sent:.300} failed: {}", error.text()),
        }
    }

    /// Sends a command and expects it to fail.
    pub(crate) fn fails(&self, command: Value) -> CallError {
        let sent = command.to_string();
        match self.call(command) {
            Ok(value) => panic!("{sent:.300} answered {value} instead of failing"),
            Err(error) => error,
        }
    }

    /// Sends a command without waiting.
    pub(crate) fn call_async(&self, mut command: Value) -> Pending {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        command["id"] = json!(id);
        let (sender, answer) = sync_channel(1);
        self.shared.answers.lock().unwrap().insert(id, sender);
        let mut line = command.to_string();
        line.push('\n');
        // A driver that was killed answers nothing: the wait for the answer says so.
        let _ = self.stdin.lock().unwrap().write_all(line.as_bytes());
        Pending { command, answer }
    }

    /// Waits for an event, past ones included.
    pub(crate) fn wait_for(&self, timeout: Duration, matches: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.find_event(timeout, &matches) {
            return found;
        }
        // The events are not held while panicking: that would poison them for the next check.
        let events = self.shared.events.lock().unwrap().clone();
        let last: Vec<String> = events.iter().rev().take(8).map(Value::to_string).collect();
        panic!("no such event within {timeout:?}; the last ones, newest first: {last:#?}")
    }

    /// As `wait_for`, where the event may never come.
    pub(crate) fn find_event(
        &self,
        timeout: Duration,
        matches: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let deadline = Instant::now() + timeout;
        let mut events = self.shared.events.lock().unwrap();
        let mut seen = 0;
        loop {
            if let Some(found) = events[seen..].iter().find(|event| matches(event)) {
                return Some(found.clone());
            }
            seen = events.len();
            let left = deadline.checked_duration_since(Instant::now())?;
            events = self.shared.event_came.wait_timeout(events, left).unwrap().0;
        }
    }

    /// The events of one listener so far.
    pub(crate) fn events_of(&self, listener: &str) -> Vec<Value> {
        let events = self.shared.events.lock().unwrap();
        events.iter().filter(|event| event["listener"] == listener).cloned().collect()
    }

    /// What the client wrote to its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }

    /// Ends the process as a crash would: nothing is closed, nothing is said.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = tail(&self.dir.path().join("stderr"), 60);
            eprintln!("--- log of {} ---\n{log}", self.kind);
        }
    }
}

impl Pending {
    /// Waits for the answer; panics when none comes, which is always an error of the server.
    pub(crate) fn wait(self, timeout: Duration) -> Answer {
        let answer = match self.answer.recv_timeout(timeout) {
            Ok(answer) => answer,
            Err(reason) => panic!("no answer to {:.300}: {reason}", self.command.to_string()),
        };
        match answer.get("error") {
            None => Ok(answer["ok"].clone()),
            Some(class) => Err(CallError {
                class: class.as_str().unwrap_or_default().to_owned(),
                message: answer["message"].as_str().unwrap_or_default().to_owned(),
                causes: answer["causes"].to_string(),
            }),
        }
    }

    /// Expects that no answer comes within this time: the call waits on the server.
    pub(crate) fn keeps_waiting(&self, window: Duration) {
        match self.answer.recv_timeout(window) {
            Err(RecvTimeoutError::Timeout) => {}
            early => panic!("{} did not wait: {early:?}", self.command),
        }
    }
}

fn read(stdout: ChildStdout, shared: &Shared) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else {
            eprintln!("a driver wrote a line that is not JSON: {line:.300}");
            continue;
        };
        match line["id"].as_u64() {
            Some(id) => {
                if let Some(sender) = shared.answers.lock().unwrap().remove(&id) {
                    // Nobody waits any more for an answer that came too late.
                    let _ = sender.send(line);
                }
            }
            None => {
                shared.events.lock().unwrap().push(line);
                shared.event_came.notify_all();
            }
        }
    }
    // Whoever still waits learns at once that the process is gone.
    shared.answers.lock().unwrap().clear();
}
