//! Fenced locks, and the CP session that holds them: one session for each client, kept alive by a
//! task until it is told to be silent.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use statekeeper_protocol::custom::RaftGroupId;
use statekeeper_protocol::messages::{cp_group, cp_session, fenced_lock};
use statekeeper_protocol::{ExceptionCode, ProtocolUuid};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::Connection;
use crate::client::{Failure, Op, Outcome, answer};

/// The one thread of a logical process.
const THREAD: i64 = 1;
/// What a lock answers that was not taken.
const NO_FENCE: i64 = 0;

/// What holds the locks of one client.
#[derive(Clone, Debug)]
pub struct LockSession {
    /// Its number.
    pub id: i64,
    /// How long it lives at least after a heartbeat.
    pub time_to_live: Duration,
    /// When the last heartbeat that was answered was sent: it may end no earlier than this and the
    /// time to live.
    pub last_heartbeat: Instant,
    /// Whether heartbeats are being sent.
    pub beats: bool,
    group: RaftGroupId,
    interval: Duration,
}

/// The locks as one client sees them.
#[derive(Default)]
pub(super) struct Locker {
    session: Arc<Mutex<Option<LockSession>>>,
    heart: JoinSet<()>,
}

impl Locker {
    /// The session, if there is one.
    pub(super) fn session(&self) -> Option<LockSession> {
        self.session.lock().clone()
    }

    /// Performs an operation on a lock.
    pub(super) async fn call(
        &mut self,
        connection: &Arc<Connection>,
        op: &Op,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        if op.name.contains('@') {
            return Err(Failure::NotSent("locks are taken in the default group only".to_owned()));
        }
        let answer = match op.f.as_str() {
            "is-locked" | "lock-count" | "get-fence" => look(connection, op, deadline).await,
            _ => self.change(connection, op, deadline).await,
        };
        if let Err(Failure::Exception { code: ExceptionCode::SessionExpired, .. }) = &answer {
            self.forget();
        }
        answer
    }

    /// Performs an operation on the session itself: `state`, `heartbeat`, `pause`, `resume` and
    /// `close`.
    pub(super) async fn call_session(
        &mut self,
        connection: &Connection,
        op: &Op,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let Some(session) = self.session() else {
            return Ok(answer::ok(op, Value::Null));
        };
        let told = match op.f.as_str() {
            "state" => json!({
                "session": session.id,
                "ttl-ms": u64::try_from(session.time_to_live.as_millis()).unwrap_or(u64::MAX),
                "heartbeat-age-ms":
                    u64::try_from(session.last_heartbeat.elapsed().as_millis()).unwrap_or(u64::MAX),
                "beats": session.beats,
            }),
            "pause" | "resume" => {
                let beats = op.f == "resume";
                if let Some(session) = self.session.lock().as_mut() {
                    session.beats = beats;
                }
                json!(beats)
            }
            "heartbeat" => {
                beat(connection, &session, &self.session, deadline).await?;
                json!(true)
            }
            "close" => {
                self.forget();
                let (group_id, session_id) = (session.group, session.id);
                let request = cp_session::close_session::Request { group_id, session_id };
                json!(connection.call(&request, deadline).await?.response)
            }
            other => return Err(Failure::NotSent(format!("a session has no operation {other}"))),
        };
        Ok(answer::ok(op, told))
    }

    async fn change(
        &mut self,
        connection: &Arc<Connection>,
        op: &Op,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let session = self.open(connection, &op.name, deadline).await?;
        let (group_id, name) = (session.group, op.name.clone());
        let (session_id, thread_id) = (session.id, THREAD);
        let invocation_uid = ProtocolUuid::from_u128(uuid::Uuid::new_v4().as_u128());
        let fence = match op.f.as_str() {
            "acquire" => {
                let request = fenced_lock::lock::Request {
                    group_id,
                    name,
                    session_id,
                    thread_id,
                    invocation_uid,
                };
                let fence = connection.call(&request, deadline).await?.response;
                if fence == NO_FENCE {
                    let code = ExceptionCode::LockAcquireLimitReached;
                    return Err(Failure::Exception { code, message: "no more holds".to_owned() });
                }
                fence
            }
            "try-acquire" => {
                let request = fenced_lock::try_lock::Request {
                    group_id,
                    name,
                    session_id,
                    thread_id,
                    invocation_uid,
                    timeout_ms: op.value.as_ref().and_then(Value::as_i64).unwrap_or(0),
                };
                connection.call(&request, deadline).await?.response
            }
            "release" => {
                let request = fenced_lock::unlock::Request {
                    group_id,
                    name,
                    session_id,
                    thread_id,
                    invocation_uid,
                };
                connection.call(&request, deadline).await?;
                return Ok(answer::silent());
            }
            other => return Err(Failure::NotSent(format!("a lock has no operation {other}"))),
        };
        if fence < NO_FENCE {
            return Err(Failure::OutsideProtocol(format!("the fence {fence}")));
        }
        Ok(answer::ok(op, json!(fence)))
    }

    /// The session, made if there is none. Without one nothing was asked of the lock.
    async fn open(
        &mut self,
        connection: &Arc<Connection>,
        lock: &str,
        deadline: Instant,
    ) -> Result<LockSession, Failure> {
        if let Some(session) = self.session() {
            return Ok(session);
        }
        let unsent = |failure| match failure {
            outside @ Failure::OutsideProtocol(_) => outside,
            other => Failure::NotSent(format!("no session: {other}")),
        };
        let request = cp_group::create_cp_group::Request { proxy_name: lock.to_owned() };
        let group = connection.call(&request, deadline).await.map_err(unsent)?.group_id;
        let last_heartbeat = Instant::now();
        let (group_id, endpoint_name) = (group.clone(), "jepsen".to_owned());
        let request = cp_session::create_session::Request { group_id, endpoint_name };
        let made = connection.call(&request, deadline).await.map_err(unsent)?;
        let (Ok(ttl_ms), Ok(interval_ms)) =
            (u64::try_from(made.ttl_millis), u64::try_from(made.heartbeat_millis))
        else {
            return Err(Failure::OutsideProtocol("a session of negative times".to_owned()));
        };
        let session = LockSession {
            id: made.session_id,
            time_to_live: Duration::from_millis(ttl_ms),
            last_heartbeat,
            beats: true,
            group,
            interval: Duration::from_millis(interval_ms.max(1)),
        };
        *self.session.lock() = Some(session.clone());
        self.heart.spawn(keep(Arc::clone(connection), session.clone(), Arc::clone(&self.session)));
        Ok(session)
    }

    fn forget(&mut self) {
        self.heart.abort_all();
        *self.session.lock() = None;
    }
}

async fn look(connection: &Connection, op: &Op, deadline: Instant) -> Result<Outcome, Failure> {
    let unsent = |failure| match failure {
        outside @ Failure::OutsideProtocol(_) => outside,
        other => Failure::NotSent(format!("no group: {other}")),
    };
    let request = cp_group::create_cp_group::Request { proxy_name: op.name.clone() };
    let group_id = connection.call(&request, deadline).await.map_err(unsent)?.group_id;
    let request = fenced_lock::get_lock_ownership::Request { group_id, name: op.name.clone() };
    let owner = connection.call(&request, deadline).await?;
    let told = match op.f.as_str() {
        "is-locked" => json!(owner.fence != NO_FENCE),
        "lock-count" => json!(owner.lock_count),
        _ => json!(owner.fence),
    };
    Ok(answer::ok(op, told))
}

/// Sends heartbeats until the session or the connection has ended.
async fn keep(
    connection: Arc<Connection>,
    session: LockSession,
    shared: Arc<Mutex<Option<LockSession>>>,
) {
    loop {
        tokio::time::sleep(session.interval).await;
        match shared.lock().as_ref() {
            Some(current) if current.id == session.id && !current.beats => continue,
            Some(current) if current.id == session.id => {}
            Some(_) | None => return,
        }
        let deadline = Instant::now() + session.interval;
        if beat(&connection, &session, &shared, deadline).await.is_err()
            && connection.closed().is_some()
        {
            return;
        }
    }
}

async fn beat(
    connection: &Connection,
    session: &LockSession,
    shared: &Mutex<Option<LockSession>>,
    deadline: Instant,
) -> Result<(), Failure> {
    let (group_id, session_id) = (session.group.clone(), session.id);
    let sent = Instant::now();
    let request = cp_session::heartbeat_session::Request { group_id, session_id };
    connection.call(&request, deadline).await?;
    if let Some(current) = shared.lock().as_mut().filter(|current| current.id == session.id) {
        current.last_heartbeat = current.last_heartbeat.max(sent);
    }
    Ok(())
}
