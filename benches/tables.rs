//! Events to compressed row groups: `cargo bench -p tidegauge-benches --bench tables`. More detail is in the bench of the same name in `sink`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use tidegauge_aggregate::spec::Spec;
use tidegauge_benches::clock;
use tidegauge_benches::traffic::Traffic;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};
use tidegauge_sink::table::{Compression, TableOptions, WorkerTables};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn tables(c: &mut Criterion) {
    let traffic = Traffic::generate(200_000);
    let mut group = c.benchmark_group("tables");
    group.throughput(Throughput::Elements(traffic.len() as u64)).sample_size(10);
    let each = |tables: &mut Option<WorkerTables>| {
        let mut decoder = Decoder::new(DecodeLimits::default());
        for (_, record) in traffic.records() {
            match (decoder.decode(&record), &mut *tables) {
                (Ok(event), Some(tables)) => tables.append_event(&record, &event).unwrap(),
                (Err(reject), Some(tables)) => tables.append_reject(&record, &reject, None).unwrap(),
                (decoded, None) => {
                    let _ = black_box(decoded);
                }
            }
        }
    };
    // To be subtracted from the others.
    group.bench_function("decode", |b| b.iter_custom(|n| clock::repeat(n, || (), |()| each(&mut None))));
    for compression in [Compression::Zstd(1), Compression::Lz4, Compression::None] {
        let options = TableOptions {
            compression,
            ..TableOptions::new(Arc::new(Spec::default()))
        };
        group.bench_function(format!("decode, append and encode, {compression}"), |b| {
            b.iter_custom(|n| {
                clock::repeat(
                    n,
                    || Some(WorkerTables::new(&options).unwrap()),
                    |mut tables| {
                        each(&mut tables);
                        tables.map(|mut tables| tables.flush().unwrap())
                    },
                )
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tables);
criterion_main!(benches);
