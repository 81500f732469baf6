//! Client: connection, cluster view, distributed objects, schemas.

mod authentication;
mod object;
mod schema;

use statekeeper_protocol::messages::client::{
    Request, add_cluster_view_listener, local_backup_listener, ping, statistics,
};

use crate::call::Call;
use crate::step::Handled;

/// Handles one request.
pub(crate) fn handle(request: Request, call: &mut Call<'_>) -> Handled {
    match request {
        Request::Authentication(request) => authentication::plain(request, call),
        Request::AuthenticationCustom(request) => authentication::custom(request, call),
        Request::AddClusterViewListener(add_cluster_view_listener::Request {}) => {
            let Call { correlation, view, now, .. } = *call;
            // Before the response, as real members send them. spec: client-protocol 2
            call.cluster_view.register(correlation, view, now, call.outputs);
            call.answer(&add_cluster_view_listener::Response {})
        }
        Request::CreateProxy(request) => object::create(request, call),
        Request::CreateProxies(request) => object::create_all(request, call),
        Request::DestroyProxy(request) => object::destroy(request, call),
        Request::GetDistributedObjects(request) => object::list(request),
        Request::AddDistributedObjectListener(request) => object::add_listener(request, call),
        Request::RemoveDistributedObjectListener(request) => object::remove_listener(request, call),
        Request::Ping(ping::Request {}) => call.answer(&ping::Response {}),
        // Nobody reads what clients tell of themselves.
        Request::Statistics(_) => call.answer(&statistics::Response {}),
        Request::LocalBackupListener(local_backup_listener::Request {}) => {
            // There are no backups to tell of: responses ask for none. spec: client-protocol 0
            let response = call.listeners.draw_id(call.client());
            call.answer(&local_backup_listener::Response { response })
        }
        Request::SendSchema(request) => schema::send(request, call),
        Request::FetchSchema(request) => schema::fetch(request),
        Request::SendAllSchemas(request) => schema::send_all(request, call),
    }
}
