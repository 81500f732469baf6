//! FencedLock: the lock of the CP subsystem.

use crate::custom::RaftGroupId;
use crate::field::ProtocolUuid;
use crate::message::messages;

messages! {
    service FencedLock = 0x07;

    0x01 Lock lock retryable anywhere
        {
            group_id: RaftGroupId, name: String, session_id: i64, thread_id: i64,
            invocation_uid: ProtocolUuid
        } => { response: i64 };

    0x02 TryLock try_lock retryable anywhere
        {
            group_id: RaftGroupId, name: String, session_id: i64, thread_id: i64,
            invocation_uid: ProtocolUuid, timeout_ms: i64
        } => { response: i64 };

    0x03 Unlock unlock retryable anywhere
        {
            group_id: RaftGroupId, name: String, session_id: i64, thread_id: i64,
            invocation_uid: ProtocolUuid
        } => { response: bool };

    0x04 GetLockOwnership get_lock_ownership retryable anywhere
        { group_id: RaftGroupId, name: String }
        => { fence: i64, lock_count: i32, session_id: i64, thread_id: i64 };
}
