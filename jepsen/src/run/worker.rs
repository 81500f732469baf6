//! A worker: one process after the other, each with a client of its own.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Run;
use crate::client::{Client, Outcome, SessionSeen};
use crate::workload::WITHIN;

/// How long a worker rests after a connection that failed.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// A client that is refused so often in a row may have no connection any more.
const FAILS_MAX: u32 = 5;
/// Every so many workers one goes from node to node instead of staying.
const WANDERER: usize = 4;
/// Asks until the token ends.
pub(super) async fn work(run: Run, worker: usize, stop: CancellationToken) {
    let mut random = run.random(worker as u64 + 1);
    let pace = run.workload.lock().pace();
    let mut place = Place { worker, attempts: 0 };
    let mut current: Option<(u64, Box<dyn Client>)> = None;
    let mut fails = 0;
    while !stop.is_cancelled() {
        let (process, mut client) = match current.take() {
            Some(current) => current,
            None => {
                let node = place.node(run.ways.nodes());
                let process = run.fresh_process();
                match run.ways.connect(process, node, WITHIN).await {
                    Ok(client) => {
                        fails = 0;
                        (process, client)
                    }
                    Err(_) => {
                        tokio::time::sleep(RECONNECT_PAUSE).await;
                        continue;
                    }
                }
            }
        };
        let asked = run.workload.lock().next(worker, &mut random);
        if asked.op.f == "die" {
            let outcome = Outcome::Ok { value: None, result: None };
            run.workload.lock().done(worker, &asked, &outcome);
            abandon(&run, process, client);
            continue;
        }
        let (begin, seen) = (Instant::now(), client.session());
        let outcome = run.ask(process, client.as_mut(), &asked).await;
        if has_lost_session(&outcome) {
            // The client makes a new one: for the model that is another owner. A session that was
            // made by this very call ended no earlier than the call began.
            let end = seen.map_or(begin, |seen| seen.renewed_at + seen.time_to_live);
            run.sessions.lock().ends.insert(process, end);
            let lost = Outcome::Info { error: "the session ended".to_owned() };
            run.workload.lock().done(worker, &asked, &lost);
            continue;
        }
        run.workload.lock().done(worker, &asked, &outcome);
        match outcome {
            Outcome::Ok { .. } => {
                fails = 0;
                current = Some((process, client));
            }
            Outcome::Fail { .. } => {
                fails += 1;
                if fails < FAILS_MAX {
                    current = Some((process, client));
                } else {
                    abandon(&run, process, client);
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
            Outcome::Info { .. } | Outcome::Violation { .. } => abandon(&run, process, client),
        }
        tokio::time::sleep(pace).await;
    }
}

/// Heartbeats did not get through for so long that the session is gone, and its locks with it.
fn has_lost_session(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Fail { error } if error.starts_with("SessionExpired"))
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

/// Leaves a client without closing its session, and remembers when the session may end.
pub(super) fn abandon(run: &Run, process: u64, client: Box<dyn Client>) {
    let Some(SessionSeen { renewed_at, time_to_live }) = client.session() else { return };
    drop(client);
    run.sessions.lock().ends.insert(process, renewed_at + time_to_live);
}
