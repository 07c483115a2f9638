//! The golden cases: how many of their records are accepted, and for which reasons the others are refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::Value;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};

use crate::record;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

fn files(under: &Path) -> Vec<PathBuf> {
    let topics = fs::read_dir(under).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = topics
        .flat_map(|topic| fs::read_dir(topic).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Accepted records and refused ones by reason.
fn counts(case: &Path, limits: DecodeLimits) -> (u64, BTreeMap<String, u64>) {
    let (mut accepted, mut rejected) = (0, BTreeMap::new());
    let mut decoder = Decoder::new(limits);
    for line in files(&case.join("records")).iter().flat_map(|file| {
        let text = fs::read_to_string(file).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    }) {
        let line: Value = serde_json::from_str(&line).unwrap();
        let value = match (line.get("value_base64"), line.get("value")) {
            (Some(coded), _) => Some(base64::engine::general_purpose::STANDARD.decode(coded.as_str().unwrap()).unwrap()),
            (None, value) => value.and_then(Value::as_str).map(|text| text.as_bytes().to_vec()),
        };
        let timestamp = line.get("timestamp").and_then(Value::as_i64).filter(|timestamp| *timestamp >= 0);
        match decoder.decode(&record(value.as_deref(), timestamp)) {
            Ok(_) => accepted += 1,
            Err(reject) => {
                assert!(!reject.detail.is_empty());
                *rejected.entry(reject.reason.as_str().to_owned()).or_default() += 1;
            }
        }
    }
    (accepted, rejected)
}

#[test]
fn every_golden_case_is_accepted_and_refused_as_expected() {
    for name in [
        "attempts", "defaults", "hostile", "journeys", "lateness", "money", "spike", "surveys", "tickets", "tour", "wide",
    ] {
        let case = case(name);
        let mut limits = DecodeLimits::default();
        if name == "hostile" {
            limits.max_record_bytes = 6 * 1024;
        }
        let expected: Value = serde_json::from_str(&fs::read_to_string(case.join("expected.json")).unwrap()).unwrap();
        let counters = &expected["counters"];
        let count = |name: &str| counters.get(name).and_then(Value::as_u64).unwrap_or(0);
        let rejected: BTreeMap<String, u64> = serde_json::from_value(counters["rejected"].clone()).unwrap();
        assert_eq!(
            counts(&case, limits),
            (count("accepted") + count("late") + count("duplicate"), rejected),
            "{name}"
        );
    }
}
