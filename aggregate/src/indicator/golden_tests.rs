//! The formulas against the results of the independent program in `tests/golden`: what a row's own numbers determine is computed again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::measure::Moment;

/// Reads the rows of every case with its name.
fn cases() -> Vec<(PathBuf, Vec<Value>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let case = entry.unwrap().path();
        if let Ok(text) = std::fs::read_to_string(case.join("expected.json")) {
            let mut expected: Value = serde_json::from_str(&text).unwrap();
            let Value::Array(rows) = expected["rows"].take() else {
                panic!("{} has no rows", case.display())
            };
            cases.push((case, rows));
        }
    }
    assert!(cases.len() >= 10, "golden cases are missing");
    cases
}

fn near(actual: f64, expected: f64) -> bool {
    (actual - expected).abs() <= (1e-9 * expected.abs()).max(1e-12)
}

fn bounds(row: &Value) -> Option<(f64, f64, f64)> {
    Some((row["value"].as_f64()?, row["lower"].as_f64()?, row["upper"].as_f64()?))
}

fn agrees(interval: Interval, (value, lower, upper): (f64, f64, f64)) -> bool {
    near(interval.value, value) && near(interval.lower, lower) && near(interval.upper, upper)
}

#[test]
fn every_golden_ratio_has_its_wilson_interval() {
    let mut checked = 0;
    for row in cases().iter().flat_map(|(_, rows)| rows) {
        let (Some(k), Some(n), Some(expected)) = (row["numerator"].as_u64(), row["denominator"].as_u64(), bounds(row)) else {
            continue;
        };
        if row["metric"] != "spike_excess" {
            assert!(agrees(wilson(k, n).unwrap(), expected), "{row}");
            checked += 1;
        }
    }
    assert!(checked > 10_000, "{checked} ratios");
}

#[test]
fn every_golden_nps_is_that_of_some_responses() {
    let mut checked = 0;
    for row in cases().iter().flat_map(|(_, rows)| rows) {
        if !["nps", "product_nps", "touchpoint_nps"].contains(&row["metric"].as_str().unwrap()) {
            continue;
        }
        let (n, expected) = (row["n"].as_u64().unwrap(), bounds(row).unwrap());
        let found = (0..=n).any(|promoters| (0..=n - promoters).any(|detractors| agrees(nps(promoters, detractors, n).unwrap(), expected)));
        assert!(found, "{row}");
        checked += 1;
    }
    assert!(checked > 500, "{checked} scores");
}

#[test]
fn every_golden_lift_is_that_of_some_users() {
    let mut checked = 0;
    for row in cases().iter().flat_map(|(_, rows)| rows) {
        let n = row["n"].as_u64().unwrap();
        if !row["metric"].as_str().unwrap().ends_with("_friction_lift") || n > 40 {
            continue;
        }
        let expected = bounds(row).unwrap();
        let found = (1..n).any(|n1| {
            let n2 = n - n1;
            (0..=n1).any(|a| (0..=n2).any(|b| lift(a, n1, b, n2).is_some_and(|interval| agrees(interval, expected))))
        });
        assert!(found, "{row}");
        checked += 1;
    }
    assert!(checked > 100, "{checked} lifts");
}

/// The integers that a mean's sum and sum of squares must be follow from its value and its unclamped bound; with them it must come out.
#[test]
fn every_golden_mean_is_that_of_some_whole_numbers() {
    let mut checked = 0;
    for row in cases().iter().flat_map(|(_, rows)| rows) {
        let (scale, possible): (f64, RangeInclusive<f64>) = match row["metric"].as_str().unwrap() {
            "csat_score" => (1e6, 1.0..=5.0),
            "ces_score" | "seq_score" => (1e6, 1.0..=7.0),
            "errors_per_attempt" => (1.0, 0.0..=f64::INFINITY),
            "clicks_to_completion" if row["stat"] == "mean" => (1.0, 0.0..=f64::INFINITY),
            "first_response_seconds" | "resolution_seconds" | "time_on_task_seconds" if row["stat"] == "mean" => {
                (1_000.0, 0.0..=f64::INFINITY)
            }
            _ => continue,
        };
        let n = row["n"].as_u64().unwrap();
        let Some((value, lower, upper)) = bounds(row) else {
            assert_eq!(n, 1, "{row}");
            continue;
        };
        let half = if upper < *possible.end() { upper - value } else { value - lower };
        if lower <= *possible.start() && upper >= *possible.end() {
            continue;
        }
        let count = n as f64;
        let sum = (value * scale * count).round();
        let deviations = (half * scale / t_quantile(n - 1)).powi(2) * count * (count - 1.0);
        let sum_squares = (deviations + sum * sum / count).round();
        // These scores are whole and kept in millionths.
        let grain = if scale == 1e6 { 1e12 } else { 1.0 };
        let sum_squares = (sum_squares / grain).round() * grain;
        let moment = Moment {
            n,
            sum: sum as i128,
            sum_squares: sum_squares as i128,
        };
        let estimate = mean(&moment, scale, possible).unwrap();
        let interval = Interval {
            value: estimate.value,
            lower: estimate.lower.unwrap(),
            upper: estimate.upper.unwrap(),
        };
        assert!(agrees(interval, (value, lower, upper)), "{row}: {interval:?}");
        checked += 1;
    }
    assert!(checked > 1_000, "{checked} means");
}

/// The window and the baseline of `[spike]` in a case's configuration.
fn spike_settings(case: &std::path::Path) -> Option<(String, i64)> {
    let config = std::fs::read_to_string(case.join("config.toml")).ok()?;
    let (_, section) = config.split_once("[spike]")?;
    let text = |key: &str| Some(section.split_once(&format!("{key} = \""))?.1.split_once('"')?.0.to_owned());
    Some((text("window")?, text("baseline")?.strip_suffix("ms")?.parse().ok()?))
}

#[test]
fn every_golden_spike_follows_from_the_ratios_of_its_windows() {
    let mut checked = 0;
    for (case, rows) in cases() {
        let Some((window, baseline)) = spike_settings(&case) else {
            continue;
        };
        let key = |row: &Value, metric: &Value, start: i64| format!("{} {} {metric} {start}", row["grouping"], row["dims"]);
        let rows: Vec<&Value> = rows.iter().filter(|row| row["window"] == *window).collect();
        let ratios: HashMap<String, (u64, u64)> = rows
            .iter()
            .filter(|row| row["metric"] != "spike_excess")
            .filter_map(|row| {
                let start = row["window_start"].as_i64()?;
                Some((
                    key(row, &row["metric"], start),
                    (row["numerator"].as_u64()?, row["denominator"].as_u64()?),
                ))
            })
            .collect();
        for row in rows.iter().filter(|row| row["metric"] == "spike_excess") {
            let start = row["window_start"].as_i64().unwrap();
            let size = row["window_end"].as_i64().unwrap() - start;
            let at = |start| ratios.get(&key(row, &row["label"], start)).copied().unwrap_or_default();
            let before: Vec<(u64, u64)> = (1..=baseline / size).map(|i| at(start - i * size)).collect();
            let (k, n) = at(start);
            let found = spike(k, n, &before).unwrap_or_else(|| panic!("absent: {row}"));
            assert_eq!(
                (Some(found.numerator), Some(found.denominator)),
                (row["numerator"].as_u64(), row["n"].as_u64()),
                "{row}"
            );
            assert!(agrees(found.excess, bounds(row).unwrap()), "{row}: {found:?}");
            checked += 1;
        }
    }
    assert!(checked > 500, "{checked} spikes");
}
