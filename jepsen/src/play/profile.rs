//! Named sets of runs: what is played while one works, in the test command, before a change lands,
//! at night.

use anyhow::bail;

use super::ClientKind;
use crate::nemesis::{ROWS, only_workload};
use crate::workload;

/// One run of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The workload.
    pub workload: &'static str,
    /// The nemesis.
    pub nemesis: &'static str,
    /// Through which client.
    pub client: ClientKind,
    /// Voters.
    pub nodes: usize,
    /// Length of the main phase, seconds.
    pub time_s: u64,
    /// The seed; with it each of the faults is done within the time, which a test holds.
    pub seed: u64,
}

const fn cell(workload: &'static str, nemesis: &'static str, seed: u64) -> Cell {
    Cell { workload, nemesis, client: ClientKind::Native, nodes: 3, time_s: CI_TIME_S, seed }
}

/// A cell of the test command with one or two faults of a class.
const CI_TIME_S: u64 = 15;
/// One with three.
const CI_LONGER_S: u64 = 18;

const fn longer(workload: &'static str, nemesis: &'static str, seed: u64) -> Cell {
    Cell { time_s: CI_LONGER_S, ..cell(workload, nemesis, seed) }
}

/// Every workload, every fault and every client once, and all faults together once.
const CI: &[Cell] = &[
    longer("register", "halves,leader-alone,one-way", 2),
    longer("map-entry", "kill,kill-leader,kill-all", 2),
    longer("map-whole", "kill-majority,pause,pause-leader", 2),
    cell("set-full", "snapshot,lag", 1),
    longer("counter", "reset,loss,duplicate", 2),
    cell("lock", "reorder,corrupt", 1),
    cell("register", "power,power-all", 1),
    cell("lock-reentrant", "restart", 1),
    cell("lock-session", "pause-majority,starve", 1),
    longer("ids", "clock-jump,clock-strobe,clock-drift", 2),
    cell("events", "transfer,kill", 1),
    cell("ttl", "delay,client-alone,clock-jump", 1),
    longer("mix-openlookeng", "slow-flush,stalled-flush,failing-flush", 2),
    Cell { client: ClientKind::Http, ..cell("register", "membership", 1) },
    Cell { client: ClientKind::Java, ..cell("map-entry", "kill-leader", 1) },
    Cell { client: ClientKind::Python, ..longer("counter", "bridge,majority-ring,flapping", 2) },
    cell("set-full", "power-majority,disk-full", 1),
    cell("counter", "bit-flip", 1),
    cell("counter", "old-log", 1),
    Cell { nodes: 5, ..longer("register", "all", 1) },
    cell("discovery-record", "coordinator-dead", 1),
    cell("seed-directory", "seed-wipe,seed-dead", 1),
    cell("seed-directory", "seed-foreign", 1),
    cell("seed-directory", "start-race", 1),
];

/// The few that show most, while one works.
const SMOKE: &[Cell] = &[
    cell("register", "kill,halves", 1),
    cell("lock", "kill,halves", 1),
    cell("set-full", "kill", 1),
];

/// Faults that every workload meets before a change of `raft`, `storage` or `machine` lands.
const CHANGE_NEMESES: [&str; 5] = ["none", "halves,leader-alone", "kill", "pause", "power-all"];
/// A cell that counts is so long.
const FULL_TIME_S: u64 = 120;

/// The runs of a profile; `night` begins anew with other seeds when it is through.
///
/// # Errors
/// There is none of that name.
pub fn profile(name: &str, round: u64) -> anyhow::Result<Vec<Cell>> {
    Ok(match name {
        "ci" => CI.to_vec(),
        "smoke" => SMOKE.to_vec(),
        "change" => every(&CHANGE_NEMESES, 20, round),
        "night" => {
            let faults = ROWS.iter().map(|row| row.name).filter(|name| *name != "upgrade");
            let (bound, free): (Vec<&str>, Vec<&str>) =
                faults.partition(|name| only_workload(name).is_some());
            let mut cells = every(&free, FULL_TIME_S, round);
            cells.extend(every(&["none", "all"], FULL_TIME_S, round));
            for fault in bound {
                let seed = 1 + round * 1_000_000 + cells.len() as u64;
                let workload = only_workload(fault).unwrap_or_default();
                cells.push(Cell { time_s: FULL_TIME_S, ..cell(workload, fault, seed) });
            }
            cells
        }
        other => bail!("there is no profile {other:?}: choose smoke, ci, change or night"),
    })
}

/// Each workload with each nemesis; the pairs of one round are spread, so that a part of a round
/// has many of both.
fn every(nemeses: &[&'static str], time_s: u64, round: u64) -> Vec<Cell> {
    let workloads = workload::NAMES;
    let mut cells = Vec::new();
    for shift in 0..nemeses.len() {
        for (number, workload) in workloads.iter().enumerate() {
            let nemesis = nemeses[(number + shift) % nemeses.len()];
            let seed = 1 + round * 1_000_000 + cells.len() as u64;
            cells.push(Cell { time_s, ..cell(workload, nemesis, seed) });
        }
    }
    cells
}

impl Cell {
    /// What plays it, after the name of the program.
    pub fn arguments(self) -> Vec<String> {
        let arguments = [
            ("--workload", self.workload.to_owned()),
            ("--nemesis", self.nemesis.to_owned()),
            ("--nodes", self.nodes.to_string()),
            ("--time", format!("{}s", self.time_s)),
            ("--seed", self.seed.to_string()),
            ("--client", self.client.to_string()),
        ];
        let pairs = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        std::iter::once("run".to_owned()).chain(pairs).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::nemesis::{lanes, schedule};

    #[test]
    fn the_test_command_meets_every_workload_every_fault_and_every_client() {
        let workloads: BTreeSet<&str> = CI.iter().map(|cell| cell.workload).collect();
        assert_eq!(workloads, workload::NAMES.into_iter().collect());
        let mut met = BTreeSet::new();
        for cell in CI {
            let lanes = lanes(cell.nemesis).unwrap();
            let planned = schedule(&lanes, Duration::from_secs(cell.time_s), cell.seed);
            let done: BTreeSet<&str> = planned.iter().flatten().map(|one| one.fault).collect();
            for name in cell.nemesis.split(',').filter(|name| *name != "all") {
                assert!(done.contains(name), "{cell:?}: {name} is not among {done:?}");
            }
            met.extend(done);
        }
        // It needs an older build.
        met.insert("upgrade");
        assert_eq!(met, ROWS.iter().map(|row| row.name).collect());
        for client in [ClientKind::Native, ClientKind::Http, ClientKind::Java, ClientKind::Python] {
            assert!(CI.iter().any(|cell| cell.client == client), "{client}");
        }
    }

    #[test]
    fn a_night_has_each_pair_once_and_another_night_has_other_seeds() {
        let night = profile("night", 0).unwrap();
        let pairs: BTreeSet<_> = night.iter().map(|cell| (cell.workload, cell.nemesis)).collect();
        assert_eq!(pairs.len(), night.len());
        // Some faults belong to one workload; of the others upgrade is left out.
        let bound = ROWS.iter().filter(|row| only_workload(row.name).is_some()).count();
        assert!(bound > 0);
        let free = ROWS.len() - bound - 1;
        assert_eq!(pairs.len(), workload::NAMES.len() * (free + 2) + bound);
        let seeds = |round| -> BTreeSet<u64> {
            profile("night", round).unwrap().iter().map(|cell| cell.seed).collect()
        };
        assert!(seeds(0).is_disjoint(&seeds(1)));
    }
}
