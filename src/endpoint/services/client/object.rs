//! Distributed objects: their creation, their end, and who is told of both.

use statekeeper_machine::{Answer, Command, Name, ObjectCommand, Query};
use statekeeper_protocol::custom::DistributedObjectInfo;
use statekeeper_protocol::messages::client::{
    add_distributed_object_listener, create_proxies, create_proxy, destroy_proxy,
    get_distributed_objects, remove_distributed_object_listener,
};
use statekeeper_protocol::{EncodedMessage, Message, PartitionId};

use crate::call::Call;
use crate::exception::Failure;
use crate::listeners::Subscriber;
use crate::services::{done, is_true, unexpected};
use crate::step::{Handled, Step};

/// Services whose objects clients may create here. spec: client-protocol 5
const SUPPORTED: [&str; 3] =
    ["hz:impl:mapService", "hz:impl:setService", "hz:impl:flakeIdGeneratorService"];

/// `Client.createProxy`.
pub(super) fn create(request: create_proxy::Request, call: &Call<'_>) -> Handled {
    check_service("Client.createProxy", &request.service_name)?;
    let object = (Name::from(request.service_name), call.name(&request.name)?);
    create_new(vec![object], &create_proxy::Response {}, call)
}

/// `Client.createProxies`: all that a client uses, after it has found another cluster.
pub(super) fn create_all(request: create_proxies::Request, call: &Call<'_>) -> Handled {
    let mut objects = Vec::with_capacity(request.proxies.len());
    for (name, service) in request.proxies {
        check_service("Client.createProxies", &service)?;
        objects.push((Name::from(service), call.name(&name)?));
    }
    if objects.is_empty() {
        return call.answer(&create_proxies::Response {});
    }
    create_new(objects, &create_proxies::Response {}, call)
}

/// `Client.destroyProxy`.
pub(super) fn destroy(request: destroy_proxy::Request, call: &Call<'_>) -> Handled {
    check_service("Client.destroyProxy", &request.service_name)?;
    let command = Command::Object(ObjectCommand::Destroy {
        service: Name::from(request.service_name),
        name: call.name(&request.name)?,
        client: call.client(),
    });
    Step::submit(command, |outcome, call| {
        done(outcome)?;
        call.answer(&destroy_proxy::Response {})
    })
}

/// `Client.getDistributedObjects`.
pub(super) fn list(_: get_distributed_objects::Request) -> Handled {
    Step::read(Query::Objects, |answer, call| {
        let Answer::Objects(objects) = answer else { return unexpected("objects") };
        let info = |(service, name): (Name, Name)| DistributedObjectInfo {
            service_name: service.to_string(),
            name: name.to_string(),
        };
        let response = objects.into_iter().map(info).collect();
        call.answer(&get_distributed_objects::Response { response })
    })
}

/// `Client.addDistributedObjectListener`.
pub(super) fn add_listener(
    request: add_distributed_object_listener::Request,
    call: &mut Call<'_>,
) -> Handled {
    let subscriber = Subscriber {
        client: call.client(),
        correlation: call.correlation,
        local_only: request.local_only,
    };
    let response = call.listeners.add_objects(subscriber)?;
    call.answer(&add_distributed_object_listener::Response { response })
}

/// `Client.removeDistributedObjectListener`.
pub(super) fn remove_listener(
    request: remove_distributed_object_listener::Request,
    call: &mut Call<'_>,
) -> Handled {
    let response = call.listeners.remove_of_objects(request.registration_id);
    call.answer(&remove_distributed_object_listener::Response { response })
}

fn check_service(what: &str, service: &str) -> Result<(), Failure> {
    if SUPPORTED.contains(&service) {
        Ok(())
    } else {
        Err(Failure::unsupported(format!("{what} for {service}")))
    }
}

/// Creates what is not there. Clients name their objects again at every start and reconnect:
/// looking first keeps that out of the log.
fn create_new(objects: Vec<(Name, Name)>, response: &impl Message, call: &Call<'_>) -> Handled {
    let response: EncodedMessage = response.encode_with(call.correlation, PartitionId::NONE);
    Step::read(Query::ObjectsExist { objects: objects.clone() }, move |answer, call| {
        if is_true(answer)? {
            return Ok(Step::Answer(response));
        }
        let create = ObjectCommand::Create { objects, client: call.client() };
        Step::submit(Command::Object(create), move |outcome, _| {
            done(outcome)?;
            Ok(Step::Answer(response))
        })
    })
}
