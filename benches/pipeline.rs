//! The whole pipeline but for Kafka and the store: `cargo bench -p tidegauge-benches --bench pipeline`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use tidegauge_benches::pipeline::{default_plan, run};
use tidegauge_benches::traffic::{EVENTS, Traffic};
use tidegauge_benches::{baseline, clock};
use tidegauge_sink::table::TableOptions;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn pipeline(c: &mut Criterion) {
    let plan = default_plan();
    let options = TableOptions::new(Arc::new(plan.spec.clone()));
    let traffic = Traffic::generate(EVENTS);
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(traffic.len() as u64)).sample_size(10);
    group.bench_function("simdutf8 + serde_json (baseline)", |b| {
        b.iter_custom(|n| clock::repeat(n, || (), |()| baseline::parse(&traffic)));
    });
    group.bench_function("decode, aggregate, merge", |b| {
        b.iter_custom(|n| clock::repeat(n, || (), |()| run(&plan, &traffic, None).unwrap()));
    });
    group.bench_function("decode, aggregate, merge, Parquet", |b| {
        b.iter_custom(|n| clock::repeat(n, || (), |()| run(&plan, &traffic, Some(&options)).unwrap()));
    });
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
