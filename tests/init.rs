//! `tidegauge init`: from what topics hold to a configuration that `check` takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/pages.rs"]
mod pages;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;

use std::fs;
use std::path::Path;
use std::process::Output;

use pages::tidegauge;
use producing::{Message, produce, producer};
use serde_json::Value;
use tempfile::TempDir;
use tidegauge_ingest::embedded::EmbeddedBroker;

const FOREIGN: &str = r#"{"order": 17, "state": "paid"}"#;

fn run(directory: &Path, arguments: &[&str]) -> Output {
    tidegauge(directory).args(arguments).output().unwrap()
}

/// What a run says, with the wanted exit status.
fn said(output: &Output, status: i32) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(status), "{text}");
    text
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&said(output, 0)).unwrap()
}

/// Some tasks of two plans, one of them with an id as the attribute.
fn events() -> Vec<Message> {
    let event = |number: usize| {
        let task = ["search", "search", "cart"][number % 3];
        let plan = ["free", "pro"][number % 2];
        let event = serde_json::json!({
            "type": "task_started", "time": 1_738_137_575_000_i64 + number as i64 * 1000, "product": "shop", "task": task,
            "attempt_id": format!("a-{number}"), "attributes": {"plan": plan, "request": format!("r-{number}"), "build": "1"},
        });
        Message::text(&event.to_string())
    };
    (0..60).map(event).collect()
}

/// The configuration with every suggestion followed.
fn followed(text: &str) -> String {
    let follow = |line: &str| {
        let suggested = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']));
        format!("{}\n", suggested.unwrap_or(line))
    };
    text.lines().map(follow).collect()
}

#[test]
fn topics_with_events_are_written_and_the_others_are_named_with_the_reason() {
    let broker = EmbeddedBroker::start(&[("shop.events", 2), ("orders", 1), ("quiet", 1)]).unwrap();
    let servers = broker.bootstrap_servers().unwrap();
    let sender = producer(&servers, &[]);
    produce(&sender, "shop.events", 0, &events());
    produce(&sender, "shop.events", 1, &[Message::text("no JSON")]);
    produce(&sender, "orders", 0, &[Message::text(FOREIGN)]);
    let directory = TempDir::new().unwrap();

    let found = said(&run(directory.path(), &["init", "--brokers", &servers]), 0);
    for wanted in [
        "shop.events: 2 partitions",
        "refused: 1 not_json",
        "orders[0] offset 0: missing_field type",
        "tidegauge check -c",
    ] {
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
    let file = directory.path().join("tidegauge.toml");
    let text = fs::read_to_string(&file).unwrap();
    let parsed: toml::Table = text.parse().unwrap();
    assert_eq!(parsed["kafka"]["topics"].as_array().unwrap(), &["shop.events".into()]);
    assert!(
        text.contains("#   orders: 1 partition") && text.contains("#   quiet: 1 partition"),
        "{text}"
    );
    assert!(text.contains("attributes.plan") && !text.contains("attributes.request\""), "{text}");
    said(&run(directory.path(), &["check", "-c", "tidegauge.toml", "--connect"]), 0);

    fs::write(&file, followed(&text)).unwrap();
    let effective = said(&run(directory.path(), &["check", "-c", "tidegauge.toml"]), 0);
    assert!(
        effective.contains("product+attributes.plan") && effective.contains("search > cart"),
        "{effective}"
    );
}

#[test]
fn a_name_that_no_configuration_holds_is_shown_escaped_and_not_suggested() {
    let broker = EmbeddedBroker::start(&[("shop.events", 1)]).unwrap();
    let servers = broker.bootstrap_servers().unwrap();
    let odd = events().into_iter().map(|event| {
        let text = String::from_utf8(event.value.unwrap()).unwrap();
        Message::text(&text.replace("cart", "ca\\nrt").replace("plan", "pl\\u001ban"))
    });
    produce(&producer(&servers, &[]), "shop.events", 0, &odd.collect::<Vec<_>>());
    let directory = TempDir::new().unwrap();
    said(&run(directory.path(), &["init", "--brokers", &servers]), 0);
    let file = directory.path().join("tidegauge.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("ca\\nrt 20") && text.contains("pl\\u{1b}an: free 30"), "{text}");
    assert!(!text.contains("[[journey]]"), "{text}");
    fs::write(&file, followed(&text)).unwrap();
    said(&run(directory.path(), &["check", "-c", "tidegauge.toml"]), 0);
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_told_to() {
    let broker = EmbeddedBroker::start(&[("shop.events", 1)]).unwrap();
    let servers = broker.bootstrap_servers().unwrap();
    produce(&producer(&servers, &[]), "shop.events", 0, &events());
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("mine.toml");
    fs::write(&file, "mine").unwrap();
    let init = ["init", "--brokers", &servers, "-o", "mine.toml", "--json"];
    let refused = said(&run(directory.path(), &init), 2);
    assert!(
        refused.contains("mine.toml is there already") && refused.contains("--force"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

    let found = json(&run(directory.path(), &[&init[..], &["--force"]].concat()));
    assert_eq!((&found["written"], &found["topics"][0]["read"]), (&true.into(), &true.into()));
    assert_eq!(found["topics"][0]["sample"]["accepted"], 60);
    assert_eq!(found["seen"]["attributes"]["plan"]["pro"], 30);
    assert_eq!(found["seen"]["task"][0]["tasks"]["search"], 40);
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("shop.events"));

    let printed = run(directory.path(), &["init", "--brokers", &servers, "-o", "-"]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), written.replace("mine.toml", "FILE"));
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}

#[test]
fn where_nothing_is_an_event_nothing_is_written_unless_the_topic_is_named() {
    let broker = EmbeddedBroker::start(&[("orders", 1), ("quiet", 1)]).unwrap();
    let servers = broker.bootstrap_servers().unwrap();
    produce(&producer(&servers, &[]), "orders", 0, &vec![Message::text(FOREIGN); 5]);
    let directory = TempDir::new().unwrap();
    let refused = said(&run(directory.path(), &["init", "--brokers", &servers]), 1);
    for wanted in [
        "no topic holds events",
        "refused: 5 missing_field",
        "`type` is absent",
        "--topic NAME",
        "quiet: 1 partition",
    ] {
        assert!(refused.contains(wanted), "{wanted}: {refused}");
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);

    let taken = said(
        &run(directory.path(), &["init", "--brokers", &servers, "--topic", "quiet,orders"]),
        0,
    );
    assert!(taken.contains("no event was seen yet"), "{taken}");
    said(&run(directory.path(), &["check", "-c", "tidegauge.toml", "--connect"]), 0);
}

#[test]
fn a_topic_that_is_missing_and_a_broker_that_does_not_answer_are_named() {
    let broker = EmbeddedBroker::start(&[("orders", 1)]).unwrap();
    let servers = broker.bootstrap_servers().unwrap();
    let directory = TempDir::new().unwrap();
    let missing = said(&run(directory.path(), &["init", "--brokers", &servers, "--topic", "order"]), 1);
    assert!(
        missing.contains("topic \"order\" does not exist") && missing.contains("this user sees: orders"),
        "{missing}"
    );
    let pattern = said(&run(directory.path(), &["init", "--brokers", &servers, "--topic", "^ord.*"]), 2);
    assert!(pattern.contains("an expression cannot be looked at"), "{pattern}");
    let away = said(&run(directory.path(), &["init", "--brokers", "127.0.0.1:1"]), 1);
    assert!(away.contains("127.0.0.1:1") && away.contains("check kafka.brokers"), "{away}");
    let alone = EmbeddedBroker::start(&[]).unwrap().bootstrap_servers().unwrap();
    drop(said(&run(directory.path(), &["init", "--brokers", &alone]), 1));
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_secret_is_used_and_only_its_reference_is_written() {
    let broker = kafka::shared();
    broker.create_topic("init.events", 2, &[]);
    produce(&producer(&broker.bootstrap(), &[]), "init.events", 1, &events());
    let user = format!("User:{}", kafka::USER);
    let allow = [
        "--add",
        "--allow-principal",
        &user,
        "--operation",
        "Read",
        "--operation",
        "Describe",
    ];
    for resource in [["--topic", "init.events"], ["--group", "tidegauge"]] {
        broker.tool("org.apache.kafka.tools.AclCommand", &[&allow[..], &resource].concat());
    }
    let directory = TempDir::new().unwrap();
    let certificate = format!("kafka.security.tls.ca={}", broker.certificate().display());
    let mut init = vec!["init", "--brokers"];
    let servers = broker.secure_bootstrap();
    init.push(&servers);
    for set in [
        "kafka.security.protocol=sasl_ssl",
        "kafka.security.sasl.mechanism=SCRAM-SHA-256",
        "kafka.security.sasl.username=alice",
        "kafka.security.sasl.password=${INIT_PASSWORD}",
        &certificate,
    ] {
        init.extend(["--set", set]);
    }
    let output = tidegauge(directory.path())
        .args(&init)
        .env("INIT_PASSWORD", kafka::PASSWORD)
        .output()
        .unwrap();
    let found = said(&output, 0);
    let text = fs::read_to_string(directory.path().join("tidegauge.toml")).unwrap();
    assert!(
        text.contains("sasl.password = \"${INIT_PASSWORD}\"") && text.contains("\"init.events\""),
        "{text}"
    );
    assert!(!text.contains(kafka::PASSWORD) && !found.contains(kafka::PASSWORD), "{text}{found}");
    let mut check = tidegauge(directory.path());
    check
        .args(["check", "-c", "tidegauge.toml", "--connect"])
        .env("INIT_PASSWORD", kafka::PASSWORD);
    said(&check.output().unwrap(), 0);

    let wrong = tidegauge(directory.path())
        .args(&init)
        .arg("--force")
        .env("INIT_PASSWORD", "guess-me")
        .output()
        .unwrap();
    let wrong = said(&wrong, 1);
    assert!(wrong.contains("sasl.password") && !wrong.contains("guess-me"), "{wrong}");
}
