//! What the traffic as a whole has to be like.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod people;
mod stream;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::*;

/// A Monday noon.
const START: i64 = 1_767_225_600_000 + 4 * 86_400_000 + 12 * 3_600_000;

fn options() -> Options {
    Options {
        start: START,
        rate: 300.0,
        users: 5_000,
        bad: 0.0,
        ..Options::default()
    }
}

/// Every byte of a record.
fn bytes(record: &GeneratedRecord) -> Vec<u8> {
    let mut out = format!("{} {} {} {:?} ", record.topic, record.partition, record.timestamp, record.refused).into_bytes();
    out.extend_from_slice(record.key());
    out.push(0);
    out.extend_from_slice(record.value().unwrap_or(b"\0"));
    out
}

fn drawn(options: &Options, count: usize) -> Vec<GeneratedRecord> {
    Generator::new(options).unwrap().records().take(count).collect()
}

/// The good records, parsed.
fn events(options: &Options, count: usize) -> Vec<(GeneratedRecord, Value)> {
    let mut generator = Generator::new(options).unwrap();
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let record = generator.draw();
        if record.refused.is_none() {
            let value = serde_json::from_slice(record.value().unwrap())
                .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(record.value().unwrap())));
            out.push((record.clone(), value));
        }
    }
    out
}

/// Some minutes of usual traffic, which many tests look at.
static USUAL: LazyLock<Vec<(GeneratedRecord, Value)>> = LazyLock::new(|| events(&options(), 100_000));

/// Three hours of thin traffic, in which tickets are solved.
static LONG: LazyLock<Vec<(GeneratedRecord, Value)>> = LazyLock::new(|| events(&Options { rate: 8.0, ..options() }, 120_000));

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

/// Event time in milliseconds, from any of the styles that producers use.
fn time(event: &Value) -> i64 {
    if let Some(millis) = event["time"].as_i64() {
        return millis;
    }
    text(event, "time").parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// Share of the events of a type for which something holds.
fn share<'a>(events: impl Iterator<Item = &'a Value>, holds: impl Fn(&Value) -> bool) -> f64 {
    let (mut all, mut some) = (0.0, 0.0);
    for event in events {
        all += 1.0;
        some += f64::from(u8::from(holds(event)));
    }
    assert!(all > 0.0, "there is nothing to take a share of");
    some / all
}

fn counted(names: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}
