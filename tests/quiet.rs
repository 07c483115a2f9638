//! What happens where nothing happens: quiet partitions hold up nobody for ever, and quiet topics are committed by the clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/output.rs"]
mod output;
#[path = "support/reference/mod.rs"]
mod reference;
#[path = "support/service.rs"]
mod service;

use std::path::{Path, PathBuf};
use std::process::Command;

use output::{files, metrics, rows_in, table};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use service::{LIMIT, Service, configuration, now};
use tempfile::TempDir;
use tidegauge_ingest::embedded::EmbeddedBroker;

const MINUTE: i64 = 60_000;

struct Place {
    broker: EmbeddedBroker,
    producer: BaseProducer,
    directory: TempDir,
    configuration: PathBuf,
}

impl Place {
    fn new(more: &str) -> Place {
        let broker = EmbeddedBroker::start(&[("t", 2)]).unwrap();
        let servers = broker.bootstrap_servers().unwrap();
        let directory = TempDir::new().unwrap();
        let configuration = configuration(directory.path(), &servers, &["t"], &directory.path().join("output"), more);
        let producer = ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
        Place {
            broker,
            producer,
            directory,
            configuration,
        }
    }

    fn output(&self) -> PathBuf {
        self.directory.path().join("output")
    }

    fn error(&self, partition: i32, time: i64) {
        let value = format!(r#"{{"type":"error","code":"e","time":{time}}}"#);
        let record = BaseRecord::<(), str>::to("t").partition(partition).timestamp(time).payload(&value);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(LIMIT).unwrap();
    }
}

/// Errors counted in the window of a minute that begins then.
fn errors(output: &Path, start: i64) -> Option<f64> {
    let of =
        |row: &reference::RefRow| row.window == "1m" && row.window_start == start && row.grouping == "overall" && row.metric == "errors";
    metrics(output).iter().find(|row| of(row)).map(|row| row.value)
}

#[test]
fn a_quiet_partition_is_named_as_the_holder_then_idle_and_what_comes_later_is_a_revision() {
    let place = Place::new("time.idle_after = \"5s\"\n");
    let output = place.output();
    let minute = (now() - 30 * MINUTE) / MINUTE * MINUTE;
    place.error(0, minute + 1);
    place.error(1, minute + 2);
    place.error(0, minute + 10 * MINUTE);
    let mut service = Service::run(&place.configuration);
    service.until("name the partition that holds the watermark", |s| {
        s.sample(r#"tidegauge_watermark_holder{topic="t",partition="1""#) == Some(1.0)
            || s.sample(r#"tidegauge_watermark_holder{partition="1""#) == Some(1.0)
    });
    assert_eq!(
        errors(&output, minute),
        None,
        "published without waiting for the partition that is behind"
    );
    // Both become idle in the end; whichever does so first, the window closes.
    service.until("publish the minute", |_| errors(&output, minute) == Some(2.0));
    place.error(1, minute + 3);
    service.until("publish it again", |_| errors(&output, minute) == Some(3.0));
    assert_eq!(service.json("/api/v1/status")["late"], 0);
    assert!(
        table(&output, "metrics")
            .iter()
            .any(|row| row.contains("|revision=1") || row.contains("revision=1|"))
    );
    assert_eq!(service.stop(), Some(0));
    drop(place.broker);
}

#[test]
fn a_quiet_topic_is_committed_by_the_clock_and_a_kill_repeats_nothing() {
    let place = Place::new("");
    let output = place.output();
    place.error(0, now());
    let mut service = Service::run(&place.configuration);
    service.until("commit the only event", |_| rows_in(&output, "events") == 1);
    let before = files(&output, "events");
    assert!(
        Command::new("kill")
            .args(["-KILL", &service.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(service.end(), None, "a signal ended it");

    let mut service = Service::run(&place.configuration);
    service.until("get ready", Service::is_ready);
    place.error(0, now());
    service.until("commit the second event", |_| rows_in(&output, "events") == 2);
    let after = files(&output, "events");
    assert!(
        before.iter().all(|file| after.contains(file)),
        "a visible file is never touched again"
    );
    assert_eq!(service.stop(), Some(0));
}
