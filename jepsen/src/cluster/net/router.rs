//! The one thread that moves packets between the devices and the switch.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tappers::Tun;

use super::switch::{Devices, Switch};

/// The largest packet of IPv4.
const PACKET_BYTES_MAX: usize = 65_535;
/// Packets from one device before the next has its turn and a changed link is seen.
const BATCH: usize = 64;

/// The thread; ends when dropped.
pub(super) struct Router {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Router {
    pub(super) fn start(switch: Arc<Mutex<Switch>>, taps: Vec<Tun>) -> io::Result<Router> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let seen = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("net-router".to_owned())
            .spawn(move || run(&switch, &Taps(taps), &seen))?;
        Ok(Router { stop, thread: Some(thread) })
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let told = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let (Ok(_), Some(thread)) = (told, self.thread.take()) {
            // It has told of a panic itself.
            let _ = thread.join();
        }
    }
}

struct Taps(Vec<Tun>);

impl Devices for &Taps {
    fn send(&mut self, device: usize, packet: &[u8]) -> bool {
        self.0[device].send(packet).is_ok()
    }
}

fn run(switch: &Mutex<Switch>, mut taps: &Taps, stop: &OwnedFd) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    // The devices as the switch counts them, then the end.
    let fds = taps.0.iter().map(AsFd::as_fd).chain([stop.as_fd()]);
    let mut polled: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let mut next_due = None;
    loop {
        wait(&mut polled, next_due);
        next_due = {
            let mut switch = switch.lock();
            switch.deliver(Instant::now(), &mut taps);
            switch.next_due()
        };
        for (device, fd) in polled.iter().enumerate() {
            if !fd.revents().contains(PollFlags::IN) {
                continue;
            }
            let Some(tap) = taps.0.get(device) else { return };
            let mut switch = switch.lock();
            for _ in 0..BATCH {
                let Ok(bytes) = tap.recv(&mut buffer) else { break };
                switch.accept(device, &mut buffer[..bytes], Instant::now(), &mut taps);
            }
            next_due = switch.next_due();
        }
    }
}

/// Waits for packets or for one to be due.
fn wait(polled: &mut [PollFd<'_>], next_due: Option<Instant>) {
    let timeout = next_due.map(|due| {
        let left = due.saturating_duration_since(Instant::now());
        Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        }
    });
    match poll(polled, timeout.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => polled.iter_mut().for_each(PollFd::clear_revents),
        Err(error) => panic!("polling the devices: {error}"),
    }
}
