//! TLS and logins to a real Kafka, as `check --connect` and `run` meet them: what is wrong is told with its key and what to do, and nothing hangs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/run.rs"]
mod run;

use std::path::Path;

use kafka::{PASSWORD, USER};
use producing::{Message, produce, producer};
use run::Pipeline;

const TOPIC: &str = "encrypted";

/// A pipeline of the topic with these settings of `kafka.security`.
fn pipeline(brokers: &str, security: &str) -> Pipeline {
    Pipeline::new(format!(
        "[kafka]\nbrokers = \"{brokers}\"\ntopics = [\"{TOPIC}\"]\ngroup_id = \"{TOPIC}\"\n[kafka.security]\n{security}\n[output]\n"
    ))
}

fn topic(broker: &kafka::Broker) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        broker.create_topic(TOPIC, 1, &[]);
        let event = r#"{"type":"interaction","action":"click","time":1767225600000}"#;
        produce(&producer(&broker.bootstrap(), &[]), TOPIC, 0, &[Message::text(event)]);
    });
}

/// Both commands end by themselves with this status, and say all of that.
#[track_caller]
fn both(mut pipeline: Pipeline, status: i32, parts: &[&str]) {
    for command in [&["check", "--connect"][..], &["run", "--until-end", "--json"]] {
        let mut process = pipeline.command(command[0], &command[1..]);
        let code = process.wait(run::LIMIT);
        let said = format!("{}{}", process.stdout(), process.stderr());
        assert_eq!(code, status, "{command:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{command:?} does not say {part:?}: {said}");
        }
    }
}

fn tls(ca: &Path, certificate: Option<[&Path; 2]>) -> String {
    let own = certificate.map_or_else(String::new, |[certificate, key]| {
        format!("tls.cert = \"{}\"\ntls.key = \"{}\"\n", certificate.display(), key.display())
    });
    format!("protocol = \"ssl\"\ntls.ca = \"{}\"\n{own}", ca.display())
}

#[test]
fn a_client_with_the_right_certificate_reads() {
    let broker = kafka::shared();
    topic(broker);
    let [certificate, key] = broker.client_certificate("client");
    let security = tls(&broker.certificate(), Some([&certificate, &key]));
    both(pipeline(&broker.mutual_bootstrap(), &security), 0, &[]);
}

#[test]
fn a_client_that_the_broker_does_not_know_is_told_which_keys_are_for_it() {
    let broker = kafka::shared();
    topic(broker);
    let mutual = broker.mutual_bootstrap();
    both(
        pipeline(&mutual, &tls(&broker.certificate(), None)),
        1,
        &["kafka.security", "tls.cert"],
    );
    let [certificate, key] = broker.client_certificate("stranger");
    let security = tls(&broker.certificate(), Some([&certificate, &key]));
    both(pipeline(&mutual, &security), 1, &["kafka.security", "tls.cert"]);
}

#[test]
fn files_that_do_not_fit_are_named_by_their_key() {
    let broker = kafka::shared();
    topic(broker);
    let mutual = broker.mutual_bootstrap();
    let (ca, missing) = (broker.certificate(), Path::new("/no/such/file.pem"));
    let [certificate, key] = broker.client_certificate("client");
    let [_, other_key] = broker.client_certificate("stranger");
    both(
        pipeline(&mutual, &tls(missing, Some([&certificate, &key]))),
        1,
        &["tls.ca", "/no/such/file.pem"],
    );
    both(
        pipeline(&mutual, &tls(&ca, Some([missing, &key]))),
        1,
        &["tls.cert", "/no/such/file.pem"],
    );
    both(
        pipeline(&mutual, &tls(&ca, Some([&certificate, missing]))),
        1,
        &["tls.key", "/no/such/file.pem"],
    );
    both(
        pipeline(&mutual, &tls(&ca, Some([&certificate, &other_key]))),
        1,
        &["tls.key", "tls.cert"],
    );
    both(pipeline(&mutual, &tls(&key, Some([&certificate, &key]))), 1, &["tls.ca"]);
}

#[test]
fn a_broker_that_another_authority_vouches_for_or_of_another_name_is_not_trusted() {
    let broker = kafka::shared();
    topic(broker);
    let [certificate, key] = broker.client_certificate("client");
    let other = tls(&certificate, Some([&certificate, &key]));
    both(
        pipeline(&broker.mutual_bootstrap(), &other),
        1,
        &["certificate verify failed", "tls.ca"],
    );
    // Another name of the same host.
    let alias = broker.mutual_bootstrap().replace("localhost", "127.1");
    let right = tls(&broker.certificate(), Some([&certificate, &key]));
    both(pipeline(&alias, &right), 1, &["verify failed", "host name"]);
}

#[test]
fn a_protocol_that_is_not_the_listeners_is_told() {
    let broker = kafka::shared();
    topic(broker);
    both(
        pipeline(&broker.mutual_bootstrap(), "protocol = \"plaintext\""),
        1,
        &["kafka.security"],
    );
    let encrypted = tls(&broker.certificate(), None);
    both(pipeline(&broker.bootstrap(), &encrypted), 1, &["kafka.security"]);
    let login = |password: &str, mechanism: &str| {
        format!(
            "protocol = \"sasl_ssl\"\ntls.ca = \"{}\"\nsasl.mechanism = \"{mechanism}\"\nsasl.username = \"{USER}\"\nsasl.password = \"{password}\"",
            broker.certificate().display()
        )
    };
    let secure = broker.secure_bootstrap();
    both(
        pipeline(&secure, &login("guessed", "SCRAM-SHA-256")),
        1,
        &["sasl.password", "kafka.security"],
    );
    both(
        pipeline(&secure, &login(PASSWORD, "SCRAM-SHA-512")),
        1,
        &["sasl.mechanism", "kafka.security"],
    );
}
