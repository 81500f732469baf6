//! What a snapshot costs: freezing (writes wait for it), writing the image, reading it, and the
//! first writes after a freeze, which copy what they touch.

#[path = "support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use statekeeper_machine::{Machine, Name};
use support::{apply, founded, put};

const RECORDS: u64 = 50_000;
const VALUE_BYTES: usize = 256;

fn snapshot(criterion: &mut Criterion) {
    let map = Name::from("m");
    let mut machine = founded(Vec::new());
    for number in 0..RECORDS {
        apply(&mut machine, None, put(&map, number, VALUE_BYTES)).expect("room for a record");
    }
    let image: Vec<Vec<u8>> = machine.freeze().blocks().collect();
    let bytes = image.iter().map(Vec::len).sum::<usize>() as u64;
    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(20);
    group.bench_function("freeze", |bencher| bencher.iter(|| machine.freeze()));
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("write the image", |bencher| {
        bencher.iter(|| machine.freeze().blocks().map(|block| block.len()).sum::<usize>());
    });
    group.bench_function("read the image", |bencher| {
        bencher.iter(|| Machine::restore(&image).expect("the image is whole"));
    });
    group.throughput(Throughput::Elements(1));
    let mut number = 0;
    group.bench_function("put right after a freeze", |bencher| {
        bencher.iter_batched(
            || {
                number = (number + 1) % RECORDS;
                put(&map, number, VALUE_BYTES)
            },
            |command| {
                let frozen = machine.freeze();
                apply(&mut machine, None, command).expect("a record is there");
                frozen
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
