//! The Raft port: takes connections of other nodes, checks who they are, and answers requests.
//!
//! A connection's requests are begun in the order in which they arrive and answered as they are
//! done. Bytes from outside yield an error that ends the connection, never a panic, and no more
//! memory than their frames have bytes.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use statekeeper_machine::NodeId;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::frame::{self, FrameError, FrameReader};
use super::handler::{Handler, Session};
use super::identity::Identity;
use super::limits;
use super::message::{
    Hello, HelloAnswer, HelloRefusal, MAGIC, Numbered, Request, Response, VERSION,
};
use super::roster::Roster;
use super::transport::{Line, Listener, ReadHalf, WriteHalf};

/// What a connection needs of its node.
pub(crate) struct RpcServer {
    pub(crate) identity: Arc<Identity>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) handler: Arc<Handler>,
}

type Answers = FuturesUnordered<BoxFuture<'static, (u64, Response)>>;

impl RpcServer {
    /// Takes connections until the token ends; the connections end with it.
    pub(crate) async fn serve(
        self: Arc<Self>,
        mut listener: Box<dyn Listener>,
        stop: CancellationToken,
    ) {
        let room = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(Line { read, write, peer: address }) => {
                    let Ok(place) = room.clone().try_acquire_owned() else {
                        tracing::warn!(address, "too many connections on the raft port");
                        continue;
                    };
                    let server = self.clone();
                    connections.spawn(async move {
                        if let Err(error) = server.connection(read, write).await {
                            tracing::debug!(address, %error, "a connection of a peer broke");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: trying at once would only burn the
                    // processor.
                    tracing::warn!(%error, "the raft port could not take a connection");
                    sleep(limits::RECONNECT_PAUSE).await;
                }
            }
        }
        connections.shutdown().await;
    }

    async fn connection(&self, read: ReadHalf, write: WriteHalf) -> Result<(), FrameError> {
        let mut reader = FrameReader::new(read, limits::HELLO_BYTES_MAX);
        let mut writer = BufWriter::new(write);
        let hello = match timeout(limits::HELLO_TIMEOUT, reader.next::<Hello>()).await {
            Ok(Ok(Some(hello))) => hello,
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        };
        let answer = match self.refusal(&hello) {
            Some(refusal) => HelloAnswer::Refused(refusal),
            None => HelloAnswer::Welcome(self.identity.welcome().await),
        };
        let welcome = matches!(answer, HelloAnswer::Welcome(_));
        write_frame(&mut writer, &answer).await?;
        writer.flush().await?;
        if !welcome {
            return Ok(());
        }
        reader.allow(limits::FRAME_BYTES_MAX);
        let session = Session::new(hello.from, hello.to.is_some());
        self.requests(session, reader, writer).await
    }

    async fn requests(
        &self,
        mut session: Session,
        mut reader: FrameReader<ReadHalf>,
        mut writer: BufWriter<WriteHalf>,
    ) -> Result<(), FrameError> {
        let mut answers = Answers::new();
        loop {
            let room = answers.len() < limits::REQUESTS_PER_CONNECTION_MAX;
            tokio::select! {
                Some((number, body)) = answers.next(), if !answers.is_empty() => {
                    write_frame(&mut writer, &Numbered { number, body }).await?;
                    // What else is done by now leaves in the same packet.
                    while let Some(Some((number, body))) = now(answers.next()) {
                        write_frame(&mut writer, &Numbered { number, body }).await?;
                    }
                    writer.flush().await?;
                }
                request = reader.next::<Numbered<Request>>(), if room => {
                    let Some(Numbered { number, body }) = request? else { break };
                    let answer = self.handler.begin(&mut session, body).await;
                    answers.push(Box::pin(async move { (number, answer.await) }));
                }
            }
        }
        Ok(())
    }

    fn refusal(&self, hello: &Hello) -> Option<HelloRefusal> {
        if hello.magic != MAGIC || hello.version != VERSION {
            return Some(HelloRefusal::Version { ours: VERSION });
        }
        match self.identity.cluster() {
            None => return Some(HelloRefusal::NoCluster),
            Some(ours) if ours != hello.cluster => {
                tracing::warn!(node = %hello.from, cluster = %hello.cluster, %ours,
                    "a node of another cluster connects and is refused");
                return Some(HelloRefusal::OtherCluster { ours });
            }
            Some(_) => {}
        }
        if hello.to.is_some_and(|to: NodeId| to != self.identity.node) {
            return Some(HelloRefusal::OtherNode { ours: self.identity.node });
        }
        let acknowledged =
            self.roster.lost(hello.from, hello.incarnation, hello.last_log_id, hello.vote)?;
        tracing::error!(node = %hello.from, acknowledged,
            "the node has lost log entries that it had acknowledged and is refused: set its data \
             directory aside and let it join again, empty, under a new node id");
        Some(HelloRefusal::LogLost { acknowledged })
    }
}

async fn write_frame<T: serde::Serialize>(
    writer: &mut BufWriter<WriteHalf>,
    value: &T,
) -> Result<(), FrameError> {
    let frame = frame::encode(value)
        .ok_or(FrameError::TooLarge { bytes: usize::MAX, limit: limits::FRAME_BYTES_MAX })?;
    Ok(writer.write_all(&frame).await?)
}

/// What a future yields without waiting.
fn now<F: Future + Unpin>(future: F) -> Option<F::Output> {
    futures::FutureExt::now_or_never(future)
}
