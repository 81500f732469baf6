//! Which answer belongs to which request.

use statekeeper_protocol::Message;
use statekeeper_protocol::messages::{
    client, cp_group, cp_session, fenced_lock, flake_id_generator, map,
};

/// A request with its answer.
pub(crate) trait Call: Message {
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
    client: authentication ping add_cluster_view_listener create_proxy;
    map: put get set remove put_if_absent replace_if_same size entry_set put_all clear
        add_entry_listener;
    cp_group: create_cp_group;
    cp_session: create_session heartbeat_session close_session;
    fenced_lock: lock try_lock unlock get_lock_ownership;
    flake_id_generator: new_id_batch;
}
