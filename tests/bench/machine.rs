//! What one applied entry costs: writes of maps of several kinds, and a lock taken and given back.

#[path = "support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use statekeeper_machine::{
    Command, CpCommand, Eviction, InvocationUid, LockEndpoint, Machine, MapSettings, Name, NodeId,
    Origin, Query, SessionId, ThreadId,
};
use support::{apply, blob, founded, put};

/// Records in the map before the first measured write.
const RECORDS: u64 = 50_000;
const VALUE_BYTES: usize = 256;

fn filled(map: &Name, settings: MapSettings) -> Machine {
    let mut machine = founded(vec![(map.clone(), settings)]);
    for number in 0..RECORDS {
        apply(&mut machine, None, put(map, number, VALUE_BYTES)).expect("room for a record");
    }
    machine
}

fn puts(criterion: &mut Criterion) {
    let full = MapSettings {
        time_to_live_ms: 3_000_000,
        max_idle_ms: 30_000,
        max_entries: RECORDS,
        eviction: Eviction::Lfu,
    };
    let map = Name::from("m");
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(1));
    for (name, settings) in [("plain", MapSettings::default()), ("with all limits", full)] {
        let mut machine = filled(&map, settings);
        let mut sequence = 0;
        group.bench_function(format!("put over a record, {name}"), |bencher| {
            bencher.iter_batched(
                || {
                    sequence += 1;
                    (origin(sequence), put(&map, sequence % RECORDS, VALUE_BYTES))
                },
                |(origin, command)| apply(&mut machine, Some(origin), command),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn gets(criterion: &mut Criterion) {
    let map = Name::from("m");
    let machine = filled(&map, MapSettings::default());
    let mut number = 0;
    criterion.bench_function("get", |bencher| {
        bencher.iter_batched(
            || {
                number += 1;
                Query::MapGet { map: map.clone(), key: blob(number % RECORDS, 24) }
            },
            |query| machine.query(&query),
            BatchSize::SmallInput,
        );
    });
}

fn locks(criterion: &mut Criterion) {
    let mut machine = founded(Vec::new());
    let (group, name) = (Name::from("default"), Name::from("l"));
    let endpoint = LockEndpoint { session: SessionId(1), thread: ThreadId(1) };
    let mut uid = 0;
    criterion.bench_function("lock and unlock", |bencher| {
        bencher.iter(|| {
            uid += 2;
            let lock = CpCommand::Lock {
                group: group.clone(),
                name: name.clone(),
                endpoint,
                uid: InvocationUid(uid),
                timeout_ms: None,
            };
            let unlock = CpCommand::Unlock {
                group: group.clone(),
                name: name.clone(),
                endpoint,
                uid: InvocationUid(uid + 1),
            };
            apply(&mut machine, None, Command::Cp(lock)).expect("the lock is free");
            apply(&mut machine, None, Command::Cp(unlock)).expect("the lock is held");
        });
    });
}

/// The origin of a node that has answered all but its last call.
fn origin(sequence: u64) -> Origin {
    Origin { node: NodeId(1), start: 1, sequence, answered_below: sequence.saturating_sub(1) }
}

criterion_group!(benches, puts, gets, locks);
criterion_main!(benches);
