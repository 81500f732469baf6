//! CPSession: what holds locks on behalf of a client.

use crate::custom::RaftGroupId;
use crate::message::messages;

messages! {
    service CPSession = 0x1f;

    0x01 CreateSession create_session retryable anywhere
        { group_id: RaftGroupId, endpoint_name: String }
        => { session_id: i64, ttl_millis: i64, heartbeat_millis: i64 };

    0x02 CloseSession close_session retryable anywhere
        { group_id: RaftGroupId, session_id: i64 } => { response: bool };

    0x03 HeartbeatSession heartbeat_session retryable anywhere
        { group_id: RaftGroupId, session_id: i64 } => {};

    0x04 GenerateThreadId generate_thread_id retryable anywhere
        { group_id: RaftGroupId } => { response: i64 };
}
