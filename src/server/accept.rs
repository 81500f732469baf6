//! The listening side of the client port.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use statekeeper_endpoint::{CloseReason, EndpointSettings};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::clients::ClientRegistry;
use super::connection::{Connection, Ended};
use super::counters::ClientCounters;
use super::greeting::Greeting;
use super::limits::{
    ACCEPT_PAUSE, GREETING_TIMEOUT, PEER_QUESTION_TIMEOUT, REFUSAL_LOG_INTERVAL, STRANGERS_MAX,
};
use crate::consensus::Consensus;

/// Answers the question of another node, which follows its greeting on this socket.
pub type PeerHandler =
    Arc<dyn Fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What the client port is made of.
pub struct ClientPortSettings {
    /// Where commands and queries go.
    pub consensus: Arc<dyn Consensus>,
    /// What every endpoint is told; clients are turned away until it is there.
    pub endpoint: watch::Receiver<Option<Arc<EndpointSettings>>>,
    /// Answers other nodes.
    pub peers: PeerHandler,
    /// `limits.clients-max`.
    pub clients_max: usize,
    /// `limits.client-send-buffer-max`.
    pub send_buffer_bytes_max: usize,
    /// `client.close-when-isolated`.
    pub close_when_isolated: Option<Duration>,
}

/// The client port, served by tasks of its own until it is closed.
pub struct ClientPort {
    shared: Arc<Shared>,
    tasks: Mutex<Option<JoinSet<()>>>,
}

/// What all connections of the port share.
pub(crate) struct Shared {
    pub(crate) consensus: Arc<dyn Consensus>,
    pub(crate) clients: Arc<ClientRegistry>,
    pub(crate) counters: Arc<ClientCounters>,
    pub(crate) send_buffer_bytes_max: usize,
    /// Ends every connection at once.
    pub(crate) stop: CancellationToken,
    /// No new connection and no new request; what is asked already is answered.
    pub(crate) draining: CancellationToken,
    endpoint: watch::Receiver<Option<Arc<EndpointSettings>>>,
    peers: PeerHandler,
    clients_max: usize,
    strangers: Arc<Semaphore>,
    refusals: RefusalLog,
    /// Apart from the others: this line tells an operator of a wrong setting and must not drown.
    members: RefusalLog,
}

impl fmt::Debug for ClientPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPort").finish_non_exhaustive()
    }
}

impl ClientPort {
    /// Serves the listener.
    pub fn serve(listener: TcpListener, settings: ClientPortSettings) -> Self {
        let shared = Arc::new(Shared {
            clients: ClientRegistry::new(settings.consensus.clone()),
            consensus: settings.consensus,
            counters: Arc::default(),
            send_buffer_bytes_max: settings.send_buffer_bytes_max,
            stop: CancellationToken::new(),
            draining: CancellationToken::new(),
            endpoint: settings.endpoint,
            peers: settings.peers,
            clients_max: settings.clients_max,
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            refusals: RefusalLog::default(),
            members: RefusalLog::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, shared.clone()));
        if let Some(patience) = settings.close_when_isolated {
            tasks.spawn(close_when_isolated(shared.clone(), patience));
        }
        Self { shared, tasks: Mutex::new(Some(tasks)) }
    }

    /// Who is connected.
    pub fn clients(&self) -> &Arc<ClientRegistry> {
        &self.shared.clients
    }

    /// The counters.
    pub fn counters(&self) -> &Arc<ClientCounters> {
        &self.shared.counters
    }

    /// Accepts nothing more, answers what was asked for at most `patience`, then ends all.
    pub async fn close(&self, patience: Duration) {
        self.shared.draining.cancel();
        let Some(mut tasks) = self.tasks.lock().take() else { return };
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(patience, all).await.is_err() {
            self.shared.stop.cancel();
            while tasks.join_next().await.is_some() {}
        }
    }
}

/// Accepts until the port drains, then waits for its connections.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shared.draining.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, address)) => {
                    shared.counters.connections.fetch_add(1, Ordering::Relaxed);
                    admit(&mut connections, &shared, socket, address);
                }
                Err(error) => {
                    shared.refusals.warn(&format!("a connection could not be accepted: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn admit(
    connections: &mut JoinSet<()>,
    shared: &Arc<Shared>,
    socket: TcpStream,
    address: SocketAddr,
) {
    let Ok(stranger) = shared.strangers.clone().try_acquire_owned() else {
        shared.refuse("too many connections that have not said who they are", address);
        return;
    };
    connections.spawn(greet(shared.clone(), socket, address, stranger));
}

/// Learns what the connection is and serves it.
async fn greet(
    shared: Arc<Shared>,
    mut socket: TcpStream,
    address: SocketAddr,
    stranger: OwnedSemaphorePermit,
) {
    let greeting = tokio::select! {
        () = shared.stop.cancelled() => return,
        read = timeout(GREETING_TIMEOUT, Greeting::read(&mut socket)) => match read {
            Ok(Ok(greeting)) => greeting,
            // Port scans and health checks end here; they are not worth a line.
            Ok(Err(_)) | Err(_) => return,
        },
    };
    match greeting {
        Greeting::Client => serve_client(shared, socket, address, stranger).await,
        Greeting::Peer => {
            let _ = timeout(PEER_QUESTION_TIMEOUT, (shared.peers)(socket)).await;
        }
        Greeting::Member => {
            shared.counters.member_protocol.fetch_add(1, Ordering::Relaxed);
            shared.members.warn(&format!(
                "connection from {address} refused: a Hazelcast member tried to join; set \
                 hetu.embedded-state-store.enabled=false in etc/config.properties of the \
                 coordinator there and restart it"
            ));
        }
        Greeting::OldClient => shared.refuse(
            "a client of Hazelcast 3.x tried to connect; clients of 4.0 and later are understood",
            address,
        ),
        Greeting::Other => shared.refuse("the first bytes are no protocol of this port", address),
    }
}

async fn serve_client(
    shared: Arc<Shared>,
    socket: TcpStream,
    address: SocketAddr,
    stranger: OwnedSemaphorePermit,
) {
    let Some(settings) = shared.endpoint.borrow().clone() else {
        // No cluster yet: closed without a word, and clients try again by themselves.
        return;
    };
    if shared.clients.len() >= shared.clients_max {
        shared.refuse("limits.clients-max is reached", address);
        return;
    }
    // Answers are small and awaited: never held back for more.
    let _ = socket.set_nodelay(true);
    let ended = Connection::new(shared.clone(), settings, socket, address, stranger).run().await;
    match ended {
        Ended::ByClient | Ended::Socket(_) | Ended::ByNode => {
            tracing::debug!(%address, reason = %ended, "connection ended");
        }
        Ended::Reason(CloseReason::Silent(_)) | Ended::Lagging => {
            tracing::warn!(%address, reason = %ended, "connection closed");
        }
        Ended::Reason(_) => shared.refuse(&ended.to_string(), address),
    }
}

async fn close_when_isolated(shared: Arc<Shared>, patience: Duration) {
    let mut status = shared.consensus.status();
    loop {
        let isolated = |status: &Arc<crate::consensus::Status>| status.isolated;
        tokio::select! {
            () = shared.draining.cancelled() => return,
            seen = status.wait_for(isolated) => if seen.is_err() { return },
        }
        let recovered = tokio::select! {
            () = shared.draining.cancelled() => return,
            seen = timeout(patience, status.wait_for(|status| !status.isolated)) => seen.is_ok(),
        };
        if !recovered {
            tracing::warn!("client.close-when-isolated: no leader, clients are disconnected");
            let rows = shared.clients.rows();
            rows.iter().for_each(|row| _ = shared.clients.disconnect(row.info.client));
        }
    }
}

impl Shared {
    fn refuse(&self, reason: &str, address: SocketAddr) {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        self.refusals.warn(&format!("connection from {address} refused: {reason}"));
    }
}

/// One line for many refusals: a flood must not fill the log as well.
#[derive(Debug, Default)]
struct RefusalLog {
    last: Mutex<Option<Instant>>,
    silent: AtomicU64,
}

impl RefusalLog {
    fn warn(&self, text: &str) {
        let now = Instant::now();
        {
            let mut last = self.last.lock();
            if last.is_some_and(|last| now - last < REFUSAL_LOG_INTERVAL) {
                self.silent.fetch_add(1, Ordering::Relaxed);
                return;
            }
            *last = Some(now);
        }
        let more = self.silent.swap(0, Ordering::Relaxed);
        tracing::warn!(unreported = more, "{text}");
    }
}
