//! What an older version wrote is gone on with, and what a newer one wrote is refused before anything is changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/output.rs"]
mod output;
#[path = "support/reference/mod.rs"]
mod reference;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::path::{Path, PathBuf};

use reference::{compare, golden};
use serde_json::{Value, json};
use service::{Said, configuration, run};
use tempfile::TempDir;
use tidegauge_ingest::embedded::EmbeddedBroker;
use tidegauge_sink::log::codec;

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const CHECKPOINT: &str = "_tidegauge/checkpoint/00000000000000000012.json";
const NEWEST: &str = "_tidegauge/log/00000000000000000017.json";

fn case() -> PathBuf {
    Path::new(HERE).join("tests/golden/tour")
}

/// A copy of an output that version 0.1.0 left in the middle of the golden case.
struct Old(TempDir);

impl Old {
    fn new() -> Old {
        let old = Old(TempDir::new().unwrap());
        copy(&Path::new(HERE).join("tests/fixtures/log-v1/output"), &old.output());
        old
    }

    fn output(&self) -> PathBuf {
        self.0.path().join("output")
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.output().join(name)).unwrap()
    }

    /// Changes what the checkpoint says, as a newer version would write it, and takes away the entries after it.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        let envelope: Value = serde_json::from_str(&self.file(CHECKPOINT)).unwrap();
        let mut body = envelope["body"].clone();
        change(&mut body["state"]);
        fs::write(self.output().join(CHECKPOINT), codec::encode(&body, CHECKPOINT).unwrap()).unwrap();
        fs::remove_dir_all(self.output().join("_tidegauge/log")).unwrap();
    }

    fn replay(&self) -> Said {
        let (records, configuration) = (case().join("records"), case().join("config.toml"));
        let [records, output, configuration] = [&records, &self.output(), &configuration].map(|path| path.to_str().unwrap().to_owned());
        run(&["replay", &records, "--output", &output, "-c", &configuration, "--json"])
    }

    /// `run` and `status`, over a broker that has the topics.
    fn with_broker(&self, command: &[&str]) -> Said {
        let topics = ["product.telemetry", "customer.feedback"];
        let broker = EmbeddedBroker::start(&topics.map(|topic| (topic, 3))).unwrap();
        let more = fs::read_to_string(case().join("config.toml")).unwrap();
        let file = configuration(self.0.path(), &broker.bootstrap_servers().unwrap(), &topics, &self.output(), &more);
        run(&[command, &["-c", file.to_str().unwrap()]].concat())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Every file that matters, with its content.
fn files(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
}

#[test]
fn a_replay_that_version_1_of_the_format_began_is_gone_on_with_and_gives_the_golden_rows() {
    let old = Old::new();
    let before = output::rows_in(&old.output(), "events");
    assert!(before > 0 && before < 1_497, "{before}");
    let said = old.replay();
    said.assert(0, &[]);
    let expected = golden::expected(&case());
    compare(&output::metrics(&old.output()), &expected.rows).unwrap();
    let summary = said.json();
    assert_eq!(summary["counters"]["records"], 1_497);
    assert_eq!(
        output::rows_in(&old.output(), "events") as u64,
        summary["counters"]["accepted"].as_u64().unwrap()
    );
    let mut rows = output::table(&old.output(), "events");
    rows.dedup();
    assert_eq!(
        rows.len() as u64,
        summary["counters"]["accepted"].as_u64().unwrap(),
        "no event is there twice"
    );
}

#[test]
fn the_status_of_version_1_of_the_format_is_told() {
    let said = Old::new().with_broker(&["status", "--no-connect", "--json"]);
    said.assert(0, &[]);
    let status = said.json();
    assert_eq!(status["newest_entry"]["seq"], 17);
    assert_eq!(status["last_commit"]["kind"], "publication");
    assert_eq!((&status["checkpoint"], &status["closed"]), (&json!(12), &json!(false)));
    assert_eq!(status["partitions"].as_array().unwrap().len(), 6);
}

#[test]
fn what_a_newer_version_wrote_is_refused_by_whoever_could_harm_or_misread_it() {
    type Change = fn(&Old);
    let newer: [(&str, Change, bool, &[&str]); 5] = [
        (
            "an entry of format 2",
            |old| format_2(old, NEWEST),
            false,
            &[NEWEST, "format 2", "up to 1", "later one"],
        ),
        (
            "a checkpoint of format 2",
            |old| format_2(old, CHECKPOINT),
            false,
            &[CHECKPOINT, "format 2", "later one"],
        ),
        (
            "least_reader 2",
            |old| old.change(|state| state["identity"]["least_reader"] = json!(2)),
            false,
            &["reads version 2", "this one has version 1", "use a later version"],
        ),
        (
            "least_writer 2",
            |old| old.change(|state| state["identity"]["least_writer"] = json!(2)),
            true,
            &["writes version 2", "this one has version 1", "use a later version"],
        ),
        (
            "results 2",
            |old| old.change(|state| state["results"] = json!(2)),
            true,
            &["computes results of version 2", "use a later version"],
        ),
    ];
    for (name, change, may_be_read, parts) in newer {
        println!("{name}");
        let old = Old::new();
        change(&old);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        files(&old.output(), &mut before);
        old.replay().assert(1, parts);
        old.with_broker(&["run", "--until-end"]).assert(1, parts);
        let status = old.with_broker(&["status", "--no-connect", "--json"]);
        if may_be_read {
            status.assert(0, &[]);
            assert!(status.json()["problems"][0].as_str().unwrap().contains(parts[0]), "{}", status.out);
        } else {
            status.assert(1, parts);
        }
        files(&old.output(), &mut after);
        assert!(before == after, "{name}: something was changed");
    }
}

fn format_2(old: &Old, name: &str) {
    let text = old.file(name);
    let newer = text.replacen("\"format\":1", "\"format\":2", 1);
    assert_ne!(text, newer);
    fs::write(old.output().join(name), newer).unwrap();
}
