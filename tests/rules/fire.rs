//! Each alert, tried on series: it fires when it has to, and not otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cases::{Case, Series, cases};
use crate::file::{Alert, CONFIGURATION, alerts, rules};

const CAUGHT_UP: &str = "tidegauge_caught_up{job=\"tidegauge\",instance=\"a\"}";
const WATERMARK: &str = "tidegauge_watermark_timestamp_seconds{job=\"tidegauge\",instance=\"a\"}";

/// A pipeline whose gauges tell of now.
fn current() -> Vec<Series> {
    vec![Series::new(CAUGHT_UP, "1x1000"), Series::new(WATERMARK, "0+60x1000")]
}

/// One test of promtool: whether an alert fires over some series after `minutes`.
fn test(case: &Case, why: &str, series: &[Series], fires: bool) -> Value {
    let input: Vec<Value> = series
        .iter()
        .map(|series| json!({"series": series.name, "values": series.values}))
        .collect();
    let selector = format!(
        "ALERTS{{alertname=\"{}\",alertstate=\"firing\",severity=\"{}\",{}}}",
        case.alert, case.severity, case.matchers
    );
    json!({
        "name": format!("{} ({}{}): {why}", case.alert, case.severity, case.matchers),
        "interval": "1m",
        "input_series": input,
        "promql_expr_test": [{
            "expr": format!("count({selector}) or vector(0)"),
            "eval_time": format!("{}m", case.minutes),
            "exp_samples": [{"labels": "{}", "value": i32::from(fires)}],
        }],
    })
}

/// The series with some of them replaced.
fn with(series: &[Series], changes: &[Series]) -> Vec<Series> {
    let mut changed = series.to_vec();
    for change in changes {
        let found = changed.iter_mut().find(|series| series.name == change.name);
        found
            .unwrap_or_else(|| panic!("{} is not among the series", change.name))
            .clone_from(change);
    }
    changed
}

fn tests(case: &Case) -> Vec<Value> {
    let mut tests = Vec::new();
    let whole = |series: &[Series]| {
        if case.business {
            [current(), series.to_vec()].concat()
        } else {
            series.to_vec()
        }
    };
    let fires = whole(&case.fires);
    tests.push(test(case, "fires", &fires, true));
    for (why, changes) in &case.quiet {
        tests.push(test(case, why, &with(&fires, changes), false));
    }
    if case.business {
        tests.extend(stale(case));
    }
    tests
}

/// What silences every alert about customers.
fn stale(case: &Case) -> Vec<Value> {
    let fires = [current(), case.fires.clone()].concat();
    let changes = [
        ("not during a replay", Series::new(CAUGHT_UP, "0x1000")),
        ("not on results that are old", Series::new(WATERMARK, "-2000+60x1000")),
    ];
    let quiet = |(why, change)| test(case, why, &with(&fires, &[change]), false);
    changes.map(quiet).to_vec()
}

/// The rules without all alerts but one: the others would only take time.
fn only(rules: &str, alert: &str) -> String {
    let (head, groups) = rules.split_once("groups:\n").unwrap();
    let mut kept = format!("{head}groups:\n");
    for group in groups.split("  - name: ").skip(1) {
        let mut blocks = group.split("      - ");
        kept += &format!("  - name: {}", blocks.next().unwrap());
        let wanted = |block: &&str| block.starts_with("record: ") || block.starts_with(&format!("alert: {alert}\n"));
        blocks.filter(wanted).for_each(|block| kept += &format!("      - {block}"));
    }
    kept
}

/// Runs promtool's unit tests of one alert.
fn promtool(rules: &str, alert: &str, tests: &[Value]) -> Result<(), String> {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("rules.yml"), only(rules, alert)).unwrap();
    let file = directory.path().join("tests.yml");
    let text = json!({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests});
    fs::write(&file, text.to_string()).unwrap();
    let output = Command::new("promtool")
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .expect("promtool is missing: run `cargo xtask install`");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn every_alert_fires_when_it_has_to_and_not_otherwise() {
    let rules = rules(&["-c", CONFIGURATION]);
    let cases = cases();
    for case in &cases {
        promtool(&rules, case.alert, &tests(case)).unwrap_or_else(|said| panic!("{said}"));
    }

    let key = |alert: &Alert| (alert.name.clone(), alert.severity.clone());
    let written: BTreeSet<(String, String)> = alerts(&rules).iter().map(key).collect();
    let tested: BTreeSet<(String, String)> = cases.iter().map(|case| (case.alert.to_owned(), case.severity.to_owned())).collect();
    assert_eq!(written, tested);
    for case in &cases {
        assert!(!case.quiet.is_empty(), "{} is never quiet", case.alert);
    }
}

#[test]
fn an_expression_that_is_always_true_is_found_out() {
    let rules = rules(&["-c", CONFIGURATION]);
    let mut broken = rules.clone();
    for (condition, instead) in [
        ("and on (job, instance) instance:tidegauge_results:current", ""),
        ("and on (job) instance:tidegauge_results:current", ""),
        (
            "min_over_time(tidegauge_caught_up[5m]) == 1",
            "min_over_time(tidegauge_caught_up[5m]) >= 0",
        ),
    ] {
        let without = broken.replace(condition, instead);
        assert_ne!(broken, without, "there is no {condition}");
        broken = without;
    }
    let cases = cases();
    for case in cases.iter().filter(|case| case.business) {
        let said = promtool(&broken, case.alert, &stale(case)).expect_err(case.alert);
        assert!(said.contains("got:"), "{said}");
    }
}
