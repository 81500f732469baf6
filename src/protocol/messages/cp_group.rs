//! CPGroup: groups of the CP subsystem.

use crate::custom::RaftGroupId;
use crate::message::messages;

messages! {
    service CPGroup = 0x1e;

    0x01 CreateCPGroup create_cp_group retryable anywhere
        { proxy_name: String } => { group_id: RaftGroupId };

    0x02 DestroyCPObject destroy_cp_object retryable anywhere
        { group_id: RaftGroupId, service_name: String, object_name: String } => {};
}
