//! The Kafka source on a real broker: what is read, where reading starts, and that nothing is lost or read twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use producing::{Message, produce, producer, transactional};
use rdkafka::producer::Producer;
use reading::{Reading, Seen};
use tidegauge_ingest::kafka::Settings;
use tidegauge_ingest::source::{PartitionRef, ReadError, Source, Start, Watermarks};

const LIMIT: Duration = Duration::from_secs(20);

fn settings(broker: &kafka::Broker, topics: &[&str], group: &str) -> Settings {
    let mut settings = Settings::new(broker.bootstrap(), topics.iter().map(|topic| (*topic).to_owned()).collect(), group);
    settings.client = vec![("topic.metadata.refresh.interval.ms".into(), "500".into())];
    settings
}

fn from_the_start(broker: &kafka::Broker, topics: &[&str], group: &str) -> Reading {
    Reading::start(&settings(broker, topics, group), |_| Start::Earliest)
}

#[test]
fn records_of_every_shape_and_compression_arrive_as_they_were_sent() {
    let broker = kafka::shared();
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    broker.create_topic("shapes", 5, &[]);
    let header = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
    let mut sent = Vec::new();
    for (partition, codec) in codecs.iter().enumerate() {
        let many: Vec<_> = (0..40).map(|n| header(&format!("h{n}"), Some(b"x"))).collect();
        let mut messages = vec![
            Message {
                key: Some(b"k".into()),
                value: Some(b"plain".into()),
                timestamp: Some(1_700_000_000_123),
                headers: vec![],
            },
            Message {
                key: Some(b"tombstone".into()),
                value: None,
                timestamp: Some(5),
                headers: vec![],
            },
            Message {
                key: None,
                value: Some(vec![]),
                timestamp: Some(1),
                headers: vec![header("empty", Some(b""))],
            },
            Message {
                key: Some(vec![]),
                value: Some(vec![0, 255, 254]),
                timestamp: Some(7),
                headers: many,
            },
            Message {
                key: None,
                value: Some(b"headers".into()),
                timestamp: Some(8),
                headers: vec![header("a", Some(b"1")), header("a", Some(b"2")), header("null", None)],
            },
        ];
        let text = |n: u64| format!("{{\"n\":{n},\"padding\":\"{}\"}}", "abc".repeat(usize::try_from(n % 50).unwrap()));
        messages.extend((0..2_000).map(|n| Message {
            value: Some(text(n).into_bytes()),
            timestamp: Some(9),
            ..Message::default()
        }));
        produce(
            &producer(&broker.bootstrap(), &[("compression.type", codec)]),
            "shapes",
            i32::try_from(partition).unwrap(),
            &messages,
        );
        sent.push(messages);
    }
    let mut reading = from_the_start(broker, &["shapes"], "shapes");
    reading.until("read all five partitions", |reading| reading.at_end(5));
    for (partition, messages) in sent.iter().enumerate() {
        let expected: Vec<Seen> = (0..).zip(messages).map(|(offset, message)| message.seen(offset)).collect();
        let seen = &reading.seen[&PartitionRef::new("shapes", i32::try_from(partition).unwrap())];
        assert!(
            *seen == expected,
            "{}: {:?} instead of {:?}",
            codecs[partition],
            &seen[..5],
            &expected[..5]
        );
    }
    reading.stop();
}

#[test]
fn aborted_transactions_never_show_and_the_position_moves_past_their_markers() {
    let broker = kafka::shared();
    broker.create_topic("transactions", 1, &[]);
    let producer = transactional(&broker.bootstrap(), "transactions");
    let partition = PartitionRef::new("transactions", 0);
    let send = |text: &str, count: usize| {
        producer.begin_transaction().unwrap();
        produce(&producer, "transactions", 0, &vec![Message::text(text); count]);
    };
    send("committed", 10);
    producer.commit_transaction(LIMIT).unwrap();
    let mut reading = from_the_start(broker, &["transactions"], "transactions");
    reading.until("pass the commit marker", |reading| reading.at_end(1));
    assert_eq!(reading.state[&partition], (11, true), "ten records and a marker");

    send("aborted", 10);
    // Neither the records of an open transaction nor anything behind them can be read yet, so the end is before them.
    assert_eq!(
        reading.source.watermarks(&partition, LIMIT).unwrap(),
        Watermarks { low: 0, high: 11 }
    );
    assert_eq!(
        reading.source.end_offsets(std::slice::from_ref(&partition), LIMIT).unwrap(),
        vec![(partition.clone(), 11)]
    );
    for _ in 0..50 {
        reading.step();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(reading.state[&partition], (11, true));

    producer.abort_transaction(LIMIT).unwrap();
    reading.until("pass the aborted records", |reading| reading.state[&partition] == (22, true));
    assert_eq!(reading.count(), 10);
    send("committed", 5);
    producer.commit_transaction(LIMIT).unwrap();
    reading.until("pass the second commit", |reading| reading.state[&partition] == (28, true));
    assert_eq!(reading.values("transactions", 0), vec!["committed"; 15]);
    assert_eq!(
        reading.source.end_offsets(std::slice::from_ref(&partition), LIMIT).unwrap(),
        vec![(partition, 28)]
    );
    reading.stop();
}

#[test]
fn new_partitions_and_new_topics_of_a_pattern_join_while_running() {
    let broker = kafka::shared();
    broker.create_topic("pattern.one", 1, &[]);
    broker.create_topic("other.pattern.zero", 1, &[]);
    let producer = producer(&broker.bootstrap(), &[]);
    produce(&producer, "pattern.one", 0, &[Message::text("1/0")]);
    produce(&producer, "other.pattern.zero", 0, &[Message::text("no")]);
    let mut reading = from_the_start(broker, &["^pattern\\..*"], "pattern");
    reading.until("read the first topic", |reading| reading.at_end(1) && reading.count() == 1);

    broker.add_partitions("pattern.one", 3);
    broker.create_topic("pattern.two", 2, &[]);
    reading.until("see all five partitions", |reading| reading.readers.len() == 5);
    for (topic, partition) in [("pattern.one", 1), ("pattern.one", 2), ("pattern.two", 0), ("pattern.two", 1)] {
        produce(&producer, topic, partition, &[Message::text("later")]);
    }
    reading.until("read the new partitions", |reading| reading.count() == 5);
    assert!(
        reading.revoked.is_empty(),
        "cooperative assignment takes nothing away: {:?}",
        reading.revoked
    );
    reading.stop();
}

#[test]
fn a_broker_that_dies_and_comes_back_costs_no_record_and_repeats_none() {
    let broker = kafka::Broker::start();
    broker.create_topic("restart", 2, &[]);
    let mut reading = from_the_start(&broker, &["restart"], "restart");
    reading.until("be assigned", |reading| reading.readers.len() == 2);
    let total = 6_000;
    let writer = std::thread::spawn({
        let producer = producer(
            &broker.bootstrap(),
            &[("enable.idempotence", "true"), ("reconnect.backoff.max.ms", "200")],
        );
        move || {
            // Small batches, so that the broker dies in the middle of them.
            for first in (0..total).step_by(100) {
                for partition in 0..2 {
                    let numbers = (first..first + 100).filter(|n| n % 2 == partition);
                    let messages: Vec<_> = numbers.map(|n| Message::text(&n.to_string())).collect();
                    produce(&producer, "restart", partition, &messages);
                }
            }
        }
    });
    reading.until("read some", |reading| reading.count() > 500);
    broker.kill();
    let down = Instant::now();
    while down.elapsed() < Duration::from_secs(2) {
        reading.step();
        std::thread::sleep(Duration::from_millis(10));
    }
    broker.start_again();
    reading.until("read all", |reading| reading.count() >= usize::try_from(total).unwrap());
    writer.join().unwrap();
    reading.until("reach the end", |reading| reading.at_end(2));
    for partition in 0..2 {
        let expected: Vec<String> = (0..total).filter(|n| n % 2 == partition).map(|n| n.to_string()).collect();
        assert!(reading.values("restart", partition) == expected, "partition {partition}");
    }
    assert!(reading.read_errors.is_empty(), "{:?}", reading.read_errors);
    reading.stop();
}

#[test]
fn a_process_that_the_group_gave_up_on_is_told_to_discard_and_reads_again() {
    let broker = kafka::Broker::start();
    broker.create_topic("lost", 1, &[]);
    let messages: Vec<_> = (0..100).map(|n| Message::text(&n.to_string())).collect();
    produce(&producer(&broker.bootstrap(), &[]), "lost", 0, &messages);
    let mut settings = settings(&broker, &["lost"], "lost");
    settings.client.extend([
        ("session.timeout.ms".into(), "6000".into()),
        ("heartbeat.interval.ms".into(), "1000".into()),
    ]);
    let mut reading = Reading::start(
        &settings,
        |offered| if offered.watermarks.is_some() { Start::At(30) } else { Start::Hold },
    );
    reading.until("read all", |reading| reading.at_end(1));
    assert_eq!(reading.count(), 70);

    broker.kill();
    reading.until("lose the partition", |reading| !reading.lost.is_empty());
    assert!(
        reading.readers.is_empty() && reading.revoked.is_empty(),
        "nobody asks for a commit that could not be valid"
    );
    reading.seen.clear();
    broker.start_again();
    reading.until("read again", |reading| reading.at_end(1));
    assert!(reading.values("lost", 0) == (30..100).map(|n| n.to_string()).collect::<Vec<_>>());
    reading.stop();
}

#[test]
fn lag_tools_see_what_is_committed() {
    let broker = kafka::shared();
    broker.create_topic("lag", 1, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "lag", 0, &vec![Message::text("x"); 100]);
    let mut reading = from_the_start(broker, &["lag"], "lag-tools");
    reading.until("read all", |reading| reading.at_end(1));
    reading.source.report_positions(&[(PartitionRef::new("lag", 0), 60)]);
    let described = |reading: &mut Reading| {
        reading.step();
        let printed = broker.describe_group("lag-tools");
        let line = printed.lines().find(|line| line.contains("lag ")).unwrap_or_default().to_owned();
        line.split_whitespace().skip(2).take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let columns = described(&mut reading);
        if columns == ["0", "60", "100", "40"] {
            break;
        }
        assert!(Instant::now() < deadline, "partition, current, end, lag: {columns:?}");
    }
    // The next start is our own log's affair: the group's offset is not used.
    reading.stop();
    let mut again = Reading::start(&settings(broker, &["lag"], "lag-tools"), |_| Start::At(90));
    again.until("read the last ten", |reading| reading.at_end(1));
    assert_eq!(again.count(), 10);
    again.stop();
}

#[test]
fn offsets_that_kafka_deleted_are_an_error_with_the_missing_range() {
    let broker = kafka::shared();
    broker.create_topic("deleted", 1, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "deleted", 0, &vec![Message::text("x"); 100]);
    broker.delete_records("deleted", 0, 70);
    let mut reading = Reading::start(&settings(broker, &["deleted"], "deleted"), |_| Start::At(40));
    reading.until("fail", |reading| !reading.read_errors.is_empty());
    assert_eq!(reading.count(), 0);
    let gap = reading.offered[0].out_of_range(40).expect("the gap is known before reading starts");
    assert_eq!(gap.missing(), Some((40, 70)));
    let ReadError::OutOfRange(error) = &reading.read_errors[0] else {
        panic!("{:?}", reading.read_errors)
    };
    assert_eq!((error.wanted, error.missing(), error.high), (40, Some((40, 70)), Some(100)));
    reading.stop();

    let mut reading = Reading::start(&settings(broker, &["deleted"], "deleted"), |_| Start::At(101));
    reading.until("fail", |reading| !reading.read_errors.is_empty());
    let ReadError::OutOfRange(error) = &reading.read_errors[0] else {
        panic!("{:?}", reading.read_errors)
    };
    assert!(error.missing().is_none() && error.to_string().contains("created again"), "{error}");
    reading.stop();
}

#[test]
fn where_to_start_can_be_the_end_a_time_or_not_at_all() {
    let broker = kafka::shared();
    broker.create_topic("starts", 4, &[]);
    let producer = producer(&broker.bootstrap(), &[]);
    let messages: Vec<_> = (0..10)
        .map(|n| Message {
            timestamp: Some(1_000 + n),
            ..Message::text(&n.to_string())
        })
        .collect();
    (0..4).for_each(|partition| produce(&producer, "starts", partition, &messages));
    let mut reading = Reading::start(&settings(broker, &["starts"], "starts"), |offered| {
        match offered.partition.partition {
            0 => Start::Latest,
            1 => Start::Time(1_007),
            2 => Start::Time(5_000),
            _ => Start::Hold,
        }
    });
    reading.until("reach the ends", |reading| reading.at_end(3));
    (0..4).for_each(|partition| produce(&producer, "starts", partition, &[Message::text("new")]));
    reading.until("read the new ones", |reading| reading.count() == 6);
    assert_eq!(reading.values("starts", 0), ["new"]);
    assert_eq!(reading.values("starts", 1), ["7", "8", "9", "new"]);
    assert_eq!(reading.values("starts", 2), ["new"]);
    assert!(reading.values("starts", 3).is_empty());
    reading.stop();
}

#[test]
fn pausing_and_going_back_lose_nothing_and_repeat_only_what_was_asked_for() {
    let broker = kafka::shared();
    broker.create_topic("pausing", 2, &[]);
    let producer = producer(&broker.bootstrap(), &[]);
    let messages: Vec<_> = (0..20_000).map(|n| Message::text(&n.to_string())).collect();
    (0..2).for_each(|partition| produce(&producer, "pausing", partition, &messages));
    let mut reading = from_the_start(broker, &["pausing"], "pausing");
    reading.batch = 97;
    reading.until("be assigned", |reading| reading.readers.len() == 2);
    let both: Vec<PartitionRef> = reading.readers.keys().cloned().collect();
    for round in 0..30 {
        reading.source.pause(&both[..1 + round % 2]);
        for _ in 0..5 {
            reading.step();
        }
        reading.source.resume(&both);
        let before = reading.count();
        reading.until("go on after a pause", |reading| reading.count() > before || reading.at_end(2));
    }
    reading.until("reach the end", |reading| reading.at_end(2));
    let all: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
    assert!(
        (0..2).all(|partition| reading.values("pausing", partition) == all),
        "each record once, in order"
    );

    reading.seen.clear();
    reading.readers.get_mut(&both[0]).unwrap().seek(15_000).unwrap();
    reading.until("read again", |reading| reading.count() > 0 && reading.at_end(2));
    assert!(reading.values("pausing", 0) == all[15_000..]);
    assert!(reading.values("pausing", 1).is_empty());
    reading.stop();
}

#[test]
fn a_second_process_takes_over_only_what_moves_and_leaving_gives_it_back() {
    let broker = kafka::shared();
    broker.create_topic("shared-work", 6, &[]);
    let mut first = from_the_start(broker, &["shared-work"], "shared-work");
    first.until("have all six", |reading| reading.readers.len() == 6);
    let mut second = from_the_start(broker, &["shared-work"], "shared-work");
    let deadline = Instant::now() + Duration::from_secs(60);
    while second.readers.len() < 3 || first.readers.len() > 3 {
        first.step();
        second.step();
        assert!(
            Instant::now() < deadline,
            "{} and {} partitions",
            first.readers.len(),
            second.readers.len()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(first.revoked.len(), 3, "the other three were never taken away");
    assert_eq!(first.offered.len(), 6);
    let held: BTreeSet<_> = first.readers.keys().chain(second.readers.keys()).cloned().collect();
    assert_eq!(held.len(), 6, "each partition has one reader");
    second.stop();
    first.until("get them back", |reading| reading.readers.len() == 6);
    first.stop();
    assert_eq!(first.revoked.len(), 9);
    assert!(
        first.lost.is_empty() && first.read_errors.is_empty() && first.errors.is_empty(),
        "{:?}",
        first.errors
    );
}

#[test]
fn a_parked_worker_is_woken_by_records() {
    let broker = kafka::shared();
    broker.create_topic("wake", 1, &[]);
    let mut reading = from_the_start(broker, &["wake"], "wake");
    reading.until("reach the end", |reading| reading.at_end(1));
    reading.readers.values_mut().for_each(|reader| reader.wake(std::thread::current()));
    assert_eq!(reading.step(), 0);
    let producer = producer(&broker.bootstrap(), &[]);
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        produce(&producer, "wake", 0, &[Message::text("up")]);
    });
    let parked = Instant::now();
    let mut read = 0;
    while read == 0 && parked.elapsed() < LIMIT {
        std::thread::park_timeout(LIMIT);
        read = reading.step();
    }
    assert_eq!(read, 1);
    assert!(parked.elapsed() < LIMIT / 2, "woken after {:?}", parked.elapsed());
    reading.stop();
}

#[test]
fn statistics_tell_lag_and_the_range_of_offsets() {
    let broker = kafka::shared();
    broker.create_topic("statistics", 1, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "statistics", 0, &vec![Message::text("x"); 50]);
    let mut settings = settings(broker, &["statistics"], "statistics");
    settings.statistics_interval = Duration::from_millis(200);
    let mut reading = Reading::start(&settings, |_| Start::At(0));
    reading.batch = 10;
    let partition = PartitionRef::new("statistics", 0);
    reading.until("be assigned", |reading| reading.readers.len() == 1);
    while reading.count() < 20 {
        reading.step();
    }
    let lag = |reading: &Reading| reading.source.stats().partitions.get(&partition).and_then(|stats| stats.lag);
    let deadline = Instant::now() + LIMIT;
    while lag(&reading) != Some(30) {
        assert!(Instant::now() < deadline, "{:?}", reading.source.stats());
        std::thread::sleep(Duration::from_millis(50));
    }
    reading.until("lag is gone", |reading| lag(reading) == Some(0));
    let stats = reading.source.stats();
    assert_eq!(stats.partitions[&partition].high, Some(50));
    assert_eq!(stats.brokers_up, 1);
    reading.stop();
}
