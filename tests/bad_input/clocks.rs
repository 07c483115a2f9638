//! Producers whose clocks are wrong by a day.

use std::fs;
use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegauge_ingest::embedded::EmbeddedBroker;

use crate::output_files::{metrics, rows_in};
use crate::service::{Service, configuration, now, run};

const DAY: i64 = 24 * 3_600_000;
const MINUTE: i64 = 60_000;

fn error(time: i64) -> String {
    json!({"type": "error", "code": "e", "time": time}).to_string()
}

fn write(records: &Path, partition: i32, lines: &[(i64, i64)]) {
    fs::create_dir_all(records.join("t")).unwrap();
    let line = |(stamp, time): &(i64, i64)| json!({"timestamp": stamp, "key": null, "value": error(*time)}).to_string() + "\n";
    fs::write(
        records.join(format!("t/{partition}.jsonl")),
        lines.iter().map(line).collect::<String>(),
    )
    .unwrap();
}

#[test]
fn a_clock_a_day_ahead_is_refused_and_one_a_day_behind_is_late_but_kept() {
    let directory = TempDir::new().unwrap();
    let (records, output) = (directory.path().join("records"), directory.path().join("output"));
    let start = 1_700_000_040_000;
    let mut lines: Vec<_> = (0..10).map(|n| (start + n * MINUTE, start + n * MINUTE)).collect();
    let last = start + 10 * MINUTE;
    lines.push((last, last + DAY));
    lines.push((last, last - DAY));
    // The one that was refused moved no watermark: the next good event still counts.
    lines.push((last, last));
    write(&records, 0, &lines);
    let said = run(&["replay", records.to_str().unwrap(), "--output", output.to_str().unwrap(), "--json"]);
    said.assert(0, &[]);
    let counters = &said.json()["counters"];
    assert_eq!(
        (&counters["accepted"], &counters["late"], &counters["rejected"]),
        (&json!(11), &json!(1), &json!({"future_time": 1}))
    );
    assert_eq!((rows_in(&output, "late"), rows_in(&output, "rejects")), (1, 1));
}

/// The partitions of `/api/v1/status`.
fn partition(status: &Value, number: u64) -> Value {
    let found = status["partitions"].as_array().unwrap().iter().find(|p| p["partition"] == number);
    found.cloned().unwrap_or(Value::Null)
}

#[test]
fn a_producer_that_lives_in_tomorrow_makes_nobody_late_and_neither_holds_up_nor_pushes_results() {
    let broker = EmbeddedBroker::start(&[("t", 2)]).unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap_servers().unwrap())
        .create()
        .unwrap();
    let send = |partition: i32, time: i64| {
        let payload = error(time);
        let record = BaseRecord::<(), str>::to("t")
            .partition(partition)
            .timestamp(time)
            .payload(&payload);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    };
    let begun = now();
    // Partition 0 tells the truth of the last twenty minutes; the clock of partition 1, and so its record timestamps, are a day ahead.
    for n in 0..=20 {
        send(0, begun - (20 - n) * MINUTE);
        send(1, begun + DAY - (20 - n) * MINUTE);
    }
    producer.flush(std::time::Duration::from_secs(10)).unwrap();
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("output");
    let file = configuration(
        directory.path(),
        &broker.bootstrap_servers().unwrap(),
        &["t"],
        &output,
        "time.lateness = \"2m\"\n",
    );
    let mut service = Service::run(&file);
    service.until("accept all of both", |s| s.json("/api/v1/status")["accepted"] == 42);
    service.until("publish", |s| s.sample("tidegauge_windows_published_total").unwrap_or(0.0) > 0.0);
    let status = service.json("/api/v1/status");
    assert_eq!((&status["late"], &status["rejected"]), (&json!(0), &json!({})));
    assert!(partition(&status, 1)["watermark_ms"] == begun + DAY);
    let watermark = status["watermark_ms"].as_i64().unwrap();
    assert_eq!(
        watermark, begun,
        "of all of it, the watermark is that of the partition that tells the truth"
    );

    // What is late for partition 1 by a day is good for partition 0, and closes its windows in time.
    let before = service.sample("tidegauge_windows_published_total").unwrap();
    let next = now() + 3 * MINUTE;
    send(0, begun);
    send(0, next);
    producer.flush(std::time::Duration::from_secs(10)).unwrap();
    service.until("accept two more", |s| s.json("/api/v1/status")["accepted"] == 44);
    service.until("publish more", |s| s.sample("tidegauge_windows_published_total").unwrap() > before);
    let status = service.json("/api/v1/status");
    assert_eq!(status["late"], 0);
    assert!(status["watermark_ms"].as_i64().unwrap() <= now(), "{status}");
    let published = metrics(&output);
    assert!(
        published.iter().all(|row| row.window_start + 60_000 <= now()),
        "a window of tomorrow was published"
    );
    assert_eq!(service.stop(), Some(0));
}
