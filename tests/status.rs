//! `tidegauge status`: what it tells of an output, without a service and without changing anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/run.rs"]
mod run;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::path::{Path, PathBuf};

use producing::{Message, produce, producer};
use run::{Pipeline, Process};
use serde_json::{Value, json};
use service::{Said, configuration};
use tempfile::TempDir;

/// A time on a full day, in the past.
const START: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;

/// An output that a replay made, and a configuration that names it.
struct Place {
    directory: TempDir,
    configuration: PathBuf,
}

impl Place {
    fn empty() -> Place {
        let directory = TempDir::new().unwrap();
        let output = directory.path().join("output");
        let configuration = configuration(directory.path(), "127.0.0.1:1", &["product.telemetry"], &output, "");
        Place { directory, configuration }
    }

    fn replayed() -> (Place, Value) {
        let place = Place::empty();
        let records = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tour/records");
        let said = service::run(&["replay", records, "--json", "--output", place.output().to_str().unwrap()]);
        said.assert(0, &[]);
        let summary = said.json();
        (place, summary)
    }

    fn output(&self) -> PathBuf {
        self.directory.path().join("output")
    }

    fn status(&self, arguments: &[&str]) -> Said {
        service::run(&[&["status", "-c", self.configuration.to_str().unwrap()], arguments].concat())
    }
}

/// Every file with its content and the time of its last change.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let changed = path.metadata().unwrap().modified().unwrap();
                found.push((path.clone(), fs::read(&path).unwrap(), changed));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn an_output_is_told_without_being_touched() {
    let (place, summary) = Place::replayed();
    let before = files(&place.output());
    let said = place.status(&["--json"]);
    said.assert(0, &["made from files"]);
    let status = said.json();
    assert_eq!(files(&place.output()), before);

    assert_eq!(status["output"], place.output().to_str().unwrap());
    assert_eq!(status["tables"], summary["tables"]);
    for (name, counter) in [
        ("records", "records"),
        ("accepted", "accepted"),
        ("late", "late"),
        ("duplicate", "duplicate"),
    ] {
        let partitions = status["partitions"].as_array().unwrap();
        let sum: u64 = partitions.iter().map(|partition| partition[name].as_u64().unwrap()).sum();
        assert_eq!(sum, summary["counters"][counter].as_u64().unwrap(), "{name}");
    }
    assert_eq!(
        (&status["closed"], &status["epoch"], &status["gaps"]),
        (&json!(true), &json!(0), &json!(0))
    );
    assert_eq!(status["watermark_ms"], Value::Null, "a closed input has no watermark");
    let first = &status["partitions"][0];
    assert_eq!(
        (&first["lag"], &first["end"], &first["watermark_ms"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert!(first["position"].as_i64().unwrap() > 0);
    let names: Vec<_> = status["windows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|window| window["window"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["1m", "5m", "1h", "24h", "7d"]);
    assert!(status["last_commit"]["written_at_ms"].as_i64().unwrap() <= status["read_at_ms"].as_i64().unwrap());
    assert_eq!(status["problems"], json!([]));
}

#[test]
fn people_see_partitions_the_last_commit_windows_and_tables() {
    let (place, _) = Place::replayed();
    let said = place.status(&["--no-connect"]);
    let expected = [
        "partition",
        "rejected",
        "[0]",
        "last commit",
        "by writer",
        "the input was closed by entry",
        "epoch",
        "gaps",
        "fenced",
        "events",
    ];
    said.assert(0, &expected);
    assert_eq!(said.err, "", "nobody asked for the lag");
    assert!(!said.out.contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn an_output_without_a_log_says_so_and_a_damaged_log_is_named() {
    let place = Place::empty();
    let output = place.output();
    let parts = [output.to_str().unwrap(), "holds no commit log", "nothing was ever committed"];
    place.status(&[]).assert(1, &parts);
    fs::create_dir_all(output.join("_tidegauge")).unwrap();
    let said = place.status(&["--json"]);
    said.assert(1, &parts);
    assert_eq!(said.out, "");

    let (place, _) = Place::replayed();
    let log = place.output().join("_tidegauge/log");
    let mut entries: Vec<_> = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let newest = entries.last().unwrap();
    let text = fs::read_to_string(newest).unwrap();
    fs::write(newest, text.replace("\"seq\"", "\"sec\"")).unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap();
    place.status(&[]).assert(1, &[name, "is damaged", "checksum"]);
    service::run(&["status", "-c", "/no/such/tidegauge.toml"]).assert(2, &["/no/such/tidegauge.toml"]);
}

fn purchases(from: i64, count: i64) -> Vec<Message> {
    let purchase = |time: i64| Message {
        value: Some(format!(r#"{{"type":"purchased","time":{time},"user_id":"u{time}","amount":1}}"#).into_bytes()),
        timestamp: Some(time),
        ..Message::default()
    };
    (0..count).map(|n| purchase(from + n)).collect()
}

fn pipeline(brokers: &str, topic: &str, more: &str) -> Pipeline {
    Pipeline::new(format!(
        r#"
[kafka]
brokers = "{brokers}"
topics = ["{topic}"]
group_id = "{topic}"
[[window]]
name = "1m"
size = "1m"
[[grouping]]
dimensions = []
[output]
commit_interval = "1s"
{more}"#
    ))
}

fn json_of(mut process: Process) -> Value {
    assert_eq!(process.wait(run::LIMIT), 0, "{}", process.stderr());
    serde_json::from_str(&process.stdout()).unwrap_or_else(|error| panic!("{error}: {}", process.stdout()))
}

#[test]
fn while_the_service_is_down_the_lag_is_what_came_since_its_last_commit() {
    let broker = kafka::shared();
    broker.create_topic("down", 2, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "down", 0, &purchases(START, 70));
    produce(&sender, "down", 0, &[Message::text("no json")]);
    let mut pipeline = pipeline(&broker.bootstrap(), "down", "");
    pipeline.run_to_end(&[]);
    produce(&sender, "down", 0, &purchases(START + MINUTE, 7));
    produce(&sender, "down", 1, &purchases(START + MINUTE, 4));

    let status = json_of(pipeline.command("status", &["--json"]));
    let [first, second] = [&status["partitions"][0], &status["partitions"][1]];
    assert_eq!((&first["topic"], &first["partition"]), (&json!("down"), &json!(0)));
    let numbers = ["position", "end", "lag", "records", "accepted", "rejected"];
    assert_eq!(numbers.map(|name| first[name].as_i64().unwrap()), [71, 78, 7, 71, 70, 1]);
    assert_eq!(numbers.map(|name| second[name].as_i64().unwrap()), [0, 4, 4, 0, 0, 0]);
    assert_eq!(
        (&first["watermark_ms"], &second["watermark_ms"]),
        (&json!(START + 69), &Value::Null)
    );
    assert_eq!((&status["lag_unknown"], &status["problems"]), (&Value::Null, &json!([])));
    assert!(status["cluster_id"].is_string());
    assert_eq!(
        (&status["closed"], &status["last_commit"]["kind"]),
        (&json!(false), &json!("commit"))
    );

    let unasked = json_of(pipeline.command("status", &["--json", "--no-connect"]));
    assert_eq!(unasked["partitions"][0]["lag"], Value::Null);
    assert_eq!(unasked["lag_unknown"], "not asked, because of --no-connect");

    // Windows that end by the watermark are published.
    (0..2).for_each(|partition| produce(&sender, "down", partition, &purchases(START + 10 * MINUTE, 1)));
    pipeline.run_to_end(&[]);
    let status = json_of(pipeline.command("status", &["--json"]));
    assert_eq!(status["partitions"][0]["lag"], 0);
    let (published, watermark) = (&status["windows"][0]["published_to_ms"], &status["watermark_ms"]);
    assert_eq!((published.as_i64().unwrap() - START) % MINUTE, 0);
    assert!(
        published.as_i64() > Some(START) && published.as_i64() <= watermark.as_i64(),
        "{published} {watermark}"
    );

    // Brokers that are not there cost the lag and nothing else.
    let brokers = broker.bootstrap();
    pipeline.change(&brokers, "127.0.0.1:1");
    let mut process = pipeline.command("status", &[]);
    assert_eq!(process.wait(run::LIMIT), 0, "{}", process.stderr());
    let (out, err) = (process.stdout(), process.stderr());
    assert!(
        err.contains("the lag is unknown") && err.contains("127.0.0.1:1") && err.contains("check kafka.brokers"),
        "{err}"
    );
    let line = out.lines().find(|line| line.starts_with("down[0]")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>()[1..3], ["79", "-"], "{out}");

    // What Kafka deleted meanwhile is told before a start stumbles over it.
    pipeline.change("127.0.0.1:1", &brokers);
    produce(&sender, "down", 0, &purchases(START + 11 * MINUTE, 9));
    broker.delete_records("down", 0, 85);
    let status = json_of(pipeline.command("status", &["--json"]));
    let problem = status["problems"][0].as_str().unwrap();
    assert!(
        problem.contains("down[0]") && problem.contains("offset 79") && problem.contains("before 85"),
        "{problem}"
    );
}

#[test]
fn an_output_of_another_cluster_has_no_lag() {
    let broker = kafka::shared();
    broker.create_topic("moved", 1, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "moved", 0, &purchases(START, 3));
    let mut pipeline = pipeline(&broker.bootstrap(), "moved", "");
    pipeline.run_to_end(&[]);
    let other = tidegauge_ingest::embedded::EmbeddedBroker::start(&[("moved", 1)]).unwrap();
    pipeline.change(&broker.bootstrap(), &other.bootstrap_servers().unwrap());
    let status = json_of(pipeline.command("status", &["--json"]));
    let why = status["lag_unknown"].as_str().unwrap();
    assert!(why.contains("leads to the cluster") && why.contains("output.url"), "{why}");
}

#[test]
fn a_log_that_a_checkpoint_sums_up_tells_the_same() {
    let broker = kafka::shared();
    broker.create_topic("summed", 1, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "summed", 0, &purchases(START, 5));
    let mut pipeline = pipeline(&broker.bootstrap(), "summed", "checkpoint_every = 1\n");
    pipeline.run_to_end(&[]);
    let checkpoint = *pipeline.checkpoints().last().unwrap();
    let status = json_of(pipeline.command("status", &["--json"]));
    assert_eq!(status["checkpoint"], checkpoint);
    assert_eq!(
        (&status["partitions"][0]["position"], &status["partitions"][0]["lag"]),
        (&json!(5), &json!(0))
    );
    let last = &status["last_commit"];
    assert!(
        last["seq"].as_u64().unwrap() >= 1 && last["written_at_ms"].is_i64() && last["writer"].is_string(),
        "{last}"
    );
}
