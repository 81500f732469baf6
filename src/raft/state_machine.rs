//! `StateMachine`: openraft's state machine over the replicated one.
//!
//! The state is in memory; what is durable is the log and the snapshot. openraft installs the last
//! snapshot and applies the committed part of the log again when the process starts.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftLogReader, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use statekeeper_machine::{Answer, Frozen, Machine, Query};

use super::applied::{AppliedState, EntryOrigin};
use super::counters::RaftCounters;
use super::pace::Pace;
use super::runtime::blocking;
use super::type_config::{
    Entry, LogId, RaftTypes, Snapshot, SnapshotMeta, Stamped, StoredMembership, Vote,
};
use crate::storage::{
    LogStore, LogStoreReader, SnapshotFile, SnapshotHeader, SnapshotStore, StorageError,
};

/// Applies committed entries and makes and takes snapshots.
pub(crate) struct StateMachine {
    applied: Arc<AppliedState>,
    snapshots: Arc<SnapshotStore>,
    /// Knows the newest vote.
    log: LogStoreReader<RaftTypes, dyn LogStore>,
    last_applied: Option<LogId>,
    membership: StoredMembership,
    /// Entries up to here were in the log when the process started.
    recovered_upto: Option<u64>,
    /// An entry that takes longer is logged.
    slow_apply: Duration,
}

impl StateMachine {
    pub(crate) fn new(
        applied: Arc<AppliedState>,
        snapshots: Arc<SnapshotStore>,
        log: LogStoreReader<RaftTypes, dyn LogStore>,
        recovered_upto: Option<u64>,
        slow_apply: Duration,
    ) -> Self {
        let membership = StoredMembership::default();
        Self { applied, snapshots, log, last_applied: None, membership, recovered_upto, slow_apply }
    }

    fn apply_entry(&mut self, entry: Entry, vote: Option<&Vote>) -> Result<Answered, io::Error> {
        let log_id = entry.log_id;
        let answer = match entry.payload {
            EntryPayload::Blank => None,
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(log_id), membership);
                None
            }
            EntryPayload::Normal(Stamped(entry)) => {
                // A vote for somebody later: that one may lead by now and emit its own events.
                let leader = &log_id.leader_id;
                let at = EntryOrigin {
                    index: log_id.index,
                    recovered: Some(log_id.index) <= self.recovered_upto,
                    newest_leader: vote.is_none_or(|vote| vote.leader_id() <= leader),
                };
                Some(self.applied.apply(at, entry).map_err(io::Error::other)?)
            }
        };
        self.last_applied = Some(log_id);
        self.applied.advance(log_id.index);
        Ok(answer)
    }

    fn snapshot(&self, file: SnapshotFile) -> Result<Snapshot, io::Error> {
        let meta: SnapshotMeta = postcard::from_bytes(&file.header().meta)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Snapshot { meta, snapshot: file })
    }
}

/// What openraft hands back to whoever proposed an entry.
type Answered = Option<statekeeper_machine::Reply>;

impl RaftStateMachine<RaftTypes> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuild;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<RaftTypes>, io::Error>> + Unpin + OptionalSend,
    {
        let vote = self.log.read_vote().await?;
        while let Some((entry, responder)) = entries.try_next().await? {
            let (index, begin) = (entry.log_id.index, Instant::now());
            let answer = self.apply_entry(entry, vote.as_ref())?;
            let took = begin.elapsed();
            if took >= self.slow_apply {
                tracing::warn!(index, ?took, "log.slow-apply: an entry took long to apply");
            }
            if let Some(responder) = responder {
                responder.send(answer);
            }
            // Heartbeats share the processor with a long run of entries.
            tokio::task::coop::consume_budget().await;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuild {
        let last_membership = self.membership.clone();
        let meta = SnapshotMeta { last_log_id: self.last_applied, last_membership };
        let (frozen, records) = {
            let machine = self.applied.machine();
            (machine.freeze(), records(&machine))
        };
        let snapshots = self.snapshots.clone();
        let counters = self.applied.counters.clone();
        SnapshotBuild { frozen: Some(frozen), records, meta, snapshots, counters }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        let snapshots = self.snapshots.clone();
        let restore = move || -> Result<(Machine, bool), io::Error> {
            let machine = restore(&snapshot)?;
            // At the start, the one that is installed is the one that is there.
            let known = snapshots.current().as_ref() == Some(&snapshot);
            if !known {
                snapshots.install(&snapshot)?;
            }
            Ok((machine, known))
        };
        let restored = blocking(restore).await?;
        let (machine, known) = restored?;
        let index = meta.last_log_id.map_or(0, |log_id| log_id.index);
        self.last_applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        if !known {
            RaftCounters::add(&self.applied.counters.snapshots_installed, 1);
        }
        self.applied.install(index, machine, known);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        self.snapshots.current().map(|file| self.snapshot(file)).transpose()
    }
}

/// Writes one frozen state into a snapshot file.
pub(crate) struct SnapshotBuild {
    frozen: Option<Frozen>,
    records: u64,
    meta: SnapshotMeta,
    snapshots: Arc<SnapshotStore>,
    counters: Arc<RaftCounters>,
}

impl RaftSnapshotBuilder<RaftTypes> for SnapshotBuild {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let frozen = self.frozen.take().ok_or_else(|| io::Error::other("built once already"))?;
        let encoded = postcard::to_stdvec(&self.meta).map_err(io::Error::other)?;
        let last_index = self.meta.last_log_id.map_or(0, |log_id| log_id.index);
        let header = SnapshotHeader { last_index, records: self.records, meta: encoded };
        let snapshots = self.snapshots.clone();
        let write = move || write_snapshot(&snapshots, header, frozen);
        let file = blocking(write).await??;
        RaftCounters::add(&self.counters.snapshots_built, 1);
        tracing::info!(last_index, bytes = file.bytes(), "snapshot built");
        Ok(Snapshot { meta: self.meta.clone(), snapshot: file })
    }
}

/// Blocks, and sleeps in between so that the log's syncs are not starved.
fn write_snapshot(
    snapshots: &SnapshotStore,
    header: SnapshotHeader,
    frozen: Frozen,
) -> Result<SnapshotFile, StorageError> {
    let mut writer = snapshots.writer(header)?;
    let mut pace = Pace::new();
    for block in frozen.blocks() {
        writer.write_block(&block)?;
        if let Some(pause) = pace.after(block.len()) {
            std::thread::sleep(pause);
        }
    }
    writer.finish()
}

/// Blocks.
fn restore(file: &SnapshotFile) -> Result<Machine, io::Error> {
    let mut failed = None;
    let blocks = file.blocks()?.map_while(|block| match block {
        Ok(block) => Some(block),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let restored = Machine::restore(blocks);
    if let Some(error) = failed {
        return Err(error.into());
    }
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    restored.map_err(invalid)
}

/// Records of maps and items of sets.
fn records(machine: &Machine) -> u64 {
    let maps = match machine.query(&Query::Maps) {
        Answer::Maps(maps) => maps.iter().map(|map| map.records).sum(),
        _ => 0,
    };
    let sets = match machine.query(&Query::Sets) {
        Answer::Sets(sets) => sets.iter().map(|set| set.items).sum(),
        _ => 0,
    };
    maps + sets
}
