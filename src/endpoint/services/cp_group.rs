//! CPGroup: groups of the CP subsystem. All live in one log; a group is its name.

use statekeeper_machine::{Answer, Command, CpCommand, Group, Name, Outcome, Query};
use statekeeper_protocol::custom::RaftGroupId;
use statekeeper_protocol::messages::cp_group::{Request, create_cp_group, destroy_cp_object};

use crate::call::Call;
use crate::exception::{Failure, GroupNameError};
use crate::services::{done, unexpected};
use crate::step::{Handled, Step};

/// The one CP service there is.
const LOCK_SERVICE: &str = "hz:raft:lockService";
/// The group of objects that name none.
const DEFAULT_GROUP: &str = "default";
/// The group real members keep for themselves.
const METADATA_GROUP: &str = "METADATA";

/// Handles one request.
pub(crate) fn handle(request: Request, call: &mut Call<'_>) -> Handled {
    match request {
        Request::CreateCPGroup(request) => create(&request, call),
        Request::DestroyCPObject(request) => destroy(&request, call),
    }
}

/// Clients ask at every `getLock`: looking first keeps that out of the log.
fn create(request: &create_cp_group::Request, call: &Call<'_>) -> Handled {
    let group = call.name(group_of(&request.proxy_name).map_err(Failure::GroupName)?)?;
    Step::read(Query::Group { group: group.clone() }, |answer, call| {
        let Answer::Group(known) = answer else { return unexpected("a group") };
        if let Some(known) = known {
            return call.answer(&create_cp_group::Response { group_id: group_id(&known) });
        }
        Step::submit(Command::Cp(CpCommand::CreateGroup { group }), |outcome, call| {
            let Outcome::Group(made) = outcome else { return unexpected("a group") };
            call.answer(&create_cp_group::Response { group_id: group_id(&made) })
        })
    })
}

fn destroy(request: &destroy_cp_object::Request, call: &Call<'_>) -> Handled {
    if request.service_name != LOCK_SERVICE {
        let service = &request.service_name;
        return Err(Failure::unsupported(format!("CPGroup.destroyCPObject for {service}")));
    }
    let command = Command::Cp(CpCommand::DestroyObject {
        group: call.name(&request.group_id.name)?,
        service: Name::from(LOCK_SERVICE),
        name: call.name(&request.object_name)?,
    });
    Step::submit(command, |outcome, call| {
        done(outcome)?;
        call.answer(&destroy_cp_object::Response {})
    })
}

fn group_id(group: &Group) -> RaftGroupId {
    RaftGroupId { name: group.name.to_string(), seed: group.seed, id: group.id }
}

/// The group in `object` or `object@group`.
fn group_of(proxy_name: &str) -> Result<&str, GroupNameError> {
    let Some((_, group)) = proxy_name.split_once('@') else { return Ok(DEFAULT_GROUP) };
    let group = group.trim();
    if group.is_empty() {
        Err(GroupNameError::Empty)
    } else if group.contains('@') {
        Err(GroupNameError::Repeated)
    } else if group.eq_ignore_ascii_case(METADATA_GROUP) {
        Err(GroupNameError::Metadata)
    } else if group.eq_ignore_ascii_case(DEFAULT_GROUP) {
        Ok(DEFAULT_GROUP)
    } else {
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_what_stands_behind_the_at() {
        assert_eq!(group_of("lock"), Ok("default"));
        assert_eq!(group_of("lock@mygroup"), Ok("mygroup"));
        assert_eq!(group_of("lock@ mygroup "), Ok("mygroup"));
        assert_eq!(group_of("lock@DEFAULT"), Ok("default"));
    }

    #[test]
    fn names_that_name_no_group_are_refused() {
        assert_eq!(group_of("lock@"), Err(GroupNameError::Empty));
        assert_eq!(group_of("lock@ "), Err(GroupNameError::Empty));
        assert_eq!(group_of("lock@a@b"), Err(GroupNameError::Repeated));
        assert_eq!(group_of("lock@metadata"), Err(GroupNameError::Metadata));
    }
}
