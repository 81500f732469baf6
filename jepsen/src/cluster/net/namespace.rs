//! An anonymous namespace, its device, and the thread that lives inside.
//!
//! A process that made itself a namespace lends it: a descriptor of it keeps it when the process
//! has ended. The thread stays for as long as the network, since what it starts may ask to die
//! with the thread that started it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tappers::{Interface, Tun};

use super::address::PREFIX_BITS;

const DEVICE: &str = "net0";
/// Of an ordinary wire.
const PACKET_BYTES_MAX: usize = 1500;
/// How many packets the kernel holds for the router: some tens of milliseconds at full speed, so
/// that a busy machine loses none that no fault has taken.
const QUEUED_PACKETS: usize = 5000;
/// The thread does one after the other; who comes then waits.
const JOBS_WAITING_MAX: usize = 8;
/// New devices of a namespace have no IPv6 then: a node would see addresses that lead nowhere.
const WITHOUT_IPV6: &str = "/proc/sys/net/ipv6/conf/default/disable_ipv6";

type Job = Box<dyn FnOnce() + Send>;

/// A namespace and its thread, which ends when this is dropped.
pub(super) struct Namespace {
    handle: Arc<File>,
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Makes a namespace and the device in it; the name is that of the thread.
    pub(super) fn open(name: &str, addresses: &[Ipv4Addr]) -> anyhow::Result<(Namespace, Tun)> {
        let handle = Arc::new(anonymous().context("making a namespace (as root?)")?);
        let (jobs, received) = sync_channel(JOBS_WAITING_MAX);
        let inside = Arc::clone(&handle);
        let thread =
            thread::Builder::new().name(name.to_owned()).spawn(move || live(&inside, &received))?;
        let namespace = Namespace { handle, jobs: Some(jobs), thread: Some(thread) };
        let addresses = addresses.to_vec();
        let device = namespace.run(move || device(&addresses))??;
        Ok((namespace, device))
    }

    /// Runs the work inside and waits for it.
    pub(super) fn run<T, W>(&self, work: W) -> io::Result<T>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let ended = || io::Error::other("the thread of the namespace has ended");
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::new(move || {
            // Who asked waits for it below.
            let _ = answer.send(work());
        });
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(job).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())
    }

    /// Moves the calling thread inside.
    pub(super) fn enter(&self) -> io::Result<()> {
        enter(&self.handle)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It has told of a panic itself.
            let _ = thread.join();
        }
    }
}

fn enter(handle: &File) -> io::Result<()> {
    move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

fn live(handle: &File, jobs: &Receiver<Job>) {
    if let Err(error) = enter(handle) {
        panic!("entering the namespace: {error}");
    }
    for job in jobs {
        job();
    }
}

/// A namespace that only its descriptor keeps.
fn anonymous() -> anyhow::Result<File> {
    let mut lender = Command::new("unshare")
        .args(["--net", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting unshare")?;
    let handle = lent(&mut lender);
    // Its input ends here, and it with that.
    let ended = lender.wait().context("waiting for unshare");
    let handle = handle?;
    ended?;
    Ok(handle)
}

fn lent(lender: &mut Child) -> anyhow::Result<File> {
    let (Some(mut input), Some(mut output)) = (lender.stdin.take(), lender.stdout.take()) else {
        anyhow::bail!("unshare has no pipes");
    };
    // An answer means that the namespace has been made.
    input.write_all(b"\n").context("asking unshare")?;
    output.read_exact(&mut [0]).context("unshare made no namespace")?;
    let path = format!("/proc/{}/ns/net", lender.id());
    File::open(&path).with_context(|| format!("opening {path}"))
}

/// Makes the device of the namespace that the calling thread is in.
fn device(addresses: &[Ipv4Addr]) -> anyhow::Result<Tun> {
    match fs::write(WITHOUT_IPV6, "1") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).context(WITHOUT_IPV6);
        }
        Ok(()) | Err(_) => {}
    }
    let mut device = Tun::new_named(Interface::new(DEVICE)?).context("making a TUN device")?;
    device.set_nonblocking(true).context("making reads of the TUN device return at once")?;
    let mut lines = vec!["link set lo up".to_owned()];
    lines.push(format!("link set {DEVICE} mtu {PACKET_BYTES_MAX} txqueuelen {QUEUED_PACKETS} up"));
    for address in addresses {
        lines.push(format!("addr add {address}/{PREFIX_BITS} broadcast + dev {DEVICE}"));
    }
    lines.push(format!("route add 224.0.0.0/4 dev {DEVICE}"));
    lines.push(format!("route add broadcast 255.255.255.255 dev {DEVICE}"));
    ip(&lines)?;
    Ok(device)
}

fn ip(lines: &[String]) -> anyhow::Result<()> {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting ip")?;
    if let Some(mut input) = ip.stdin.take() {
        input.write_all((lines.join("\n") + "\n").as_bytes()).context("telling ip")?;
    }
    let output = ip.wait_with_output().context("waiting for ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip refused: {}", said.trim());
    Ok(())
}
