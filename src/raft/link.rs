//! `Link`: one outgoing connection to another node; requests go out in order, answers come back by
//! number, and everything that is open when the connection ends is told so.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::frame::{self, FrameError, FrameReader};
use super::limits;
use super::message::{Hello, HelloAnswer, HelloRefusal, Numbered, Request, Response, Welcome};
use super::transport::{Dialer, Line, ReadHalf, WriteHalf};

/// Why a request has no answer.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    /// No connection.
    #[error("could not connect to {address}")]
    Connect {
        /// The Raft address.
        address: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The other side does not take us in.
    #[error("{address} refuses: {refusal}")]
    Refused {
        /// The Raft address.
        address: String,
        /// Its words.
        refusal: HelloRefusal,
    },
    /// The node there has lost entries that it had acknowledged.
    #[error("node at {address} has lost log index {acknowledged}, which it had acknowledged")]
    PeerLostLog {
        /// The Raft address.
        address: String,
        /// The highest index that is remembered.
        acknowledged: u64,
    },
    /// This node belongs to no cluster.
    #[error("this node belongs to no cluster yet")]
    NoCluster,
    /// An attempt failed a moment ago.
    #[error("{address} could not be reached a moment ago")]
    Pause {
        /// The Raft address.
        address: String,
    },
    /// The answer is no frame of ours.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Larger than a frame may be.
    #[error("a message is larger than a frame may be")]
    TooLarge,
    /// The connection ended before the answer.
    #[error("the connection ended before the answer")]
    Lost,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
}

type Open = Arc<Mutex<HashMap<u64, oneshot::Sender<Response>>>>;

/// An outgoing connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Link {
    frames: mpsc::Sender<Vec<u8>>,
    open: Open,
    next: AtomicU64,
    welcome: Welcome,
    closed: CancellationToken,
    /// Owns reader and writer; both end with it.
    _tasks: JoinSet<()>,
}

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Reply(oneshot::Receiver<Response>);

impl Reply {
    /// Waits for the answer.
    pub(crate) async fn get(&mut self) -> Result<Response, LinkError> {
        (&mut self.0).await.map_err(|_| LinkError::Lost)
    }
}

impl Link {
    /// Connects and says hello.
    pub(crate) async fn connect(
        dialer: &dyn Dialer,
        address: &str,
        hello: Hello,
        within: Duration,
    ) -> Result<Self, LinkError> {
        timeout(within, Self::open(dialer, address, hello)).await.unwrap_or(Err(LinkError::Timeout))
    }

    async fn open(dialer: &dyn Dialer, address: &str, hello: Hello) -> Result<Self, LinkError> {
        let failed = |source| LinkError::Connect { address: address.to_owned(), source };
        let Line { read, write, .. } = dialer.connect(address).await.map_err(failed)?;
        let mut reader = FrameReader::new(read, limits::HELLO_BYTES_MAX);
        let mut writer = BufWriter::new(write);
        let frame = frame::encode(&hello).ok_or(LinkError::TooLarge)?;
        writer.write_all(&frame).await.map_err(FrameError::from)?;
        writer.flush().await.map_err(FrameError::from)?;
        let welcome = match reader.next::<HelloAnswer>().await? {
            None => return Err(LinkError::Lost),
            Some(HelloAnswer::Welcome(welcome)) => welcome,
            Some(HelloAnswer::Refused(refusal)) => {
                return Err(LinkError::Refused { address: address.to_owned(), refusal });
            }
        };
        reader.allow(limits::FRAME_BYTES_MAX);
        let (frames, queue) = mpsc::channel(limits::LINK_QUEUE_FRAMES);
        let open = Open::default();
        let closed = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(write_frames(writer, queue, open.clone(), closed.clone()));
        tasks.spawn(read_responses(reader, open.clone(), closed.clone()));
        Ok(Self { frames, open, next: AtomicU64::new(1), welcome, closed, _tasks: tasks })
    }

    /// Who lives there and what it last had in its log.
    pub(crate) fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Queues a request; they arrive in the order of these calls. Waits while the line is full.
    pub(crate) async fn begin(&self, request: Request) -> Result<Reply, LinkError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let frame = frame::encode(&Numbered { number, body: request });
        let frame = frame.ok_or(LinkError::TooLarge)?;
        let (answer, reply) = oneshot::channel();
        self.open.lock().insert(number, answer);
        let sent = self.frames.send(frame).await;
        if sent.is_err() || self.is_closed() {
            self.open.lock().remove(&number);
            return Err(LinkError::Lost);
        }
        Ok(Reply(reply))
    }

    /// One request and its answer.
    pub(crate) async fn call(
        &self,
        request: Request,
        within: Duration,
    ) -> Result<Response, LinkError> {
        let answer = async { self.begin(request).await?.get().await };
        timeout(within, answer).await.unwrap_or(Err(LinkError::Timeout))
    }

    /// Ends the connection, because the other side has gone silent.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

async fn write_frames(
    mut writer: BufWriter<WriteHalf>,
    mut queue: mpsc::Receiver<Vec<u8>>,
    open: Open,
    closed: CancellationToken,
) {
    let write = async {
        while let Some(frame) = queue.recv().await {
            writer.write_all(&frame).await?;
            if queue.is_empty() {
                writer.flush().await?;
            }
        }
        io::Result::Ok(())
    };
    tokio::select! {
        result = write => if let Err(error) = result {
            tracing::debug!(%error, "a connection to a peer broke");
        },
        () = closed.cancelled() => {}
    }
    closed.cancel();
    open.lock().clear();
}

async fn read_responses(mut reader: FrameReader<ReadHalf>, open: Open, closed: CancellationToken) {
    let read = async {
        while let Some(response) = reader.next::<Numbered<Response>>().await? {
            // Nobody waits any more for an answer that was given up.
            if let Some(answer) = open.lock().remove(&response.number) {
                drop(answer.send(response.body));
            }
        }
        Result::<(), FrameError>::Ok(())
    };
    tokio::select! {
        result = read => if let Err(error) = result {
            tracing::debug!(%error, "a connection to a peer broke");
        },
        () = closed.cancelled() => {}
    }
    closed.cancel();
    open.lock().clear();
}
