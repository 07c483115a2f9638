//! What probes are told while something is wrong, and how a stop ends then: on a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/output.rs"]
mod output;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/reference/mod.rs"]
mod reference;
#[path = "support/run.rs"]
mod run;

use std::time::{Duration, Instant};

use kafka::Broker;
use producing::{Message, produce, producer};
use run::{LIMIT, Pipeline, Process};

const START: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;

fn purchases(from: i64, count: i64) -> Vec<Message> {
    let purchase = |time: i64| Message {
        value: Some(format!(r#"{{"type":"purchased","time":{time},"user_id":"u{time}","amount":1}}"#).into_bytes()),
        timestamp: Some(time),
        ..Message::default()
    };
    (0..count).map(|n| purchase(from + n)).collect()
}

fn pipeline(broker: &Broker, topic: &str, more: &str) -> Pipeline {
    Pipeline::new(format!(
        r#"
[kafka]
brokers = "{}"
topics = ["{topic}"]
group_id = "{topic}"
[kafka.client]
"session.timeout.ms" = 6000
"reconnect.backoff.max.ms" = 500
[[window]]
name = "1m"
size = "1m"
[[grouping]]
dimensions = []
[output]
commit_interval = "1s"
{more}"#,
        broker.bootstrap()
    ))
}

fn is_ready(process: &Process) -> bool {
    process.get("/readyz").is_some_and(|(code, _)| code == 200)
}

/// Whether a probe is refused for a reason that says all of that.
fn refuses(process: &Process, path: &str, parts: &[&str]) -> bool {
    process
        .get(path)
        .is_some_and(|(code, body)| code == 503 && parts.iter().all(|part| body.contains(part)))
}

fn until_committed(process: &mut Process, pipeline: &Pipeline, count: usize) {
    let output = pipeline.output();
    process.until(&format!("{count} events"), |_| output::rows_in(&output, "events") >= count);
}

#[test]
fn a_partition_that_lost_records_is_told_by_both_probes_while_the_others_go_on() {
    let broker = kafka::shared();
    broker.create_topic("lossy", 2, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    (0..2).for_each(|partition| produce(&sender, "lossy", partition, &purchases(START, 10)));
    let mut pipeline = pipeline(broker, "lossy", "");
    pipeline.run_to_end(&[]);
    (0..2).for_each(|partition| produce(&sender, "lossy", partition, &purchases(START + MINUTE, 10)));
    broker.delete_records("lossy", 0, 15);

    let mut process = pipeline.run(&[]);
    for path in ["/readyz", "/healthz"] {
        process.until("tell the missing range", |process| {
            refuses(process, path, &["lossy[0]", "offsets 10 to 15"])
        });
    }
    let status = process.status().unwrap();
    assert_eq!(status["ready"], false);
    assert!(status["reason"].as_str().unwrap().contains("lossy[0]"), "{status}");
    until_committed(&mut process, &pipeline, 30);
    assert_eq!(process.stop(), 0, "{}", process.stderr());
    assert_eq!(output::rows_in(&pipeline.output(), "events"), 30);
}

#[test]
fn brokers_that_are_gone_make_it_unready_but_not_unhealthy_until_they_are_back() {
    let broker = Broker::start();
    broker.create_topic("gone", 1, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "gone", 0, &purchases(START, 10));
    let mut pipeline = pipeline(&broker, "gone", "");
    let mut process = pipeline.run(&[]);
    until_committed(&mut process, &pipeline, 10);
    process.until("ready", is_ready);
    broker.kill();
    process.until("tell that its brokers are gone", |process| {
        refuses(process, "/readyz", &["no Kafka broker answers"])
    });
    process.until("be behind", |process| {
        process
            .get("/metrics")
            .is_some_and(|(_, page)| !page.contains("tidegauge_caught_up 1"))
    });
    // Longer than the session: the membership is lost too, which takes another way.
    process.until("lose its session", |process| process.stderr().contains("session timed out"));
    for _ in 0..20 {
        assert!(!is_ready(&process), "{}", process.stderr());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(process.get("/healthz").unwrap().0, 200, "a restart would not help");
    broker.start_again();
    process.until("ready again", is_ready);
    assert_eq!(process.stop(), 0, "{}", process.stderr());
}

#[test]
fn a_process_that_another_one_overtook_says_so_until_it_has_started_again() {
    let broker = kafka::shared();
    broker.create_topic("overtaken", 1, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "overtaken", 0, &purchases(START, 10));
    let mut first = pipeline(broker, "overtaken", "");
    let mut process = first.run(&[]);
    until_committed(&mut process, &first, 10);
    process.until("ready", is_ready);

    // The same output under another group: both believe to own the partition, until one of them commits.
    process.signal("STOP");
    produce(&sender, "overtaken", 0, &purchases(START + MINUTE, 10));
    first.change("group_id = \"overtaken\"", "group_id = \"overtaker\"");
    first.run_to_end(&[]);
    produce(&sender, "overtaken", 0, &purchases(START + 2 * MINUTE, 10));
    process.signal("CONT");
    process.until("tell that it was overtaken", |process| {
        refuses(process, "/readyz", &["overtaken[0]", "another writer"])
    });
    process.until("ready again", is_ready);
    until_committed(&mut process, &first, 30);
    assert_eq!(process.stop(), 0, "{}", process.stderr());
    let mut rows = output::table(&first.output(), "events");
    rows.dedup();
    assert_eq!(rows.len(), 30, "nothing is there twice");
}

/// Stops it, and fails unless it ends well and before the client would have given up by itself.
fn stops_in_time(process: &mut Process) {
    let begun = Instant::now();
    assert_eq!(process.stop(), 0, "{}", process.stderr());
    // The client alone waits for 10 s beyond the time that a stop has.
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}\n{}",
        begun.elapsed(),
        process.stderr()
    );
}

#[test]
fn a_stop_while_the_brokers_are_gone_commits_and_ends_within_its_time() {
    let broker = Broker::start();
    broker.create_topic("leaving", 1, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "leaving", 0, &purchases(START, 10));
    let mut pipeline = pipeline(&broker, "leaving", "[runtime]\nshutdown_timeout = \"2s\"\n");
    pipeline.change("\"1s\"", "\"1h\"");
    let mut process = pipeline.run(&[]);
    process.until("read", |process| process.status().is_some_and(|status| status["records"] == 10));
    assert_eq!(
        output::rows_in(&pipeline.output(), "events"),
        0,
        "nothing is committed before the stop"
    );
    broker.kill();
    stops_in_time(&mut process);
    assert_eq!(output::rows_in(&pipeline.output(), "events"), 10);

    // Once the membership is lost, the client waits to leave a group that does not answer.
    broker.start_again();
    let mut process = pipeline.run(&[]);
    process.until("ready", is_ready);
    broker.kill();
    process.until("lose its session", |process| process.stderr().contains("session timed out"));
    process.until("start again", |process| refuses(process, "/readyz", &["away"]));
    stops_in_time(&mut process);
}

#[test]
fn a_second_signal_ends_it_at_once_and_the_next_start_loses_nothing() {
    let broker = Broker::start();
    broker.create_topic("impatient", 1, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "impatient", 0, &purchases(START, 10));
    let mut pipeline = pipeline(&broker, "impatient", "[runtime]\nshutdown_timeout = \"1h\"\n");
    let mut process = pipeline.run(&[]);
    until_committed(&mut process, &pipeline, 10);
    // Without a broker the group cannot be left, so the stop takes its time.
    broker.kill();
    process.signal("TERM");
    process.until("stopping", |process| refuses(process, "/readyz", &["stopping"]));
    process.signal("TERM");
    assert_eq!(process.wait(LIMIT), 130, "{}", process.stderr());
    broker.start_again();
    let summary = pipeline.run_to_end(&["--close"]);
    assert_eq!(summary["counters"]["accepted"], 10);
    assert_eq!(output::rows_in(&pipeline.output(), "events"), 10);
}
