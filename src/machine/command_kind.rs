//! What others must know about a command without applying it: whether it may wait, may be sent
//! twice, frees memory, and how large it is.

use crate::blob::Blob;
use crate::command::{
    Caller, ClusterCommand, Command, CpCommand, MapChange, ObjectCommand, PutMode, SetChange,
};
use crate::event::WaitKey;
use crate::ids::Name;
use crate::proposal::Origin;
use crate::query::Query;

/// Bytes of a command beside its keys, values and names.
const COMMAND_BYTES: u64 = 64;

impl Command {
    /// Which `Event::WaitEnded` would answer the command; `None` if it never waits.
    #[must_use]
    pub fn wait_key(&self, origin: &Origin) -> Option<WaitKey> {
        match self {
            Self::Map { map, caller, change } => change.wait_key(map, *caller, Some(origin)),
            // Without a timeout as well: a repeated call that waits already goes on waiting.
            Self::Cp(CpCommand::Lock { group, name, endpoint, uid, .. }) => Some(WaitKey::Lock {
                group: group.clone(),
                name: name.clone(),
                endpoint: *endpoint,
                uid: *uid,
            }),
            Self::Cluster(_)
            | Self::Object(_)
            | Self::Set { .. }
            | Self::Cp(_)
            | Self::NewIdBatch { .. } => None,
        }
    }

    /// Whether the command may be sent again after an unknown outcome: it carries an identity of
    /// its own, or a second application does no harm.
    #[must_use]
    pub fn repeats_safely(&self) -> bool {
        match self {
            Self::Cluster(_) | Self::NewIdBatch { .. } => true,
            Self::Object(object) => match object {
                ObjectCommand::Create { .. } | ObjectCommand::PutSchemas { .. } => true,
                ObjectCommand::Destroy { .. } => false,
            },
            Self::Map { change, .. } => match change {
                MapChange::Lock { .. }
                | MapChange::Unlock { .. }
                | MapChange::ForceUnlock { .. }
                | MapChange::Configure(_) => true,
                MapChange::Put { .. }
                | MapChange::PutAll { .. }
                | MapChange::ReplaceIfSame { .. }
                | MapChange::Remove { .. }
                | MapChange::TryRemove { .. }
                | MapChange::RemoveIfSame { .. }
                | MapChange::RemoveAll
                | MapChange::Clear
                | MapChange::Evict { .. }
                | MapChange::EvictAll
                | MapChange::SetTtl { .. }
                | MapChange::PutIfVersion { .. }
                | MapChange::RemoveIfVersion { .. } => false,
            },
            Self::Set { .. } => false,
            Self::Cp(cp) => match cp {
                CpCommand::CreateGroup { .. }
                | CpCommand::DestroyObject { .. }
                | CpCommand::CreateSession { .. }
                | CpCommand::CloseSession { .. }
                | CpCommand::Heartbeat { .. }
                | CpCommand::GenerateThreadId { .. }
                | CpCommand::Lock { .. }
                | CpCommand::Unlock { .. } => true,
                CpCommand::ForceRelease { .. } => false,
            },
        }
    }

    /// Whether the command is meant to wait for somebody else: a lock, or a try with time.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        match self {
            Self::Map { change, .. } => match change {
                MapChange::Lock { timeout_ms, .. } => *timeout_ms != Some(0),
                MapChange::TryRemove { timeout_ms, .. }
                | MapChange::Put { mode: PutMode::Try { timeout_ms }, .. } => *timeout_ms > 0,
                MapChange::Put { .. }
                | MapChange::PutAll { .. }
                | MapChange::ReplaceIfSame { .. }
                | MapChange::Remove { .. }
                | MapChange::RemoveIfSame { .. }
                | MapChange::RemoveAll
                | MapChange::Clear
                | MapChange::Evict { .. }
                | MapChange::EvictAll
                | MapChange::SetTtl { .. }
                | MapChange::PutIfVersion { .. }
                | MapChange::RemoveIfVersion { .. }
                | MapChange::Unlock { .. }
                | MapChange::ForceUnlock { .. }
                | MapChange::Configure(_) => false,
            },
            Self::Cp(CpCommand::Lock { timeout_ms, .. }) => *timeout_ms != Some(0),
            Self::Cp(_)
            | Self::Cluster(_)
            | Self::Object(_)
            | Self::Set { .. }
            | Self::NewIdBatch { .. } => false,
        }
    }

    /// Whether the command frees something or keeps the cluster going: it passes even when memory
    /// or disk run short.
    #[must_use]
    pub fn is_relief(&self) -> bool {
        match self {
            Self::Cluster(cluster) => match cluster {
                ClusterCommand::Found { .. }
                | ClusterCommand::Office { .. }
                | ClusterCommand::DescribeNode(_)
                | ClusterCommand::UnlistMember { .. }
                | ClusterCommand::ListMember { .. }
                | ClusterCommand::ForgetNode { .. }
                | ClusterCommand::Expire
                | ClusterCommand::Touch { .. }
                | ClusterCommand::ReleaseMapLocks { .. }
                | ClusterCommand::RegisterCoordinator { .. } => true,
            },
            Self::Object(object) => matches!(object, ObjectCommand::Destroy { .. }),
            Self::Map { change, .. } => match change {
                MapChange::Remove { .. }
                | MapChange::TryRemove { .. }
                | MapChange::RemoveIfSame { .. }
                | MapChange::RemoveIfVersion { .. }
                | MapChange::RemoveAll
                | MapChange::Clear
                | MapChange::Evict { .. }
                | MapChange::EvictAll
                | MapChange::Unlock { .. }
                | MapChange::ForceUnlock { .. }
                | MapChange::Configure(_) => true,
                MapChange::Put { .. }
                | MapChange::PutAll { .. }
                | MapChange::ReplaceIfSame { .. }
                | MapChange::SetTtl { .. }
                | MapChange::PutIfVersion { .. }
                | MapChange::Lock { .. } => false,
            },
            Self::Set { change, .. } => match change {
                SetChange::RemoveAll(_) | SetChange::RetainAll(_) | SetChange::Clear => true,
                SetChange::AddAll(_) => false,
            },
            Self::Cp(cp) => match cp {
                CpCommand::DestroyObject { .. }
                | CpCommand::CloseSession { .. }
                | CpCommand::Heartbeat { .. }
                | CpCommand::Unlock { .. }
                | CpCommand::ForceRelease { .. } => true,
                CpCommand::CreateGroup { .. }
                | CpCommand::CreateSession { .. }
                | CpCommand::GenerateThreadId { .. }
                | CpCommand::Lock { .. } => false,
            },
            Self::NewIdBatch { .. } => false,
        }
    }

    /// About how many bytes the command carries.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        let payload = match self {
            Self::Cluster(cluster) => match cluster {
                ClusterCommand::Touch { touches } => touches
                    .iter()
                    .map(|touch| touch.map.len() as u64 + blob_bytes(&touch.key) + 16)
                    .sum(),
                ClusterCommand::Found { maps, .. } => {
                    maps.iter().map(|(name, _)| name.len() as u64 + 32).sum()
                }
                ClusterCommand::RegisterCoordinator { host, port } => {
                    blob_bytes(host) + blob_bytes(port)
                }
                ClusterCommand::Office { .. }
                | ClusterCommand::DescribeNode(_)
                | ClusterCommand::UnlistMember { .. }
                | ClusterCommand::ListMember { .. }
                | ClusterCommand::ForgetNode { .. }
                | ClusterCommand::Expire
                | ClusterCommand::ReleaseMapLocks { .. } => 0,
            },
            Self::Object(object) => match object {
                ObjectCommand::Create { objects, .. } => {
                    objects.iter().map(|(service, name)| (service.len() + name.len()) as u64).sum()
                }
                ObjectCommand::Destroy { service, name, .. } => (service.len() + name.len()) as u64,
                ObjectCommand::PutSchemas { schemas } => {
                    schemas.iter().map(|(_, schema)| schema.len() as u64 + 8).sum()
                }
            },
            Self::Map { map, change, .. } => map.len() as u64 + change.payload_bytes(),
            Self::Set { set, change } => {
                let items = match change {
                    SetChange::AddAll(items)
                    | SetChange::RemoveAll(items)
                    | SetChange::RetainAll(items) => items.iter().map(blob_bytes).sum(),
                    SetChange::Clear => 0,
                };
                set.len() as u64 + items
            }
            Self::Cp(CpCommand::Heartbeat { sessions }) => {
                sessions.iter().map(|(group, _)| group.len() as u64 + 8).sum()
            }
            Self::Cp(_) => COMMAND_BYTES,
            Self::NewIdBatch { generator, .. } => generator.len() as u64,
        };
        COMMAND_BYTES + payload
    }
}

impl MapChange {
    /// The wait of this change, if it can wait for a locked key.
    pub(crate) fn wait_key(
        &self,
        map: &Name,
        caller: Caller,
        origin: Option<&Origin>,
    ) -> Option<WaitKey> {
        match self {
            Self::TryRemove { timeout_ms: 0, .. }
            | Self::Put { mode: PutMode::Try { timeout_ms: 0 }, .. }
            | Self::Clear
            | Self::EvictAll
            | Self::Unlock { .. }
            | Self::ForceUnlock { .. }
            | Self::Configure(_) => None,
            Self::Lock { key, reference, .. } => Some(WaitKey::MapLock {
                map: map.clone(),
                key: key.clone(),
                caller,
                reference: *reference,
            }),
            Self::Put { .. }
            | Self::PutAll { .. }
            | Self::ReplaceIfSame { .. }
            | Self::Remove { .. }
            | Self::TryRemove { .. }
            | Self::RemoveIfSame { .. }
            | Self::RemoveAll
            | Self::Evict { .. }
            | Self::SetTtl { .. }
            | Self::PutIfVersion { .. }
            | Self::RemoveIfVersion { .. } => origin.map(Origin::wait_key),
        }
    }

    /// This change with keys and values in memory of their own, to be kept while it waits.
    #[must_use]
    pub(crate) fn detached(mut self) -> Self {
        for blob in self.blobs_mut() {
            *blob = blob.detached();
        }
        self
    }

    fn blobs_mut(&mut self) -> Vec<&mut Blob> {
        match self {
            Self::Put { key, value, .. } | Self::PutIfVersion { key, value, .. } => {
                vec![key, value]
            }
            Self::PutAll { entries } => {
                entries.iter_mut().flat_map(|(key, value)| [key, value]).collect()
            }
            Self::ReplaceIfSame { key, expected, value } => vec![key, expected, value],
            Self::RemoveIfSame { key, expected } => vec![key, expected],
            Self::Remove { key }
            | Self::TryRemove { key, .. }
            | Self::Evict { key }
            | Self::SetTtl { key, .. }
            | Self::RemoveIfVersion { key, .. }
            | Self::Lock { key, .. }
            | Self::Unlock { key, .. }
            | Self::ForceUnlock { key, .. } => vec![key],
            Self::RemoveAll | Self::Clear | Self::EvictAll | Self::Configure(_) => Vec::new(),
        }
    }

    /// Bytes of keys and values.
    pub(crate) fn payload_bytes(&self) -> u64 {
        match self {
            Self::Put { key, value, .. } | Self::PutIfVersion { key, value, .. } => {
                blob_bytes(key) + blob_bytes(value)
            }
            Self::PutAll { entries } => {
                entries.iter().map(|(key, value)| blob_bytes(key) + blob_bytes(value)).sum()
            }
            Self::ReplaceIfSame { key, expected, value } => {
                blob_bytes(key) + blob_bytes(expected) + blob_bytes(value)
            }
            Self::RemoveIfSame { key, expected } => blob_bytes(key) + blob_bytes(expected),
            Self::Remove { key }
            | Self::TryRemove { key, .. }
            | Self::Evict { key }
            | Self::SetTtl { key, .. }
            | Self::RemoveIfVersion { key, .. }
            | Self::Lock { key, .. }
            | Self::Unlock { key, .. }
            | Self::ForceUnlock { key, .. } => blob_bytes(key),
            Self::RemoveAll | Self::Clear | Self::EvictAll | Self::Configure(_) => 0,
        }
    }
}

impl Origin {
    /// The wait of a write with this origin: without `answered_below`, which differs when the same
    /// command is sent again.
    #[must_use]
    pub fn wait_key(&self) -> WaitKey {
        WaitKey::Origin(Self { answered_below: 0, ..*self })
    }
}

impl Query {
    /// The keys this query reads in the sense of idle times and eviction, and their map.
    #[must_use]
    pub fn touched(&self) -> Option<(&Name, &[Blob])> {
        match self {
            Self::MapGet { map, key } | Self::MapContainsKey { map, key } => {
                Some((map, std::slice::from_ref(key)))
            }
            Self::MapGetAll { map, keys } => Some((map, keys)),
            Self::MapContainsValue { .. }
            | Self::MapSize { .. }
            | Self::MapEntries { .. }
            | Self::MapPage { .. }
            | Self::MapRecord { .. }
            | Self::MapIsLocked { .. }
            | Self::NearCacheSequences { .. }
            | Self::MapSummary { .. }
            | Self::Maps
            | Self::SetContainsAll { .. }
            | Self::SetItems { .. }
            | Self::SetSize { .. }
            | Self::Sets
            | Self::LockOwnership { .. }
            | Self::Locks
            | Self::Sessions
            | Self::Group { .. }
            | Self::Objects
            | Self::ObjectsExist { .. }
            | Self::Schema { .. }
            | Self::IdGenerators
            | Self::Barrier => None,
        }
    }
}

fn blob_bytes(blob: &Blob) -> u64 {
    blob.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::LockEndpoint;
    use crate::ids::{InvocationUid, NodeId, SessionId, ThreadId};

    const ORIGIN: Origin = Origin { node: NodeId(1), start: 1, sequence: 1, answered_below: 1 };

    /// A client may repeat a call that waits as one that does not want to: the call goes on
    /// waiting, so whoever proposed it must know which event will answer it.
    #[test]
    fn a_lock_call_without_a_timeout_has_a_wait_as_well() {
        let lock = |timeout_ms| {
            Command::Cp(CpCommand::Lock {
                group: Name::from("default"),
                name: Name::from("l"),
                endpoint: LockEndpoint { session: SessionId(1), thread: ThreadId(1) },
                uid: InvocationUid(1),
                timeout_ms,
            })
        };
        let map_lock = |timeout_ms| Command::Map {
            map: Name::from("m"),
            caller: Caller::default(),
            change: MapChange::Lock {
                key: Blob::string("k"),
                lease_ms: None,
                timeout_ms,
                reference: 1,
            },
        };
        for command in [lock, map_lock as fn(_) -> _] {
            let known = command(None).wait_key(&ORIGIN);
            assert!(known.is_some());
            assert_eq!(command(Some(0)).wait_key(&ORIGIN), known);
        }
    }

    #[test]
    fn a_write_that_will_not_wait_has_no_wait() {
        let change = MapChange::TryRemove { key: Blob::string("k"), timeout_ms: 0 };
        let command = Command::Map { map: Name::from("m"), caller: Caller::default(), change };
        assert_eq!(command.wait_key(&ORIGIN), None);
    }
}
