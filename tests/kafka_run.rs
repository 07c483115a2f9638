//! `tidegauge run`, the real binary, on a real Kafka: what a service does when topics grow, brokers and producers come and go, and it is told
//! to stop.
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
#[path = "support/same.rs"]
mod same;

use std::time::{Duration, Instant};

use kafka::Broker;
use producing::{Message, produce, producer, transactional};
use rdkafka::producer::Producer;
use run::{LIMIT, Pipeline, Process, busy, wait_until};
use same::{assert_same, counted};
use serde_json::Value;
use tidegauge::generate::{FEEDBACK, Generator, Options, TELEMETRY};

const MINUTE: i64 = 60_000;
/// A time on a full day, in the past.
const START: i64 = 1_767_225_600_000;

/// A purchase for 1.00 at a time.
fn purchase(time: i64) -> Message {
    Message {
        value: Some(format!(r#"{{"type":"purchased","time":{time},"user_id":"u{time}","amount":1}}"#).into_bytes()),
        timestamp: Some(time),
        ..Message::default()
    }
}

fn purchases(from: i64, count: i64) -> Vec<Message> {
    (0..count).map(|n| purchase(from + n)).collect()
}

/// One window of a minute, no lateness, and commits as often as the interval allows.
fn simple(broker: &Broker, topics: &[&str], group: &str) -> Pipeline {
    let brokers = broker.bootstrap();
    Pipeline::new(format!(
        r#"
[kafka]
brokers = "{brokers}"
topics = {topics:?}
group_id = "{group}"
start = "earliest"
[kafka.client]
"session.timeout.ms" = 6000
"topic.metadata.refresh.interval.ms" = 500
[[window]]
name = "1m"
size = "1m"
[[grouping]]
dimensions = []
[time]
lateness = "0s"
idle_after = "1h"
[output]
commit_interval = "1s"
"#
    ))
}

/// Waits until so many events are in the table.
fn until_events(process: &mut Process, pipeline: &Pipeline, count: usize) {
    let output = pipeline.output();
    process.until(&format!("{count} events"), |_| output::rows_in(&output, "events") >= count);
}

fn until_read(process: &mut Process) {
    process.until("ready", |process| {
        process.status().is_some_and(|status| {
            let partitions = status["partitions"].as_array().unwrap();
            status["ready"] == true && !partitions.is_empty() && partitions.iter().all(|p| p["lag"] == 0)
        })
    });
}

fn count(summary: &Value, name: &str) -> u64 {
    summary["counters"][name].as_u64().unwrap()
}

/// No record is in the table twice, and there are so many.
fn assert_events(pipeline: &Pipeline, expected: usize) {
    let rows = output::table(&pipeline.output(), "events");
    let mut distinct = rows.clone();
    distinct.dedup();
    assert_eq!((rows.len(), distinct.len()), (expected, expected));
}

#[test]
fn a_partition_added_while_running_is_read_from_its_beginning() {
    let broker = kafka::shared();
    broker.create_topic("growing", 1, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "growing", 0, &purchases(START, 10));
    let mut pipeline = simple(broker, &["growing"], "growing");
    // Where partitions of the beginning start says nothing about later ones.
    pipeline.change("\"earliest\"", "\"latest\"");
    let mut process = pipeline.run(&[]);
    until_read(&mut process);
    broker.add_partitions("growing", 2);
    produce(&sender, "growing", 1, &purchases(START, 20));
    until_events(&mut process, &pipeline, 20);
    assert_eq!(process.stop(), 0, "{}", process.stderr());
    assert_events(&pipeline, 20);
    // After a start again too.
    produce(&sender, "growing", 1, &purchases(START + MINUTE, 5));
    produce(&sender, "growing", 0, &purchases(START + MINUTE, 5));
    let summary = pipeline.run_to_end(&["--close"]);
    assert_eq!(count(&summary, "accepted"), 30);
    assert_events(&pipeline, 30);
}

#[test]
fn a_broker_that_dies_and_comes_back_costs_no_event_and_doubles_none() {
    let broker = Broker::start();
    broker.create_topic("outage", 2, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    (0..2).for_each(|partition| produce(&sender, "outage", partition, &purchases(START, 500)));
    let mut pipeline = simple(&broker, &["outage"], "outage");
    let mut process = pipeline.run(&[]);
    until_events(&mut process, &pipeline, 1_000);
    broker.kill();
    // Longer than the session, so that the group is gone too.
    std::thread::sleep(Duration::from_secs(8));
    assert!(process.ended().is_none(), "{}", process.stderr());
    broker.start_again();
    let sender = producer(&broker.bootstrap(), &[]);
    (0..2).for_each(|partition| produce(&sender, "outage", partition, &purchases(START + MINUTE, 500)));
    until_events(&mut process, &pipeline, 2_000);
    assert_eq!(process.stop(), 0, "{}", process.stderr());
    assert_events(&pipeline, 2_000);
}

#[test]
fn lag_tools_show_what_is_committed() {
    let broker = kafka::shared();
    broker.create_topic("lag", 1, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "lag", 0, &purchases(START, 70));
    let mut pipeline = simple(broker, &["lag"], "lag-tools-run");
    pipeline.run_to_end(&[]);
    produce(&sender, "lag", 0, &purchases(START + MINUTE, 7));
    let printed = broker.describe_group("lag-tools-run");
    let line: Vec<&str> = printed
        .lines()
        .find(|line| line.contains(" lag "))
        .unwrap_or(&printed)
        .split_whitespace()
        .collect();
    assert_eq!(line[1..6], ["lag", "0", "70", "77", "7"], "{printed}");
}

#[test]
fn aborted_messages_are_never_events_and_markers_hold_nothing_up() {
    let broker = kafka::shared();
    broker.create_topic("transactions", 1, &[]);
    let sender = transactional(&broker.bootstrap(), "purchases");
    let send = |from: i64, commits: bool| {
        sender.begin_transaction().unwrap();
        produce(&sender, "transactions", 0, &purchases(from, 10));
        if commits {
            sender.commit_transaction(LIMIT).unwrap();
        } else {
            sender.abort_transaction(LIMIT).unwrap();
        }
    };
    let mut pipeline = simple(broker, &["transactions"], "transactions");
    let mut accepted = 0;
    for (round, commits) in [true, false, false, true, false].into_iter().enumerate() {
        send(START + round as i64 * MINUTE, commits);
        accepted += 10 * u64::from(commits);
        let summary = pipeline.run_to_end(&[]);
        assert_eq!((count(&summary, "records"), count(&summary, "accepted")), (accepted, accepted));
    }
    let summary = pipeline.run_to_end(&["--close"]);
    assert_eq!(count(&summary, "accepted"), 20);
    assert_events(&pipeline, 20);
    assert_eq!(pipeline.run_to_end(&["--close"]), summary);
    assert!(
        broker.describe_group("transactions").contains(" 55 "),
        "the position is past the markers"
    );
}

#[test]
fn an_expression_reads_all_matching_topics_and_no_other() {
    let broker = kafka::shared();
    let sender = producer(&broker.bootstrap(), &[]);
    for (topic, records) in [("fleet.a", 3), ("fleet.b", 4), ("float.a", 5)] {
        broker.create_topic(topic, 1, &[]);
        produce(&sender, topic, 0, &purchases(START, records));
    }
    let mut pipeline = simple(broker, &["^fleet[.]"], "fleet");
    let summary = pipeline.run_to_end(&["--close"]);
    assert_eq!(count(&summary, "accepted"), 7);
    assert_eq!(pipeline.run_to_end(&["--close"]), summary, "nothing new tells the same again");
    let refused = pipeline.run(&[]).failure();
    assert!(refused.contains("closed"), "{refused}");
    produce(&sender, "fleet.b", 0, &purchases(START, 1));
    let refused = pipeline.run(&["--until-end", "--close"]).failure();
    assert!(
        refused.contains("fleet.b[0] at offset 4") && refused.contains("goes on to 5"),
        "{refused}"
    );
}

#[test]
fn a_new_pipeline_starts_at_the_end_or_at_a_time_and_then_goes_on_from_its_own_log() {
    let broker = kafka::shared();
    broker.create_topic("starting", 1, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "starting", 0, &purchases(START, 10));
    let mut latest = simple(broker, &["starting"], "starting-latest");
    latest.change("\"earliest\"", "\"latest\"");
    let mut timed = simple(broker, &["starting"], "starting-timed");
    timed.change("\"earliest\"", "\"2026-01-01T00:00:00.004Z\"");
    assert_eq!(count(&latest.run_to_end(&[]), "records"), 0);
    assert_eq!(count(&timed.run_to_end(&[]), "records"), 6);
    produce(&sender, "starting", 0, &purchases(START + MINUTE, 3));
    assert_eq!(count(&latest.run_to_end(&["--close"]), "records"), 3);
    assert_eq!(count(&timed.run_to_end(&["--close"]), "records"), 9);
    assert_events(&latest, 3);
    assert_events(&timed, 9);
}

#[test]
fn a_signal_commits_what_was_handled_and_exits_well() {
    let broker = kafka::shared();
    broker.create_topic("signals", 1, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    let mut pipeline = simple(broker, &["signals"], "signals");
    pipeline.change("\"1s\"", "\"1h\"");
    for (round, signal) in ["INT", "TERM"].into_iter().enumerate() {
        produce(&sender, "signals", 0, &purchases(START + round as i64 * MINUTE, 100));
        let mut process = pipeline.run(&[]);
        until_read(&mut process);
        let before = output::rows_in(&pipeline.output(), "events");
        assert_eq!(before, round * 100, "nothing is committed before the signal");
        let begun = Instant::now();
        process.signal(signal);
        assert_eq!(process.wait(LIMIT), 0, "{}", process.stderr());
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert_events(&pipeline, (round + 1) * 100);
    }
    assert!(
        broker.describe_group("signals").contains(" 200 "),
        "lag tools know what the last commit held"
    );
}

#[test]
fn a_signal_before_the_brokers_answer_ends_it_too() {
    let mut pipeline = Pipeline::new(busy("127.0.0.1:9", &["nowhere"], "nowhere"));
    let mut process = pipeline.run(&[]);
    process.until("the server is up", |process| process.get("/healthz").is_some());
    let begun = Instant::now();
    assert_eq!(process.stop(), 0, "{}", process.stderr());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn bounded_runs_one_after_the_other_give_what_one_run_gives() {
    let broker = Broker::start();
    for topic in [TELEMETRY, FEEDBACK] {
        broker.create_topic(topic, 2, &[]);
    }
    let options = Options {
        seed: 7,
        rate: 10.0,
        users: 300,
        partitions: 2,
        bad: 0.01,
        ..Options::default()
    };
    let mut generator = Generator::new(&options).unwrap();
    let sender = producer(&broker.bootstrap(), &[]);
    let mut in_parts = Pipeline::new(busy(&broker.bootstrap(), &[TELEMETRY, FEEDBACK], "in-parts"));
    for part in 1..=3 {
        for _ in 0..4_000 {
            let record = generator.draw();
            let message = Message {
                key: Some(record.key().to_vec()),
                value: record.value().map(<[u8]>::to_vec),
                timestamp: Some(record.timestamp),
                headers: vec![],
            };
            producing::send(&sender, record.topic, record.partition, &message);
        }
        sender.flush(LIMIT).unwrap();
        let summary = in_parts.run_to_end(&[]);
        assert_eq!(count(&summary, "records"), part * 4_000);
    }
    let closed = in_parts.run_to_end(&["--close"]);
    let mut at_once = Pipeline::new(busy(&broker.bootstrap(), &[TELEMETRY, FEEDBACK], "at-once"));
    let expected = at_once.run_to_end(&["--close"]);
    assert_eq!(counted(&closed), counted(&expected));
    assert_same(&at_once.output(), &in_parts.output());
    assert_eq!(in_parts.run_to_end(&["--close"]), closed, "nothing new tells the same again");
}

/// Revenue of the minute that starts at a time.
fn revenue(pipeline: &Pipeline, start: i64) -> Option<f64> {
    let rows = output::metrics(&pipeline.output());
    let row = rows
        .iter()
        .find(|row| row.metric == "revenue" && row.window_start == start && row.label.is_none());
    row.map(|row| row.value)
}

#[test]
fn a_silent_partition_holds_no_window_back_and_what_it_brings_later_is_a_revision() {
    let broker = kafka::shared();
    broker.create_topic("silent", 2, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "silent", 0, &[purchase(START)]);
    produce(&sender, "silent", 1, &[purchase(START + 1)]);
    let mut pipeline = simple(broker, &["silent"], "silent");
    let mut process = pipeline.run(&[]);
    until_events(&mut process, &pipeline, 2);
    let minutes: Vec<_> = (0..=10).map(|minute| purchase(START + minute * MINUTE + 2)).collect();
    produce(&sender, "silent", 0, &minutes);
    until_events(&mut process, &pipeline, 13);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(revenue(&pipeline, START), None, "it is silent, but not yet idle");
    let gauges = process.get("/metrics").unwrap().1;
    assert_eq!(process.stop(), 0, "{}", process.stderr());
    let holds: Vec<_> = gauges
        .lines()
        .filter(|line| line.contains("watermark_holder") && line.ends_with(" 1"))
        .collect();
    assert!(holds.iter().any(|line| line.contains("partition=\"1\"")), "{holds:?}");

    pipeline.change("idle_after = \"1h\"", "idle_after = \"2s\"");
    let mut process = pipeline.run(&[]);
    // Partition 0 goes on, so that only partition 1 becomes idle.
    let mut next = 11;
    wait_until("windows are published without the silent partition", LIMIT, || {
        produce(&sender, "silent", 0, &[purchase(START + next * MINUTE)]);
        next += 1;
        std::thread::sleep(Duration::from_millis(300));
        revenue(&pipeline, START + 5 * MINUTE) == Some(1.0)
    });
    assert_eq!(revenue(&pipeline, START), Some(3.0));
    produce(&sender, "silent", 1, &[purchase(START + 5 * MINUTE + 7)]);
    process.until("the revision", |_| revenue(&pipeline, START + 5 * MINUTE) == Some(2.0));
    assert_eq!(process.stop(), 0, "{}", process.stderr());
    let rows = output::table(&pipeline.output(), "metrics");
    assert!(
        rows.iter().any(|row| row.contains("metric=revenue") && row.contains("revision=1")),
        "{rows:?}"
    );
    assert!(output::table(&pipeline.output(), "late").is_empty());
}

#[test]
fn tombstones_and_headers_are_kept_with_the_rejects() {
    let broker = kafka::shared();
    broker.create_topic("refusals", 1, &[]);
    let header = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
    let messages = [
        Message {
            key: Some(b"gone".to_vec()),
            timestamp: Some(START),
            ..Message::default()
        },
        Message {
            value: Some(b"no json".to_vec()),
            timestamp: Some(START),
            headers: vec![header("trace", Some(b"abc")), header("trace", None)],
            ..Message::default()
        },
        purchase(START),
    ];
    produce(&producer(&broker.bootstrap(), &[]), "refusals", 0, &messages);
    let mut pipeline = simple(broker, &["refusals"], "refusals");
    let summary = pipeline.run_to_end(&["--close"]);
    assert_eq!(summary["counters"]["rejected"], serde_json::json!({"empty": 1, "not_json": 1}));
    let rows = output::table(&pipeline.output(), "rejects");
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(
        rows.iter().any(|row| row.contains("reason=empty") && row.contains(&hex("gone"))),
        "{rows:?}"
    );
    let headed = rows.iter().find(|row| row.contains("reason=not_json")).unwrap();
    assert!(
        headed.contains("trace") && headed.contains(&hex("abc")) && headed.contains(&hex("no json")),
        "{headed}"
    );
}

#[test]
fn a_bounded_run_ends_with_the_missing_range_when_kafka_deleted_what_was_not_read() {
    let broker = kafka::shared();
    broker.create_topic("deleted-run", 2, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    (0..2).for_each(|partition| produce(&sender, "deleted-run", partition, &purchases(START, 10)));
    let mut pipeline = simple(broker, &["deleted-run"], "deleted-run");
    pipeline.run_to_end(&[]);
    (0..2).for_each(|partition| produce(&sender, "deleted-run", partition, &purchases(START + MINUTE, 10)));
    broker.delete_records("deleted-run", 0, 15);
    let message = pipeline.run(&["--until-end"]).failure();
    assert!(message.contains("deleted-run[0]: offsets 10 to 15"), "{message}");
    pipeline.change("commit_interval", "on_gap = \"record\"\ncommit_interval");
    let summary = pipeline.run_to_end(&["--close"]);
    assert_eq!(count(&summary, "accepted"), 35);
    assert_events(&pipeline, 35);
}

#[test]
fn another_configuration_needs_reconfigure_and_holds_from_then_on() {
    let broker = kafka::shared();
    broker.create_topic("reconfigured", 1, &[]);
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "reconfigured", 0, &purchases(START, 10));
    let mut pipeline = simple(broker, &["reconfigured"], "reconfigured");
    pipeline.run_to_end(&[]);
    pipeline.change("name = \"1m\"\nsize = \"1m\"", "name = \"2m\"\nsize = \"2m\"");
    let message = pipeline.run(&["--until-end"]).failure();
    assert!(message.contains("--reconfigure") && message.contains("windows"), "{message}");
    produce(&sender, "reconfigured", 0, &purchases(START + 10 * MINUTE, 7));
    let summary = pipeline.run_to_end(&["--reconfigure"]);
    assert_eq!(count(&summary, "accepted"), 17, "counters go on over epochs");
    // A start without the option finds nothing changed any more, and closes what the new epoch has opened.
    pipeline.run_to_end(&["--close"]);
    assert_events(&pipeline, 17);
    let rows = output::metrics(&pipeline.output());
    let revenue: Vec<(&str, i64, f64)> = rows
        .iter()
        .filter(|r| r.metric == "revenue")
        .map(|r| (r.window.as_str(), r.window_start, r.value))
        .collect();
    assert_eq!(
        revenue,
        [("2m", START + 10 * MINUTE, 7.0)],
        "the old windows were not closed, and the new ones hold what came after"
    );
}

#[test]
fn every_commit_of_a_compacted_topic_holds_a_snapshot_since_its_records_may_vanish() {
    let broker = kafka::shared();
    broker.create_topic("kept.by.key", 1, &[("cleanup.policy", "compact")]);
    broker.create_topic("kept.by.time", 1, &[]);
    let mut pipeline = simple(broker, &["kept.by.key", "kept.by.time"], "compacted");
    let mut process = pipeline.run(&[]);
    let sender = producer(&broker.bootstrap(), &[]);
    for round in 1..=2 {
        for topic in ["kept.by.key", "kept.by.time"] {
            let keyed = |message: Message| Message {
                key: message.value.clone(),
                ..message
            };
            let some: Vec<Message> = purchases(START + round * MINUTE, 20).into_iter().map(keyed).collect();
            produce(&sender, topic, 0, &some);
        }
        until_events(&mut process, &pipeline, round as usize * 40);
    }
    let moved: Vec<Value> = pipeline
        .entries()
        .into_iter()
        .flat_map(|seq| pipeline.entry(seq)["body"]["partitions"].as_array().cloned().unwrap_or_default())
        .filter(|p| p["from"] != p["to"])
        .collect();
    let of = |topic: &str| moved.iter().filter(|p| p["topic"] == topic).cloned().collect::<Vec<_>>();
    assert!(of("kept.by.key").len() >= 2 && of("kept.by.time").len() >= 2, "{moved:?}");
    for p in of("kept.by.key") {
        assert_eq!(p["snapshot"]["offset"], p["to"], "{p}");
    }
    assert!(of("kept.by.time").iter().all(|p| p["snapshot"].is_null()), "{moved:?}");
    assert_eq!(process.stop(), 0);
}
