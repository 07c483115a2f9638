//! A million different values of a dimension: memory stays bounded, what is beyond the bound is counted and added up, what is kept is right.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::output_files::metrics;
use crate::reference::RefRow;
use crate::service::{Said, tidegauge};

const EVENTS: i64 = 1_000_000;
const KEPT: u64 = 1_000;
/// Far above what a thousand groups a pane need, and far below a million groups of about a kilobyte in each of the windows.
const MOST_KIB: u64 = 1_500_000;

/// The most memory that a process has had so far.
fn peak_kib(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[test]
fn a_million_groups_stay_within_the_bound() {
    let directory = TempDir::new().unwrap();
    let (records, output) = (directory.path().join("records"), directory.path().join("output"));
    fs::create_dir_all(records.join("t")).unwrap();
    let mut file = BufWriter::new(File::create(records.join("t/0.jsonl")).unwrap());
    let start = 1_700_000_100_000_i64;
    for n in 0..EVENTS {
        // Ten minutes in all, so that each of the closed windows sees hundreds of thousands of products.
        let time = start + n * 600_000 / EVENTS;
        writeln!(
            file,
            r#"{{"timestamp":{time},"key":null,"value":"{{\"type\":\"error\",\"code\":\"e\",\"product\":\"product-{n}\",\"time\":{time}}}"}}"#
        )
        .unwrap();
    }
    drop(file);
    let configuration = directory.path().join("tidegauge.toml");
    let text = format!(
        "kafka.brokers = \"none:1\"\noutput.url = \"file://{}\"\noutput.tables = [\"metrics\"]\nlimits.max_groups = {KEPT}\n\
         [[window]]\nname = \"5m\"\nsize = \"5m\"\nslide = \"5m\"\n[[window]]\nname = \"1h\"\nsize = \"1h\"\nslide = \"5m\"\n\
         [[grouping]]\ndimensions = []\n[[grouping]]\ndimensions = [\"product\"]\n",
        output.display()
    );
    fs::write(&configuration, text).unwrap();
    let mut child = tidegauge()
        .arg("replay")
        .arg(&records)
        .arg("--output")
        .arg(&output)
        .arg("-c")
        .arg(&configuration)
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak_kib(child.id()).unwrap_or(0).max(peak);
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = Said::of(&child.wait_with_output().unwrap());
    said.assert(0, &[]);
    assert_eq!(said.json()["counters"]["accepted"], EVENTS);
    assert!(peak > 0 && peak < MOST_KIB, "{peak} KiB");

    let rows = metrics(&output);
    let named: Vec<_> = rows.iter().filter(|row| row.metric == "errors").collect();
    assert!(
        !named.is_empty(),
        "no such metric: {:?}",
        rows.iter().map(|r| &r.metric).collect::<BTreeSet<_>>()
    );
    let windows: BTreeSet<_> = named.iter().map(|row| (row.window.clone(), row.window_start)).collect();
    for (window, start) in windows {
        let here = |grouping: &str| {
            let of = |row: &&&RefRow| row.window == window && row.window_start == start && row.grouping == grouping;
            named.iter().filter(of).copied().collect::<Vec<_>>()
        };
        let products = here("product");
        let total: f64 = here("overall").iter().map(|row| row.value).sum();
        let sum: f64 = products.iter().map(|row| row.value).sum();
        assert_eq!(sum, total, "{window} {start}: groups and the rest do not add up");
        let is_rest = |row: &RefRow| row.dims.get("product").is_some_and(|product| product == "__other__");
        let (rest, kept): (Vec<&RefRow>, Vec<&RefRow>) = products.iter().copied().partition(|row| is_rest(row));
        assert_eq!(rest.len(), usize::from(total > KEPT as f64), "{window} {start}");
        assert!(kept.len() as u64 <= KEPT, "{} groups", kept.len());
        assert!(
            kept.iter().all(|row| row.value == 1.0),
            "a group that is kept counts all of its events"
        );
    }
}
