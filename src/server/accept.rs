//! The client port: what its connections share, and how it is opened and closed.

use std::fmt;
use std::future::Future;
use std::io;
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
use super::doorman;
use super::greeting::FirstCall;
use super::limits::{REFUSAL_LOG_INTERVAL, STRANGERS_MAX};
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
    pub(super) peers: PeerHandler,
    clients_max: usize,
    pub(super) strangers: Arc<Semaphore>,
    pub(super) refusals: RefusalLog,
    /// Apart from the others: this line tells an operator of a wrong setting and must not drown.
    pub(super) members: RefusalLog,
}

impl fmt::Debug for ClientPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPort").finish_non_exhaustive()
    }
}

impl Drop for ClientPort {
    fn drop(&mut self) {
        // The doorman's thread is nobody's task.
        self.shared.draining.cancel();
        self.shared.stop.cancel();
    }
}

impl ClientPort {
    /// Serves the listener. Fails when the system gives no thread to listen with.
    pub fn serve(listener: TcpListener, settings: ClientPortSettings) -> io::Result<Self> {
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
        tasks.spawn(doorman::open(listener, shared.clone())?);
        if let Some(patience) = settings.close_when_isolated {
            tasks.spawn(close_when_isolated(shared.clone(), patience));
        }
        Ok(Self { shared, tasks: Mutex::new(Some(tasks)) })
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

/// Serves who speaks the client protocol.
pub(super) async fn serve_client(
    shared: Arc<Shared>,
    socket: TcpStream,
    address: SocketAddr,
    stranger: OwnedSemaphorePermit,
    first: FirstCall,
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
    let connection = Connection::new(shared.clone(), settings, socket, address, stranger);
    shared.ended(&connection.run(first).await, address);
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
    /// Says why a connection ended, as loud as it deserves.
    pub(super) fn ended(&self, ended: &Ended, address: SocketAddr) {
        match ended {
            Ended::ByClient | Ended::Socket(_) | Ended::ByNode => {
                tracing::debug!(%address, reason = %ended, "connection ended");
            }
            Ended::Reason(CloseReason::Silent(_)) | Ended::Lagging => {
                tracing::warn!(%address, reason = %ended, "connection closed");
            }
            Ended::Reason(_) => self.refuse(&ended.to_string(), address),
        }
    }

    pub(super) fn refuse(&self, reason: &str, address: SocketAddr) {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        self.refusals.warn(&format!("connection from {address} refused: {reason}"));
    }
}

/// One line for many refusals: a flood must not fill the log as well.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    last: Mutex<Option<Instant>>,
    silent: AtomicU64,
}

impl RefusalLog {
    pub(super) fn warn(&self, text: &str) {
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
