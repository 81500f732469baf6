//! The last phase: all faults are healed, so everything must be answered.

use std::time::{Duration, Instant};

use thiserror::Error;

use super::{Run, worker};
use crate::client::{Client, Outcome};

/// Something was not answered although everything is healed: the cluster does not live.
#[derive(Clone, Debug, Error)]
#[error("{f} of {object} was not answered within {within:?} after everything was healed: {why}")]
pub struct Unanswered {
    f: String,
    object: String,
    within: Duration,
    why: String,
}

/// How long between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks one after the other, from node to node; what is refused or unknown is asked again.
pub(super) async fn ask_all(run: &Run, within: Duration) -> Result<(), Unanswered> {
    let all = run.workload.lock().last();
    let mut client: Option<(u64, Box<dyn Client>)> = None;
    for (number, asked) in all.iter().enumerate() {
        let deadline = Instant::now() + within;
        // Each is asked of another node: all of them must serve.
        client = if number % 3 == 2 { None } else { client };
        let mut attempt = 0;
        loop {
            let why = match client.take() {
                Some((process, mut current)) => {
                    match run.ask(process, current.as_mut(), asked).await {
                        Outcome::Ok { .. } => {
                            client = Some((process, current));
                            break;
                        }
                        Outcome::Fail { error }
                        | Outcome::Info { error }
                        | Outcome::Violation { error } => {
                            worker::abandon(run, process, current);
                            error
                        }
                    }
                }
                None => {
                    let node = (number + attempt) % run.ways.nodes();
                    let process = run.fresh_process();
                    match run.ways.connect(process, node, asked.within).await {
                        Ok(connected) => {
                            client = Some((process, connected));
                            continue;
                        }
                        Err(error) => error,
                    }
                }
            };
            attempt += 1;
            if Instant::now() >= deadline {
                let (f, object) = (asked.op.f.clone(), asked.object.clone());
                return Err(Unanswered { f, object, within, why });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}
