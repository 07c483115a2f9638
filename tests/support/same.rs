//! Whether two outputs say the same.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::{output, reference};

/// Every table has the same rows; of `metrics`, those of the highest revisions.
pub fn assert_same(expected: &Path, found: &Path) {
    for table in ["events", "attempts", "late", "rejects"] {
        let (expected, found) = (output::table(expected, table), output::table(found, table));
        assert!(!expected.is_empty(), "{table} is empty");
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected, found, "{table}");
        }
        assert_eq!(expected.len(), found.len(), "{table}");
    }
    let (expected, found) = (output::metrics(expected), output::metrics(found));
    assert!(!expected.is_empty());
    reference::compare(&found, &expected).unwrap_or_else(|error| panic!("metrics: {error}"));
    let differ = expected.iter().zip(&found).find(|(expected, found)| expected != found);
    assert!(differ.is_none(), "metrics: {differ:?}");
}

/// The parts of a summary that only the records decide: neither in how many files the rows lie, nor rows of `metrics`, since each revision is
/// a row.
pub fn counted(summary: &Value) -> (Value, BTreeMap<String, Value>) {
    let tables = summary["tables"].as_object().unwrap();
    let rows = tables.iter().filter(|(name, _)| *name != "metrics");
    let rows = rows.map(|(name, table)| (name.clone(), table["rows"].clone())).collect();
    (summary["counters"].clone(), rows)
}
