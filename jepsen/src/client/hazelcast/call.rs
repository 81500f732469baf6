//! Which answer belongs to which request.

use statekeeper_protocol::Message;
use statekeeper_protocol::messages::{
    client, cp_group, cp_session, fenced_lock, flake_id_generator, map, set,
};

/// A request with its answer.
pub(super) trait Call: Message {
    /// What comes back.
    type Answer: Message;
}

macro_rules! calls {
    ($($service:ident: $($module:ident)*;)*) => {
        $($(
            impl Call for $service::$module::Request {
                type Answer = $service::$module::Response;
            }
        )*)*
    };
}

calls! {
    client: authentication ping;
    map: put get set remove delete put_if_absent replace replace_if_same remove_if_same
        contains_key size is_empty key_set entry_set get_all put_all clear add_entry_listener
        add_entry_listener_to_key;
    set: add remove contains get_all size is_empty clear;
    cp_group: create_cp_group;
    cp_session: create_session heartbeat_session close_session;
    fenced_lock: lock try_lock unlock get_lock_ownership;
    flake_id_generator: new_id_batch;
}
