//! What a million records of 256 bytes cost in memory, measured as the growth of the resident set.
//!
//! `cargo bench --bench memory` fills maps of a million records and fails when one of plain records
//! costs more than three times its payload; otherwise (`cargo test --benches`) it fills small ones
//! and only shows that it works. Each map is filled in a process of its own: memory that one of
//! them gave back must not help the next.

use std::process::Command as Process;

use bytes::Bytes;
use statekeeper_machine::{
    Blob, Caller, ClusterCommand, ClusterId, ClusterTime, Command, Eviction, Lifetime, LogEntry,
    Machine, MapChange, MapSettings, Name, NodeId, PutMode, SessionSettings,
};

/// Key and value of one record together.
const RECORD_BYTES: usize = 256;
const KEY_BYTES: usize = 32;
const RECORDS: usize = 1_000_000;
const RECORDS_OF_A_TRIAL: usize = 50_000;
/// Bytes of resident memory for each byte of payload.
const RATIO_MAX: f64 = 3.0;

/// A map of a kind, and whether the limit is for it: a map with a size limit also keeps an order of
/// its records, and none of a million is expected.
struct Kind {
    name: &'static str,
    settings: MapSettings,
    limited: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, kind, records] = arguments.as_slice()
        && flag == "--fill"
    {
        let kinds = kinds();
        let kind = kinds.iter().find(|known| known.name == kind).expect("a kind of our own");
        println!("{}", fill(kind, records.parse().expect("a number of our own")));
        return;
    }
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let full = given("--bench") && !given("--test");
    let records = if full { RECORDS } else { RECORDS_OF_A_TRIAL };
    let mut over = Vec::new();
    for kind in kinds() {
        let grown = fill_elsewhere(&kind, records);
        let ratio = grown as f64 / (records * RECORD_BYTES) as f64;
        let (name, mib) = (kind.name, grown / (1 << 20));
        println!("{name}: {records} records of {RECORD_BYTES} bytes: {mib} MiB, {ratio:.2} times");
        if full && kind.limited && ratio > RATIO_MAX {
            over.push(name);
        }
    }
    assert!(over.is_empty(), "more than {RATIO_MAX} times the payload: {over:?}");
}

fn kinds() -> [Kind; 4] {
    let none = MapSettings::default();
    [
        Kind { name: "plain", settings: none, limited: true },
        Kind { name: "random keys", settings: none, limited: true },
        Kind {
            name: "time to live",
            settings: MapSettings { time_to_live_ms: 3_000_000, ..none },
            limited: true,
        },
        Kind {
            name: "time to live, idle time, size limit",
            settings: MapSettings {
                time_to_live_ms: 3_000_000,
                max_idle_ms: 30_000,
                max_entries: RECORDS as u64 * 2,
                eviction: Eviction::Lfu,
            },
            limited: false,
        },
    ]
}

fn fill_elsewhere(kind: &Kind, records: usize) -> usize {
    let own = std::env::current_exe().expect("this program has a path");
    let mut process = Process::new(own);
    let output = process.args(["--fill", kind.name, &records.to_string()]).output();
    let output = output.expect("this program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("a number is text");
    text.trim().parse().expect("the other process prints a number")
}

/// Fills a map entry by entry and says by how many bytes the resident set grew.
fn fill(kind: &Kind, records: usize) -> usize {
    let mut machine = Machine::new();
    let map = Name::from("records");
    let found = ClusterCommand::Found {
        cluster_id: ClusterId(1),
        cluster_name: Name::from("dev"),
        sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
        maps: vec![(map.clone(), kind.settings)],
    };
    apply(&mut machine, Command::Cluster(found));
    let before = resident_bytes();
    for number in 0..records as u64 {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let number = if kind.name == "random keys" { spread } else { number };
        let change = MapChange::Put {
            key: blob(number, KEY_BYTES),
            value: blob(spread, RECORD_BYTES - KEY_BYTES),
            ttl: Lifetime::Default,
            max_idle: Lifetime::Default,
            mode: PutMode::Set,
        };
        let (map, caller) = (map.clone(), Caller::default());
        apply(&mut machine, Command::Map { map, caller, change });
    }
    let grown = resident_bytes() - before;
    drop(machine);
    grown
}

fn apply(machine: &mut Machine, command: Command) {
    let entry = LogEntry { at: ClusterTime(1), proposer: NodeId(1), origin: None, command };
    machine.apply(entry).reply.expect("nothing here is refused");
}

/// Bytes of this length: hash, the type of byte arrays, and a number.
fn blob(number: u64, length: usize) -> Blob {
    let mut bytes = vec![0; length];
    bytes[4..8].copy_from_slice(&(-12_i32).to_be_bytes());
    bytes[12..20].copy_from_slice(&number.to_be_bytes());
    Blob::new(Bytes::from(bytes)).expect("the type is not null")
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).expect("the line is there");
    kib.trim().parse::<usize>().expect("it is a number") * 1024
}
