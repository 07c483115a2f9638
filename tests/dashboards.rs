//! The dashboards that the configuration becomes: well-formed, and every question in them has an answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pages.rs"]
mod pages;
#[path = "support/prometheus.rs"]
mod prometheus;
#[path = "support/service.rs"]
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use pages::{anchor, read, root, tool};
use prometheus::Prometheus;
use serde_json::Value;
use service::{Service, run, tidegauge};
use tempfile::TempDir;
use tidegauge_aggregate::catalogue;

const NAMES: [&str; 5] = ["product-owner", "ux", "cx", "links", "pipeline"];
/// Targets of every kind, with names as odd as producers make them.
const ODD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules/configuration.toml");

/// What the binary prints for a configuration, or for none.
fn dashboard(arguments: &[&str]) -> Value {
    let said = run(&[&["dashboard"], arguments].concat());
    said.assert(0, &[]);
    assert!(said.out.ends_with("}\n"));
    said.json()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

/// The questions of a panel.
fn queries(panel: &Value) -> Vec<&str> {
    let targets = panel["targets"].as_array().unwrap();
    targets.iter().map(|target| target["expr"].as_str().unwrap()).collect()
}

#[test]
fn panels_have_their_own_ids_and_places_and_say_where_to_read_more() {
    let headings = |page: &str| -> BTreeSet<String> {
        let page = read(page);
        let headings = page.lines().filter(|line| line.starts_with('#'));
        headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
    };
    let known: BTreeMap<&str, BTreeSet<String>> = ["docs/runbook.md", "docs/metrics.md"].map(|page| (page, headings(page))).into();
    for configuration in [None, Some(ODD)] {
        let mut uids = BTreeSet::new();
        for name in NAMES {
            let with: Vec<&str> = configuration.map_or(vec![name], |file| vec![name, "-c", file]);
            let dashboard = dashboard(&with);
            assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()));
            let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
            assert!(panels(&dashboard).len() > 3, "{name}");
            for panel in panels(&dashboard) {
                assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: two panels with one id");
                let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
                assert!(place("x") + place("w") <= 24);
                for x in place("x")..place("x") + place("w") {
                    for y in place("y")..place("y") + place("h") {
                        assert!(taken.insert((x, y)), "{name}: {} lies on another", panel["title"]);
                    }
                }
                let url = panel["links"][0]["url"].as_str().unwrap();
                let (page, section) = url.split_once("/blob/main/").unwrap().1.split_once('#').unwrap();
                assert!(known[page].contains(section), "{url}");
                let references: BTreeSet<&str> = panel["targets"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|t| t["refId"].as_str().unwrap())
                    .collect();
                assert_eq!(references.len(), queries(panel).len());
                assert!(!references.is_empty());
            }
        }
    }
}

#[test]
fn every_metric_of_the_catalogue_is_on_a_dashboard_with_its_interval_and_samples() {
    let all: Vec<Value> = NAMES.iter().map(|name| dashboard(&[name, "-c", ODD])).collect();
    let shown: Vec<&Value> = all.iter().flat_map(panels).collect();
    for metric in catalogue::metrics() {
        let panel = shown
            .iter()
            .find(|panel| panel["title"] == metric.name)
            .unwrap_or_else(|| panic!("no panel for {}", metric.name));
        let single = metric.label_names().is_empty() && metric.stats().len() == 1;
        let legends: Vec<&str> = panel["targets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["legendFormat"].as_str().unwrap())
            .collect();
        let overrides = panel["fieldConfig"]["overrides"].to_string();
        let band = legends.contains(&"lower") && legends.contains(&"upper") && overrides.contains("fillBelowTo");
        assert_eq!(band, single && !metric.interval.is_empty(), "{}: {legends:?}", metric.name);
        if band {
            assert!(legends.contains(&"samples"), "{}", metric.name);
        }
    }
}

#[test]
fn a_target_is_a_line_in_its_own_window() {
    let dashboard = dashboard(&["product-owner", "-c", ODD]);
    let panel = panels(&dashboard)
        .iter()
        .find(|panel| panel["title"] == "wait_seconds p95 in 5m, at most 3")
        .unwrap();
    let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap();
    assert_eq!(
        (&steps[0]["color"], &steps[1]["color"], steps[1]["value"].as_f64()),
        (&"green".into(), &"red".into(), Some(3.0))
    );
    assert_eq!(panel["fieldConfig"]["defaults"]["unit"], "s");
    assert_eq!(
        queries(panel)[0],
        r#"tidegauge_wait_seconds{grouping="overall",window="5m",stat="p95"}"#
    );
}

#[test]
fn nothing_to_show_is_said_and_the_pipeline_is_shown_all_the_same() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("none.toml");
    fs::write(&file, "[prometheus]\nwindows = []\n").unwrap();
    let file = file.to_str().unwrap();
    run(&["dashboard", "ux", "-c", file]).assert(2, &["`prometheus.windows`", "tidegauge dashboard pipeline"]);
    dashboard(&["pipeline", "-c", file]);
    run(&["dashboard"]).assert(2, &["--output"]);
}

/// The schema that Grafana publishes, and whether it would notice.
#[test]
fn grafana_takes_every_dashboard() {
    let check = |dashboard: &Value| {
        let mut python = Command::new(tool("python/bin/python"));
        python.arg(root().join("tests/fixtures/grafana/check.py"));
        let mut running = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        serde_json::to_writer(running.stdin.take().unwrap(), dashboard).unwrap();
        let output = running.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), said.trim().is_empty());
        said
    };
    for configuration in [None, Some(ODD)] {
        for name in NAMES {
            let with: Vec<&str> = configuration.map_or(vec![name], |file| vec![name, "-c", file]);
            assert_eq!(check(&dashboard(&with)).trim(), "", "{name}");
        }
    }
    for (place, wrong) in [
        ("/panels/0/fieldConfig/defaults/custom/drawStyle", "curve"),
        ("/panels/0/gridPos/h", "high"),
        ("/panels/0/targets/0/format", "wide"),
        ("/panels/0/options/legend/placement", "left"),
        ("/panels/0/fieldConfig/overrides/0/properties/1/value", "perhaps"),
        ("/graphTooltip", "often"),
    ] {
        let mut dashboard = dashboard(&["product-owner"]);
        match dashboard.pointer_mut(place) {
            Some(value) => *value = wrong.into(),
            None => dashboard["panels"][0]["targets"][0]["format"] = wrong.into(),
        }
        assert!(check(&dashboard).contains(wrong), "{place}");
    }
}

#[test]
fn all_of_them_are_written_into_a_directory() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("new");
    run(&["dashboard", "--output", out.to_str().unwrap()]).assert(0, &[]);
    for name in NAMES {
        let written: Value = serde_json::from_slice(&fs::read(out.join(format!("{name}.json"))).unwrap()).unwrap();
        assert_eq!(written, dashboard(&[name]));
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), NAMES.len());
}

#[test]
fn the_deployed_dashboards_are_those_of_the_deployed_configuration() {
    let (configuration, deployed) = (root().join("deploy/tidegauge.toml"), root().join("deploy/dashboards"));
    let directory = TempDir::new().unwrap();
    let out = match std::env::var_os("UPDATE_DOCS") {
        Some(_) => deployed.clone(),
        None => directory.path().to_owned(),
    };
    run(&[
        "dashboard",
        "-c",
        configuration.to_str().unwrap(),
        "--output",
        out.to_str().unwrap(),
    ])
    .assert(0, &[]);
    for name in NAMES {
        let file = format!("{name}.json");
        assert!(
            fs::read(out.join(&file)).unwrap() == fs::read(deployed.join(&file)).unwrap(),
            "deploy/dashboards/{file} is stale; write it again with UPDATE_DOCS=1 cargo test --test dashboards deployed"
        );
    }
}

#[test]
fn every_question_has_an_answer_on_the_demo() {
    let directory = TempDir::new().unwrap();
    // The configuration of the demo, as far as pages see it.
    let file = directory.path().join("demo.toml");
    fs::write(
        &file,
        "[[journey]]\nname = \"buy\"\nsteps = [\"search\", \"add_to_cart\", \"checkout\"]\n",
    )
    .unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = tidegauge();
    command
        .args(["demo", "--listen", &address, "--directory"])
        .arg(directory.path().join("demo"));
    let service = Service::at(command, &address);
    let prometheus = Prometheus::scraping(service.address());

    let mut open: Vec<(String, String)> = Vec::new();
    for name in NAMES {
        let dashboard = dashboard(&[name, "-c", file.to_str().unwrap()]);
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            if let Some(query) = variable["definition"].as_str() {
                let series = query.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap().0;
                open.push((name.to_owned(), series.to_owned()));
            }
        }
        for panel in panels(&dashboard) {
            for query in queries(panel) {
                // The demo's history is half an hour: only a short window has one of its kind before it to compare with.
                let window = if query.contains("_retention_") { "5m" } else { "1h" };
                let filled = query
                    .replace("$window", window)
                    .replace("$product", "shop")
                    .replace("$__rate_interval", "10s");
                assert!(!filled.contains('$'), "{name}: {query}");
                open.push((format!("{name}: {}", panel["title"]), filled));
            }
        }
    }
    assert!(open.len() > 150, "{}", open.len());
    prometheus.until("answer every question", |p| {
        open.retain(|(panel, query)| {
            let answer = p.ask_query(query);
            assert_eq!(answer["status"], "success", "{panel}: {query}: {answer}");
            answer["data"]["result"].as_array().is_none_or(Vec::is_empty)
        });
        open.is_empty()
    });
}
