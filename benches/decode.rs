//! Records to events: `cargo bench -p tidegauge-benches --bench decode`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use tidegauge_benches::traffic::Traffic;
use tidegauge_benches::{baseline, clock};
use tidegauge_ingest::decode::{DecodeLimits, Decoder};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn decode(c: &mut Criterion) {
    let traffic = Traffic::generate(200_000);
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(traffic.len() as u64)).sample_size(10);
    group.bench_function("simdutf8 + serde_json (baseline)", |b| {
        b.iter_custom(|n| clock::repeat(n, || (), |()| baseline::parse(&traffic)));
    });
    group.bench_function("decoder", |b| {
        b.iter_custom(|n| {
            let decoder = || Decoder::new(DecodeLimits::default());
            clock::repeat(n, decoder, |mut decoder| {
                for (_, record) in traffic.records() {
                    let _ = black_box(decoder.decode(&record));
                }
            })
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
