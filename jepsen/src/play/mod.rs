//! One run from beginning to end: plan by seed, cluster, clients and faults, healing, last
//! questions, judgement, pages.

mod likeness;
mod probe;
mod profile;
mod results;
mod watch;
mod ways;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use tokio_util::sync::CancellationToken;

pub use probe::{Probed, probe};
pub use profile::{Cell, profile};
pub use ways::ClientKind;

use crate::cluster::disk::FileSystem;
use crate::cluster::net::Net;
use crate::cluster::{Cluster, Setup, Unwell, server_beside_us};
use crate::history::{Header, History, Recorder};
use crate::nemesis::{self, Arena, Lane, Needs, Tally};
use crate::report::{RunPlan, RunResults};
use crate::run::{Run, watch_leader};
use crate::workload;
use watch::Watch;
use ways::ToCluster;

/// Addresses of clients: workers and listeners share them.
const CLIENTS: usize = 12;
/// Everything is healed: somebody must lead soon.
const LEADER_WITHIN: Duration = Duration::from_secs(10);
/// And every node must serve again.
const HEALED_WITHIN: Duration = Duration::from_secs(30);
/// And each last question must be answered.
const LAST_WITHIN: Duration = Duration::from_secs(10);

/// What is asked for on the command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Name of the workload.
    pub workload: String,
    /// Name of the nemesis.
    pub nemesis: String,
    /// Voters.
    pub nodes: usize,
    /// Length of the main phase.
    pub time: Duration,
    /// Everything random comes from it.
    pub seed: u64,
    /// Through which client.
    pub client: ClientKind,
    /// Lines of `statekeeper.properties`.
    pub settings: Vec<(String, String)>,
    /// The file system of nodes with disks of their own.
    pub file_system: FileSystem,
    /// The server; none: that of the same build.
    pub binary: Option<PathBuf>,
    /// The server that nodes begin with.
    pub old_binary: Option<PathBuf>,
    /// The commit of the server.
    pub commit: String,
    /// Where runs are kept.
    pub store: PathBuf,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Played {
    /// Where everything of it is.
    pub folder: PathBuf,
    /// What was drawn.
    pub plan: RunPlan,
    /// What came of it.
    pub results: RunResults,
}

impl Wanted {
    /// The same wish, out of the plan of a run.
    ///
    /// # Errors
    /// The plan is not one of ours.
    pub fn of_plan(plan: &RunPlan) -> anyhow::Result<Self> {
        let wanted = plan.options.get("wanted").context("plan.json has no field options.wanted")?;
        serde_json::from_value(wanted.clone()).context("plan.json: options.wanted")
    }

    fn plan(&self, lanes: &[Lane], version: String) -> anyhow::Result<RunPlan> {
        let mut options = Map::new();
        options.insert("wanted".to_owned(), serde_json::to_value(self)?);
        let mut plan = RunPlan {
            workload: self.workload.clone(),
            nemesis: self.nemesis.clone(),
            nodes: u32::try_from(self.nodes).unwrap_or(u32::MAX),
            time_s: self.time.as_secs(),
            seed: self.seed,
            client: self.client.to_string(),
            commit: self.commit.clone(),
            version,
            options,
            ..RunPlan::default()
        };
        plan.more.insert("schedule".to_owned(), serde_json::to_value(lanes)?);
        Ok(plan)
    }
}

/// Plays a run. It takes this process to itself: its threads live in the clients' network, and
/// its mounts are nobody else's (`disk::private_mounts` comes first in `main`).
///
/// # Errors
/// The harness failed, which says nothing about the server. A run that ended badly is no error.
pub fn play(wanted: &Wanted) -> anyhow::Result<Played> {
    let rows = nemesis::lanes(&wanted.nemesis)?;
    let needs = nemesis::needs(&rows);
    let lanes = nemesis::schedule(&rows, wanted.time, wanted.seed);
    if !rows.is_empty() && lanes.iter().all(Vec::is_empty) {
        bail!("{:?} is too short for a fault: give --time 10s or more", wanted.time);
    }
    let binary = match &wanted.binary {
        Some(binary) => binary.clone(),
        None => server_beside_us()?,
    };
    let plan = wanted.plan(&lanes, version_of(&binary)?)?;
    let folder = new_folder(&wanted.store, &plan)?;
    plan.save(&folder)?;
    let setup = setup(wanted, needs, binary, &folder);
    let net = Net::new(setup.nodes + setup.spare, setup.clients, wanted.seed)
        .context("the network of the run")?;
    let entering = net.clone();
    net.enter_clients().context("the clients' network")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(move || {
            if let Err(error) = entering.enter_clients() {
                // It would ask nobody, and the run would be rejected for it.
                eprintln!("a thread is not in the clients' network: {error}");
            }
        })
        .enable_all()
        .build()?;
    let begin = Instant::now();
    let started_at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let ended = runtime.block_on(phases(wanted, setup, net, lanes, &folder));
    runtime.shutdown_timeout(Duration::from_secs(1));
    let took = begin.elapsed();
    let results = results::of(&plan, &folder, ended, took, started_at)?;
    Ok(Played { folder, plan, results })
}

/// What the phases of a run leave to be judged.
struct Ended {
    history: History,
    tally: Tally,
    /// What is wrong with servers or answers, whatever the history says.
    wrong: Vec<String>,
}

fn setup(wanted: &Wanted, needs: Needs, binary: PathBuf, folder: &Path) -> Setup {
    Setup {
        nodes: wanted.nodes,
        spare: if needs.as_many_spare { wanted.nodes } else { usize::from(needs.spare) },
        clients: CLIENTS,
        binary,
        old_binary: wanted.old_binary.clone(),
        settings: wanted.settings.clone(),
        disks: needs.disks.then_some(wanted.file_system),
        flush_faults: needs.flush,
        clocks: needs.clocks,
        seed_directory: wanted.workload == workload::SEED_DIRECTORY,
        coordinators: wanted.workload == workload::DISCOVERY_RECORD,
        folder: folder.to_owned(),
        seed: wanted.seed,
    }
}

async fn phases(
    wanted: &Wanted,
    setup: Setup,
    net: Net,
    lanes: Vec<Lane>,
    folder: &Path,
) -> anyhow::Result<Ended> {
    let workload = workload::by_name(&wanted.workload)?;
    let (model, params) = workload.model();
    let name = format!("{}-{}-{}", wanted.workload, wanted.nemesis, wanted.seed);
    let header = Header { history: 1, name, model: model.to_owned(), params };
    let recorder = Recorder::begin(&folder.join("history.jsonl"), header)?;
    let cluster = match Cluster::start(setup, net).await {
        Ok(cluster) => cluster,
        Err(error) => return unwell_or(error, &recorder),
    };
    let arena = Arc::new(Arena::new(Arc::clone(&cluster)));
    let ways = Arc::new(ToCluster::new(Arc::clone(&cluster), &wanted.client, folder)?);
    let run = Run::new(Arc::clone(&ways) as _, recorder.clone(), workload, wanted.seed);
    let watch = Watch::new(Arc::clone(&cluster));
    let [stop_faults, stop_work, stop_watch] = [(); 3].map(|()| CancellationToken::new());
    let asked = Arc::clone(&cluster);
    let ask = move || {
        let cluster = Arc::clone(&asked);
        async move { cluster.leader().await.map(|led| format!("{}/{}", led.term, led.node)) }
            .boxed()
    };
    let main_phase = async {
        let (arena, recorder) = (Arc::clone(&arena), recorder.clone());
        let faults = nemesis::act(arena, recorder, &lanes, wanted.time, &stop_faults);
        let clock = async {
            tokio::time::sleep(wanted.time).await;
            stop_faults.cancel();
        };
        let (tally, ()) = tokio::join!(faults, clock);
        stop_work.cancel();
        tally
    };
    let watching = async {
        let (tally, ()) = tokio::join!(main_phase, run.work(&stop_work));
        let healed = match &tally {
            Ok(_) => heal(&cluster, &arena, &run).await,
            Err(_) => Ok(Vec::new()),
        };
        stop_watch.cancel();
        (tally, healed)
    };
    let ((tally, healed), (), (), ()) = tokio::join!(
        watching,
        watch_leader(recorder.clone(), ask, stop_watch.clone()),
        run.listen(&stop_watch),
        watch.look(&stop_watch)
    );
    let mut wrong = run.violations();
    wrong.extend(ways.violations());
    wrong.extend(watch.wrong());
    let tally = match tally {
        Ok(tally) => tally,
        Err(error) => {
            wrong.push(unwell(error)?);
            Tally::default()
        }
    };
    match healed {
        Ok(unlike) => wrong.extend(unlike),
        Err(error) => wrong.push(unwell(error)?),
    }
    cluster.end();
    wrong.extend(watch.panics());
    let history = run.end()?;
    Ok(Ended { history, tally, wrong })
}

/// Mends everything, demands a leader, every node, and an answer to every last question.
async fn heal(cluster: &Cluster, arena: &Arena, run: &Run) -> anyhow::Result<Vec<String>> {
    cluster.net().heal();
    for voter in arena.voters() {
        cluster.node(voter).revive()?;
    }
    let leader = cluster.wait_leader(LEADER_WITHIN).await;
    leader.map_err(|error| Unwell(format!("after everything was healed, {error}")))?;
    for voter in arena.voters() {
        cluster.wait_ready(voter, HEALED_WITHIN).await?;
    }
    run.last(LAST_WITHIN).await.map_err(|unanswered| Unwell(unanswered.to_string()))?;
    likeness::differences(cluster, &arena.voters()).await
}

/// A failure of the servers becomes a sentence; one of the harness stays an error.
fn unwell(error: anyhow::Error) -> anyhow::Result<String> {
    match error.downcast_ref::<Unwell>() {
        Some(_) => Ok(format!("{error:#}")),
        None => Err(error),
    }
}

fn unwell_or(error: anyhow::Error, recorder: &Recorder) -> anyhow::Result<Ended> {
    let wrong = vec![unwell(error)?];
    Ok(Ended { history: recorder.end()?, tally: Tally::default(), wrong })
}

fn new_folder(store: &Path, plan: &RunPlan) -> anyhow::Result<PathBuf> {
    let at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let at = at.replace([':', '-'], "");
    let folder = store.join(plan.cell()).join(format!("{at}-{}", plan.seed));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    std::path::absolute(&folder).with_context(|| folder.display().to_string())
}

fn version_of(binary: &Path) -> anyhow::Result<String> {
    let output = std::process::Command::new(binary).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", binary.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
