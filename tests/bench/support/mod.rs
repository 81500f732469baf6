//! A founded machine and the commands that the benches of the machine apply.

use bytes::Bytes;
use statekeeper_machine::{
    Blob, Caller, ClientUuid, ClusterCommand, ClusterId, ClusterTime, Command, CpCommand, Lifetime,
    LogEntry, Machine, MapChange, MapSettings, Name, NodeId, Origin, PutMode, Reply,
    SessionSettings,
};

/// A machine with these settings by map, and session 1 in the group `default`.
pub(crate) fn founded(maps: Vec<(Name, MapSettings)>) -> Machine {
    let mut machine = Machine::new();
    let found = ClusterCommand::Found {
        cluster_id: ClusterId(1),
        cluster_name: Name::from("dev"),
        sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
        maps,
    };
    let session = CpCommand::CreateSession {
        group: Name::from("default"),
        endpoint_name: Name::from("client"),
        client: ClientUuid(1),
    };
    for command in [Command::Cluster(found), Command::Cp(session)] {
        apply(&mut machine, None, command).expect("the machine is new");
    }
    machine
}

/// Applies one entry.
pub(crate) fn apply(machine: &mut Machine, origin: Option<Origin>, command: Command) -> Reply {
    machine.apply(LogEntry { at: ClusterTime(1), proposer: NodeId(1), origin, command }).reply
}

/// `Map.put` of record `number` with a value of this length.
pub(crate) fn put(map: &Name, number: u64, value_bytes: usize) -> Command {
    let change = MapChange::Put {
        key: blob(number, 24),
        value: blob(number, value_bytes),
        ttl: Lifetime::Default,
        max_idle: Lifetime::Default,
        mode: PutMode::Put,
    };
    Command::Map { map: map.clone(), caller: Caller::default(), change }
}

/// Bytes of this length: hash, the type of byte arrays, and a number spread over the space of keys.
pub(crate) fn blob(number: u64, length: usize) -> Blob {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = vec![0; length.max(20)];
    bytes[4..8].copy_from_slice(&(-12_i32).to_be_bytes());
    bytes[12..20].copy_from_slice(&spread.to_be_bytes());
    Blob::new(Bytes::from(bytes)).expect("the type is not null")
}
