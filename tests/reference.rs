//! The reference evaluator matches every golden case, so that the engine can be held against it anywhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/reference/mod.rs"]
mod reference;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reference::decimal::Decimal;
use reference::{compare, compare_counters, evaluate, golden, random, shrink, stats};

fn golden_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn check(name: &str) {
    let case = golden_directory().join(name);
    let actual = evaluate(&golden::spec(&case), &golden::records(&case.join("records")));
    let expected = golden::expected(&case);
    let counters = compare_counters(&actual.counters, &expected.counters);
    let rows = compare(&actual.rows, &expected.rows);
    assert!(
        counters.is_ok() && rows.is_ok(),
        "{name}\n{counters:?}\n{}",
        rows.err().unwrap_or_default()
    );
}

macro_rules! cases {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )+

        #[test]
        fn every_golden_case_is_checked() {
            let mut found: Vec<String> = std::fs::read_dir(golden_directory())
                .unwrap()
                .map(|entry| entry.unwrap())
                .filter(|entry| entry.path().is_dir())
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect();
            found.sort();
            assert_eq!(found, [$(stringify!($name)),+]);
        }
    };
}

cases! { attempts defaults hostile journeys lateness money spike surveys tickets tour wide }

/// What the random cases reach is what a comparison with the engine can find.
#[test]
fn random_cases_reach_every_metric_and_counter_of_the_golden_cases() {
    let names = |outcome: &reference::Outcome| -> BTreeSet<String> {
        let stats = outcome.rows.iter().map(|row| format!("{} {}", row.metric, row.stat));
        stats.chain(outcome.counters.keys().cloned()).collect()
    };
    let mut wanted = BTreeSet::new();
    for case in std::fs::read_dir(golden_directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
    {
        wanted.extend(names(&golden::expected(&case)));
    }
    let mut reached = BTreeSet::new();
    for seed in 0..60 {
        let case = random::case(seed);
        reached.extend(names(&evaluate(&case.spec, &case.log)));
    }
    let missed: Vec<&String> = wanted.difference(&reached).collect();
    assert!(missed.is_empty(), "never seen in random cases: {missed:?}");
}

#[test]
fn the_order_of_partitions_changes_nothing() {
    for seed in 0..30 {
        let mut case = random::case(seed);
        let outcome = evaluate(&case.spec, &case.log);
        case.log.reverse();
        let reversed = evaluate(&case.spec, &case.log);
        compare_counters(&reversed.counters, &outcome.counters).unwrap();
        compare(&reversed.rows, &outcome.rows).unwrap();
    }
}

#[test]
fn a_case_is_the_same_whenever_it_is_made() {
    let (first, second) = (random::case(7), random::case(7));
    assert_eq!(first.spec, second.spec);
    assert_eq!(first.log, second.log);
    assert_ne!(first.log, random::case(8).log);
}

#[test]
fn student_t_agrees_with_published_quantiles() {
    // scipy.stats.t.ppf(0.975, df)
    for (df, t) in [
        (1, 12.706_204_736_174_694),
        (2, 4.302_652_729_749_462),
        (3, 3.182_446_305_283_708),
        (10, 2.228_138_851_986_274),
        (30, 2.042_272_456_301_238),
        (1_000, 1.962_339_080_826_408),
    ] {
        assert!(
            (stats::student_t(df) / t - 1.0).abs() < 1e-12,
            "{df}: {} instead of {t}",
            stats::student_t(df)
        );
    }
}

#[test]
fn buckets_hold_their_upper_bound_and_not_their_lower() {
    assert_eq!(stats::bucket(1_000, 1_000), 0);
    assert_eq!(stats::bucket(1_001, 1_000), 1);
    assert_eq!(stats::bucket(500, 1_000), -32);
    assert_eq!(stats::bucket(499, 1_000), -32);
    assert_eq!(stats::bucket(125, 1_000), -96);
    assert_eq!(stats::bucket(1 << 31, 1), 31 * 32);
    assert_eq!(stats::bucket((1 << 31) + 1, 1), 31 * 32 + 1);
    assert_eq!(stats::bucket(1_022, 1_000), 2);
    assert_eq!(stats::bucket(1_021, 1_000), 1);
}

#[test]
fn decimals_are_judged_exactly_and_rounded_half_away_from_zero() {
    assert!(Decimal::parse("1e1").within(0, 10) && Decimal::parse("1e1").is_whole());
    assert!(!Decimal::parse("10.0000000000000000000000001").within(0, 10));
    assert!(!Decimal::parse("1e-400").is_whole() && Decimal::parse("1e-400").within(0, 1));
    assert!(!Decimal::parse("1e999999999999999999999999").within(0, 10));
    assert!(Decimal::parse("0e999999999999999999999999").within(0, 0));
    assert_eq!(Decimal::parse("0.0000005").micros(), 1);
    assert_eq!(Decimal::parse("-0.0000005").micros(), -1);
    assert_eq!(Decimal::parse("0.00000049999").micros(), 0);
    assert_eq!(Decimal::parse("12.5E-1").micros(), 1_250_000);
}

#[test]
fn a_failing_case_shrinks_to_the_records_that_matter() {
    let failing = |case: &random::Case| evaluate(&case.spec, &case.log).counters.contains_key("repeated_end");
    let case = (0..).map(random::case).find(failing).unwrap();
    let smallest = shrink::shrink(case, failing);
    let records: usize = smallest.log.iter().map(|(_, _, records)| records.len()).sum();
    assert_eq!(records, 2, "{}", shrink::describe(&smallest));
    assert_eq!(smallest.spec.windows.iter().map(|window| window.groupings.len()).sum::<usize>(), 0);
    assert_eq!(
        (smallest.spec.windows.len(), smallest.spec.journeys.len(), smallest.spec.spike),
        (1, 0, None)
    );
}
