//! openraft's own log-store suite, over both logs. The state machine is a throw-away: the suite
//! wants one, and this module is about the log.

use std::io;
use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use openraft::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{EntryPayload, OptionalSend, RaftLogReader};
use tempfile::TempDir;

use super::super::{FileLog, LogStore, LogStoreAdapter, SledLog, StorageStats};

openraft::declare_raft_types!(
    pub(super) TestConfig: D = String, R = (), Node = openraft::BasicNode
);

type State = (Option<LogIdOf<TestConfig>>, StoredMembershipOf<TestConfig>);

#[derive(Debug, Default, Clone)]
struct TestMachine {
    state: State,
    snapshot: Option<SnapshotOf<TestConfig, State>>,
    built: Arc<parking_lot::Mutex<Option<SnapshotOf<TestConfig, State>>>>,
}

impl RaftSnapshotBuilder<TestConfig> for TestMachine {
    type SnapshotData = State;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TestConfig, State>, io::Error> {
        let (last_log_id, last_membership) = self.state.clone();
        let meta = SnapshotMetaOf::<TestConfig> { last_log_id, last_membership };
        let snapshot = openraft::Snapshot { meta, snapshot: self.state.clone() };
        *self.built.lock() = Some(snapshot.clone());
        Ok(snapshot)
    }
}

impl RaftStateMachine<TestConfig> for TestMachine {
    type SnapshotData = State;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<State, io::Error> {
        Ok(self.state.clone())
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TestConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            self.state.0 = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = entry.payload {
                self.state.1 =
                    StoredMembershipOf::<TestConfig>::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TestConfig>,
        snapshot: State,
    ) -> Result<(), io::Error> {
        self.state = snapshot.clone();
        self.snapshot = Some(openraft::Snapshot { meta: meta.clone(), snapshot });
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TestConfig, State>>, io::Error> {
        Ok(self.built.lock().clone().or_else(|| self.snapshot.clone()))
    }
}

struct Sled;
struct File;
struct FileInline;

macro_rules! builder {
    ($name:ident, $log:ty, $open:path) => {
        impl StoreBuilder<TestConfig, LogStoreAdapter<TestConfig, $log>, TestMachine, TempDir>
            for $name
        {
            async fn build(
                &self,
            ) -> Result<
                (TempDir, LogStoreAdapter<TestConfig, $log>, TestMachine),
                openraft::StorageError<TestConfig>,
            > {
                let directory = tempfile::tempdir().unwrap();
                let log = $open(directory.path(), Arc::new(StorageStats::default())).unwrap();
                // A tail of nothing: every read of a durable entry goes to the disk.
                let adapter = LogStoreAdapter::with_tail_bytes(Arc::new(log), 0).unwrap();
                Ok((directory, adapter, TestMachine::default()))
            }
        }
    };
}

builder!(Sled, SledLog, SledLog::open);
builder!(File, FileLog, FileLog::open);
builder!(FileInline, FileLog, FileLog::open_inline);

// checks: R-11
#[tokio::test(flavor = "multi_thread")]
async fn the_sled_log_passes_the_suite_of_openraft() {
    Suite::test_all(Sled).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_log_passes_the_suite_of_openraft() {
    Suite::test_all(File).await.unwrap();
}

#[tokio::test]
async fn the_file_log_without_a_thread_passes_the_suite_of_openraft() {
    Suite::test_all(FileInline).await.unwrap();
}

#[tokio::test]
async fn a_reopened_adapter_shows_what_the_closed_one_had() {
    use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
    use openraft::testing::{blank_ent, log_id};

    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let log = SledLog::open(directory.path(), Arc::new(StorageStats::default())).unwrap();
        LogStoreAdapter::<TestConfig, _>::open(Arc::new(log)).unwrap()
    };
    let mut adapter = open();
    let entries = (0..300).map(|index| blank_ent::<TestConfig>(1, 1, index));
    adapter.blocking_append(entries.collect::<Vec<_>>()).await.unwrap();
    adapter.save_committed(Some(log_id::<TestConfig>(1, 1, 250))).await.unwrap();
    adapter.save_vote(&openraft::Vote::new(2, 7)).await.unwrap();
    adapter.purge(log_id::<TestConfig>(1, 1, 99)).await.unwrap();
    adapter.store().close().unwrap();
    drop(adapter);

    let mut adapter = open();
    let state = adapter.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id::<TestConfig>(1, 1, 99)));
    assert_eq!(state.last_log_id, Some(log_id::<TestConfig>(1, 1, 299)));
    assert_eq!(adapter.read_committed().await.unwrap(), Some(log_id::<TestConfig>(1, 1, 250)));
    let mut reader = adapter.get_log_reader().await;
    assert_eq!(reader.read_vote().await.unwrap(), Some(openraft::Vote::new(2, 7)));
    assert_eq!(reader.try_get_log_entries(0..).await.unwrap().len(), 200);
}
