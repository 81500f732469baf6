//! Random histories: few names, few keys, few callers, so that they meet.

use proptest::prelude::*;

use crate::blob::Blob;
use crate::command::{
    Caller, ClusterCommand, Command, CpCommand, Eviction, Lifetime, LockEndpoint, MapChange,
    MapSettings, NodeDescription, ObjectCommand, PutMode, SessionSettings, SetChange, Touch,
};
use crate::ids::{
    ClientUuid, ClusterId, ClusterTime, Fence, InvocationUid, MemberUuid, Name, NodeId, SessionId,
    ThreadId,
};
use crate::proposal::{LogEntry, Origin};

/// The maps: one without settings, one with all of them.
pub(super) const MAPS: [&str; 2] = ["plain", "bounded"];
pub(super) const KEYS: [&str; 4] = ["a", "b", "c", "d"];
pub(super) const GROUP: &str = "default";
pub(super) const LOCKS: [&str; 2] = ["l", "k"];
const MAP_SERVICE: &str = crate::distributed_object::MAP_SERVICE;
const LOCK_SERVICE: &str = crate::cp_session::LOCK_SERVICE;
const BEGIN: ClusterTime = ClusterTime(1_000);

/// One proposal before it gets its place in the log.
#[derive(Clone, Debug)]
struct Step {
    after_ms: u64,
    /// 0 for a command of the leader's own.
    node: u64,
    /// How many of the last sequences were not answered yet.
    unanswered: u64,
    restarts: bool,
    command: Command,
}

/// Logs that begin with a founded cluster and three sessions.
pub(crate) fn histories(steps_max: usize) -> impl Strategy<Value = Vec<LogEntry>> {
    prop::collection::vec(step(), 1..steps_max).prop_map(log)
}

fn log(steps: Vec<Step>) -> Vec<LogEntry> {
    let mut at = BEGIN;
    let mut log: Vec<LogEntry> = prelude().into_iter().map(|c| entry(at, None, c)).collect();
    let mut nodes = [(1_u64, 0_u64); 3];
    for Step { after_ms, node, unanswered, restarts, command } in steps {
        at = at.plus_ms(after_ms);
        let (start, sequence) = &mut nodes[node as usize];
        if restarts {
            (*start, *sequence) = (*start + 1, 0);
        }
        *sequence += 1;
        let origin = (node > 0).then(|| Origin {
            node: NodeId(node),
            start: *start,
            sequence: *sequence,
            answered_below: sequence.saturating_sub(unanswered),
        });
        log.push(entry(at, origin, command));
    }
    log
}

fn entry(at: ClusterTime, origin: Option<Origin>, command: Command) -> LogEntry {
    LogEntry { at, proposer: NodeId(1), origin, command }
}

fn prelude() -> Vec<Command> {
    let settings = MapSettings {
        time_to_live_ms: 60,
        max_idle_ms: 25,
        max_entries: 2,
        eviction: Eviction::Lfu,
    };
    let found = ClusterCommand::Found {
        cluster_id: ClusterId(1),
        cluster_name: Name::from("dev"),
        sessions: SessionSettings { time_to_live_ms: 150, heartbeat_interval_ms: 20 },
        maps: vec![(Name::from(MAPS[1]), settings)],
    };
    let mut commands = vec![Command::Cluster(found)];
    commands.extend((0..3).map(|_| create_session()));
    commands
}

fn step() -> impl Strategy<Value = Step> {
    let after_ms = prop_oneof![8 => Just(0), 6 => 1..20_u64, 2 => 20..80_u64, 1 => 100..400_u64];
    let restarts = prop::bool::weighted(0.02);
    (after_ms, 0..3_u64, 0..4_u64, restarts, command()).prop_map(
        |(after_ms, node, unanswered, restarts, command)| Step {
            after_ms,
            node,
            unanswered,
            restarts,
            command,
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        10 => (name(MAPS), caller(), map_change())
            .prop_map(|(map, caller, change)| Command::Map { map, caller, change }),
        8 => (name(MAPS), caller(), lock_change())
            .prop_map(|(map, caller, change)| Command::Map { map, caller, change }),
        9 => cp_command().prop_map(Command::Cp),
        3 => cluster_command().prop_map(Command::Cluster),
        1 => set_change().prop_map(|change| Command::Set { set: Name::from("s"), change }),
        1 => object_command().prop_map(Command::Object),
        1 => prop_oneof![0..3_u32, Just(u32::MAX)]
            .prop_map(|size| Command::NewIdBatch { generator: Name::from("g"), size }),
    ]
}

fn map_change() -> BoxedStrategy<MapChange> {
    let version = || prop_oneof![Just(0), 1..12_u64, Just(u64::MAX)];
    prop_oneof![
        8 => (key(), value(), lifetime(), lifetime(), put_mode()).prop_map(
            |(key, value, ttl, max_idle, mode)| MapChange::Put { key, value, ttl, max_idle, mode }
        ),
        2 => prop::collection::vec((key(), value()), 0..4)
            .prop_map(|entries| MapChange::PutAll { entries }),
        2 => (key(), value(), value())
            .prop_map(|(key, expected, value)| MapChange::ReplaceIfSame { key, expected, value }),
        2 => key().prop_map(|key| MapChange::Remove { key }),
        1 => (key(), timeout())
            .prop_map(|(key, timeout_ms)| MapChange::TryRemove { key, timeout_ms }),
        1 => (key(), value())
            .prop_map(|(key, expected)| MapChange::RemoveIfSame { key, expected }),
        1 => Just(MapChange::RemoveAll),
        1 => Just(MapChange::Clear),
        1 => key().prop_map(|key| MapChange::Evict { key }),
        1 => Just(MapChange::EvictAll),
        1 => (key(), lifetime()).prop_map(|(key, ttl)| MapChange::SetTtl { key, ttl }),
        1 => (key(), value(), lifetime(), prop::option::of(version())).prop_map(
            |(key, value, ttl, expected)| MapChange::PutIfVersion { key, value, ttl, expected }
        ),
        1 => (key(), version())
            .prop_map(|(key, expected)| MapChange::RemoveIfVersion { key, expected }),
        1 => settings().prop_map(MapChange::Configure),
    ]
    .boxed()
}

fn lock_change() -> BoxedStrategy<MapChange> {
    let reference = || prop_oneof![8 => 0..8_i64, 1 => Just(i64::MIN)];
    prop_oneof![
        5 => (key(), prop::option::weighted(0.3, timeout()), maybe_timeout(), reference())
            .prop_map(|(key, lease_ms, timeout_ms, reference)| MapChange::Lock {
                key,
                lease_ms,
                timeout_ms,
                reference,
            }),
        4 => (key(), reference())
            .prop_map(|(key, reference)| MapChange::Unlock { key, reference }),
        1 => (key(), reference())
            .prop_map(|(key, reference)| MapChange::ForceUnlock { key, reference }),
    ]
    .boxed()
}

fn cp_command() -> BoxedStrategy<CpCommand> {
    let uid = || (0..12_u128).prop_map(InvocationUid);
    let group = || Name::from(GROUP);
    prop_oneof![
        8 => (name(LOCKS), endpoint(), uid(), maybe_timeout()).prop_map(
            move |(name, endpoint, uid, timeout_ms)| CpCommand::Lock {
                group: group(),
                name,
                endpoint,
                uid,
                timeout_ms,
            }
        ),
        6 => (name(LOCKS), endpoint(), uid()).prop_map(move |(name, endpoint, uid)| {
            CpCommand::Unlock { group: group(), name, endpoint, uid }
        }),
        1 => (name(LOCKS), 0..6_i64).prop_map(move |(name, fence)| CpCommand::ForceRelease {
            group: group(),
            name,
            fence: Fence(fence),
        }),
        2 => Just(()).prop_map(|()| match create_session() {
            Command::Cp(command) => command,
            other => unreachable!("{other:?}"),
        }),
        1 => session().prop_map(move |session| CpCommand::CloseSession {
            group: group(),
            session,
        }),
        2 => prop::collection::vec(session(), 0..4).prop_map(move |sessions| {
            let sessions = sessions.into_iter().map(|session| (group(), session)).collect();
            CpCommand::Heartbeat { sessions }
        }),
        1 => Just(()).prop_map(move |()| CpCommand::GenerateThreadId { group: group() }),
        1 => prop::bool::weighted(0.1).prop_map(move |destroy| if destroy {
            let service = Name::from(LOCK_SERVICE);
            CpCommand::DestroyObject { group: group(), service, name: Name::from(LOCKS[1]) }
        } else {
            CpCommand::CreateGroup { group: Name::from("mine") }
        }),
    ]
    .boxed()
}

fn cluster_command() -> BoxedStrategy<ClusterCommand> {
    let node = || (1..4_u64).prop_map(NodeId);
    prop_oneof![
        8 => Just(ClusterCommand::Expire),
        4 => (name(MAPS), key(), 900..1_500_u64, 0..3_u32).prop_map(|(map, key, at, reads)| {
            let at = ClusterTime(at);
            ClusterCommand::Touch { touches: vec![Touch { map, key, at, reads }] }
        }),
        1 => (node(), prop_oneof![0..50_u64, Just(u64::MAX)])
            .prop_map(|(leader, leaderless_ms)| ClusterCommand::Office { leader, leaderless_ms }),
        1 => node().prop_map(|node| ClusterCommand::DescribeNode(describe(node))),
        1 => node().prop_map(|node| ClusterCommand::UnlistMember { node }),
        1 => node().prop_map(|node| ClusterCommand::ListMember { node }),
        2 => client().prop_map(|client| ClusterCommand::ReleaseMapLocks { client }),
        1 => (value(), value())
            .prop_map(|(host, port)| ClusterCommand::RegisterCoordinator { host, port }),
    ]
    .boxed()
}

fn set_change() -> BoxedStrategy<SetChange> {
    let items = || prop::collection::vec(key(), 0..4);
    prop_oneof![
        items().prop_map(SetChange::AddAll),
        items().prop_map(SetChange::RemoveAll),
        items().prop_map(SetChange::RetainAll),
        Just(SetChange::Clear),
    ]
    .boxed()
}

fn object_command() -> BoxedStrategy<ObjectCommand> {
    let service = || {
        prop_oneof![Just(MAP_SERVICE), Just(crate::distributed_object::SET_SERVICE)]
            .prop_map(Name::from)
    };
    prop_oneof![
        2 => (service(), name(["plain", "s"]), client()).prop_map(|(service, name, client)| {
            ObjectCommand::Create { objects: vec![(service, name)], client }
        }),
        1 => (service(), name(["plain", "s"]), client())
            .prop_map(|(service, name, client)| ObjectCommand::Destroy { service, name, client }),
        1 => any::<i64>().prop_map(|id| ObjectCommand::PutSchemas {
            schemas: vec![(id, bytes::Bytes::from_static(b"schema"))],
        }),
    ]
    .boxed()
}

fn create_session() -> Command {
    Command::Cp(CpCommand::CreateSession {
        group: Name::from(GROUP),
        endpoint_name: Name::from("client"),
        client: ClientUuid(1),
    })
}

fn describe(node: NodeId) -> NodeDescription {
    NodeDescription {
        node,
        member: MemberUuid(u128::from(node.0)),
        client_host: Name::from("host"),
        client_port: 5701,
        raft_address: Name::from("host:5711"),
        admin_address: Name::from("host:8701"),
        version: Name::from("0.1.0"),
    }
}

fn settings() -> impl Strategy<Value = MapSettings> {
    let eviction = prop_oneof![Just(Eviction::None), Just(Eviction::Lru), Just(Eviction::Lfu)];
    (0..80_u64, 0..40_u64, 0..3_u64, eviction).prop_map(
        |(time_to_live_ms, max_idle_ms, max_entries, eviction)| MapSettings {
            time_to_live_ms,
            max_idle_ms,
            max_entries,
            eviction,
        },
    )
}

fn put_mode() -> impl Strategy<Value = PutMode> {
    prop_oneof![
        Just(PutMode::Put),
        Just(PutMode::Set),
        Just(PutMode::IfAbsent),
        Just(PutMode::IfPresent),
        timeout().prop_map(|timeout_ms| PutMode::Try { timeout_ms }),
    ]
}

fn lifetime() -> impl Strategy<Value = Lifetime> {
    prop_oneof![
        4 => Just(Lifetime::Default),
        1 => Just(Lifetime::Unlimited),
        3 => (0..60_u64).prop_map(Lifetime::Ms),
        1 => Just(Lifetime::Ms(u64::MAX)),
        1 => Just(Lifetime::Ms(i64::MAX as u64)),
    ]
}

fn timeout() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 6 => 1..40_u64, 1 => Just(u64::MAX)]
}

fn maybe_timeout() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(timeout())
}

fn endpoint() -> impl Strategy<Value = LockEndpoint> {
    let thread = prop_oneof![Just(1), Just(2), Just(i64::MIN), Just(i64::MAX)];
    (session(), thread)
        .prop_map(|(session, thread)| LockEndpoint { session, thread: ThreadId(thread) })
}

fn session() -> impl Strategy<Value = SessionId> {
    prop_oneof![12 => 1..4_i64, 2 => 4..7_i64, 1 => Just(i64::MIN)].prop_map(SessionId)
}

fn caller() -> impl Strategy<Value = Caller> {
    (client(), 1..3_i64).prop_map(|(client, thread)| Caller { client, thread: ThreadId(thread) })
}

fn client() -> impl Strategy<Value = ClientUuid> {
    (1..3_u128).prop_map(ClientUuid)
}

fn name<const N: usize>(names: [&'static str; N]) -> impl Strategy<Value = Name> {
    (0..N).prop_map(move |index| Name::from(names[index]))
}

fn key() -> impl Strategy<Value = Blob> {
    (0..KEYS.len()).prop_map(|index| Blob::string(KEYS[index]))
}

fn value() -> impl Strategy<Value = Blob> {
    prop_oneof![Just("v"), Just("w"), Just("a longer one")].prop_map(Blob::string)
}
