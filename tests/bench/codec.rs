//! What one `Map.put` costs on the wire side: read, decoded, answered.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use statekeeper_protocol::messages::map::put;
use statekeeper_protocol::{CorrelationId, Data, FrameDecoder, PartitionId, limits};

/// As measured for openLooKeng's queries (2 to 3 KB), and the usual small record.
const VALUE_BYTES: [usize; 2] = [256, 3_000];
const TYPE_BYTE_ARRAY: i32 = -12;

fn request(value_bytes: usize) -> put::Request {
    put::Request {
        name: "query".into(),
        key: Data::from_parts(TYPE_BYTE_ARRAY, &[7; 24]),
        value: Data::from_parts(TYPE_BYTE_ARRAY, &vec![9; value_bytes]),
        thread_id: 1,
        ttl: -1,
    }
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    for value_bytes in VALUE_BYTES {
        let request = request(value_bytes);
        let wire = request.encode(CorrelationId(1), PartitionId(3)).into_contiguous();
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(format!("read and decode a put of {value_bytes} bytes"), |bencher| {
            let mut decoder = FrameDecoder::new();
            decoder.set_authenticated(limits::MESSAGE_BYTES_MAX);
            bencher.iter_batched(
                || BytesMut::from(&wire[..]),
                |mut received| {
                    let message = decoder.feed(&mut received).expect("our own bytes");
                    put::Request::decode(&message.expect("a whole message"))
                },
                BatchSize::SmallInput,
            );
        });
        let response = put::Response { response: Some(request.value.clone()) };
        group.bench_function(format!("answer with {value_bytes} bytes"), |bencher| {
            bencher.iter(|| black_box(&response).encode(CorrelationId(1)));
        });
    }
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
