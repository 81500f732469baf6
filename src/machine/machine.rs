//! `Machine`: the whole replicated state and the one way to change it.
//!
//! Time moves with the entries and only forwards. An entry first ends everything that is due at its
//! time, then does what it says, once.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::command::{ClusterCommand, Command, NodeDescription, ObjectCommand};
use crate::cp_session::Cp;
use crate::distributed_object::{MAP_SERVICE, Objects, SET_SERVICE};
use crate::event::{Event, WaitKey};
use crate::expiry::{Deadlines, Due, Step};
use crate::fenced_lock::LockCaller;
use crate::flake_id_generator::IdGenerators;
use crate::ids::{ClientUuid, ClusterTime, Name};
use crate::maps::{MapCall, Maps};
use crate::origins::Origins;
use crate::outcome::{Outcome, Rejection, Reply};
use crate::proposal::{Applied, LogEntry, Origin};
use crate::set::Sets;
use crate::view::{ClusterInfo, ClusterView, WaitState};

/// The replicated state.
#[derive(Debug, Default)]
pub struct Machine {
    pub(crate) time: ClusterTime,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) objects: Arc<Objects>,
    pub(crate) maps: Maps,
    pub(crate) sets: Sets,
    pub(crate) cp: Arc<Cp>,
    pub(crate) ids: Arc<IdGenerators>,
    pub(crate) origins: Arc<Origins>,
    /// Derived from all of the above.
    pub(crate) deadlines: Deadlines,
}

/// Borrows what every change needs, beside the part of the state it changes.
macro_rules! step {
    ($machine:ident, $events:expr) => {
        &mut Step { now: $machine.time, deadlines: &mut $machine.deadlines, events: $events }
    };
}

impl Machine {
    /// The empty machine, before `Found`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one log entry.
    pub fn apply(&mut self, entry: LogEntry) -> Applied {
        let mut events = Vec::new();
        self.time = self.time.max(entry.at);
        if let Command::Cluster(ClusterCommand::Office { leaderless_ms, .. }) = entry.command
            && entry.origin.is_none_or(|origin| self.recall(&origin, &entry.command).is_none())
        {
            // Before anything ends: in this time no heartbeat could arrive.
            let by_ms = leaderless_ms.saturating_add(self.cluster.sessions.heartbeat_interval_ms);
            Arc::make_mut(&mut self.cp).move_deadlines(step!(self, &mut events), by_ms);
        }
        self.end_due(&mut events);
        let reply = match entry.origin {
            None => self.execute(entry.command, None, &mut events),
            Some(origin) => match self.recall(&origin, &entry.command) {
                Some(reply) => reply,
                None => {
                    let origins = Arc::make_mut(&mut self.origins);
                    origins.begin(&origin);
                    let reply = self.execute(entry.command, Some(origin), &mut events);
                    Arc::make_mut(&mut self.origins).remember(&origin, &reply);
                    reply
                }
            },
        };
        Applied { reply, events }
    }

    /// Time of the last entry.
    #[must_use]
    pub fn time(&self) -> ClusterTime {
        self.time
    }

    /// What the founder wrote, once it did.
    #[must_use]
    pub fn cluster(&self) -> Option<&ClusterInfo> {
        self.cluster.info.as_ref()
    }

    /// Listed members, partition owner, versions.
    #[must_use]
    pub fn view(&self) -> ClusterView {
        self.cluster.view()
    }

    /// All described nodes, listed or not.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeDescription> {
        self.cluster.nodes.values().cloned().collect()
    }

    /// The earliest end of a time to live, session, wait or lease: the leader then proposes
    /// `Expire`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<ClusterTime> {
        self.deadlines.next()
    }

    /// The earliest idle end: the leader first proposes the touches it collected, then `Expire`.
    #[must_use]
    pub fn next_idle_deadline(&self) -> Option<ClusterTime> {
        self.deadlines.next_idle()
    }

    /// Whether reads of this map must be told by `Touch`.
    #[must_use]
    pub fn wants_touches(&self, map: &str) -> bool {
        self.maps.maps.get(map).is_some_and(crate::map::Map::wants_touches)
    }

    /// What became of a waiting call, for a node that skipped entries by installing a snapshot.
    #[must_use]
    pub fn wait_state(&self, wait: &WaitKey) -> WaitState {
        match wait {
            WaitKey::Lock { group, name, endpoint, uid } => {
                let caller = LockCaller { endpoint: *endpoint, uid: *uid };
                self.cp.wait_state(group, name, caller)
            }
            WaitKey::MapLock { .. } => self.maps.locks.wait_state(wait),
            WaitKey::Origin(origin) => self.maps.locks.wait_state(&origin.wait_key()),
        }
    }

    /// The remembered reply of a sequence; `Waiting` for a write that waits for a locked key.
    #[must_use]
    pub fn reply_of(&self, origin: &Origin) -> Option<Reply> {
        self.reply_of_wait(origin).or_else(|| self.origins.reply_of(origin).cloned())
    }

    /// Clients that hold or wait for map locks.
    #[must_use]
    pub fn map_lock_holders(&self) -> Vec<ClientUuid> {
        self.maps.locks.clients().into_iter().collect()
    }

    /// Accounted bytes of the whole state.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.cluster.bytes()
            + self.objects.bytes()
            + self.maps.bytes()
            + self.sets.bytes()
            + self.cp.bytes()
            + self.ids.bytes()
            + self.origins.bytes()
    }

    /// Accounted bytes, counted from the records themselves: what `state_bytes` must equal.
    #[must_use]
    pub fn recounted_bytes(&self) -> u64 {
        self.cluster.bytes()
            + self.objects.recount()
            + self.maps.recount()
            + self.sets.recount()
            + self.cp.recount()
            + self.ids.recount()
            + self.origins.recount()
    }

    /// What a command with this origin is answered without being applied.
    fn recall(&self, origin: &Origin, command: &Command) -> Option<Reply> {
        if let Some(reply) = self.reply_of_wait(origin) {
            return Some(reply);
        }
        let reply = self.origins.recall(origin)?;
        if reply != Ok(Outcome::Waiting) {
            return Some(reply);
        }
        // It was applied and had to wait. If its answer is forgotten by now, somebody had it and
        // went on from there: done once more, a lock would be granted that nobody ever releases.
        let wait = command.wait_key(origin);
        match wait.map_or(WaitState::Unknown, |wait| self.wait_state(&wait)) {
            WaitState::Waiting => Some(reply),
            WaitState::Ended(reply) => Some(reply),
            WaitState::Unknown => Some(Err(Rejection::StaleOrigin)),
        }
    }

    fn reply_of_wait(&self, origin: &Origin) -> Option<Reply> {
        match self.maps.locks.wait_state(&origin.wait_key()) {
            WaitState::Waiting => Some(Ok(Outcome::Waiting)),
            WaitState::Ended(reply) => Some(reply),
            WaitState::Unknown => None,
        }
    }

    fn end_due(&mut self, events: &mut Vec<Event>) {
        while let Some(due) = self.deadlines.pop(self.time) {
            let step = step!(self, events);
            match due {
                Due::Record { map, key } => self.maps.end_record(step, &map, &key),
                Due::Lease { map, key } => self.maps.end_lease(step, &map, &key),
                Due::Session { group, session } => {
                    Arc::make_mut(&mut self.cp).end_session(step, &group, session, true);
                }
                Due::Wait(wait) => match &*wait {
                    WaitKey::Lock { .. } => Arc::make_mut(&mut self.cp).end_wait(step, &wait),
                    WaitKey::MapLock { .. } | WaitKey::Origin(_) => self.maps.end_wait(step, &wait),
                },
            }
        }
    }

    fn end_idle(&mut self, events: &mut Vec<Event>) {
        while let Some(due) = self.deadlines.pop_idle(self.time) {
            if let Due::Record { map, key } = due {
                self.maps.end_record(step!(self, events), &map, &key);
            }
        }
    }

    fn execute(
        &mut self,
        command: Command,
        origin: Option<Origin>,
        events: &mut Vec<Event>,
    ) -> Reply {
        let command = match command {
            Command::Cluster(command) => return self.execute_cluster(command, events),
            _ if self.cluster.info.is_none() => return Err(Rejection::NotFounded),
            command => command,
        };
        let step = step!(self, events);
        match command {
            Command::Map { map, caller, change } => {
                self.maps.apply(step, &MapCall { map: &map, caller, origin }, change)
            }
            Command::Set { set, change } => self.sets.apply(step, &set, change),
            Command::Cp(command) => {
                let settings = self.cluster.sessions;
                Arc::make_mut(&mut self.cp).apply(step, settings, command)
            }
            Command::NewIdBatch { generator, size } => {
                Arc::make_mut(&mut self.ids).new_batch(self.time, generator, size)
            }
            Command::Object(command) => self.execute_object(command, events),
            Command::Cluster(_) => Ok(Outcome::Done),
        }
    }

    fn execute_cluster(&mut self, command: ClusterCommand, events: &mut Vec<Event>) -> Reply {
        let founded = self.cluster.info.is_some();
        let step = step!(self, events);
        let cluster = &mut self.cluster;
        match command {
            ClusterCommand::Found { cluster_id, cluster_name, sessions, maps } => {
                let info = ClusterInfo {
                    id: cluster_id,
                    name: cluster_name,
                    founded_at: self.time,
                    leader: None,
                };
                Arc::make_mut(cluster).found(info, sessions)?;
                let bounded = maps.into_iter().take(crate::limits::MAPS_MAX);
                self.maps.settings = Arc::new(bounded.collect());
                Ok(Outcome::Done)
            }
            ClusterCommand::Office { leader, .. } => {
                Arc::make_mut(cluster).take_office(step, leader)
            }
            ClusterCommand::DescribeNode(node) => Arc::make_mut(cluster).describe(step, node),
            ClusterCommand::UnlistMember { node } => Arc::make_mut(cluster).unlist(step, node),
            ClusterCommand::ListMember { node } => Arc::make_mut(cluster).list(step, node),
            ClusterCommand::ForgetNode { node } => {
                Arc::make_mut(&mut self.origins).forget(node);
                Arc::make_mut(cluster).forget(step, node)
            }
            ClusterCommand::Expire => {
                self.end_idle(events);
                Ok(Outcome::Done)
            }
            ClusterCommand::Touch { touches } => {
                self.maps.touch(step, &touches);
                Ok(Outcome::Done)
            }
            ClusterCommand::ReleaseMapLocks { client } => {
                self.maps.release_client(step, client);
                Ok(Outcome::Done)
            }
            ClusterCommand::RegisterCoordinator { host, port } if founded => {
                self.maps.register_coordinator(step, &host, &port)
            }
            ClusterCommand::RegisterCoordinator { .. } => Err(Rejection::NotFounded),
        }
    }

    fn execute_object(&mut self, command: ObjectCommand, events: &mut Vec<Event>) -> Reply {
        match command {
            ObjectCommand::Create { objects, client } => {
                self.admit(&objects)?;
                for object in objects {
                    self.create_data(&object)?;
                    let known = Arc::make_mut(&mut self.objects);
                    known.create(step!(self, events), object, client);
                }
                Ok(Outcome::Done)
            }
            ObjectCommand::Destroy { service, name, client } => {
                let step = step!(self, events);
                let had_data = match &*service {
                    MAP_SERVICE => self.maps.destroy(step, &name, client),
                    SET_SERVICE => self.sets.destroy(&name),
                    // Ids are reserved for ever, and CP objects are destroyed by their own call.
                    _ => false,
                };
                let known = Arc::make_mut(&mut self.objects);
                known.destroy(step, (service, name), client, had_data);
                Ok(Outcome::Done)
            }
            ObjectCommand::PutSchemas { schemas } => {
                Arc::make_mut(&mut self.objects).put_schemas(schemas)
            }
        }
    }

    /// Refuses a batch that does not fit as a whole: a refusal changes nothing.
    fn admit(&self, objects: &[(Name, Name)]) -> Result<(), Rejection> {
        let distinct: BTreeSet<&(Name, Name)> = objects.iter().collect();
        let of_service = |kind: &'static str| {
            let names = distinct.iter().filter(move |(service, _)| &**service == kind);
            names.map(|(_, name)| name)
        };
        self.maps.admit(of_service(MAP_SERVICE))?;
        self.sets.admit(of_service(SET_SERVICE))?;
        self.objects.admit(&distinct)
    }

    fn create_data(&mut self, (service, name): &(Name, Name)) -> Result<(), Rejection> {
        match &**service {
            MAP_SERVICE => self.maps.ensure(name),
            SET_SERVICE => self.sets.ensure(name),
            _ => Ok(()),
        }
    }
}
