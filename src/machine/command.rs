//! Everything that changes the replicated state. Each variant is one log entry and one atomic step.

use serde::{Deserialize, Serialize};

use crate::blob::Blob;
use crate::ids::{
    ClientUuid, ClusterId, ClusterTime, InvocationUid, MemberUuid, Name, NodeId, SessionId,
    ThreadId,
};

/// A change of the replicated state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// What the cluster, its nodes and its clock are.
    Cluster(ClusterCommand),
    /// Names of distributed objects and schemas.
    Object(ObjectCommand),
    /// A change of one map.
    Map {
        /// The map.
        map: Name,
        /// Who asks; decides about locked keys and is told to near caches.
        caller: Caller,
        /// The change.
        change: MapChange,
    },
    /// A change of one set.
    Set {
        /// The set.
        set: Name,
        /// The change.
        change: SetChange,
    },
    /// Groups, sessions and fenced locks.
    Cp(CpCommand),
    /// `FlakeIdGenerator.newIdBatch`: reserves ids for ever.
    NewIdBatch {
        /// The generator.
        generator: Name,
        /// How many ids, 1 to 100,000.
        size: u32,
    },
}

/// Who asks for a change of a map.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Caller {
    /// The client; the nil uuid for the admin API and the nodes themselves.
    pub client: ClientUuid,
    /// Its thread.
    pub thread: ThreadId,
}

/// Commands about the cluster itself; proposed by leaders and operators, never by clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ClusterCommand {
    /// The first command of a cluster; refused when it was founded already.
    Found {
        /// Drawn by the founder.
        cluster_id: ClusterId,
        /// What clients must ask for (`state-store.cluster`).
        cluster_name: Name,
        /// CP session times, for the life of the cluster unless changed through the API.
        sessions: SessionSettings,
        /// Settings by map name (`map.<name>.*`), the built-in ones included.
        maps: Vec<(Name, MapSettings)>,
    },
    /// A leader takes office: raises the partition version, names the owner, lists the leader as
    /// member and moves every CP session's deadline by `leaderless_ms` plus one heartbeat interval.
    Office {
        /// The new leader.
        leader: NodeId,
        /// Time since the last sign of a leader, milliseconds.
        leaderless_ms: u64,
    },
    /// Makes a node known, or changes its addresses; it becomes a listed member.
    DescribeNode(NodeDescription),
    /// Takes a node off the client member list; it stays a voter.
    UnlistMember {
        /// The node.
        node: NodeId,
    },
    /// Puts a node that answers again back on the list.
    ListMember {
        /// The node.
        node: NodeId,
    },
    /// Removes all traces of a node that left the cluster (its origins too).
    ForgetNode {
        /// The node.
        node: NodeId,
    },
    /// Ends everything that is due at the entry's time: time to live, idle time, sessions, waits,
    /// leases.
    Expire,
    /// Reads of maps that have an idle time or count reads for eviction, collected by the leader.
    Touch {
        /// One row for each key that was read.
        touches: Vec<Touch>,
    },
    /// Ends all map locks and waits of a client whose last connection has been gone for long
    /// enough.
    ReleaseMapLocks {
        /// The client.
        client: ClientUuid,
    },
    /// Replaces the whole map `discovery-service` by one record; nothing in between is ever seen.
    RegisterCoordinator {
        /// The coordinator's host, as a Java string.
        host: Blob,
        /// Its HTTP port, as a Java string.
        port: Blob,
    },
}

/// A node as other nodes and clients reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDescription {
    /// The node.
    pub node: NodeId,
    /// What clients call it.
    pub member: MemberUuid,
    /// Host of the client address (`client.advertise`).
    pub client_host: Name,
    /// Port of the client address.
    pub client_port: u16,
    /// `host:port` of the Raft port.
    pub raft_address: Name,
    /// `host:port` of the admin API.
    pub admin_address: Name,
    /// The program's version.
    pub version: Name,
}

/// Reads of one key since the last batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// The map.
    pub map: Name,
    /// The key.
    pub key: Blob,
    /// When it was read last, in cluster time.
    pub at: ClusterTime,
    /// How often it was read.
    pub reads: u32,
}

/// CP session times (`cp.session-time-to-live`, `cp.session-heartbeat-interval`), milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSettings {
    /// How long a session lives without a heartbeat.
    pub time_to_live_ms: u64,
    /// How often clients are told to send one.
    pub heartbeat_interval_ms: u64,
}

/// What a map does with its records by itself (`map.<name>.*`); zero stands for "no limit".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapSettings {
    /// Time to live of a record that was written without one, milliseconds.
    pub time_to_live_ms: u64,
    /// Idle time of a record that was written without one, milliseconds.
    pub max_idle_ms: u64,
    /// Most records the map keeps, counted exactly over the cluster.
    pub max_entries: u64,
    /// What goes when there are more.
    pub eviction: Eviction,
}

/// Which record goes when a map is over its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Eviction {
    /// Nothing goes: the size is not limited.
    #[default]
    None,
    /// The one read or written longest ago.
    Lru,
    /// The one read least often.
    Lfu,
}

/// A time to live or idle time as a call carries it (milliseconds on the wire: negative, zero,
/// positive).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifetime {
    /// The map's setting.
    #[default]
    Default,
    /// Without end.
    Unlimited,
    /// This many milliseconds.
    Ms(u64),
}

impl Lifetime {
    /// Reads the wire form: negative is the map's setting, zero is without end.
    #[must_use]
    pub fn from_wire_ms(ms: i64) -> Self {
        match u64::try_from(ms) {
            Err(_) => Self::Default,
            Ok(0) => Self::Unlimited,
            Ok(ms) => Self::Ms(ms),
        }
    }
}

/// How a put treats what is there, and what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PutMode {
    /// Always writes; answers the old value (`Outcome::Value`).
    Put,
    /// Always writes; answers nothing (`Map.set`, `putTransient`).
    Set,
    /// Writes when there is no record; answers the value that is there.
    IfAbsent,
    /// Writes when there is a record; answers the old value (`Map.replace`).
    IfPresent,
    /// Always writes, but waits at most this long for a locked key; answers a flag (`Map.tryPut`).
    Try {
        /// Milliseconds.
        timeout_ms: u64,
    },
}

/// Changes of one map. A change of a key that another thread has locked waits, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MapChange {
    /// `Map.put` and its kin.
    Put {
        /// The key.
        key: Blob,
        /// The value.
        value: Blob,
        /// Time to live.
        ttl: Lifetime,
        /// Idle time.
        max_idle: Lifetime,
        /// What to do with what is there.
        mode: PutMode,
    },
    /// `Map.putAll`: one step.
    PutAll {
        /// Keys and values; the last of equal keys wins.
        entries: Vec<(Blob, Blob)>,
    },
    /// `Map.replaceIfSame`; answers a flag.
    ReplaceIfSame {
        /// The key.
        key: Blob,
        /// What must be there.
        expected: Blob,
        /// The new value.
        value: Blob,
    },
    /// `Map.remove` and `Map.delete`; answers the removed value.
    Remove {
        /// The key.
        key: Blob,
    },
    /// `Map.tryRemove`; answers a flag.
    TryRemove {
        /// The key.
        key: Blob,
        /// How long to wait for a locked key, milliseconds.
        timeout_ms: u64,
    },
    /// `Map.removeIfSame`; answers a flag.
    RemoveIfSame {
        /// The key.
        key: Blob,
        /// What must be there.
        expected: Blob,
    },
    /// `Map.removeAll` with the predicate that is always true: per-key removed events.
    RemoveAll,
    /// `Map.clear`: all but locked keys, as real members do; one clear-all event with the count.
    Clear,
    /// `Map.evict`; answers a flag.
    Evict {
        /// The key.
        key: Blob,
    },
    /// `Map.evictAll`: all but locked keys, one event; answers the count.
    EvictAll,
    /// `Map.setTtl`; answers a flag.
    SetTtl {
        /// The key.
        key: Blob,
        /// The new time to live, from now.
        ttl: Lifetime,
    },
    /// Admin compare-and-set by record version: `None` must find no record. Answers a flag.
    PutIfVersion {
        /// The key.
        key: Blob,
        /// The value.
        value: Blob,
        /// Time to live.
        ttl: Lifetime,
        /// The version that must be there.
        expected: Option<u64>,
    },
    /// Admin removal by record version; answers a flag.
    RemoveIfVersion {
        /// The key.
        key: Blob,
        /// The version that must be there.
        expected: u64,
    },
    /// `Map.lock` (no timeout) and `Map.tryLock`; answers a flag, or waits.
    Lock {
        /// The key, which need not exist.
        key: Blob,
        /// How long the lock lasts, milliseconds; `None` until it is released.
        lease_ms: Option<u64>,
        /// How long to wait, milliseconds; `None` without end.
        timeout_ms: Option<u64>,
        /// The call's identity, the same in every retry.
        reference: i64,
    },
    /// `Map.unlock`; refused for others than the owner.
    Unlock {
        /// The key.
        key: Blob,
        /// The call's identity.
        reference: i64,
    },
    /// `Map.forceUnlock`: whoever holds it.
    ForceUnlock {
        /// The key.
        key: Blob,
        /// The call's identity.
        reference: i64,
    },
    /// Changes the map's settings (admin API).
    Configure(MapSettings),
}

/// Changes of one set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum SetChange {
    /// Adds; answers whether the set changed.
    AddAll(Vec<Blob>),
    /// Removes these; answers whether the set changed.
    RemoveAll(Vec<Blob>),
    /// Keeps only these; answers whether the set changed.
    RetainAll(Vec<Blob>),
    /// Removes everything.
    Clear,
}

/// Names of objects, and schemas.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ObjectCommand {
    /// `Client.createProxy(ies)`: what is new raises an event.
    Create {
        /// Service name and object name.
        objects: Vec<(Name, Name)>,
        /// Told in the event.
        client: ClientUuid,
    },
    /// `Client.destroyProxy`: the object's data go.
    Destroy {
        /// For instance `hz:impl:mapService`.
        service: Name,
        /// The object.
        name: Name,
        /// Told in the event.
        client: ClientUuid,
    },
    /// `Client.sendSchema`: opaque bytes under their id.
    PutSchemas {
        /// Id and encoded schema.
        schemas: Vec<(i64, bytes::Bytes)>,
    },
}

/// A thread of a session: what holds or waits for a CP lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LockEndpoint {
    /// The session.
    pub session: SessionId,
    /// The thread.
    pub thread: ThreadId,
}

/// CP groups, sessions and fenced locks. A group is named by its name alone: all live in one log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum CpCommand {
    /// `CPGroup.createCPGroup`; answers the group, the same for ever.
    CreateGroup {
        /// The group, `default` when the proxy name has no `@`.
        group: Name,
    },
    /// `CPGroup.destroyCPObject`: the name is refused from now on.
    DestroyObject {
        /// The group.
        group: Name,
        /// For instance `hz:raft:lockService`.
        service: Name,
        /// The object.
        name: Name,
    },
    /// `CPSession.createSession`.
    CreateSession {
        /// The group.
        group: Name,
        /// The client's name.
        endpoint_name: Name,
        /// The client, for the admin API.
        client: ClientUuid,
    },
    /// `CPSession.closeSession`; answers whether it existed. Releases all it held.
    CloseSession {
        /// The group.
        group: Name,
        /// The session.
        session: SessionId,
    },
    /// `CPSession.heartbeatSession`, batched: unknown sessions are named in the answer.
    Heartbeat {
        /// Group and session.
        sessions: Vec<(Name, SessionId)>,
    },
    /// `CPSession.generateThreadId`.
    GenerateThreadId {
        /// The group.
        group: Name,
    },
    /// `FencedLock.lock` (no timeout) and `tryLock`; answers a fence, or waits.
    Lock {
        /// The group.
        group: Name,
        /// The lock.
        name: Name,
        /// Who.
        endpoint: LockEndpoint,
        /// The call.
        uid: InvocationUid,
        /// How long to wait, milliseconds; `None` without end.
        timeout_ms: Option<u64>,
    },
    /// `FencedLock.unlock`; answers whether the caller still holds it.
    Unlock {
        /// The group.
        group: Name,
        /// The lock.
        name: Name,
        /// Who.
        endpoint: LockEndpoint,
        /// The call.
        uid: InvocationUid,
    },
    /// Operator's release, with the fence that was shown; answers a flag.
    ForceRelease {
        /// The group.
        group: Name,
        /// The lock.
        name: Name,
        /// The hold that shall end.
        fence: crate::ids::Fence,
    },
}
