//! Schemas of compact serialisation: kept under the id that clients derive from them.
//!
//! The server never reads what they describe. It keeps a schema as the message that brought it, so
//! that what is fetched is what was sent. spec: client-protocol 14

use bytes::Bytes;
use statekeeper_machine::{Answer, Command, ObjectCommand, Query};
use statekeeper_protocol::custom::Schema;
use statekeeper_protocol::messages::client::{fetch_schema, send_all_schemas, send_schema};
use statekeeper_protocol::{ClientMessage, CorrelationId, PartitionId};

use crate::call::{Call, check_size, member_uuid};
use crate::exception::Failure;
use crate::limits;
use crate::services::{done, unexpected};
use crate::step::{Handled, Step};

/// The fingerprint of nothing, and the polynomial of the fingerprint: the one Avro made known.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// `Client.sendSchema`.
pub(super) fn send(request: send_schema::Request, call: &Call<'_>) -> Handled {
    let schemas = vec![kept(request.schema, call)?];
    let command = Command::Object(ObjectCommand::PutSchemas { schemas });
    Step::submit(command, |outcome, call| {
        done(outcome)?;
        // Clients send again until every member they know is named here.
        let mut replicated_members = call.members();
        let own = member_uuid(call.settings.member);
        if !replicated_members.contains(&own) {
            replicated_members.push(own);
        }
        call.answer(&send_schema::Response { replicated_members })
    })
}

/// `Client.sendAllSchemas`.
pub(super) fn send_all(request: send_all_schemas::Request, call: &Call<'_>) -> Handled {
    if request.schemas.is_empty() {
        return call.answer(&send_all_schemas::Response {});
    }
    let schemas = request.schemas.into_iter().map(|schema| kept(schema, call));
    let schemas = schemas.collect::<Result<_, _>>()?;
    Step::submit(Command::Object(ObjectCommand::PutSchemas { schemas }), |outcome, call| {
        done(outcome)?;
        call.answer(&send_all_schemas::Response {})
    })
}

/// `Client.fetchSchema`.
pub(super) fn fetch(request: fetch_schema::Request) -> Handled {
    Step::read(Query::Schema { id: request.schema_id }, |answer, call| {
        let Answer::Schema(kept) = answer else { return unexpected("a schema") };
        let schema = match kept {
            None => None,
            Some(bytes) => match decode(bytes) {
                Some(schema) => Some(schema),
                None => return unexpected("a schema as this server keeps it"),
            },
        };
        call.answer(&fetch_schema::Response { schema })
    })
}

fn kept(schema: Schema, call: &Call<'_>) -> Result<(i64, Bytes), Failure> {
    let id = fingerprint(&schema);
    let message = send_schema::Request { schema };
    let bytes = message.encode(CorrelationId(0), PartitionId::NONE).into_contiguous();
    let max = call.settings.limits.value_bytes_max;
    check_size("schema", bytes.len(), (limits::VALUE_BYTES_KEY, max))?;
    Ok((id, bytes))
}

fn decode(bytes: Bytes) -> Option<Schema> {
    let message = ClientMessage::parse(bytes).ok()?;
    Some(send_schema::Request::decode(&message).ok()?.schema)
}

/// The id clients know a schema by: the 64-bit Rabin fingerprint of its type's name and of its
/// fields, ordered by name.
fn fingerprint(schema: &Schema) -> i64 {
    let mut fields: Vec<_> = schema.fields.iter().collect();
    // Java's order of strings: by UTF-16 units.
    fields.sort_by(|one, other| one.field_name.encode_utf16().cmp(other.field_name.encode_utf16()));
    let mut state = add_text(EMPTY, &schema.type_name);
    state = add_length(state, fields.len());
    for field in fields {
        state = add_text(state, &field.field_name);
        state = add(state, &field.kind.to_le_bytes());
    }
    state.cast_signed()
}

fn add_text(state: u64, text: &str) -> u64 {
    add(add_length(state, text.len()), text.as_bytes())
}

fn add_length(state: u64, length: usize) -> u64 {
    // Longer than any message may be; clients would have cut it the same way.
    #[allow(clippy::cast_possible_truncation)]
    let length = length as u32;
    add(state, &length.to_le_bytes())
}

fn add(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| {
        let mut row = (state ^ u64::from(*byte)) & 0xff;
        for _ in 0..8 {
            row = row >> 1 ^ if row & 1 == 1 { EMPTY } else { 0 };
        }
        state >> 8 ^ row
    })
}

#[cfg(test)]
mod tests {
    use statekeeper_protocol::custom::FieldDescriptor;

    use super::*;

    fn schema(type_name: &str, fields: &[(&str, i32)]) -> Schema {
        let field = |(name, kind): &(&str, i32)| FieldDescriptor {
            field_name: (*name).to_owned(),
            kind: *kind,
        };
        Schema { type_name: type_name.to_owned(), fields: fields.iter().map(field).collect() }
    }

    /// The published clients' own test vector: int32, string, int8, array of timestamp.
    #[test]
    fn the_id_of_a_schema_is_the_one_clients_compute() {
        let fields = [("id", 9), ("name", 17), ("age", 3), ("times", 26)];
        assert_eq!(fingerprint(&schema("SomeType", &fields)), 3_662_264_393_229_655_598);
        let mut sorted = fields;
        sorted.sort_unstable();
        assert_eq!(fingerprint(&schema("SomeType", &sorted)), 3_662_264_393_229_655_598);
    }

    #[test]
    fn a_schema_that_differs_has_another_id() {
        let own = fingerprint(&schema("T", &[("a", 1)]));
        assert_ne!(own, fingerprint(&schema("T", &[("a", 2)])));
        assert_ne!(own, fingerprint(&schema("T", &[("b", 1)])));
        assert_ne!(own, fingerprint(&schema("U", &[("a", 1)])));
        assert_ne!(own, fingerprint(&schema("T", &[])));
    }
}
