//! One server process: started, killed, paused, and started again on the same data.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use super::clock::Clock;
use super::disk::{Disk, FlushFaults};
use super::net::Net;
use super::preload::Preload;
use super::{Setup, Unwell, disk, etc, name};

/// After SIGTERM a node may take ten seconds for the calls in flight.
const STOP_WITHIN: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// So much of a log is shown of a node that did not do what it should.
const SHOWN_LINES: usize = 12;

/// What stands between a node and the machine it runs on.
#[derive(Default)]
pub struct Preloads {
    preload: Option<Preload>,
    /// Its clock, if the run has clocks.
    pub clock: Option<Mutex<Clock>>,
    /// Its flushes, if the run has them fail.
    pub flush: Option<FlushFaults>,
}

impl Preloads {
    fn of(setup: &Setup, home: &Path) -> anyhow::Result<Self> {
        if !setup.clocks && !setup.flush_faults {
            return Ok(Self::default());
        }
        let preload = Preload::new(&home.join("preload"))?;
        Ok(Self {
            clock: setup.clocks.then(|| Mutex::new(Clock::new(&preload))),
            flush: setup.flush_faults.then(|| FlushFaults::new(&preload)),
            preload: Some(preload),
        })
    }
}

/// A node's process, files and devices.
pub struct Node {
    number: usize,
    home: PathBuf,
    data: PathBuf,
    net: Net,
    preloads: Preloads,
    disk: Option<Mutex<Disk>>,
    binary: Mutex<PathBuf>,
    process: Mutex<Option<Child>>,
    /// Length of its log when its process began, bytes.
    log_begins: AtomicU64,
    /// It stands by our will.
    paused: AtomicBool,
    /// It was told to stop, and its end was not waited for yet.
    stopping: AtomicBool,
    /// It may end by itself: something was done to it that it must not bear.
    may_end: AtomicBool,
}

impl Node {
    /// Folders, files and devices; nothing runs.
    pub(super) fn prepare(setup: &Setup, net: &Net, number: usize) -> anyhow::Result<Self> {
        let home = setup.folder.join("nodes").join(name(number));
        fs::create_dir_all(&home).with_context(|| home.display().to_string())?;
        let disk = disk(setup, &home)?;
        let data = match &disk {
            Some(disk) => disk.path(),
            None => home.join("data"),
        };
        etc::write(setup, net, number, &home, &data)?;
        let preloads = Preloads::of(setup, &home)?;
        let binary = setup.old_binary.as_ref().unwrap_or(&setup.binary).clone();
        Ok(Self {
            number,
            home,
            data,
            net: net.clone(),
            preloads,
            disk: disk.map(Mutex::new),
            binary: Mutex::new(binary),
            process: Mutex::new(None),
            paused: AtomicBool::new(false),
            log_begins: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            may_end: AtomicBool::new(false),
        })
    }

    /// `n1` and so on.
    pub fn name(&self) -> String {
        name(self.number)
    }

    /// Its number, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What stands between it and its machine.
    pub fn preloads(&self) -> &Preloads {
        &self.preloads
    }

    /// Its disk, if the run has disks.
    pub fn disk(&self) -> Option<&Mutex<Disk>> {
        self.disk.as_ref()
    }

    /// What it writes.
    pub fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Starts from now on with another build.
    pub fn set_binary(&self, binary: &Path) {
        *self.binary.lock() = binary.to_owned();
    }

    /// Starts its process; it runs after this, and does not serve yet.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn start(&self) -> anyhow::Result<()> {
        let mut process = self.process.lock();
        if process.is_some() {
            bail!("{} runs already", self.name());
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log());
        let log = log.with_context(|| self.log().display().to_string())?;
        let begins = log.metadata().with_context(|| self.log().display().to_string())?.len();
        self.log_begins.store(begins, Ordering::Relaxed);
        let mut command = Command::new(&*self.binary.lock());
        command
            .args(["serve", "--end-with-parent", "--etc"])
            .arg(self.home.join("etc"))
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().with_context(|| self.log().display().to_string())?)
            .stderr(log)
            .envs(self.preloads.preload.iter().flat_map(Preload::environment));
        let child = self.net.spawn(self.number, command);
        self.stopping.store(false, Ordering::Relaxed);
        self.set_may_end(false);
        *process = Some(child.with_context(|| format!("cannot start {}", self.name()))?);
        self.paused.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether its process is there, paused or not.
    pub fn is_running(&self) -> bool {
        matches!(self.ended(), Ok(None)) && self.process.lock().is_some()
    }

    /// Whether it stands.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Whether something was done to it that it must not bear.
    pub fn may_end(&self) -> bool {
        self.may_end.load(Ordering::Relaxed)
    }

    /// From now on its end by itself is right, or is not.
    pub fn set_may_end(&self, may_end: bool) {
        self.may_end.store(may_end, Ordering::Relaxed);
    }

    /// Its process's id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.lock().as_ref().map(Child::id)
    }

    /// How it ended by itself, if it did.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn ended(&self) -> anyhow::Result<Option<ExitStatus>> {
        match self.process.lock().as_mut() {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }

    /// Starts it again if it has ended by itself, and tells how it ended. From now on it must run.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn revive(&self) -> anyhow::Result<Option<ExitStatus>> {
        let ended = self.ended()?;
        if ended.is_some() {
            self.process.lock().take();
        }
        let runs = self.process.lock().is_some();
        if !runs {
            self.start()?;
        }
        self.set_may_end(false);
        Ok(ended)
    }

    /// SIGKILL; it is gone when this returns. The proof is the signal it died of.
    ///
    /// # Errors
    /// It does not run or cannot be killed.
    pub fn kill(&self) -> anyhow::Result<ExitStatus> {
        let mut process = self.process.lock();
        let Some(mut child) = process.take() else { bail!("{} does not run", self.name()) };
        child.kill().with_context(|| format!("cannot kill {}", self.name()))?;
        self.paused.store(false, Ordering::Relaxed);
        Ok(child.wait()?)
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// It does not run, or does not end in time; then it is killed.
    pub async fn stop(&self) -> anyhow::Result<ExitStatus> {
        self.set_may_end(true);
        self.signal(Signal::TERM)?;
        self.stopping.store(true, Ordering::Relaxed);
        self.wait_stopped().await?.with_context(|| format!("{} did not run", self.name()))
    }

    /// Waits for the end of a node that was told to stop; `None`: nobody told it.
    ///
    /// # Errors
    /// It does not end in time; then it is killed.
    pub async fn wait_stopped(&self) -> anyhow::Result<Option<ExitStatus>> {
        if !self.stopping.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let deadline = Instant::now() + STOP_WITHIN;
        loop {
            if let Some(status) = self.ended()? {
                self.process.lock().take();
                self.stopping.store(false, Ordering::Relaxed);
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                self.kill()?;
                let what = format!("{} did not end within {STOP_WITHIN:?} of SIGTERM", self.name());
                return Err(Unwell(what).into());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// SIGSTOP, and waits until each of its threads stands.
    ///
    /// # Errors
    /// It does not run or cannot be stopped.
    pub async fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        self.paused.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + STOP_WITHIN;
        while !self.stands() {
            if Instant::now() >= deadline {
                bail!("{} did not stand still", self.name());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    /// Whether each of its threads is stopped.
    pub fn stands(&self) -> bool {
        let Some(pid) = self.pid() else { return false };
        let tasks = Path::new("/proc").join(pid.to_string()).join("task");
        let stands = |task: fs::DirEntry| {
            let state = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            state.contains("State:\tT")
        };
        fs::read_dir(tasks).is_ok_and(|mut tasks| tasks.all(|task| task.is_ok_and(stands)))
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)?;
        self.paused.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let process = self.process.lock();
        let Some(child) = process.as_ref() else { bail!("{} does not run", self.name()) };
        kill_process(Pid::from_child(child), signal)
            .with_context(|| format!("cannot send {signal:?} to {}", self.name()))
    }

    /// Open files and threads of its process, while it runs.
    pub fn handles(&self) -> Option<(usize, usize)> {
        let folder = Path::new("/proc").join(self.pid()?.to_string());
        let count = |of: &str| Some(fs::read_dir(folder.join(of)).ok()?.count());
        Some((count("fd")?, count("task")?))
    }

    /// Ends it without being asked how.
    pub fn end(&self) {
        if let Some(mut child) = self.process.lock().take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The end of what its last process wrote into its log.
    pub fn last_words(&self) -> String {
        let bytes = fs::read(self.log()).unwrap_or_default();
        let begins = usize::try_from(self.log_begins.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let text = String::from_utf8_lossy(bytes.get(begins..).unwrap_or_default());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}
