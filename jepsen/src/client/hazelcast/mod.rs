//! The native client: one connection to the node it was told, no routing, nothing repeated.

mod connection;
mod flake;
mod lock;
mod map;
mod set;
pub(super) mod value;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use connection::Connection;
pub use lock::LockSession;
use lock::Locker;

use super::{Client, Effect, Failure, Listen, Listener, Op, Outcome, SessionSeen, counter};

/// How a client introduces itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster that is asked for.
    pub cluster_name: String,
    /// How long connecting and authenticating may take.
    pub within: Duration,
}

/// One logical process on the wire.
pub struct HazelcastClient {
    address: SocketAddr,
    connection: Arc<Connection>,
    locker: Locker,
}

/// Connects to a node, from one of this machine's addresses if it is given.
///
/// # Errors
/// `Fail`, or a violation when the answer to the authentication is none.
pub async fn connect(
    address: SocketAddr,
    local: Option<IpAddr>,
    settings: &Settings,
) -> Result<HazelcastClient, Outcome> {
    let deadline = Instant::now() + settings.within;
    let connection = Connection::open(address, local, &settings.cluster_name, deadline)
        .await
        .map_err(|failure| failure.outcome(Effect::Read))?;
    Ok(HazelcastClient { address, connection: Arc::new(connection), locker: Locker::default() })
}

impl HazelcastClient {
    /// Where it is connected to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The session of its locks, if it has taken one.
    pub fn lock_session(&self) -> Option<LockSession> {
        self.locker.session()
    }

    /// Why its connection ended, if it has.
    pub fn closed(&self) -> Option<String> {
        self.connection.closed()
    }

    async fn perform(&mut self, op: &Op, within: Duration) -> Outcome {
        if op.object == "counter" {
            return counter::perform(self, op, within).await;
        }
        let deadline = Instant::now() + within;
        let told = match op.object.as_str() {
            "map" => map::call(&self.connection, op, deadline).await,
            "set" => set::call(&self.connection, op, deadline).await,
            "lock" => self.locker.call(&self.connection, op, deadline).await,
            "session" => self.locker.call_session(&self.connection, op, deadline).await,
            "flake" => flake::call(&self.connection, op, deadline).await,
            other => Err(Failure::NotSent(format!("no object of kind {other}"))),
        };
        told.unwrap_or_else(|failure| failure.outcome(Effect::of(&op.object, &op.f)))
    }
}

impl Client for HazelcastClient {
    fn call<'a>(&'a mut self, op: &'a Op, within: Duration) -> BoxFuture<'a, Outcome> {
        self.perform(op, within).boxed()
    }

    fn node(&self) -> Option<String> {
        Some(self.address.to_string())
    }

    fn session(&self) -> Option<SessionSeen> {
        let session = self.locker.session()?;
        let (renewed_at, time_to_live) = (session.last_heartbeat, session.time_to_live);
        Some(SessionSeen { renewed_at: renewed_at.into(), time_to_live })
    }

    fn listen<'a>(
        &'a mut self,
        wanted: &'a Listen,
        within: Duration,
    ) -> BoxFuture<'a, Result<Listener, Outcome>> {
        let deadline = Instant::now() + within;
        async move {
            let registered = map::listen(&self.connection, wanted, deadline).await;
            registered.map_err(|failure| failure.outcome(Effect::Once))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
