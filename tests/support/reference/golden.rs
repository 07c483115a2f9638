//! Reads golden cases.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tidegauge_aggregate::spec::Spec;

use super::{Counters, Log, Outcome, RefRecord, RefRow, config};

/// Reads `<topic>/<partition>.jsonl` under a directory.
pub fn records(directory: &Path) -> Log {
    let mut log = Log::new();
    for topic in fs::read_dir(directory).unwrap() {
        let topic = topic.unwrap();
        for partition in fs::read_dir(topic.path()).unwrap() {
            let path = partition.unwrap().path();
            let number = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            let records = fs::read_to_string(&path).unwrap().lines().map(record).collect();
            log.push((topic.file_name().into_string().unwrap(), number, records));
        }
    }
    log.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    log
}

fn record(line: &str) -> RefRecord {
    let object: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| object[name].as_str().map(|text| text.as_bytes().to_vec());
    let value = match object["value_base64"].as_str() {
        Some(encoded) => Some(STANDARD.decode(encoded).unwrap()),
        None => text("value"),
    };
    RefRecord {
        timestamp: object["timestamp"].as_i64().filter(|t| *t >= 0),
        key: text("key"),
        value,
    }
}

/// The specification of a case.
pub fn spec(case: &Path) -> Spec {
    let path = case.join("config.toml");
    if path.exists() {
        config::spec(&fs::read_to_string(path).unwrap())
    } else {
        Spec::default()
    }
}

/// What a case expects.
pub fn expected(case: &Path) -> Outcome {
    let file: Value = serde_json::from_str(&fs::read_to_string(case.join("expected.json")).unwrap()).unwrap();
    let mut counters = Counters::new();
    for (name, value) in file["counters"].as_object().unwrap() {
        match value {
            Value::Object(reasons) => {
                counters.extend(
                    reasons
                        .iter()
                        .map(|(reason, count)| (format!("{name}.{reason}"), count.as_u64().unwrap())),
                );
            }
            _ => {
                counters.insert(name.clone(), value.as_u64().unwrap());
            }
        }
    }
    Outcome {
        counters,
        rows: file["rows"].as_array().unwrap().iter().map(row).collect(),
    }
}

fn row(row: &Value) -> RefRow {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let dims: BTreeMap<String, String> = row["dims"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    RefRow {
        window: text("window"),
        window_start: row["window_start"].as_i64().unwrap(),
        window_end: row["window_end"].as_i64().unwrap(),
        grouping: text("grouping"),
        dims,
        metric: text("metric"),
        stat: text("stat"),
        label: row["label"].as_str().map(str::to_owned),
        value: row["value"].as_f64().unwrap(),
        lower: row["lower"].as_f64(),
        upper: row["upper"].as_f64(),
        n: row["n"].as_u64().unwrap(),
        numerator: row["numerator"].as_u64(),
        denominator: row["denominator"].as_u64(),
    }
}
