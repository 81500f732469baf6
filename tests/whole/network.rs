//! The simulated network: connections that deliver in order after a while, stall behind a cut, and
//! break. A process that has ended is neither heard nor does it hear.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use statekeeper::raft::{Dialer, Line, Listener, TransportFuture};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::random::Random;

/// Bytes on their way in one direction before the sender waits.
const IN_FLIGHT_BYTES_MAX: usize = 256 * 1024;
/// Connections that wait to be taken.
const BACKLOG: usize = 64;
/// How often a connection attempt looks whether the way is open again.
const RETRY: Duration = Duration::from_millis(20);
/// The longest delay of a healthy line, milliseconds.
const DELAY_MS_MAX: u64 = 2;

/// A node and one of its starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) node: u64,
    pub(crate) start: u64,
}

/// All lines between all nodes.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<Lines>>);

struct Lines {
    random: Random,
    /// Ways, from and to, that deliver nothing.
    cut: BTreeSet<(u64, u64)>,
    /// Ways that are slow, by milliseconds.
    slow: BTreeMap<(u64, u64), u64>,
    ended: BTreeSet<Process>,
    listeners: BTreeMap<String, (Process, mpsc::Sender<Line>)>,
    pipes: BTreeMap<u64, Pipe>,
    next_pipe: u64,
}

/// One direction of a connection.
struct Pipe {
    from: Process,
    to: Process,
    /// With the time of arrival; an empty chunk is the end.
    chunks: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    broken: bool,
    halves: u8,
    last_at: Instant,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        let wakers = [self.reader.take(), self.writer.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Lines {
    fn delay(&mut self, from: u64, to: u64) -> Duration {
        let most = self.slow.get(&(from, to)).copied().unwrap_or(DELAY_MS_MAX);
        Duration::from_millis(self.random.below(most + 1))
    }

    fn is_cut(&self, from: u64, to: u64) -> bool {
        self.cut.contains(&(from, to))
    }

    fn wake_all(&mut self) {
        self.pipes.values_mut().for_each(Pipe::wake);
    }

    fn break_where(&mut self, broken: impl Fn(&Pipe) -> bool) {
        for pipe in self.pipes.values_mut().filter(|pipe| broken(pipe)) {
            pipe.broken = true;
            pipe.wake();
        }
    }

    fn new_pipe(&mut self, from: Process, to: Process) -> u64 {
        let id = self.next_pipe;
        self.next_pipe += 1;
        let pipe = Pipe {
            from,
            to,
            chunks: VecDeque::new(),
            bytes: 0,
            broken: false,
            halves: 2,
            last_at: Instant::now(),
            reader: None,
            writer: None,
        };
        self.pipes.insert(id, pipe);
        id
    }

    fn drop_half(&mut self, id: u64) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        pipe.halves -= 1;
        if pipe.halves == 0 {
            self.pipes.remove(&id);
        }
    }
}

impl Network {
    pub(crate) fn new(random: Random) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            random,
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
            ended: BTreeSet::new(),
            listeners: BTreeMap::new(),
            pipes: BTreeMap::new(),
            next_pipe: 0,
        })))
    }

    /// A process begins: what was open to an earlier one of its node is answered with a reset.
    pub(crate) fn begin(
        &self,
        process: Process,
        address: &str,
    ) -> (Arc<dyn Dialer>, Box<dyn Listener>) {
        let mut lines = self.0.lock();
        let node = process.node;
        lines.break_where(|pipe| {
            [pipe.from, pipe.to].iter().any(|end| end.node == node && *end != process)
        });
        let (sender, receiver) = mpsc::channel(BACKLOG);
        lines.listeners.insert(address.to_owned(), (process, sender));
        let dialer = Arc::new(SimulatedDialer { network: self.clone(), process });
        (dialer, Box::new(SimulatedListener(receiver)))
    }

    /// A process ends. Its system closes what it had open; after a power cut nobody does.
    pub(crate) fn end(&self, process: Process, silently: bool) {
        let mut lines = self.0.lock();
        lines.ended.insert(process);
        lines.listeners.retain(|_, (listening, _)| *listening != process);
        if !silently {
            let cut = lines.cut.clone();
            lines.break_where(|pipe| {
                let open = |from: u64, to: u64| !cut.contains(&(from, to));
                (pipe.from == process || pipe.to == process) && open(pipe.from.node, pipe.to.node)
            });
        }
    }

    /// Closes a way; what is on it and what is sent waits.
    pub(crate) fn cut(&self, from: u64, to: u64) {
        self.0.lock().cut.insert((from, to));
    }

    /// Makes a way slow, or as it was.
    pub(crate) fn slow(&self, from: u64, to: u64, most_ms: Option<u64>) {
        let mut lines = self.0.lock();
        match most_ms {
            Some(most_ms) => lines.slow.insert((from, to), most_ms),
            None => lines.slow.remove(&(from, to)),
        };
    }

    /// Breaks every connection between two nodes.
    pub(crate) fn break_between(&self, one: u64, other: u64) {
        self.0.lock().break_where(|pipe| {
            let ends = (pipe.from.node, pipe.to.node);
            ends == (one, other) || ends == (other, one)
        });
    }

    /// Opens all ways and makes them fast.
    pub(crate) fn heal(&self) {
        let mut lines = self.0.lock();
        lines.cut.clear();
        lines.slow.clear();
        lines.wake_all();
    }
}

struct SimulatedDialer {
    network: Network,
    process: Process,
}

impl Dialer for SimulatedDialer {
    fn connect<'a>(&'a self, address: &'a str) -> TransportFuture<'a, io::Result<Line>> {
        Box::pin(async move {
            loop {
                let delay = {
                    let mut lines = self.network.0.lock();
                    let to = lines.listeners.get(address).map(|(process, _)| process.node);
                    lines.delay(self.process.node, to.unwrap_or_default())
                };
                sleep(delay).await;
                if let Some(line) = self.try_connect(address)? {
                    return Ok(line);
                }
                sleep(RETRY).await;
            }
        })
    }
}

impl SimulatedDialer {
    /// `None` while nothing gets through.
    fn try_connect(&self, address: &str) -> io::Result<Option<Line>> {
        let (out, back, there, listener) = {
            let mut lines = self.network.0.lock();
            if lines.ended.contains(&self.process) {
                return Ok(None);
            }
            let Some((there, listener)) = lines.listeners.get(address).cloned() else {
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            let (here, ways) = (self.process, (self.process.node, there.node));
            if lines.is_cut(ways.0, ways.1) || lines.is_cut(ways.1, ways.0) {
                return Ok(None);
            }
            (lines.new_pipe(here, there), lines.new_pipe(there, here), there, listener)
        };
        let half = |id, process| Half { network: self.network.clone(), id, process, sleep: None };
        let line = |read, write, process, peer| Line {
            read: Box::new(Reader(half(read, process))),
            write: Box::new(Writer(half(write, process))),
            peer,
        };
        let theirs = line(out, back, there, format!("node {}", self.process.node));
        let ours = line(back, out, self.process, address.to_owned());
        listener.try_send(theirs).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Some(ours))
    }
}

struct SimulatedListener(mpsc::Receiver<Line>);

impl Listener for SimulatedListener {
    fn accept(&mut self) -> TransportFuture<'_, io::Result<Line>> {
        Box::pin(async move {
            match self.0.recv().await {
                Some(line) => Ok(line),
                // The process has ended and does not know it yet.
                None => std::future::pending().await,
            }
        })
    }
}

/// One end of one direction.
struct Half {
    network: Network,
    id: u64,
    process: Process,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Drop for Half {
    fn drop(&mut self) {
        self.network.0.lock().drop_half(self.id);
    }
}

struct Reader(Half);

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let half = &mut self.get_mut().0;
        let mut guard = half.network.0.lock();
        let lines = &mut *guard;
        let Some(pipe) = lines.pipes.get_mut(&half.id) else { return Poll::Ready(Ok(())) };
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        pipe.reader = Some(context.waker().clone());
        let cut = lines.cut.contains(&(pipe.from.node, pipe.to.node));
        if cut || lines.ended.contains(&half.process) {
            return Poll::Pending;
        }
        let Some((at, chunk)) = pipe.chunks.front_mut() else { return Poll::Pending };
        if *at > Instant::now() {
            let mut sleep = Box::pin(sleep_until(*at));
            let ready = sleep.as_mut().poll(context).is_ready();
            half.sleep = Some(sleep);
            if !ready {
                return Poll::Pending;
            }
        }
        let length = chunk.len().min(buffer.remaining());
        buffer.put_slice(&chunk[..length]);
        chunk.drain(..length);
        pipe.bytes -= length;
        // The end stays where it is.
        if chunk.is_empty() && length > 0 {
            pipe.chunks.pop_front();
        }
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut lines = self.0.network.0.lock();
        if let Some(pipe) = lines.pipes.get_mut(&self.0.id) {
            pipe.broken = true;
            pipe.wake();
        }
    }
}

struct Writer(Half);

impl Writer {
    fn send(&mut self, context: Option<&mut Context<'_>>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut guard = self.0.network.0.lock();
        let lines = &mut *guard;
        if lines.ended.contains(&self.0.process) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let Some((from, to)) =
            lines.pipes.get(&self.0.id).map(|pipe| (pipe.from.node, pipe.to.node))
        else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let at = Instant::now() + lines.delay(from, to);
        let Some(pipe) = lines.pipes.get_mut(&self.0.id) else { unreachable!("found above") };
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if let Some(context) = context
            && pipe.bytes >= IN_FLIGHT_BYTES_MAX
        {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        pipe.last_at = pipe.last_at.max(at);
        pipe.bytes += bytes.len();
        pipe.chunks.push_back((pipe.last_at, bytes.to_vec()));
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut().send(Some(context), bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What was written before arrives first.
        let _ = self.send(None, &[]);
    }
}
