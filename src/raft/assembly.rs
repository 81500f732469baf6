//! Puts a node together: what is durable is opened, Raft is built over it, and the parts that do
//! the work are connected. Nothing runs before everything is in its place.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::storage::RaftLogStorage;
use statekeeper_machine::{ClusterView, MemberUuid, NodeDescription};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::applied::AppliedState;
use super::clock_file::ClockFile;
use super::compaction::Compaction;
use super::contact::Contact;
use super::counters::RaftCounters;
use super::duties::DutySettings;
use super::error::RaftError;
use super::failure::Failure;
use super::handler::{Handler, Reported};
use super::identity::{Identity, Log};
use super::leader::LeaderLoop;
use super::limits;
use super::links::Links;
use super::membership::MembershipKeeper;
use super::network::Network;
use super::presence::Presence;
use super::proposer::Proposer;
use super::read_index::{LeaderProof, LeaderQuestion, ReadIndex};
use super::reporter::Reporter;
use super::roster::Roster;
use super::route::{self, Route, RouteWatch};
use super::rpc::RpcServer;
use super::runtime::blocking;
use super::settings::RaftSettings;
use super::state_machine::StateMachine;
use super::status::StatusKeeper;
use super::submitter::Submitter;
use super::transport::{Dialer, Listener};
use super::type_config::{Leadership, RaftGroup};
use crate::consensus::Status;
use crate::storage::{DataDir, LogStore, LogStoreAdapter, SnapshotStore, StorageError};

/// Everything that the parts of a running node share.
pub(crate) struct Core {
    pub(crate) settings: RaftSettings,
    pub(crate) member: MemberUuid,
    pub(crate) raft: RaftGroup,
    pub(crate) identity: Arc<Identity>,
    pub(crate) applied: Arc<AppliedState>,
    pub(crate) contact: Arc<Contact>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) membership: Arc<MembershipKeeper>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) links: Arc<Links>,
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) routes: RouteWatch,
    pub(crate) log: Arc<dyn LogStore>,
    pub(crate) snapshots: Arc<SnapshotStore>,
    pub(crate) clock_file: ClockFile,
    pub(crate) failure: Arc<Failure>,
    pub(crate) draining: watch::Sender<bool>,
    /// An orderly stop has begun.
    pub(crate) stopping: CancellationToken,
    /// Ends every task.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Who speaks to the leader's loop on this node, and what the loop and the route need.
    reports: mpsc::Sender<Reported>,
}

/// The other ends of channels, for the tasks that hold them.
pub(crate) struct Ends {
    reports: mpsc::Receiver<Reported>,
    office: watch::Sender<Option<Leadership>>,
    route: watch::Sender<Route>,
}

/// What whoever uses the node watches.
pub(crate) struct Watches {
    pub(crate) status: watch::Receiver<Arc<Status>>,
    pub(crate) view: watch::Receiver<Arc<ClusterView>>,
    pub(crate) reads: ReadIndex,
}

/// What is durable, opened.
struct Opened {
    log: Arc<dyn LogStore>,
    adapter: Log,
    snapshots: Arc<SnapshotStore>,
}

/// Opens what is durable and builds Raft over it. Nothing runs yet.
pub(crate) async fn build(
    settings: RaftSettings,
    data_dir: Arc<DataDir>,
    description: NodeDescription,
    dialer: Arc<dyn Dialer>,
    open_log: impl FnOnce(&DataDir) -> Result<Arc<dyn LogStore>, StorageError> + Send + 'static,
) -> Result<(Core, Ends), RaftError> {
    let config = Arc::new(settings.openraft_config()?);
    let Opened { log, mut adapter, snapshots } = open(data_dir.clone(), open_log).await?;
    let identity = Arc::new(Identity::new(data_dir.clone(), adapter.clone()));
    let counters = Arc::new(RaftCounters::default());
    let applied = AppliedState::new(identity.node, identity.start, counters.clone());
    let applied = Arc::new(applied);
    let roster = Arc::new(Roster::default());
    let links = Arc::new(Links::new(identity.clone(), roster.clone(), counters, dialer.clone()));
    let (me, append_patience) = (identity.node, settings.election_timeout);
    let network = Network { me, links: links.clone(), append_patience };
    let recovered_upto = identity.last_log_id().await.map(|id| id.index);
    let reader = adapter.get_log_reader().await;
    let (state, slow_apply) = (applied.clone(), settings.slow_apply);
    let machine = StateMachine::new(state, snapshots.clone(), reader, recovered_upto, slow_apply);
    let raft = RaftGroup::build(me.0, config, network, adapter, machine).await;
    let raft = raft.map_err(|error| RaftError::Stopped { reason: error.to_string().into() })?;
    roster.follow(raft.clone());
    let clock_file = ClockFile::new(data_dir.path());
    applied.clock.set(clock_file.bridge(applied.machine().time()));

    let (route_sender, route) = watch::channel(Route::None);
    let routes = RouteWatch::new(raft.clone(), route);
    let bytes_max = settings.state_bytes_max;
    let proposer = Proposer::new(raft.clone(), applied.clone(), routes.clone(), bytes_max);
    let membership = MembershipKeeper::new(raft.clone(), settings.isolated_after());
    let (reports, reports_end) = mpsc::channel(limits::REPORTS_WAITING_MAX);
    let stopping = CancellationToken::new();
    let core = Core {
        member: description.member,
        presence: Arc::new(Presence::new(description, applied.clone())),
        proposer: Arc::new(proposer),
        membership: Arc::new(membership),
        contact: Arc::new(Contact::new()),
        failure: Arc::new(Failure::new(stopping.clone())),
        draining: watch::Sender::new(false),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        settings,
        raft,
        identity,
        applied,
        roster,
        links,
        dialer,
        routes,
        log,
        snapshots,
        clock_file,
        stopping,
        reports,
    };
    let office = watch::Sender::new(None);
    Ok((core, Ends { reports: reports_end, office, route: route_sender }))
}

/// Blocks on the disk, on a thread for that.
async fn open(
    data_dir: Arc<DataDir>,
    open_log: impl FnOnce(&DataDir) -> Result<Arc<dyn LogStore>, StorageError> + Send + 'static,
) -> Result<Opened, RaftError> {
    let path = data_dir.path().to_owned();
    let open = move || -> Result<Opened, StorageError> {
        let log = open_log(&data_dir)?;
        let snapshots = Arc::new(data_dir.open_snapshots(log.clone())?);
        let adapter = LogStoreAdapter::open(log.clone())?;
        Ok(Opened { log, adapter, snapshots })
    };
    let opened = blocking(open).await;
    Ok(opened.map_err(|_| StorageError::Stopped { path })??)
}

impl Core {
    /// Starts all tasks, then Raft.
    pub(crate) fn spawn(&self, ends: Ends, listener: Box<dyn Listener>) -> Watches {
        let Ends { reports, office, route } = ends;
        let stop = || self.stop.clone();
        let follow = route::follow(self.raft.clone(), office.subscribe(), route, stop());
        self.spawn_vital("the route", follow);
        self.spawn_vital("the leader's loop", self.leader_loop(reports, office).run(stop()));
        self.spawn_vital("the submitter", self.submitter().run(stop()));
        self.spawn_vital("the reporter", self.reporter().run(stop()));
        let compaction = Compaction {
            raft: self.raft.clone(),
            applied: self.applied.clone(),
            log_bytes_max: self.settings.snapshot_log_bytes,
        };
        self.spawn_vital("the compaction", compaction.run(stop()));
        let (leader_index, reads) = self.spawn_rounds();
        let server = Arc::new(RpcServer {
            identity: self.identity.clone(),
            roster: self.roster.clone(),
            handler: Arc::new(self.handler(leader_index)),
        });
        self.spawn_vital("the raft port", server.serve(listener, stop()));
        let (keeper, status, view) = self.status_keeper();
        self.spawn_vital("the status", keeper.run(stop()));
        self.raft.run();
        Watches { status, view, reads }
    }

    /// A task without which the node is none: when it panics, the node must not go on.
    fn spawn_vital(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let failure = self.failure.clone();
        self.tasks.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                failure.raised(&format!("{name} panicked"));
            }
        });
    }

    fn leader_loop(
        &self,
        reports: mpsc::Receiver<Reported>,
        office: watch::Sender<Option<Leadership>>,
    ) -> LeaderLoop {
        LeaderLoop {
            raft: self.raft.clone(),
            applied: self.applied.clone(),
            proposer: self.proposer.clone(),
            membership: self.membership.clone(),
            contact: self.contact.clone(),
            office,
            reports,
            duties: DutySettings {
                node: self.identity.node,
                member_timeout: self.settings.member_timeout,
                coordinator_check_timeout: self.settings.coordinator_check_timeout,
                bootstrap_expect: self.settings.bootstrap_expect,
            },
        }
    }

    fn submitter(&self) -> Submitter {
        Submitter {
            applied: self.applied.clone(),
            routes: self.routes.clone(),
            proposer: self.proposer.clone(),
            links: self.links.clone(),
            contact: self.contact.clone(),
            operation_timeout: self.settings.operation_timeout,
            connect_timeout: self.settings.election_timeout / 2,
        }
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            me: self.identity.node,
            presence: self.presence.clone(),
            routes: self.routes.clone(),
            links: self.links.clone(),
            membership: self.membership.clone(),
            contact: self.contact.clone(),
            reports: self.reports.clone(),
            within: self.settings.election_timeout,
            silence_max: self.settings.isolated_after(),
        }
    }

    /// One for the peers of a leader, one for the reads of this node.
    fn spawn_rounds(&self) -> (ReadIndex, ReadIndex) {
        let proof = LeaderProof {
            raft: self.raft.clone(),
            routes: self.routes.clone(),
            lease: self.settings.lease_reads,
            counters: self.applied.counters.clone(),
        };
        let question = LeaderQuestion {
            proof: proof.clone(),
            links: self.links.clone(),
            within: self.settings.election_timeout,
        };
        let (for_peers, rounds) = ReadIndex::new();
        let ask = move || -> BoxFuture<'static, Option<u64>> {
            let proof = proof.clone();
            Box::pin(async move { proof.ask().await })
        };
        self.spawn_vital("the read rounds", rounds.run(ask, self.stop.clone()));
        let (own, rounds) = ReadIndex::new();
        let ask = move || -> BoxFuture<'static, Option<u64>> {
            let question = question.clone();
            Box::pin(async move { question.ask().await })
        };
        self.spawn_vital("the read rounds", rounds.run(ask, self.stop.clone()));
        (for_peers, own)
    }

    fn handler(&self, read_index: ReadIndex) -> Handler {
        Handler {
            raft: self.raft.clone(),
            contact: self.contact.clone(),
            snapshots: self.snapshots.clone(),
            proposer: self.proposer.clone(),
            read_index,
            membership: self.membership.clone(),
            routes: self.routes.clone(),
            reports: self.reports.clone(),
        }
    }

    fn status_keeper(
        &self,
    ) -> (StatusKeeper, watch::Receiver<Arc<Status>>, watch::Receiver<Arc<ClusterView>>) {
        let (node, member) = (self.identity.node, self.member);
        let (status, watch_status) =
            watch::channel(Arc::new(Status { node, member, ..Status::default() }));
        let (view, watch_view) = watch::channel(Arc::default());
        let keeper = StatusKeeper {
            raft: self.raft.clone(),
            identity: self.identity.clone(),
            member,
            applied: self.applied.clone(),
            contact: self.contact.clone(),
            routes: self.routes.clone(),
            failure: self.failure.clone(),
            isolated_after: self.settings.isolated_after(),
            draining: self.draining.subscribe(),
            status,
            view,
            caught_up: parking_lot::Mutex::new(false),
        };
        (keeper, watch_status, watch_view)
    }
}
