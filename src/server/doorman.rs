//! The doorman: a thread of its own that accepts connections and asks them what they are.
//!
//! It has a lower priority than all other threads: a flood of strangers takes the time that the
//! clients inside leave, and not the other way round. A node with a question and a client that says
//! who it is are handed to the threads that serve.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use statekeeper_endpoint::CloseReason;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::accept::{Shared, serve_client};
use super::greeting::{FirstCall, Greeting};
use super::limits::{
    ACCEPT_PAUSE, ACCEPTS_PER_TURN, DOORMAN_NICENESS, GREETING_TIMEOUT, PEER_QUESTION_TIMEOUT,
    TURN_PAUSE,
};

/// Opens the door. The future ends when the port has drained and all connections are closed.
pub(super) fn open(
    listener: TcpListener,
    shared: Arc<Shared>,
) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let listener = listener.into_std()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _entered = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let inside = Inside { serving: Handle::current(), tracker: TaskTracker::new() };
    let tracker = inside.tracker.clone();
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new().name("doorman".to_owned()).spawn(move || {
        // Refused or not, the door is kept; at the priority of all others if need be.
        if let Err(error) = rustix::process::setpriority_process(None, DOORMAN_NICENESS) {
            tracing::debug!(%error, "the doorman keeps its priority");
        }
        runtime.block_on(keep(listener, shared, inside));
        // Nobody waits for it when the port was dropped.
        let _ = ended.send(());
    })?;
    Ok(async move {
        let _ = end.await;
        tracker.close();
        tracker.wait().await;
    })
}

/// Where those are served who were let in.
#[derive(Clone)]
struct Inside {
    serving: Handle,
    tracker: TaskTracker,
}

impl Inside {
    /// Hands a socket over, from the poller of this thread to that of the others.
    fn serve<F>(&self, socket: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let Ok(socket) = socket.into_std() else { return };
        let serving = async move {
            // Fails for want of descriptors only; the client tries again.
            if let Ok(socket) = TcpStream::from_std(socket) {
                serve(socket).await;
            }
        };
        self.tracker.spawn_on(serving, &self.serving);
    }
}

/// Accepts until the port drains.
async fn keep(listener: TcpListener, shared: Arc<Shared>, inside: Inside) {
    let mut strangers = JoinSet::new();
    let mut turn = 0;
    loop {
        tokio::select! {
            biased;
            () = shared.draining.cancelled() => break,
            Some(_) = strangers.join_next(), if !strangers.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, address)) => {
                    shared.counters.connections.fetch_add(1, Ordering::Relaxed);
                    admit(&mut strangers, &shared, &inside, socket, address);
                    turn += 1;
                    if turn == ACCEPTS_PER_TURN {
                        turn = 0;
                        tokio::time::sleep(TURN_PAUSE).await;
                    }
                }
                Err(error) => {
                    shared.refusals.warn(&format!("a connection could not be accepted: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while strangers.join_next().await.is_some() {}
}

fn admit(
    strangers: &mut JoinSet<()>,
    shared: &Arc<Shared>,
    inside: &Inside,
    socket: TcpStream,
    address: SocketAddr,
) {
    let Ok(permit) = shared.strangers.clone().try_acquire_owned() else {
        shared.refuse("too many connections that have not said who they are", address);
        return;
    };
    strangers.spawn(greet(shared.clone(), inside.clone(), socket, address, permit));
}

/// Learns what the connection is, and who serves it.
async fn greet(
    shared: Arc<Shared>,
    inside: Inside,
    mut socket: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
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
        Greeting::Client => {
            let Some(first) = first_call(&shared, &mut socket, address).await else { return };
            inside
                .serve(socket, move |socket| serve_client(shared, socket, address, permit, first));
        }
        Greeting::Peer => inside.serve(socket, move |socket| async move {
            let _ = timeout(PEER_QUESTION_TIMEOUT, (shared.peers)(socket)).await;
        }),
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

/// Hears from a client who it is, or tells why not.
async fn first_call(
    shared: &Shared,
    socket: &mut TcpStream,
    address: SocketAddr,
) -> Option<FirstCall> {
    let heard = tokio::select! {
        () = shared.stop.cancelled() => return None,
        heard = timeout(GREETING_TIMEOUT, FirstCall::read(socket)) => heard,
    };
    heard
        .unwrap_or_else(|_| Err(CloseReason::AuthenticationTimeout.into()))
        .inspect_err(|ended| shared.ended(ended, address))
        .ok()
}
