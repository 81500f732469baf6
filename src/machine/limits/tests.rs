//! What clients can make the machine keep is bounded, counted, and in memory of its own.

use bytes::Bytes;

use super::*;
use crate::blob::Blob;
use crate::command::{
    Caller, ClusterCommand, Command, CpCommand, LockEndpoint, MapChange, MapSettings,
    ObjectCommand, SessionSettings,
};
use crate::ids::{ClientUuid, ClusterId, ClusterTime, InvocationUid, NodeId, SessionId, ThreadId};
use crate::machine::Machine;
use crate::outcome::{Outcome, Reply};
use crate::proposal::{LogEntry, Origin};

const CLIENT: ClientUuid = ClientUuid(1);

fn founded() -> Machine {
    let mut machine = Machine::new();
    let found = ClusterCommand::Found {
        cluster_id: ClusterId(1),
        cluster_name: Name::from("dev"),
        sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
        maps: Vec::new(),
    };
    apply(&mut machine, Command::Cluster(found)).expect("the machine is new");
    machine
}

fn apply(machine: &mut Machine, command: Command) -> Reply {
    apply_from(machine, None, command)
}

fn apply_from(machine: &mut Machine, origin: Option<Origin>, command: Command) -> Reply {
    let entry = LogEntry { at: ClusterTime(1), proposer: NodeId(1), origin, command };
    machine.apply(entry).reply
}

fn change(thread: i64, change: MapChange) -> Command {
    let caller = Caller { client: CLIENT, thread: ThreadId(thread) };
    Command::Map { map: Name::from("m"), caller, change }
}

fn lock(key: &Blob, reference: i64) -> MapChange {
    MapChange::Lock { key: key.clone(), lease_ms: None, timeout_ms: None, reference }
}

fn unlock(key: &Blob, reference: i64) -> MapChange {
    MapChange::Unlock { key: key.clone(), reference }
}

fn put(key: &Blob, value: &Blob) -> MapChange {
    let lifetimes = crate::command::Lifetime::Default;
    let mode = crate::command::PutMode::Set;
    let (key, value) = (key.clone(), value.clone());
    MapChange::Put { key, value, ttl: lifetimes, max_idle: lifetimes, mode }
}

fn refused(reply: &Reply) -> bool {
    matches!(reply, Err(Rejection::LimitReached { .. }))
}

#[test]
fn a_batch_of_objects_over_the_limit_creates_none() {
    let mut machine = founded();
    let objects = |service: &str, numbers: std::ops::Range<usize>| {
        let names = numbers.map(|n| (Name::from(service), Name::from(n.to_string())));
        let objects = names.collect();
        Command::Object(ObjectCommand::Create { objects, client: CLIENT })
    };
    let most = objects("hz:impl:topicService", 0..OBJECTS_MAX - 1);
    assert_eq!(apply(&mut machine, most), Ok(Outcome::Done));
    let digest = machine.digest();
    let reply = apply(&mut machine, objects("hz:impl:mapService", 0..2));
    assert!(refused(&reply), "{reply:?}");
    assert_eq!(machine.digest(), digest, "a refusal changes nothing");
    // The same name twice is one object, and a known one needs no room.
    let twice = objects("hz:impl:mapService", 0..1);
    assert_eq!(apply(&mut machine, twice.clone()), Ok(Outcome::Done));
    assert_eq!(apply(&mut machine, twice), Ok(Outcome::Done));
}

#[test]
fn a_batch_of_proxies_over_the_limit_of_maps_creates_none() {
    let mut machine = founded();
    for n in 0..MAPS_MAX {
        let map = Name::from(format!("wild{n}"));
        let change = MapChange::PutAll { entries: Vec::new() };
        let command = Command::Map { map, caller: Caller::default(), change };
        assert_eq!(apply(&mut machine, command), Ok(Outcome::Done));
    }
    let digest = machine.digest();
    let service = |name| (Name::from(name), Name::from("x"));
    let objects = vec![service("hz:impl:setService"), service("hz:impl:mapService")];
    let command = ObjectCommand::Create { objects, client: CLIENT };
    assert!(refused(&apply(&mut machine, Command::Object(command))));
    assert_eq!(machine.digest(), digest, "a refusal changes nothing");
}

#[test]
fn a_batch_of_schemas_over_the_limit_keeps_none() {
    let mut machine = founded();
    let schemas = |ids: std::ops::Range<usize>| {
        let schemas = ids.map(|id| (id as i64, Bytes::from_static(b"schema"))).collect();
        Command::Object(ObjectCommand::PutSchemas { schemas })
    };
    assert_eq!(apply(&mut machine, schemas(0..SCHEMAS_MAX - 1)), Ok(Outcome::Done));
    let digest = machine.digest();
    assert!(refused(&apply(&mut machine, schemas(SCHEMAS_MAX - 1..SCHEMAS_MAX + 1))));
    assert_eq!(machine.digest(), digest, "a refusal changes nothing");
    assert_eq!(apply(&mut machine, schemas(0..SCHEMAS_MAX)), Ok(Outcome::Done));
}

#[test]
fn settings_of_destroyed_maps_are_bounded() {
    let mut machine = founded();
    let mut replies = Vec::new();
    for n in 0..=MAPS_MAX {
        let name = Name::from(n.to_string());
        let change = MapChange::Configure(MapSettings::default());
        let caller = Caller::default();
        let command = Command::Map { map: name.clone(), caller, change };
        replies.push(apply(&mut machine, command));
        let service = Name::from("hz:impl:mapService");
        let destroy = ObjectCommand::Destroy { service, name, client: CLIENT };
        assert_eq!(apply(&mut machine, Command::Object(destroy)), Ok(Outcome::Done));
    }
    assert_eq!(replies.iter().filter(|reply| refused(reply)).count(), 1);
}

/// A key and a value as slices of a buffer, as they come out of a connection.
fn slices(buffer: &Bytes) -> (Blob, Blob) {
    let blob = |range| Blob::new(buffer.slice(range)).expect("the type id is not null");
    (blob(0..100), blob(100..200))
}

#[test]
fn nothing_that_is_kept_pins_the_buffer_it_came_in() {
    let buffer = Bytes::from(vec![1; 1_000_000]);
    let origin = |sequence| Some(Origin { node: NodeId(1), start: 1, sequence, answered_below: 0 });
    let mut machine = founded();
    {
        let (key, value) = slices(&buffer);
        // A holder, one that waits and gets it, a blocked write, a lease that is renewed, memos of
        // all.
        let lease = |reference| MapChange::Lock {
            key: key.clone(),
            lease_ms: Some(1_000),
            timeout_ms: None,
            reference,
        };
        let steps = [
            (1, lease(1)),
            (1, lease(2)),
            (2, lock(&key, 3)),
            (3, put(&key, &value)),
            (3, MapChange::PutAll { entries: vec![(key.clone(), value.clone())] }),
            (3, MapChange::ReplaceIfSame { key: key.clone(), expected: value.clone(), value }),
            (1, unlock(&key, 4)),
            (1, unlock(&key, 5)),
            (2, lease(6)),
            (4, MapChange::ForceUnlock { key: Blob::string("free"), reference: 7 }),
            (
                4,
                MapChange::Lock {
                    key: key.clone(),
                    lease_ms: None,
                    timeout_ms: Some(0),
                    reference: 8,
                },
            ),
        ];
        for (sequence, (thread, step)) in steps.into_iter().enumerate() {
            let reply = apply_from(&mut machine, origin(sequence as u64), change(thread, step));
            assert!(reply.is_ok(), "{reply:?}");
        }
    }
    assert!(buffer.is_unique(), "a million bytes are kept for a key of a hundred");
    assert_eq!(machine.map_lock_holders(), [CLIENT]);
}

#[test]
fn long_keys_of_remembered_calls_are_counted() {
    let mut machine = founded();
    let key = Blob::string(&"k".repeat(10_000));
    apply(&mut machine, change(1, lock(&Blob::string("k"), 1))).expect("free");
    let before = machine.state_bytes();
    apply(&mut machine, change(1, lock(&key, 2))).expect("free");
    apply(&mut machine, change(1, unlock(&key, 3))).expect("held");
    assert!(machine.state_bytes() - before >= 20_000, "two answers are known by their key");
    assert_eq!(machine.state_bytes(), machine.recounted_bytes());
}

#[test]
fn long_names_are_counted() {
    let name = Name::from("n".repeat(10_000));
    let endpoint = LockEndpoint { session: SessionId(1), thread: ThreadId(1) };
    let session = CpCommand::CreateSession {
        group: Name::from("g"),
        endpoint_name: name.clone(),
        client: CLIENT,
    };
    let lock = CpCommand::Lock {
        group: Name::from("g"),
        name: name.clone(),
        endpoint,
        uid: InvocationUid(1),
        timeout_ms: None,
    };
    let destroy = CpCommand::DestroyObject {
        group: Name::from("g"),
        service: Name::from("service"),
        name: name.clone(),
    };
    let group = CpCommand::CreateGroup { group: name.clone() };
    let commands = [session, lock, destroy, group].map(Command::Cp);
    let batch = Command::NewIdBatch { generator: name, size: 1 };
    let mut machine = founded();
    for command in commands.into_iter().chain([batch]) {
        let before = machine.state_bytes();
        assert!(apply(&mut machine, command).is_ok());
        assert!(machine.state_bytes() - before >= 10_000, "after {before} bytes");
        assert_eq!(machine.state_bytes(), machine.recounted_bytes());
    }
}

#[test]
fn answers_of_one_fenced_lock_are_bounded() {
    let mut machine = founded();
    let group = Name::from("default");
    let name = Name::from("l");
    let create = CpCommand::CreateSession {
        group: group.clone(),
        endpoint_name: name.clone(),
        client: CLIENT,
    };
    apply(&mut machine, Command::Cp(create)).expect("room for a session");
    let mut most = 0;
    for thread in 0..(MEMOS_PER_FENCED_LOCK_MAX as i64) * 2 {
        let endpoint = LockEndpoint { session: SessionId(1), thread: ThreadId(thread) };
        let uid = InvocationUid(thread as u128 * 2);
        let (group, name) = (group.clone(), name.clone());
        let lock = CpCommand::Lock {
            group: group.clone(),
            name: name.clone(),
            endpoint,
            uid,
            timeout_ms: None,
        };
        let reply = apply(&mut machine, Command::Cp(lock));
        assert!(matches!(reply, Ok(Outcome::Fence(_))), "{reply:?}");
        let unlock = CpCommand::Unlock { group, name, endpoint, uid: InvocationUid(uid.0 + 1) };
        assert_eq!(apply(&mut machine, Command::Cp(unlock.clone())), Ok(Outcome::Flag(false)));
        assert_eq!(apply(&mut machine, Command::Cp(unlock)), Ok(Outcome::Flag(false)), "repeated");
        if thread == MEMOS_PER_FENCED_LOCK_MAX as i64 {
            most = machine.state_bytes();
        }
    }
    assert_eq!(machine.state_bytes(), most);
    assert_eq!(machine.state_bytes(), machine.recounted_bytes());
}

#[test]
fn answers_of_map_locks_are_bounded() {
    let mut machine = founded();
    let key = Blob::string("k");
    for reference in 0..MAP_MEMOS_MAX as i64 + 10 {
        apply(&mut machine, change(1, lock(&key, reference))).expect("free, or held by the caller");
    }
    let most = machine.state_bytes();
    apply(&mut machine, change(1, lock(&key, -1))).expect("held by the caller");
    assert_eq!(machine.state_bytes(), most);
    assert_eq!(machine.state_bytes(), machine.recounted_bytes());
}

#[test]
fn replies_of_a_node_that_never_says_what_it_answered_are_bounded() {
    let mut machine = founded();
    let set = |item: &str| Command::Set {
        set: Name::from("s"),
        change: crate::command::SetChange::AddAll(vec![Blob::string(item)]),
    };
    let origin = |sequence| Origin { node: NodeId(1), start: 1, sequence, answered_below: 0 };
    let first = 1_000;
    for sequence in first..first + ORIGIN_REPLIES_MAX as u64 + 5 {
        apply_from(&mut machine, Some(origin(sequence)), set("x")).expect("room for an item");
    }
    let most = machine.state_bytes();
    assert_eq!(most, machine.recounted_bytes());
    // What was forgotten is refused rather than applied again, as is what never came.
    for sequence in [first, first + 4, 1] {
        let reply = apply_from(&mut machine, Some(origin(sequence)), set("x"));
        assert_eq!(reply, Err(Rejection::StaleOrigin), "{sequence}");
    }
    let kept = apply_from(&mut machine, Some(origin(first + 5)), set("x"));
    assert_eq!(kept, Ok(Outcome::Flag(false)));
    assert_eq!(machine.state_bytes(), most);
}

#[test]
fn a_queue_that_is_full_refuses_and_loses_nothing() {
    let mut machine = founded();
    let key = Blob::string("k");
    apply(&mut machine, change(0, lock(&key, 0))).expect("free");
    for thread in 1..=WAITS_PER_LOCK_MAX as i64 {
        let reply = apply(&mut machine, change(thread, lock(&key, thread)));
        assert_eq!(reply, Ok(Outcome::Waiting));
    }
    let digest = machine.digest();
    assert!(refused(&apply(&mut machine, change(-1, lock(&key, -1)))));
    assert_eq!(machine.digest(), digest, "a refusal changes nothing");
    apply(&mut machine, change(0, unlock(&key, -2))).expect("held");
    assert_eq!(apply(&mut machine, change(1, unlock(&key, -3))), Ok(Outcome::Done), "first waiter");
    assert_eq!(machine.state_bytes(), machine.recounted_bytes());
}
