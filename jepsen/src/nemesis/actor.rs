//! Does what the schedule says, and writes it into the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Arena, Fault, Lane, Planned, Started, row};
use crate::history::{Entry, EntryType, Process, Recorder};
use crate::report::FaultTally;

/// The process that writes these lines.
const NEMESIS: &str = "nemesis";

/// A fault that took longer than planned puts the next one off: in between, all is well so long.
const REST_MIN: Duration = Duration::from_secs(2);
/// What is left of the run after a fault.
const END_MIN: Duration = Duration::from_secs(1);

/// How often each kind of fault was done, and how often that was proved.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By kind.
    pub kinds: BTreeMap<String, FaultTally>,
    /// Sentences on faults without proof: the run is rejected.
    pub unproved: Vec<String>,
    /// Faults for which no node was free.
    pub skipped: u64,
}

struct Shared {
    arena: Arc<Arena>,
    recorder: Recorder,
    tally: Mutex<Tally>,
    /// Nodes nobody can count on, once for each fault that says so.
    faulted: Mutex<BTreeMap<usize, usize>>,
}

/// Does all lanes, in a main phase of this length; every fault has been stopped when it returns.
/// The token ends the phase.
///
/// # Errors
/// A fault could not be done or ended: the harness failed, and the run does not count.
pub async fn act(
    arena: Arc<Arena>,
    recorder: Recorder,
    lanes: &[Lane],
    time: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<Tally> {
    let (tally, faulted) = Default::default();
    let shared = Shared { arena, recorder, tally, faulted };
    let begin = Instant::now();
    let end = begin + time;
    let lanes = lanes.iter().map(|lane| act_lane(&shared, lane, begin, end, stop));
    for ended in futures::future::join_all(lanes).await {
        ended?;
    }
    Ok(shared.tally.into_inner())
}

async fn act_lane(
    shared: &Shared,
    lane: &Lane,
    begin: Instant,
    end: Instant,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut rested = begin;
    for planned in lane {
        let at = rested.max(begin + Duration::from_millis(planned.at_ms));
        if at + Duration::from_millis(planned.lasts_ms) + END_MIN > end {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep_until(at.into()) => {}
            () = stop.cancelled() => return Ok(()),
        }
        let row = row(planned.fault).context("a fault of the table")?;
        let mut fault = (row.make)();
        act_once(shared, planned, fault.as_mut(), stop)
            .await
            .with_context(|| format!("the fault {}", planned.fault))?;
        rested = Instant::now() + REST_MIN;
    }
    Ok(())
}

async fn act_once(
    shared: &Shared,
    planned: &Planned,
    fault: &mut dyn Fault,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut draw = StdRng::seed_from_u64(planned.draw);
    let leader = shared.arena.leader().await;
    let Some(started) = fault.start(&shared.arena, &mut draw).await? else {
        shared.tally.lock().skipped += 1;
        return Ok(());
    };
    shared.count(&started, 1);
    let hits_leader = leader.is_some_and(|leader| started.nodes.contains(&leader));
    shared.write(planned, &started, "start", hits_leader, &started.detail);
    let lasts = Duration::from_millis(planned.lasts_ms);
    tokio::select! {
        () = fault.hold(&shared.arena, lasts) => {}
        () = stop.cancelled() => {}
    }
    let proof = fault.stop(&shared.arena).await?;
    shared.count(&started, -1);
    shared.write(planned, &started, "stop", hits_leader, &proof.says);
    let mut tally = shared.tally.lock();
    let kind = tally.kinds.entry(planned.fault.to_owned()).or_default();
    planned.fault.clone_into(&mut kind.kind);
    kind.count += 1;
    if proof.took_hold {
        kind.took_hold += 1;
        kind.proof = proof.says;
    } else {
        tally.unproved.push(format!("{} at {} ms: {}", planned.fault, planned.at_ms, proof.says));
    }
    Ok(())
}

impl Shared {
    fn count(&self, started: &Started, by: isize) {
        let mut faulted = self.faulted.lock();
        for node in &started.faulted {
            let count = faulted.entry(*node).or_default();
            *count = count.saturating_add_signed(by);
        }
        faulted.retain(|_, count| *count > 0);
    }

    fn write(&self, planned: &Planned, started: &Started, phase: &str, leader: bool, detail: &str) {
        let faulted: BTreeSet<usize> = self.faulted.lock().keys().copied().collect();
        let faulted: Vec<usize> = faulted.into_iter().collect();
        let mut line =
            Entry::new(Process::Named(NEMESIS.to_owned()), EntryType::Info, planned.fault);
        line.value = Some(json!({
            "phase": phase,
            "nodes": Arena::names(&started.nodes),
            "leader": leader,
            "detail": detail,
            "faulted": Arena::names(&faulted),
        }));
        self.recorder.add(line);
    }
}
