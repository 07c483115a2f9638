//! Connecting: what `check --connect` finds wrong, TLS with SCRAM, and the dead-letter topic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;

use std::time::Duration;

use producing::{Message, produce, producer};
use reading::Reading;
use tidegauge_aggregate::record::{Record, Reject, RejectReason};
use tidegauge_ingest::kafka::{DeadLetter, Sampling, Settings, probe, sample};
use tidegauge_ingest::source::{PartitionRef, Start, Watermarks};

const LIMIT: Duration = Duration::from_secs(15);

fn settings(brokers: String, topics: &[&str], group: &str) -> Settings {
    Settings::new(brokers, topics.iter().map(|topic| (*topic).to_owned()).collect(), group)
}

fn secure(broker: &kafka::Broker, password: &str, topics: &[&str]) -> Settings {
    let mut settings = settings(broker.secure_bootstrap(), topics, "secure");
    let certificate = broker.certificate().display().to_string();
    settings.security = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", kafka::USER),
        ("sasl.password", password),
        ("ssl.ca.location", certificate.as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec();
    settings
}

fn replace(settings: &mut Settings, key: &str, value: &str) {
    settings
        .security
        .iter_mut()
        .filter(|(name, _)| name == key)
        .for_each(|(_, old)| value.clone_into(old));
}

#[test]
fn a_probe_tells_cluster_topics_offsets_and_what_is_missing() {
    let broker = kafka::shared();
    broker.create_topic("probed", 2, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "probed", 1, &vec![Message::text("x"); 7]);
    let settings = settings(broker.bootstrap(), &["probed", "probbed", "^regular.*"], "probe");
    let found = probe(&settings, LIMIT).unwrap();
    assert!(found.cluster_id.is_some());
    assert_eq!(found.brokers, [broker.bootstrap()]);
    assert_eq!(found.topics.len(), 1);
    assert_eq!(
        found.topics[0].partitions,
        [(0, Watermarks { low: 0, high: 0 }), (1, Watermarks { low: 0, high: 7 })]
    );
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    let problem = &found.problems[0];
    assert!(
        problem.contains("\"probbed\"") && problem.contains("does not exist") && problem.contains("probed"),
        "{problem}"
    );

    let mut offsets = Vec::new();
    let bounds = Sampling {
        records: 3,
        bytes: 1000,
        time: LIMIT,
    };
    let count = sample(&settings, &found.topics[0], bounds, &mut |record| offsets.push(record.offset)).unwrap();
    assert_eq!((count, offsets), (3, vec![4, 5, 6]));
    let short = Sampling { bytes: 2, ..bounds };
    assert_eq!(sample(&settings, &found.topics[0], short, &mut |_| ()).unwrap(), 2);
}

#[test]
fn a_broker_that_cannot_be_reached_is_named_with_the_reason() {
    let error = probe(&settings("127.0.0.1:1".into(), &["t"], "g"), Duration::from_secs(3))
        .unwrap_err()
        .message;
    assert!(
        error.contains("127.0.0.1:1") && error.contains("refused") && error.contains("check kafka.brokers"),
        "{error}"
    );
    let error = probe(&settings("no-such-host.invalid:9092".into(), &["t"], "g"), Duration::from_secs(3))
        .unwrap_err()
        .message;
    assert!(error.contains("no-such-host.invalid") && error.contains("resolve"), "{error}");
}

#[test]
fn wrong_security_settings_are_told_apart() {
    let broker = kafka::shared();
    let wrong_password = probe(&secure(broker, "guess", &["t"]), LIMIT).unwrap_err().message;
    assert!(
        wrong_password.contains("sasl.password") && !wrong_password.contains("guess"),
        "{wrong_password}"
    );

    let mut distrust = secure(broker, kafka::PASSWORD, &["t"]);
    distrust.security.retain(|(key, _)| key != "ssl.ca.location");
    let distrust = probe(&distrust, LIMIT).unwrap_err().message;
    assert!(distrust.contains("certificate") && distrust.contains("tls.ca"), "{distrust}");

    let mut no_tls = secure(broker, kafka::PASSWORD, &["t"]);
    replace(&mut no_tls, "security.protocol", "SASL_PLAINTEXT");
    let no_tls = probe(&no_tls, Duration::from_secs(5)).unwrap_err().message;
    assert!(no_tls.contains("security"), "{no_tls}");

    let mut mechanism = secure(broker, kafka::PASSWORD, &["t"]);
    replace(&mut mechanism, "sasl.mechanism", "PLAIN");
    let mechanism = probe(&mechanism, LIMIT).unwrap_err().message;
    assert!(
        mechanism.contains("sasl.mechanism") && mechanism.contains("SCRAM-SHA-256"),
        "{mechanism}"
    );
}

#[test]
fn a_user_without_rights_is_told_which_and_reads_over_tls_once_they_are_granted() {
    let broker = kafka::shared();
    broker.create_topic("guarded", 1, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "guarded", 0, &[Message::text("secret")]);
    let settings = secure(broker, kafka::PASSWORD, &["guarded"]);
    let found = probe(&settings, LIMIT).unwrap();
    assert!(found.topics.is_empty());
    assert!(
        found.problems[0].contains("\"guarded\"") && found.problems[0].contains("grant"),
        "{:?}",
        found.problems
    );

    let acl = |arguments: &[&str]| {
        let user = format!("User:{}", kafka::USER);
        broker.tool(
            "org.apache.kafka.tools.AclCommand",
            &[&["--add", "--allow-principal", &user][..], arguments].concat(),
        );
    };
    acl(&["--operation", "Read", "--operation", "Describe", "--topic", "guarded"]);
    let found = probe(&settings, LIMIT).unwrap();
    assert_eq!(found.topics.len(), 1);
    assert!(
        found.problems[0].contains("kafka.group_id \"secure\"") && found.problems[0].contains("grant READ"),
        "{:?}",
        found.problems
    );

    acl(&["--operation", "Read", "--group", "secure"]);
    assert!(probe(&settings, LIMIT).unwrap().problems.is_empty());
    let mut reading = Reading::start(&settings, |_| Start::Earliest);
    reading.until("read over TLS", |reading| reading.at_end(1));
    assert_eq!(reading.values("guarded", 0), ["secret"]);
    reading.stop();
}

#[test]
fn refused_records_reach_the_dead_letter_topic_whole() {
    let broker = kafka::shared();
    broker.create_topic("dead", 1, &[]);
    let settings = settings(broker.bootstrap(), &["dead"], "dead");
    let letters = DeadLetter::new(&settings, "dead").unwrap();
    let reject = Reject {
        reason: RejectReason::NotJson,
        field: "",
        detail: "expected an object".into(),
    };
    let record = Record {
        topic: "source",
        partition: 3,
        offset: 41,
        timestamp: Some(1_000),
        key: Some(b"k"),
        value: Some(b"\xff not json"),
        headers: &[("trace", Some(b"t1")), ("null", None)],
    };
    letters.send(&record, &reject).unwrap();
    letters
        .send(
            &Record {
                key: None,
                value: None,
                timestamp: None,
                headers: &[],
                ..record
            },
            &reject,
        )
        .unwrap();
    letters.flush(LIMIT).unwrap();

    let mut reading = Reading::start(&settings, |_| Start::Earliest);
    reading.until("read both", |reading| reading.at_end(1));
    let seen = &reading.seen[&PartitionRef::new("dead", 0)];
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].key.as_deref(), seen[0].value.as_deref()),
        (Some(&b"k"[..]), Some(&b"\xff not json"[..]))
    );
    assert_eq!(seen[0].timestamp, Some(1_000));
    let header = |key: &str| {
        seen[0]
            .headers
            .iter()
            .find(|(name, _)| name == key)
            .and_then(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    assert_eq!(
        seen[0].headers[..2],
        [("trace".to_owned(), Some(b"t1".to_vec())), ("null".to_owned(), None)]
    );
    assert_eq!(
        [header("tidegauge.topic"), header("tidegauge.partition"), header("tidegauge.offset")],
        [&b"source"[..], b"3", b"41"]
    );
    assert_eq!(
        [header("tidegauge.reason"), header("tidegauge.detail")],
        [&b"not_json"[..], b"expected an object"]
    );
    assert_eq!((seen[1].key.as_ref(), seen[1].value.as_ref()), (None, None));
    reading.stop();
}

#[test]
fn a_dead_letter_that_cannot_be_written_fails_the_flush() {
    let broker = kafka::shared();
    let mut settings = settings(broker.bootstrap(), &["t"], "g");
    settings.client.push(("message.timeout.ms".into(), "2000".into()));
    let letters = DeadLetter::new(&settings, "no-such-topic").unwrap();
    let record = Record {
        topic: "t",
        partition: 0,
        offset: 1,
        timestamp: None,
        key: None,
        value: Some(b"x"),
        headers: &[],
    };
    let reject = Reject {
        reason: RejectReason::NotJson,
        field: "",
        detail: String::new(),
    };
    letters.send(&record, &reject).unwrap();
    let error = letters.flush(LIMIT).unwrap_err().message;
    assert!(error.contains("no-such-topic") && error.contains("WRITE"), "{error}");
}
