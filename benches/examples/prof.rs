#![allow(missing_docs, clippy::unwrap_used)]
use std::sync::Arc;
use tidegauge_benches::{
    baseline, clock,
    pipeline::{default_plan, run},
    traffic::Traffic,
};
use tidegauge_sink::table::TableOptions;
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let rounds: usize = args[2].parse().unwrap();
    let traffic = Traffic::generate(args.get(3).map_or(1_000_000, |n| n.parse().unwrap()));
    let plan = default_plan();
    let options = TableOptions::new(Arc::new(plan.spec.clone()));
    let n = traffic.len() as f64;
    let (mut b, mut p, mut q, mut d) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        if args[1].contains('b') {
            b.push(clock::time(|| baseline::parse(&traffic)).0.as_nanos() as f64 / n);
        }
        if args[1].contains('d') {
            d.push(
                clock::time(|| {
                    let mut dec = tidegauge_ingest::decode::Decoder::new(Default::default());
                    for (_, r) in traffic.records() {
                        let _ = std::hint::black_box(dec.decode(&r));
                    }
                })
                .0
                .as_nanos() as f64
                    / n,
            );
        }
        if args[1].contains('p') {
            p.push(clock::time(|| run(&plan, &traffic, None).unwrap()).0.as_nanos() as f64 / n);
        }
        if args[1].contains('q') {
            q.push(clock::time(|| run(&plan, &traffic, Some(&options)).unwrap()).0.as_nanos() as f64 / n);
        }
    }
    for v in [&mut b, &mut d, &mut p, &mut q] {
        v.sort_by(f64::total_cmp);
    }
    let m = |v: &Vec<f64>| if v.is_empty() { 0.0 } else { v[v.len() / 2] };
    let f = |v: &Vec<f64>| if v.is_empty() { 0.0 } else { v[0] };
    println!(
        "median base {:.0} decode {:.0} pipe {:.0} ({:.3}) parquet {:.0} ({:.3})",
        m(&b),
        m(&d),
        m(&p),
        m(&b) / m(&p),
        m(&q),
        m(&b) / m(&q)
    );
    println!(
        "least  base {:.0} decode {:.0} pipe {:.0} ({:.3}) parquet {:.0} ({:.3})",
        f(&b),
        f(&d),
        f(&p),
        f(&b) / f(&p),
        f(&q),
        f(&b) / f(&q)
    );
}
