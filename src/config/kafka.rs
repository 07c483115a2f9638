//! Where events come from, and how librdkafka is set up for it.

use std::collections::BTreeMap;

use super::error::Problem;
use super::keys;
use super::model::{Isolation, Kafka, Protocol, Security, Start, Topic};
use super::reader::Reader;
use super::secret::Guarded;
use super::targets::leaves;
use super::tree::{Node, Origin, Value, quote};
use super::value;

/// Properties that Tidegauge must set itself, and why or where.
const OWNED: [(&str, &str); 23] = [
    ("bootstrap.servers", "set `kafka.brokers`"),
    ("metadata.broker.list", "set `kafka.brokers`"),
    ("group.id", "set `kafka.group_id`"),
    ("isolation.level", "set `kafka.isolation`"),
    (
        "auto.offset.reset",
        "set `kafka.start`; afterwards positions come from the commit log",
    ),
    ("enable.auto.commit", "positions are committed with the results they belong to"),
    ("auto.commit.enable", "positions are committed with the results they belong to"),
    ("auto.commit.interval.ms", "set `output.commit_interval`"),
    (
        "enable.auto.offset.store",
        "positions are committed with the results they belong to",
    ),
    ("offset.store.method", "positions are kept in the commit log"),
    ("enable.partition.eof", "idle partitions and `--until-end` are recognised by it"),
    (
        "partition.assignment.strategy",
        "instances share partitions by cooperative assignment",
    ),
    ("group.protocol", "instances share partitions by cooperative assignment"),
    ("group.remote.assignor", "instances share partitions by cooperative assignment"),
    ("security.protocol", "set `kafka.security.protocol`"),
    ("sasl.mechanism", "set `kafka.security.sasl.mechanism`"),
    ("sasl.mechanisms", "set `kafka.security.sasl.mechanism`"),
    ("sasl.username", "set `kafka.security.sasl.username`"),
    ("sasl.password", "set `kafka.security.sasl.password`"),
    ("ssl.ca.location", "set `kafka.security.tls.ca`"),
    ("ssl.certificate.location", "set `kafka.security.tls.cert`"),
    ("ssl.key.location", "set `kafka.security.tls.key`"),
    ("plugin.library.paths", "code is not loaded from a configuration file"),
];

pub(super) fn kafka(reader: &mut Reader<'_>, required: bool) -> Kafka {
    let brokers = reader.guarded(&keys::BROKERS);
    if required && reader.node(&keys::BROKERS).is_none() {
        let place = reader.place(&keys::BROKERS);
        reader.missing(&keys::BROKERS, &place);
    }
    let topics = topics(reader);
    let dead_letter_topic = reader.guarded(&keys::DEAD_LETTER_TOPIC).filter(|topic| !topic.is_empty());
    if let Some(dead) = &dead_letter_topic
        && topics.iter().any(|topic| *topic.name == **dead)
    {
        let place = reader.place(&keys::DEAD_LETTER_TOPIC);
        let problem = Problem::new("`kafka.dead_letter_topic` is one of `kafka.topics`, so rejects would be read and rejected for ever");
        reader.report(&place, problem.expected("another topic"));
    }
    let isolation = reader.get(&keys::ISOLATION, value::text).and_then(|name| Isolation::parse(&name));
    let security = security(reader);
    Kafka {
        brokers,
        topics,
        group_id: reader.guarded(&keys::GROUP_ID).unwrap_or_default(),
        start: reader.get(&keys::START, value::start).unwrap_or(Start::Earliest),
        isolation: isolation.unwrap_or(Isolation::ReadCommitted),
        dead_letter_topic,
        security,
        client: client(reader),
    }
}

fn topics(reader: &mut Reader<'_>) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    let place = reader.place(&keys::TOPICS);
    if let Some(Node {
        value: Value::Array(items),
        ..
    }) = reader.node(&keys::TOPICS)
        && items.is_empty()
    {
        reader.report(&place, Problem::new("`kafka.topics` is empty").expected("at least one topic"));
    }
    for item in reader.texts(&keys::TOPICS) {
        if topics.iter().any(|topic| *topic.name == item.text) {
            let problem = Problem::new("`kafka.topics` names a topic twice")
                .found(item.shown())
                .expected("each topic once");
            reader.report(item.origin.as_ref().unwrap_or(&place), problem);
            continue;
        }
        let regex = item.text.starts_with('^');
        topics.push(Topic {
            name: Guarded::new(item.text, item.hidden),
            regex,
        });
    }
    topics
}

fn security(reader: &mut Reader<'_>) -> Security {
    let protocol = reader.get(&keys::PROTOCOL, value::text).and_then(|name| Protocol::parse(&name));
    let security = Security {
        protocol: protocol.unwrap_or(Protocol::Plaintext),
        sasl_mechanism: reader.guarded(&keys::SASL_MECHANISM),
        sasl_username: reader.guarded(&keys::SASL_USERNAME),
        sasl_password: reader.secret(&keys::SASL_PASSWORD),
        tls_ca: reader.guarded(&keys::TLS_CA),
        tls_cert: reader.guarded(&keys::TLS_CERT),
        tls_key: reader.guarded(&keys::TLS_KEY),
    };
    if let Some(protocol) = protocol {
        check_login(reader, protocol, security.sasl_mechanism.as_ref().map(|m| m.as_str()));
        check_tls(reader, protocol);
    }
    security
}

/// A setting that its protocol would silently ignore is a mistake: somebody believes the connection to be safer than it is.
fn check_login(reader: &mut Reader<'_>, protocol: Protocol, mechanism: Option<&str>) {
    let place = reader.place(&keys::PROTOCOL);
    if !protocol.has_sasl() {
        for key in [&keys::SASL_MECHANISM, &keys::SASL_USERNAME, &keys::SASL_PASSWORD] {
            if let Some(node) = reader.node(key) {
                let problem = Problem::new(format!("`{}` is not used by protocol `{}`", key.path(), protocol.as_str()));
                let expected = "`kafka.security.protocol` to be `sasl_ssl` or `sasl_plaintext`";
                reader.report(&node.origin, problem.expected(expected));
            }
        }
        return;
    }
    if reader.node(&keys::SASL_MECHANISM).is_none() {
        reader.missing(&keys::SASL_MECHANISM, &place);
    }
    if mechanism.is_some_and(|mechanism| mechanism != "OAUTHBEARER") {
        for key in [&keys::SASL_USERNAME, &keys::SASL_PASSWORD] {
            if reader.node(key).is_none() {
                reader.missing(key, &place);
            }
        }
    }
}

fn check_tls(reader: &mut Reader<'_>, protocol: Protocol) {
    if !protocol.has_tls() {
        for key in [&keys::TLS_CA, &keys::TLS_CERT, &keys::TLS_KEY] {
            if let Some(node) = reader.node(key) {
                let problem = Problem::new(format!("`{}` is not used by protocol `{}`", key.path(), protocol.as_str()));
                reader.report(
                    &node.origin,
                    problem.expected("`kafka.security.protocol` to be `ssl` or `sasl_ssl`"),
                );
            }
        }
        return;
    }
    for (present, absent) in [(&keys::TLS_CERT, &keys::TLS_KEY), (&keys::TLS_KEY, &keys::TLS_CERT)] {
        if let Some(node) = reader.node(present)
            && reader.node(absent).is_none()
        {
            reader.missing(absent, &node.origin);
        }
    }
}

fn client(reader: &mut Reader<'_>) -> BTreeMap<String, Guarded<String>> {
    let mut properties = BTreeMap::new();
    let Some(Node {
        value: Value::Table(table),
        ..
    }) = reader.node(&keys::CLIENT)
    else {
        return properties;
    };
    for (name, origin, node) in leaves(table) {
        if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| *owned == name) {
            refuse(reader, &name, reason, origin);
            continue;
        }
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Boolean(value) => value.to_string(),
            _ => continue,
        };
        // Found before anything is shown: a name that is misspelt may be that of a secret.
        if let Some(problem) = tidegauge_ingest::kafka::refused(&name, &text) {
            reader.report(origin, Problem::new(problem));
            continue;
        }
        properties.insert(name.clone(), Guarded::new(text, node.reference.is_some() || is_sensitive(&name)));
    }
    properties
}

fn refuse(reader: &mut Reader<'_>, name: &str, reason: &str, origin: &Origin) {
    let problem = Problem::new(format!(
        "`kafka.client` may not set {}, which Tidegauge sets itself: {reason}",
        quote(name)
    ));
    reader.report(origin, problem);
}

/// Whether a property's value is shown to nobody.
pub(super) fn is_sensitive(property: &str) -> bool {
    let name = property.to_lowercase();
    ["password", "secret", "token", "passphrase", "credential", "assertion"]
        .iter()
        .any(|word| name.contains(word))
        || name.ends_with(".pem")
        || name == "sasl.oauthbearer.config"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_that_hold_secrets_are_recognised() {
        for name in [
            "ssl.key.password",
            "ssl.keystore.password",
            "sasl.oauthbearer.client.secret",
            "ssl.key.pem",
            "sasl.oauthbearer.config",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        assert!(!is_sensitive("fetch.min.bytes"));
    }
}
