//! The reference: an independent batch evaluator of the specification, slow and obviously right. No panes, no sketches, no
//! incremental state: facts in a list, windows by enumeration, exact sets and lists. The engine is held against it.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod config;
pub mod decimal;
pub mod decode;
pub mod engine;
pub mod fact;
pub mod golden;
pub mod indicators;
pub mod json;
pub mod partition;
pub mod random;
pub mod random_event;
pub mod random_field;
pub mod ratios;
pub mod shrink;
pub mod stats;
pub mod tickets;
pub mod time;
pub mod users;
pub mod windows;

use std::collections::BTreeMap;

use tidegauge_aggregate::spec::Spec;

/// One record of a partition; its offset is its place.
#[derive(Clone, Debug, PartialEq)]
pub struct RefRecord {
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// Partitions: topic, number, records in offset order.
pub type Log = Vec<(String, i32, Vec<RefRecord>)>;

/// The counters of `replay --json`, flat: `accepted`, `late_end`, `rejected.not_json`, ...; what is 0 is left out.
pub type Counters = BTreeMap<String, u64>;

/// One row of results in neutral form: names instead of indices, only the dimensions that have a value.
#[derive(Clone, Debug, PartialEq)]
pub struct RefRow {
    pub window: String,
    pub window_start: i64,
    pub window_end: i64,
    pub grouping: String,
    pub dims: BTreeMap<String, String>,
    pub metric: String,
    pub stat: String,
    pub label: Option<String>,
    pub value: f64,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub n: u64,
    pub numerator: Option<u64>,
    pub denominator: Option<u64>,
}

/// What a closing run over a log must give.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub counters: Counters,
    pub rows: Vec<RefRow>,
}

/// Evaluates the whole specification over a log, as a closing run does.
pub fn evaluate(spec: &Spec, log: &Log) -> Outcome {
    let mut counters = Counters::new();
    let mut facts = Vec::new();
    for (_, _, records) in log {
        partition::replay(spec, records, &mut counters, &mut facts);
    }
    Outcome {
        counters,
        rows: windows::rows(spec, &facts),
    }
}

/// What identifies a row.
type Identity = (String, BTreeMap<String, String>, String, i64, String, String, Option<String>);

fn identity(row: &RefRow) -> Identity {
    (
        row.grouping.clone(),
        row.dims.clone(),
        row.window.clone(),
        row.window_start,
        row.metric.clone(),
        row.stat.clone(),
        row.label.clone(),
    )
}

/// Within 1e-9 relative, or 1e-12 absolute near 0.
fn near(actual: Option<f64>, expected: Option<f64>) -> bool {
    match (actual, expected) {
        (None, None) => true,
        (Some(a), Some(e)) => (a - e).abs() <= (1e-9 * e.abs()).max(1e-12),
        _ => false,
    }
}

/// Compares two sets of rows as the golden README says; the error names the first few differences of each kind.
pub fn compare(actual: &[RefRow], expected: &[RefRow]) -> Result<(), String> {
    const SHOWN: usize = 6;
    let mut twice = Vec::new();
    let mut index = |rows: &[RefRow], side: &str| {
        let mut map = BTreeMap::new();
        for row in rows {
            if map.insert(identity(row), row.clone()).is_some() {
                twice.push(format!("{side}: {row:?}"));
            }
        }
        map
    };
    let actual = index(actual, "actual");
    let expected = index(expected, "expected");
    let missing: Vec<String> = expected
        .iter()
        .filter(|(k, _)| !actual.contains_key(*k))
        .map(|(_, r)| format!("{r:?}"))
        .collect();
    let extra: Vec<String> = actual
        .iter()
        .filter(|(k, _)| !expected.contains_key(*k))
        .map(|(_, r)| format!("{r:?}"))
        .collect();
    let mut differing = Vec::new();
    for (key, want) in &expected {
        let Some(got) = actual.get(key) else { continue };
        let mut fields = Vec::new();
        let mut check = |name: &str, same: bool, got: String, want: String| {
            if !same {
                fields.push(format!("{name}: actual {got}, expected {want}"));
            }
        };
        check(
            "value",
            near(Some(got.value), Some(want.value)),
            format!("{}", got.value),
            format!("{}", want.value),
        );
        check(
            "lower",
            near(got.lower, want.lower),
            format!("{:?}", got.lower),
            format!("{:?}", want.lower),
        );
        check(
            "upper",
            near(got.upper, want.upper),
            format!("{:?}", got.upper),
            format!("{:?}", want.upper),
        );
        check("n", got.n == want.n, format!("{}", got.n), format!("{}", want.n));
        check(
            "numerator",
            got.numerator == want.numerator,
            format!("{:?}", got.numerator),
            format!("{:?}", want.numerator),
        );
        check(
            "denominator",
            got.denominator == want.denominator,
            format!("{:?}", got.denominator),
            format!("{:?}", want.denominator),
        );
        check(
            "window_end",
            got.window_end == want.window_end,
            format!("{}", got.window_end),
            format!("{}", want.window_end),
        );
        if !fields.is_empty() {
            differing.push(format!("{key:?}: {}", fields.join("; ")));
        }
    }
    let mut report = String::new();
    for (what, found) in [
        ("twice", &twice),
        ("missing", &missing),
        ("extra", &extra),
        ("differing", &differing),
    ] {
        if !found.is_empty() {
            report += &format!("{} rows {what}:\n  {}\n", found.len(), found[..found.len().min(SHOWN)].join("\n  "));
        }
    }
    if report.is_empty() { Ok(()) } else { Err(report) }
}

/// Compares counters; one that is left out is 0.
pub fn compare_counters(actual: &Counters, expected: &Counters) -> Result<(), String> {
    let names: std::collections::BTreeSet<&String> = actual.keys().chain(expected.keys()).collect();
    let count = |counters: &Counters, name: &String| counters.get(name).copied().unwrap_or(0);
    let wrong: Vec<String> = names
        .into_iter()
        .filter(|name| count(actual, name) != count(expected, name))
        .map(|name| format!("{name}: actual {}, expected {}", count(actual, name), count(expected, name)))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
