//! Fenced locks: a CP session of one raw client, and its calls.

use super::client::{CallError, Pending, RawClient};
use statekeeper_protocol::ProtocolUuid;
use statekeeper_protocol::custom::RaftGroupId;
use statekeeper_protocol::messages::{cp_group, cp_session, fenced_lock};
use std::time::Duration;

/// A CP session, which holds locks for the threads of one client.
#[derive(Clone, Debug)]
pub(crate) struct Locker {
    group: RaftGroupId,
    /// Its number.
    pub(crate) session: i64,
    /// How long it lives after its last heartbeat.
    pub(crate) time_to_live: Duration,
}

impl Locker {
    /// Opens a session.
    pub(crate) fn open(client: &RawClient, lock: &str) -> Locker {
        let proxy_name = lock.to_owned();
        let group = client.ok(&cp_group::create_cp_group::Request { proxy_name }).group_id;
        let request = cp_session::create_session::Request {
            group_id: group.clone(),
            endpoint_name: "raw".to_owned(),
        };
        let answer = client.ok(&request);
        let time_to_live = Duration::from_millis(u64::try_from(answer.ttl_millis).unwrap());
        Locker { group, session: answer.session_id, time_to_live }
    }

    /// Tells that the client lives.
    pub(crate) fn heartbeat(&self, client: &RawClient) -> Result<(), CallError> {
        let request = cp_session::heartbeat_session::Request {
            group_id: self.group.clone(),
            session_id: self.session,
        };
        client.call(&request).map(drop)
    }

    /// Ends the session, as a client does that shuts down.
    pub(crate) fn close(&self, client: &RawClient) -> Result<bool, CallError> {
        let request = cp_session::close_session::Request {
            group_id: self.group.clone(),
            session_id: self.session,
        };
        Ok(client.call(&request)?.response)
    }

    /// A lock as a thread of this session sees it.
    pub(crate) fn lock<'a>(&'a self, name: &'a str, thread: i64) -> RawLock<'a> {
        RawLock { locker: self, name, thread }
    }
}

/// A lock as one thread sees it. The client is named with each call: after a lost connection the
/// call is repeated, under the same identity, on another one.
#[derive(Clone, Copy)]
pub(crate) struct RawLock<'a> {
    locker: &'a Locker,
    name: &'a str,
    thread: i64,
}

impl RawLock<'_> {
    /// Asks for the lock and waits for it without limit.
    pub(crate) fn lock(
        &self,
        client: &RawClient,
        uid: ProtocolUuid,
    ) -> Result<Pending<fenced_lock::lock::Response>, CallError> {
        client.begin(&fenced_lock::lock::Request {
            group_id: self.locker.group.clone(),
            name: self.name.to_owned(),
            session_id: self.locker.session,
            thread_id: self.thread,
            invocation_uid: uid,
        })
    }

    /// Asks for the lock and waits so long; the fence, or 0.
    pub(crate) fn try_lock(&self, client: &RawClient, timeout: Duration) -> Result<i64, CallError> {
        let answer = client.call(&fenced_lock::try_lock::Request {
            group_id: self.locker.group.clone(),
            name: self.name.to_owned(),
            session_id: self.locker.session,
            thread_id: self.thread,
            invocation_uid: new_uid(),
            timeout_ms: i64::try_from(timeout.as_millis()).unwrap(),
        })?;
        Ok(answer.response)
    }

    /// Gives the lock back.
    pub(crate) fn unlock(&self, client: &RawClient) -> Result<bool, CallError> {
        let answer = client.call(&fenced_lock::unlock::Request {
            group_id: self.locker.group.clone(),
            name: self.name.to_owned(),
            session_id: self.locker.session,
            thread_id: self.thread,
            invocation_uid: new_uid(),
        })?;
        Ok(answer.response)
    }

    /// Fence and session of the holder; fence 0 when it is free.
    pub(crate) fn ownership(&self, client: &RawClient) -> Result<(i64, i64), CallError> {
        let answer = client.call(&fenced_lock::get_lock_ownership::Request {
            group_id: self.locker.group.clone(),
            name: self.name.to_owned(),
        })?;
        Ok((answer.fence, answer.session_id))
    }
}

/// The identity of one call, which stays the same when it is repeated.
pub(crate) fn new_uid() -> ProtocolUuid {
    ProtocolUuid::from_u128(uuid::Uuid::new_v4().as_u128())
}
