//! `Objects`: which distributed objects clients made, and the schemas of what they store.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::accounting::ROW_BYTES;
use crate::event::Event;
use crate::expiry::Step;
use crate::ids::{ClientUuid, Name};
use crate::limits;
use crate::outcome::{Outcome, Rejection, Reply};

/// The protocol's name of the service of maps.
pub(crate) const MAP_SERVICE: &str = "hz:impl:mapService";
/// The protocol's name of the service of sets.
pub(crate) const SET_SERVICE: &str = "hz:impl:setService";

/// Names and schemas.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    /// Service and name.
    pub(crate) objects: BTreeSet<(Name, Name)>,
    pub(crate) schemas: BTreeMap<i64, Bytes>,
    bytes: u64,
}

impl Objects {
    /// Accounted bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What `bytes` must say.
    pub(crate) fn recount(&self) -> u64 {
        let objects: u64 = self.objects.iter().map(object_bytes).sum();
        objects + self.schemas.values().map(schema_bytes).sum::<u64>()
    }

    /// Counts bytes again, after a restore.
    pub(crate) fn rebuild(&mut self) {
        self.bytes = self.recount();
    }

    /// Whether there is room for those that are new.
    pub(crate) fn admit(&self, objects: &BTreeSet<&(Name, Name)>) -> Result<(), Rejection> {
        let new = objects.iter().filter(|object| !self.objects.contains(**object)).count();
        if new > 0 && self.objects.len() + new > limits::OBJECTS_MAX {
            return Err(limits::reached("limits.objects-max", limits::OBJECTS_MAX));
        }
        Ok(())
    }

    /// Makes an object known.
    pub(crate) fn create(&mut self, step: &mut Step<'_>, object: (Name, Name), client: ClientUuid) {
        if self.objects.contains(&object) {
            return;
        }
        self.bytes += object_bytes(&object);
        self.objects.insert(object.clone());
        let (service, name) = object;
        step.events.push(Event::Object { service, name, client, created: true });
    }

    /// Forgets an object; tells so if it was known or held data.
    pub(crate) fn destroy(
        &mut self,
        step: &mut Step<'_>,
        object: (Name, Name),
        client: ClientUuid,
        had_data: bool,
    ) {
        let known = self.objects.remove(&object);
        if known {
            self.bytes -= object_bytes(&object);
        }
        if known || had_data {
            let (service, name) = object;
            step.events.push(Event::Object { service, name, client, created: false });
        }
    }

    /// Keeps schemas; one that is known stays as it is, since its id is a hash of it.
    pub(crate) fn put_schemas(&mut self, schemas: Vec<(i64, Bytes)>) -> Reply {
        let new = schemas.iter().map(|(id, _)| id).filter(|id| !self.schemas.contains_key(id));
        let new = new.collect::<BTreeSet<_>>().len();
        if new > 0 && self.schemas.len() + new > limits::SCHEMAS_MAX {
            return Err(limits::reached("schemas-max", limits::SCHEMAS_MAX));
        }
        for (id, schema) in schemas {
            if self.schemas.contains_key(&id) {
                continue;
            }
            self.bytes += schema_bytes(&schema);
            // Out of the buffer it came in, which may be large.
            self.schemas.insert(id, Bytes::copy_from_slice(&schema));
        }
        Ok(Outcome::Done)
    }
}

fn object_bytes((service, name): &(Name, Name)) -> u64 {
    ROW_BYTES + (service.len() + name.len()) as u64
}

fn schema_bytes(schema: &Bytes) -> u64 {
    ROW_BYTES + schema.len() as u64
}
