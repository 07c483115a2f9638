//! The engine - decoder, partition states, merger - gives the reference's rows, whatever the batches, the order of merging and the number
//! of snapshots taken on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/reference/mod.rs"]
mod reference;

use std::path::Path;
use std::sync::Arc;

use reference::random::{Case, Random};
use reference::shrink::{describe, shrink};
use reference::{Counters, Log, RefRow, compare, compare_counters, engine, evaluate, golden, random};
use tidegauge_aggregate::merger::Merger;
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};

/// How the same records are cut up.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Records between two deltas.
    batch: usize,
    /// A snapshot is taken and restored with every delta.
    snapshots: bool,
    /// Deltas are merged in reverse order.
    reversed: bool,
    /// Windows are published as the watermarks allow, and not only at the end.
    early: bool,
}

const WHOLE: Cut = Cut {
    batch: usize::MAX,
    snapshots: false,
    reversed: false,
    early: false,
};

fn run(spec: &Spec, log: &Log, cut: Cut) -> (Counters, Vec<RefRow>) {
    let plan = Arc::new(Plan::new(spec.clone()));
    let limits = DecodeLimits {
        max_record_bytes: spec.max_record_bytes,
        max_future_skew: spec.max_future_skew,
    };
    let mut decoder = Decoder::new(limits);
    let mut lanes: Vec<(usize, PartitionState)> = log.iter().map(|_| (0, PartitionState::new(Arc::clone(&plan)))).collect();
    let mut merger = Merger::new(Arc::clone(&plan));
    let mut deltas: Vec<PaneStore> = Vec::new();
    let mut rows = Vec::new();
    let mut open = true;
    while open {
        open = false;
        for ((next, state), partition) in lanes.iter_mut().zip(log) {
            let records: Log = vec![(
                partition.0.clone(),
                partition.1,
                partition.2.iter().skip(*next).take(cut.batch).cloned().collect(),
            )];
            for record in engine::records(&records) {
                match decoder.decode(&record) {
                    Ok(event) => {
                        state.apply(record.timestamp, record.offset, &event, &mut |_| ());
                    }
                    Err(reject) => state.counters.reject(reject.reason),
                }
                *next += 1;
            }
            open |= *next < partition.2.len();
            deltas.push(state.take_delta());
            if cut.snapshots {
                *state = PartitionState::restore(Arc::clone(&plan), &state.snapshot()).unwrap();
            }
        }
        if cut.early {
            deltas.drain(..).for_each(|d| merger.apply(&d));
            let watermark = lanes
                .iter()
                .zip(log)
                .filter(|((next, _), p)| *next < p.2.len())
                .map(|((_, s), _)| s.watermark())
                .min();
            rows.extend(merger.publish(watermark.unwrap_or(EventTime::MIN)).rows);
        }
    }
    let mut counters = tidegauge_aggregate::counters::Counters::default();
    for (_, state) in &mut lanes {
        state.close(&mut |_| ());
        deltas.push(state.take_delta());
        counters.merge(&state.counters);
    }
    if cut.reversed {
        deltas.reverse();
    }
    deltas.iter().for_each(|d| merger.apply(d));
    rows.extend(merger.publish(EventTime::MAX).rows);
    let flat = counters
        .to_map()
        .into_iter()
        .filter(|(name, n)| *n > 0 && name != "records")
        .collect();
    (flat, rows.iter().filter_map(|r| engine::neutral(spec, r)).collect())
}

fn golden_case(name: &str, cut: Cut) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let (counters, rows) = run(&golden::spec(&case), &golden::records(&case.join("records")), cut);
    let expected = golden::expected(&case);
    compare_counters(&counters, &expected.counters).unwrap_or_else(|e| panic!("{name}: {e}"));
    compare(&rows, &expected.rows).unwrap_or_else(|e| panic!("{name}: {e}"));
}

const CASES: [&str; 11] = [
    "attempts", "defaults", "hostile", "journeys", "lateness", "money", "spike", "surveys", "tickets", "tour", "wide",
];

#[test]
fn every_golden_case_matches() {
    CASES.iter().for_each(|case| golden_case(case, WHOLE));
}

#[test]
fn every_golden_case_matches_with_a_snapshot_and_restore_every_seven_records() {
    let cut = Cut {
        batch: 7,
        snapshots: true,
        reversed: true,
        ..WHOLE
    };
    CASES.iter().for_each(|case| golden_case(case, cut));
}

/// What the engine and the reference say differently about a case cut up in this way.
fn difference(case: &Case, cut: Cut) -> Option<String> {
    let expected = evaluate(&case.spec, &case.log);
    let (counters, rows) = run(&case.spec, &case.log, cut);
    let counted = compare_counters(&counters, &expected.counters);
    let compared = compare(&rows, &expected.rows);
    counted.and(compared).err()
}

/// `TIDEGAUGE_FIRST_SEED` and `TIDEGAUGE_SEEDS` look at other seeds, and at any number of them.
#[test]
fn any_records_in_any_batches_give_the_rows_of_the_reference() {
    let asked = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
    };
    let first = asked("TIDEGAUGE_FIRST_SEED", 0);
    for seed in (0..asked("TIDEGAUGE_SEEDS", 64)).map(|index| first.wrapping_add(index)) {
        let mut random = Random::new(!seed);
        let cut = Cut {
            batch: random.range(1, 40) as usize,
            snapshots: random.chance(50),
            reversed: random.chance(50),
            early: false,
        };
        let case = random::case(seed);
        if difference(&case, cut).is_some() {
            let smallest = shrink(case, |candidate| difference(candidate, cut).is_some());
            let said = difference(&smallest, cut).unwrap_or_default();
            panic!("{}{cut:?}\n{said}", describe(&smallest));
        }
    }
}
