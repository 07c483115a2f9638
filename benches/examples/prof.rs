#![allow(missing_docs, clippy::unwrap_used)]
use cap::Cap;
use mimalloc::MiMalloc;
use std::sync::Arc;
use tidegauge_benches::pipeline::{self, default_plan};
use tidegauge_benches::traffic::{EVENTS, Traffic};
use tidegauge_benches::{baseline, clock};
use tidegauge_ingest::decode::{DecodeLimits, Decoder};
use tidegauge_sink::table::TableOptions;
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let modes = args[1].clone();
    let rounds: usize = args[2].parse().unwrap();
    let events: usize = args.get(3).map_or(EVENTS, |a| a.parse().unwrap());
    let plan = default_plan();
    let options = TableOptions::new(Arc::new(plan.spec.clone()));
    let traffic = Traffic::generate(events);
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); modes.len()];
    for _ in 0..rounds {
        for (n, m) in modes.chars().enumerate() {
            let d = match m {
                'b' => clock::time(|| baseline::parse(&traffic)).0,
                'd' => {
                    clock::time(|| {
                        let mut decoder = Decoder::new(DecodeLimits {
                            max_record_bytes: plan.spec.max_record_bytes,
                            max_future_skew: plan.spec.max_future_skew,
                        });
                        let mut ok = 0u64;
                        for (_, r) in traffic.records() {
                            if let Ok(e) = decoder.decode(&r) {
                                std::hint::black_box(&e);
                                ok += 1;
                            }
                        }
                        ok
                    })
                    .0
                }
                'p' => clock::time(|| pipeline::run(&plan, &traffic, None).unwrap()).0,
                'q' => clock::time(|| pipeline::run(&plan, &traffic, Some(&options)).unwrap()).0,
                _ => panic!(),
            };
            times[n].push(d.as_nanos() as f64 / traffic.len() as f64);
        }
    }
    for (n, m) in modes.chars().enumerate() {
        let t = &mut times[n];
        t.sort_by(f64::total_cmp);
        print!("{m} {:.0} {:.0}  ", t[0], t[t.len() / 2]);
    }
    println!();
}
