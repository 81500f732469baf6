//! A worker: one process after the other, each with a client of its own.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Ending, Run};
use crate::client::{Client, Outcome, SessionSeen};
use crate::history::{Entry, EntryType, Process};
use crate::workload::{Next, WITHIN};

/// How long a worker rests after a connection that failed.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Every so many workers one goes from node to node instead of staying.
const WANDERER: usize = 4;
/// An expiry is written down so long before it may happen: a line that comes too late would accuse
/// a server that is right.
const EXPIRY_LEAD: Duration = Duration::from_millis(100);
const EXPIRY_LOOK: Duration = Duration::from_millis(5);

/// Asks until the token ends.
pub(super) async fn work(run: Run, worker: usize, stop: CancellationToken) {
    let mut random = run.random(worker as u64 + 1);
    let pace = run.workload.lock().pace();
    let mut place = Place { worker, attempts: 0 };
    let mut current: Option<(u64, Box<dyn Client>)> = None;
    while !stop.is_cancelled() {
        let (process, mut client) = match current.take() {
            Some(current) => current,
            None => {
                let node = place.node(run.ways.nodes());
                let process = run.fresh_process();
                match run.ways.connect(process, node, WITHIN).await {
                    Ok(client) => (process, client),
                    Err(_) => {
                        tokio::time::sleep(RECONNECT_PAUSE).await;
                        continue;
                    }
                }
            }
        };
        let next = run.workload.lock().next(worker, &mut random);
        let asked = match next {
            Next::Wait(time) => {
                current = Some((process, client));
                tokio::time::sleep(time).await;
                continue;
            }
            Next::Ask(asked) => asked,
        };
        if asked.op.f == "die" {
            let outcome = Outcome::Ok { value: None, result: None };
            run.workload.lock().done(worker, &asked, &outcome);
            abandon(&run, process, client);
            continue;
        }
        let outcome = run.ask(process, client.as_mut(), &asked).await;
        run.workload.lock().done(worker, &asked, &outcome);
        match outcome {
            Outcome::Ok { .. } => current = Some((process, client)),
            // It may be that the connection is gone: the next operation will tell.
            Outcome::Fail { .. } => {
                current = Some((process, client));
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
            Outcome::Info { .. } | Outcome::Violation { .. } => abandon(&run, process, client),
        }
        tokio::time::sleep(pace).await;
    }
}

/// Most workers stay at their node, also when it is a bad one: stale nodes must be asked.
struct Place {
    worker: usize,
    attempts: usize,
}

impl Place {
    fn node(&mut self, nodes: usize) -> usize {
        let attempts = self.attempts;
        self.attempts += 1;
        // One that stays tries another node now and then, or it would ask nobody for long.
        let wanders = self.worker.is_multiple_of(WANDERER) || attempts % 3 == 2;
        let moved = if wanders { attempts } else { 0 };
        (self.worker + moved) % nodes
    }
}

/// Leaves a client without closing its session, and writes down when the session may end.
fn abandon(run: &Run, process: u64, client: Box<dyn Client>) {
    let Some(SessionSeen { renewed_at, time_to_live }) = client.session() else { return };
    drop(client);
    run.sessions.lock().ending.push((renewed_at + time_to_live, process));
}

/// Writes down each session's earliest end when its time has come, as long as it is polled.
pub(super) async fn expire_sessions(run: &Run) -> Infallible {
    loop {
        let due = run.sessions.lock().take_due(Instant::now() + EXPIRY_LEAD);
        for Ending { at, owner, objects } in due {
            for object in objects {
                // Each of them stays open for ever, so each needs a process.
                let by = run.fresh_process();
                let mut entry = Entry::new(Process::Client(by), EntryType::Invoke, "expire");
                entry.key = Some(object.clone().into());
                entry.client = Some(owner.into());
                entry.more.insert("object".to_owned(), object.into());
                run.recorder.add(entry);
            }
            if Instant::now() > at {
                let text =
                    format!("the end of the session of process {owner} was written too late");
                run.faults.lock().push(text);
            }
        }
        tokio::time::sleep(EXPIRY_LOOK).await;
    }
}
