//! The figures that the documentation names, in one small table: `cargo bench -p tidegauge-benches --bench summary`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cap::Cap;
use mimalloc::MiMalloc;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_benches::memory::{Opened, partition};
use tidegauge_benches::pipeline::{self, Pipeline, default_plan};
use tidegauge_benches::traffic::{EVENTS, Traffic};
use tidegauge_benches::{baseline, clock};
use tidegauge_sink::table::{FileIdentity, TableOptions, encode_metrics};

// As the program has it, with a count of the bytes asked for.
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

/// Rounds of the comparison; in each all take their turn, so that what else the machine does meets them alike.
const ROUNDS: usize = 5;

fn main() {
    // Cargo passes `--bench`; anything else is the number of rounds, and fewer make a quick look.
    let rounds = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(ROUNDS);
    let plan = default_plan();
    let traffic = Traffic::generate(EVENTS);
    println!(
        "{} events of {} bytes over {:.1} minutes of event time, one core",
        traffic.len(),
        traffic.mean_bytes(),
        traffic.span() as f64 / 60_000.0
    );
    let last = speed(&plan, &traffic, rounds);
    publication(&plan, last);
    memory(&plan);
}

fn speed(plan: &Arc<Plan>, traffic: &Traffic, rounds: usize) -> Pipeline {
    let options = TableOptions::new(Arc::new(plan.spec.clone()));
    let mut last = None;
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..rounds.max(1) {
        times[0].push(clock::time(|| baseline::parse(traffic)).0);
        times[1].push(clock::time(|| pipeline::run(plan, traffic, None).unwrap()).0);
        let (spent, pipeline) = clock::time(|| pipeline::run(plan, traffic, Some(&options)).unwrap());
        times[2].push(spent);
        last = Some(pipeline);
    }
    let last = last.unwrap();
    let ns = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort_unstable();
        times[times.len() / 2].as_nanos() as f64 / traffic.len() as f64
    };
    let base = ns(&times[0]);
    println!("{:<44}{:>9}{:>15}{:>12}", "", "ns/event", "events/s/core", "of baseline");
    for (name, times) in ["simdutf8 + serde_json (baseline)", "pipeline", "pipeline with Parquet"]
        .iter()
        .zip(&times)
    {
        let each = ns(times);
        println!("{name:<44}{each:>9.0}{:>15.0}{:>12.3}", 1e9 / each, base / each);
    }
    let [accepted, late, duplicate] = last.verdicts();
    let bytes: usize = last.groups.iter().map(|g| g.bytes()).sum();
    println!(
        "accepted {accepted}, late {late}, duplicate {duplicate}; {} bytes of Parquet an event",
        bytes / traffic.len()
    );
    last
}

fn publication(plan: &Plan, mut last: Pipeline) {
    let held = last.merger.committed().groups();
    let copy = |last: &Pipeline| last.merger.committed().clone();
    let before = ALLOCATOR.allocated();
    let store = copy(&last);
    let group = (ALLOCATOR.allocated() - before) / held.max(1);
    drop(store);
    let watermark = last.watermark();
    let (spent, publication) = clock::time(|| last.merger.publish(watermark));
    let rows = publication.rows;
    let options = TableOptions::new(Arc::new(plan.spec.clone()));
    let identity = FileIdentity {
        nonce: "bench".to_owned(),
        version: "0".to_owned(),
    };
    let (encoded, _) = clock::time(|| encode_metrics(&rows, &options, &identity).unwrap());
    let each = |d: Duration| d.as_nanos() as f64 / rows.len().max(1) as f64;
    println!("{:<44}{:>9.0} ns ({} rows)", "published metric row", each(spent), rows.len());
    println!("{:<44}{:>9.0} ns", "  the same as Parquet", each(encoded));
    println!("{:<44}{group:>9} bytes ({held} in all panes)", "group of a pane");
    println!("groups a grouping: {}", groups(plan, &rows));
}

fn groups(plan: &Plan, rows: &[MetricRow]) -> String {
    let mut found: BTreeMap<usize, BTreeSet<_>> = BTreeMap::new();
    for row in rows {
        found.entry(row.grouping).or_default().insert(row.group.clone());
    }
    let named = |(grouping, groups): (&usize, &BTreeSet<_>)| format!("{} {}", plan.spec.groupings[*grouping].name(), groups.len());
    found.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn memory(plan: &Arc<Plan>) {
    for (name, opened) in [("open attempt", Opened::Attempt), ("ticket", Opened::Ticket)] {
        let bytes = |count: usize| {
            let held = |opened| {
                let before = ALLOCATOR.allocated();
                let state = partition(plan, count, opened);
                let held = ALLOCATOR.allocated() - before;
                drop(state);
                held
            };
            held(opened).saturating_sub(held(Opened::Nothing)) / count
        };
        // The index doubles when it is 7/8 full: at 917,504 of 2^20 and at 1,835,008 of 2^21.
        let counts = [917_000, 918_000, 1_000_000, 1_835_000, 1_836_000];
        let found: Vec<String> = counts.iter().map(|n| format!("{} ({n})", bytes(*n))).collect();
        println!("{name:<44}{} bytes", found.join(", "));
    }
}
