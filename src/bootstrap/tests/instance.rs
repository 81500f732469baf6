//! A node without Raft: data directory, listener on a loopback port, seed or list, and `run`.
//! A small accept loop stands in for the server of the client port; it can be told to lose things.

use crate::bootstrap::peer_protocol::decode;
use crate::bootstrap::{
    Arbiter, BootstrapError, BootstrapStatus, Decision, PREAMBLE, PeerResponder, PeerSource,
    Question, SeedKeeper, SeedTiming, Terms, Timing, complete_founding, run,
};
use crate::discovery::tcp_ip::SeedAddress;
use crate::seed::SeedDirectory;
use crate::storage::DataDir;
use statekeeper_machine::ClusterId;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Longer than any of these tests may wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What the accept loop does to questions for a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promises {
    Answered,
    /// Closed before they are read.
    Lost,
    /// Given, and the answer is lost.
    Unanswered,
}

/// Times for tests: quiet is short, since nothing else is on these folders and groups.
pub(super) fn timing() -> Timing {
    Timing {
        pause: Duration::from_millis(20),
        quiet_seed_directory: Duration::from_millis(200),
        quiet_multicast: Duration::from_millis(400),
        promise_timeout: Duration::from_secs(2),
        ..Timing::default()
    }
}

/// How nodes of one test find each other.
#[derive(Clone)]
pub(super) enum Finds {
    Nobody,
    List(Vec<SocketAddr>),
    Directory(Arc<dyn SeedDirectory>),
}

/// A port that is kept for a node which is not up.
pub(super) async fn free_address() -> SocketAddr {
    // Bound and dropped: the kernel does not hand it out again soon, and nobody listens on it.
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub(super) struct Instance {
    pub(super) address: SocketAddr,
    pub(super) responder: PeerResponder,
    pub(super) source: PeerSource,
    pub(super) status: watch::Receiver<BootstrapStatus>,
    promises: Arc<AtomicU8>,
    decision: Option<JoinHandle<Result<Decision, BootstrapError>>>,
    others: Vec<JoinHandle<()>>,
    _stop: DropGuard,
}

/// What outlives a killed node.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) id: u64,
    pub(super) address: SocketAddr,
    pub(super) data_dir: PathBuf,
}

impl Home {
    pub(super) async fn new(root: &Path, id: u64) -> Self {
        Self { id, address: free_address().await, data_dir: root.join(format!("node-{id}")) }
    }
}

impl Instance {
    pub(super) async fn start(home: &Home, finds: &Finds, expect: u16) -> Self {
        Self::start_losing(home, finds, expect, Promises::Answered).await
    }

    pub(super) async fn start_losing(
        home: &Home,
        finds: &Finds,
        expect: u16,
        promises: Promises,
    ) -> Self {
        let arbiter = match finds {
            Finds::Nobody => Arbiter::Alone,
            Finds::List(list) => Arbiter::StaticList { places: u16::try_from(list.len()).unwrap() },
            Finds::Directory(_) => Arbiter::SeedDirectory,
        };
        let source = |responder: &PeerResponder| match finds {
            Finds::Nobody => PeerSource::None,
            Finds::List(list) => {
                let seeds = list.iter().map(|at| SeedAddress::parse(&at.to_string()).unwrap());
                PeerSource::StaticSeeds(seeds.collect())
            }
            Finds::Directory(directory) => {
                let timing = SeedTiming {
                    look_interval: Duration::from_millis(100),
                    ..SeedTiming::new(Duration::from_secs(1), Duration::from_secs(60))
                };
                let directory = Arc::clone(directory);
                let keeper = SeedKeeper::new(directory, responder.clone(), timing);
                PeerSource::SeedDirectory(Arc::new(keeper))
            }
        };
        let terms = Terms { cluster_name: "c".to_owned(), expect, arbiter };
        Self::start_with(home, terms, source, promises).await
    }

    pub(super) async fn start_with(
        home: &Home,
        terms: Terms,
        source: impl FnOnce(&PeerResponder) -> PeerSource,
        promises: Promises,
    ) -> Self {
        let data_dir = open(home).await;
        let address = home.address;
        let raft = format!("raft-{}:5751", home.id);
        let responder = PeerResponder::new(data_dir, terms, raft, address.to_string());
        let source = source(&responder);
        let listener = TcpListener::bind(address).await.unwrap();
        let promises = Arc::new(AtomicU8::new(promises as u8));
        let accepting = accept(listener, responder.clone(), Arc::clone(&promises));
        let stop = CancellationToken::new();
        let (keeps, token) = (source.clone(), stop.clone());
        let keeping = async move { keeps.keep_known(token).await };
        let others = vec![tokio::spawn(accepting), tokio::spawn(keeping)];
        let (sender, status) = watch::channel(BootstrapStatus::default());
        let (runs, answers, token) = (source.clone(), responder.clone(), stop.clone());
        let decision =
            tokio::spawn(async move { run(&runs, &answers, timing(), &sender, &token).await });
        let decision = Some(decision);
        let _stop = stop.drop_guard();
        Self { address, responder, source, status, promises, decision, others, _stop }
    }

    pub(super) fn set_promises(&self, promises: Promises) {
        self.promises.store(promises as u8, Ordering::SeqCst);
    }

    pub(super) async fn decision(&mut self) -> Decision {
        let decision = self.decision.take().unwrap();
        let status = self.status.clone();
        match tokio::time::timeout(PATIENCE, decision).await {
            Ok(decided) => decided.unwrap().unwrap(),
            Err(_) => panic!("no decision: {:?}", status.borrow()),
        }
    }

    /// Waits for a line that the node says.
    pub(super) async fn says(&self, part: &str) -> String {
        let mut status = self.status.clone();
        let said = status.wait_for(|status| status.waits_for.contains(part));
        match tokio::time::timeout(PATIENCE, said).await {
            Ok(status) => status.unwrap().waits_for.clone(),
            Err(_) => panic!("never says {part:?}: {:?}", self.status.borrow()),
        }
    }

    /// Does what Raft would do about the decision, and gives the cluster.
    pub(super) async fn settle(&mut self) -> (Decision, ClusterId) {
        let decision = self.decision().await;
        let cluster = match &decision {
            Decision::Return => self.responder.standing().cluster_id.unwrap(),
            Decision::Found(founding) => {
                self.accept(founding.cluster_id);
                complete_founding(&self.responder, founding, timing()).await.unwrap();
                founding.cluster_id
            }
            Decision::Member { cluster_id } | Decision::Join { cluster_id, .. } => *cluster_id,
        };
        self.accept(cluster);
        (decision, cluster)
    }

    pub(super) fn accept(&self, cluster: ClusterId) {
        self.responder.data_dir().set_cluster(Uuid::from_u128(cluster.0)).unwrap();
    }

    /// As SIGKILL: nothing is told to anybody; what was on its way to the disk may still land.
    pub(super) async fn kill(mut self) {
        for task in self.others.drain(..).chain(None) {
            task.abort();
            let _ = task.await;
        }
        if let Some(task) = self.decision.take() {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        for task in &self.others {
            task.abort();
        }
        if let Some(task) = &self.decision {
            task.abort();
        }
    }
}

async fn open(home: &Home) -> Arc<DataDir> {
    // A killed node's last write may still hold the directory for a moment.
    for _ in 0..2000 {
        match DataDir::open(&home.data_dir, Some(home.id)) {
            Ok(data_dir) => return Arc::new(data_dir),
            Err(crate::storage::StorageError::Locked { .. }) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{home:?} stays locked");
}

async fn accept(listener: TcpListener, responder: PeerResponder, promises: Arc<AtomicU8>) {
    let mut serving = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (responder, promises) = (responder.clone(), Arc::clone(&promises));
        serving.spawn(async move {
            let _ = serve(stream, responder, &promises).await;
        });
        while serving.try_join_next().is_some() {}
    }
}

async fn serve(
    mut stream: TcpStream,
    responder: PeerResponder,
    promises: &AtomicU8,
) -> std::io::Result<()> {
    let mut preamble = [0; 3];
    stream.read_exact(&mut preamble).await?;
    assert_eq!(preamble, PREAMBLE);
    let length = stream.read_u32_le().await?;
    let mut question = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut question).await?;
    let promise = matches!(decode(&question), Ok(Question::Promise(_)));
    let promises = promises.load(Ordering::SeqCst);
    if promise && promises == Promises::Lost as u8 {
        return Ok(());
    }
    let answer = responder.answer(&question).await.unwrap();
    if promise && promises == Promises::Unanswered as u8 {
        return Ok(());
    }
    stream.write_all(&answer).await?;
    stream.shutdown().await
}
