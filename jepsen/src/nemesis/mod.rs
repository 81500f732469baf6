//! What breaks things: each fault has a start, a stop, and a proof that it took hold. A run with a
//! fault that was not proved is rejected, since it proves nothing.
//!
//! A new fault is a file with a `Fault` and a row in `ROWS`.

mod actor;
mod arena;
mod clock;
mod coordinator;
mod corruption;
mod disk_full;
mod flush;
mod links;
mod membership;
mod newcomers;
mod partition;
mod patience;
mod power;
mod process;
mod restart;
mod schedule;
mod seeds;
mod snapshot;
mod transfer;

use std::time::Duration;

use anyhow::bail;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;

pub use actor::{Tally, act};
pub use arena::{Arena, Claim};
pub use schedule::{Lane, Planned, schedule};

use corruption::How;
use partition::Shape;
use process::Victims;
use snapshot::Away;

use crate::workload;

/// One kind of fault, done again and again.
pub trait Fault: Send {
    /// Begins; it holds when this returns. `None`: there was nobody left to do it to.
    fn start<'a>(
        &'a mut self,
        arena: &'a Arena,
        draw: &'a mut StdRng,
    ) -> BoxFuture<'a, anyhow::Result<Option<Started>>>;

    /// What goes on while it holds.
    fn hold<'a>(&'a mut self, _arena: &'a Arena, lasts: Duration) -> BoxFuture<'a, ()> {
        tokio::time::sleep(lasts).boxed()
    }

    /// Ends; whatever was broken works or starts again when this returns.
    fn stop<'a>(&'a mut self, arena: &'a Arena) -> BoxFuture<'a, anyhow::Result<Proof>>;
}

/// What a fault was done to.
#[derive(Debug)]
pub struct Started {
    /// The nodes.
    pub nodes: Vec<usize>,
    /// The nodes on which nobody can count meanwhile; for a broken link perhaps all.
    pub faulted: Vec<usize>,
    /// In words.
    pub detail: String,
}

/// Whether a fault took hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// It did.
    pub took_hold: bool,
    /// What shows it, or what is missing.
    pub says: String,
}

impl Proof {
    /// A counter that has to be above zero.
    pub(crate) fn counted(count: u64, what: &str) -> Self {
        Self { took_hold: count > 0, says: format!("{count} {what}") }
    }
}

/// What a fault needs of the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// A disk of its own for each node.
    pub disks: bool,
    /// The library that slows, holds and fails flushes.
    pub flush: bool,
    /// A clock of its own for each node.
    pub clocks: bool,
    /// A node beside the voters.
    pub spare: bool,
    /// As many nodes beside the voters as there are voters.
    pub as_many_spare: bool,
}

impl Needs {
    const NONE: Self =
        Self { disks: false, flush: false, clocks: false, spare: false, as_many_spare: false };
    const DISKS: Self = Self { disks: true, ..Self::NONE };
    const FLUSH: Self = Self { flush: true, ..Self::NONE };
    const CLOCKS: Self = Self { clocks: true, ..Self::NONE };
    const SPARE: Self = Self { spare: true, ..Self::NONE };

    fn with(self, other: Self) -> Self {
        Self {
            disks: self.disks || other.disks,
            flush: self.flush || other.flush,
            clocks: self.clocks || other.clocks,
            spare: self.spare || other.spare,
            as_many_spare: self.as_many_spare || other.as_many_spare,
        }
    }
}

/// Faults of one class come one after the other, those of different classes may overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Between nodes, and between nodes and clients.
    Network,
    /// Of server processes.
    Process,
    /// Of disks.
    Disk,
    /// Of wall clocks.
    Clock,
    /// Done by operators.
    Cluster,
}

impl Class {
    /// The name of the mix of its faults.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Process => "process",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::Cluster => "cluster",
        }
    }
}

/// A kind of fault.
pub struct Row {
    /// Its name on the command line and in histories.
    pub name: &'static str,
    /// Its class.
    pub class: Class,
    /// What it needs.
    pub needs: Needs,
    make: fn() -> Box<dyn Fault>,
}

/// THE table of faults.
pub const ROWS: &[Row] = &[
    network("halves", || Box::new(partition::Partition::new(Shape::Halves))),
    network("leader-alone", || Box::new(partition::Partition::new(Shape::LeaderAlone))),
    network("majority-ring", || Box::new(partition::Partition::new(Shape::MajorityRing))),
    network("bridge", || Box::new(partition::Partition::new(Shape::Bridge))),
    network("one-way", || Box::new(partition::Partition::new(Shape::OneWay))),
    network("flapping", || Box::new(partition::Partition::new(Shape::Flapping))),
    network("client-alone", || Box::new(partition::Partition::new(Shape::ClientAlone))),
    network("loss", || Box::new(links::Bad::new(links::Kind::Loss))),
    network("delay", || Box::new(links::Bad::new(links::Kind::Delay))),
    network("duplicate", || Box::new(links::Bad::new(links::Kind::Duplicate))),
    network("reorder", || Box::new(links::Bad::new(links::Kind::Reorder))),
    network("corrupt", || Box::new(links::Bad::new(links::Kind::Corrupt))),
    network("reset", || Box::new(links::Bad::new(links::Kind::Reset))),
    process("kill", || Box::new(process::Kill::of(Victims::One))),
    process("kill-leader", || Box::new(process::Kill::of(Victims::Leader))),
    process("kill-majority", || Box::new(process::Kill::of(Victims::Majority))),
    process("kill-all", || Box::new(process::Kill::of(Victims::All))),
    process("pause", || Box::new(process::Pause::of(Victims::One))),
    process("pause-leader", || Box::new(process::Pause::of(Victims::Leader))),
    process("pause-majority", || Box::new(process::Pause::of(Victims::Majority))),
    process("starve", || Box::new(process::Starve::new())),
    Row {
        name: "power",
        class: Class::Disk,
        needs: Needs::DISKS,
        make: || Box::new(power::Power::of(Victims::One)),
    },
    Row {
        name: "power-majority",
        class: Class::Disk,
        needs: Needs::DISKS,
        make: || Box::new(power::Power::of(Victims::Majority)),
    },
    Row {
        name: "power-all",
        class: Class::Disk,
        needs: Needs::DISKS,
        make: || Box::new(power::Power::of(Victims::All)),
    },
    Row {
        name: "disk-full",
        class: Class::Disk,
        needs: Needs::DISKS,
        make: || Box::new(disk_full::Full::new()),
    },
    Row {
        name: "slow-flush",
        class: Class::Disk,
        needs: Needs::FLUSH,
        make: || Box::new(flush::Flush::new(flush::Kind::Slow)),
    },
    Row {
        name: "stalled-flush",
        class: Class::Disk,
        needs: Needs::FLUSH,
        make: || Box::new(flush::Flush::new(flush::Kind::Stalled)),
    },
    Row {
        name: "failing-flush",
        class: Class::Disk,
        needs: Needs::FLUSH,
        make: || Box::new(flush::Flush::new(flush::Kind::Failing)),
    },
    Row {
        name: "bit-flip",
        class: Class::Disk,
        needs: Needs::SPARE,
        make: || Box::new(corruption::Corrupt::new(How::Flipped)),
    },
    Row {
        name: "old-log",
        class: Class::Disk,
        needs: Needs::SPARE,
        make: || Box::new(corruption::Corrupt::new(How::OldLog)),
    },
    Row {
        name: "clock-jump",
        class: Class::Clock,
        needs: Needs::CLOCKS,
        make: || Box::new(clock::WallClock::new(clock::Kind::Jump)),
    },
    Row {
        name: "clock-strobe",
        class: Class::Clock,
        needs: Needs::CLOCKS,
        make: || Box::new(clock::WallClock::new(clock::Kind::Strobe)),
    },
    Row {
        name: "clock-drift",
        class: Class::Clock,
        needs: Needs::CLOCKS,
        make: || Box::new(clock::WallClock::new(clock::Kind::Drift)),
    },
    Row {
        name: "membership",
        class: Class::Cluster,
        needs: Needs::SPARE,
        make: || Box::new(membership::Replace::new()),
    },
    cluster("transfer", || Box::new(transfer::Storm::new())),
    cluster("snapshot", || Box::new(snapshot::Lag::new(Away::Killed))),
    cluster("lag", || Box::new(snapshot::Lag::new(Away::Paused))),
    cluster("restart", || Box::new(restart::Rolling::new(restart::Build::Same))),
    cluster("seed-wipe", || Box::new(seeds::Seeds::new(seeds::Kind::Wipe))),
    cluster("seed-dead", || Box::new(seeds::Seeds::new(seeds::Kind::Dead))),
    Row {
        name: "seed-foreign",
        class: Class::Cluster,
        needs: Needs::SPARE,
        make: || Box::new(newcomers::Foreign::new()),
    },
    Row {
        name: "start-race",
        class: Class::Cluster,
        needs: Needs { as_many_spare: true, ..Needs::NONE },
        make: || Box::new(newcomers::Race::new()),
    },
    cluster("coordinator-dead", || Box::new(coordinator::Dead::new())),
    cluster("upgrade", || Box::new(restart::Rolling::new(restart::Build::Newer))),
];

const fn network(name: &'static str, make: fn() -> Box<dyn Fault>) -> Row {
    Row { name, class: Class::Network, needs: Needs::NONE, make }
}

const fn process(name: &'static str, make: fn() -> Box<dyn Fault>) -> Row {
    Row { name, class: Class::Process, needs: Needs::NONE, make }
}

const fn cluster(name: &'static str, make: fn() -> Box<dyn Fault>) -> Row {
    Row { name, class: Class::Cluster, needs: Needs::NONE, make }
}

/// Need a build of their own, a seed directory or coordinators, so a mix does not draw them.
const UNMIXED: [&str; 6] =
    ["upgrade", "seed-wipe", "seed-dead", "seed-foreign", "start-race", "coordinator-dead"];
/// The one workload whose cluster has what a fault is done to.
const OF_ONE_WORKLOAD: [(&str, &str); 5] = [
    ("seed-wipe", workload::SEED_DIRECTORY),
    ("seed-dead", workload::SEED_DIRECTORY),
    ("seed-foreign", workload::SEED_DIRECTORY),
    ("start-race", workload::SEED_DIRECTORY),
    ("coordinator-dead", workload::DISCOVERY_RECORD),
];
/// No fault at all.
pub const NONE: &str = "none";
/// All classes at once.
pub const ALL: &str = "all";

/// The rows that a nemesis of this name draws from, by class: one of a row's own name, a class, a
/// list with commas, `none` or `all`.
///
/// # Errors
/// There is no such name.
pub fn lanes(name: &str) -> anyhow::Result<Vec<Vec<&'static Row>>> {
    let mut lanes: Vec<(Class, Vec<&'static Row>)> = Vec::new();
    for part in name.split(',').map(str::trim).filter(|part| *part != NONE) {
        let before = lanes.iter().map(|(_, rows)| rows.len()).sum::<usize>();
        for row in ROWS {
            let mixed = !UNMIXED.contains(&row.name);
            let in_mix = (part == ALL || part == row.class.name()) && mixed;
            if part != row.name && !in_mix {
                continue;
            }
            match lanes.iter_mut().find(|(class, _)| *class == row.class) {
                Some((_, rows)) => rows.push(row),
                None => lanes.push((row.class, vec![row])),
            }
        }
        if lanes.iter().map(|(_, rows)| rows.len()).sum::<usize>() == before {
            let known: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
            bail!(
                "there is no fault {part:?}: choose {NONE}, {ALL}, network, process, disk, clock, \
                 cluster or some of {}",
                known.join(", ")
            );
        }
    }
    Ok(lanes.into_iter().map(|(_, rows)| rows).collect())
}

/// What the faults of all lanes need together.
pub fn needs(lanes: &[Vec<&'static Row>]) -> Needs {
    lanes.iter().flatten().fold(Needs::NONE, |all, row| all.with(row.needs))
}

/// The one workload that a fault can be done with, if there is only one.
pub fn only_workload(fault: &str) -> Option<&'static str> {
    OF_ONE_WORKLOAD.iter().find(|(name, _)| *name == fault).map(|(_, workload)| *workload)
}

/// The row of a name.
pub fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nemesis_is_a_fault_a_class_a_list_all_or_none() {
        let names =
            |name: &str| -> Vec<usize> { lanes(name).unwrap().iter().map(Vec::len).collect() };
        assert_eq!(names("none"), [0; 0]);
        assert_eq!(names("kill"), [1]);
        assert_eq!(names("kill, halves"), [1, 1]);
        assert_eq!(names("kill,pause"), [2]);
        assert_eq!(names("all").len(), 5);
        assert_eq!(names("network").len(), 1);
        let error = lanes("kil").err().unwrap().to_string();
        assert!(error.contains("\"kil\"") && error.contains("kill-leader"), "{error}");
    }

    #[test]
    fn every_row_has_a_name_of_its_own_and_mixes_leave_out_what_needs_more() {
        let names: std::collections::BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        let mixed = lanes("all").unwrap();
        assert_eq!(mixed.iter().flatten().count(), ROWS.len() - UNMIXED.len());
        assert!(
            needs(&mixed).disks && needs(&mixed).clocks && !needs(&lanes("kill").unwrap()).spare
        );
    }
}
