//! Events to deltas, deltas to panes, panes to rows: `cargo bench -p tidegauge-benches --bench aggregate`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use tidegauge_aggregate::merger::Merger;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_benches::clock;
use tidegauge_benches::pipeline::{default_plan, run};
use tidegauge_benches::traffic::{LANES, Traffic};
use tidegauge_ingest::decode::{DecodeLimits, Decoder};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn aggregate(c: &mut Criterion) {
    let plan = default_plan();
    let traffic = Traffic::generate(200_000);
    let states = || -> Vec<PartitionState> { (0..LANES).map(|_| PartitionState::new(Arc::clone(&plan))).collect() };
    // Events borrow from their decoder, so decoding is part of it here; the bench `decode` tells how much.
    let applied = |mut states: Vec<PartitionState>| {
        let mut decoder = Decoder::new(DecodeLimits::default());
        for (lane, record) in traffic.records() {
            if let Ok(event) = decoder.decode(&record) {
                states[lane].apply(record.timestamp, record.offset, &event, &mut |_| ());
            }
        }
        states
    };
    let mut group = c.benchmark_group("aggregate");
    group.throughput(Throughput::Elements(traffic.len() as u64)).sample_size(10);
    group.bench_function("decode and apply", |b| b.iter_custom(|n| clock::repeat(n, states, applied)));
    group.bench_function("drain", |b| {
        b.iter_custom(|n| {
            clock::repeat(
                n,
                || applied(states()),
                |mut states| states.iter_mut().map(PartitionState::take_delta).collect::<Vec<_>>(),
            )
        });
    });
    group.bench_function("merge", |b| {
        let mut states = applied(states());
        let deltas: Vec<_> = states.iter_mut().map(PartitionState::take_delta).collect();
        b.iter_custom(|n| {
            clock::repeat(
                n,
                || Merger::new(Arc::clone(&plan)),
                |mut merger| {
                    deltas.iter().for_each(|delta| merger.apply(delta));
                    merger
                },
            )
        });
    });
    let merged = || run(&plan, &traffic, None).unwrap();
    let rows = {
        let mut pipeline = merged();
        let watermark = pipeline.watermark();
        pipeline.merger.publish(watermark).rows.len()
    };
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function("publish, by row", |b| {
        b.iter_custom(|n| {
            clock::repeat(n, merged, |mut pipeline| {
                let watermark = pipeline.watermark();
                pipeline.merger.publish(watermark)
            })
        });
    });
    group.finish();
}

criterion_group!(benches, aggregate);
criterion_main!(benches);
