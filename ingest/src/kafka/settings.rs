//! How the Kafka clients are configured: what is ours for correctness, what is a default, what users may pass through.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::source::SourceError;

/// What the Kafka source needs to know.
#[derive(Clone)]
pub struct Settings {
    /// `host:port` of some brokers, separated by commas.
    pub brokers: String,
    /// Topic names; one that begins with `^` is a regular expression.
    pub topics: Vec<String>,
    /// Consumer group.
    pub group_id: String,
    /// Hand out only what transactions committed.
    pub read_committed: bool,
    /// librdkafka security properties, such as `sasl.password`; values are never logged.
    pub security: Vec<(String, String)>,
    /// Any other librdkafka property, as the user wrote it.
    pub client: Vec<(String, String)>,
    /// How long revoked partitions are kept for the pipeline to commit.
    pub revoke_deadline: Duration,
    /// How often lag and queue lengths are refreshed.
    pub statistics_interval: Duration,
}

impl Settings {
    /// Settings with the defaults of the configuration file.
    #[must_use]
    pub fn new(brokers: impl Into<String>, topics: Vec<String>, group_id: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topics,
            group_id: group_id.into(),
            read_committed: true,
            security: Vec::new(),
            client: Vec::new(),
            revoke_deadline: Duration::from_secs(30),
            statistics_interval: Duration::from_secs(1),
        }
    }

    /// The consumer's properties: defaults, then the user's, then what correctness rests on.
    pub(super) fn consumer(&self) -> Result<ClientConfig, SourceError> {
        let mut config = self.base()?;
        for (key, value) in CONSUMER_DEFAULTS {
            if config.get(key).is_none() {
                config.set(*key, *value);
            }
        }
        let interval = self.statistics_interval.as_millis().max(100);
        config
            .set("group.id", &self.group_id)
            .set(
                "isolation.level",
                if self.read_committed {
                    "read_committed"
                } else {
                    "read_uncommitted"
                },
            )
            .set("statistics.interval.ms", interval.to_string())
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("partition.assignment.strategy", "cooperative-sticky");
        Ok(config)
    }

    /// A client without a group, for metadata and end offsets.
    pub(super) fn plain_consumer(&self) -> Result<ClientConfig, SourceError> {
        let mut config = self.consumer()?;
        config.remove("group.id").remove("statistics.interval.ms");
        Ok(config)
    }

    /// A producer that neither loses nor reorders.
    pub(super) fn producer(&self) -> Result<ClientConfig, SourceError> {
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Info)
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "tidegauge");
        config.set("linger.ms", "20").set("compression.type", "zstd");
        let consumer_only = |key: &str| CONSUMER_DEFAULTS.iter().any(|(default, _)| *default == key) || CONSUMER_PROPERTIES.contains(&key);
        for (key, value) in self.client.iter().chain(&self.security).filter(|(key, _)| !consumer_only(key)) {
            config.set(key, value);
        }
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "20")
            .set("compression.type", "zstd");
        Ok(config)
    }

    fn base(&self) -> Result<ClientConfig, SourceError> {
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Info)
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "tidegauge");
        for (key, value) in self.client.iter().chain(&self.security) {
            if let Some(reason) = reserved(key) {
                let message = format!("kafka.client: {key:?} cannot be set, because {reason}; remove it");
                return Err(SourceError { fatal: true, message });
            }
            config.set(key, value);
        }
        readable(&self.security)?;
        Ok(config)
    }
}

/// Files of `kafka.security` and their keys there.
const FILES: [(&str, &str); 3] = [
    ("ssl.ca.location", "tls.ca"),
    ("ssl.certificate.location", "tls.cert"),
    ("ssl.key.location", "tls.key"),
];

/// Whether the files can be read; librdkafka would tell neither the file nor why.
fn readable(security: &[(String, String)]) -> Result<(), SourceError> {
    for (property, name) in FILES {
        let given = security.iter().find(|(key, _)| key == property);
        // librdkafka takes a directory of certificates too, and `probe` as the system's.
        if let Some((_, path)) = given.filter(|(_, path)| path != "probe")
            && let Err(error) = std::fs::metadata(path).and_then(|about| {
                if about.is_dir() {
                    Ok(())
                } else {
                    std::fs::File::open(path).map(drop)
                }
            })
        {
            let message = format!(
                "kafka.security.{name}: {path} cannot be read: {error}; correct the path, or let the user that runs tidegauge read it"
            );
            return Err(SourceError { fatal: true, message });
        }
    }
    Ok(())
}

/// Why a librdkafka property cannot be passed through, if it cannot.
#[must_use]
pub fn reserved(key: &str) -> Option<&'static str> {
    Some(match key {
        "bootstrap.servers" | "metadata.broker.list" => "kafka.brokers names the brokers",
        "group.id" => "kafka.group_id names the group",
        "isolation.level" => "kafka.isolation sets it",
        "auto.offset.reset" | "topic.auto.offset.reset" => "positions come from the commit log, and missing offsets must be an error",
        "enable.auto.commit" | "auto.commit.enable" | "auto.commit.interval.ms" => {
            "offsets are committed to the group after the commit log has them, for lag tools only"
        }
        "enable.auto.offset.store" => "offsets are stored after the commit log has them",
        "enable.partition.eof" => "idle partitions are told by the end-of-partition signal",
        "partition.assignment.strategy" => "partitions are handed over cooperatively",
        "group.protocol" | "group.remote.assignor" => "the consumer-group protocol is the classic cooperative one",
        "statistics.interval.ms" => "lag gauges set it",
        "transactional.id" => "the commit log takes the place of Kafka transactions",
        _ => return None,
    })
}

/// Why librdkafka does not take a property, or not with this value, if so. Asks no broker and reads no file.
#[must_use]
pub fn refused(name: &str, value: &str) -> Option<String> {
    let mut config = ClientConfig::new();
    config.set(name, value);
    config.create_native_config().err().map(|error| client_error(&error).message)
}

/// Checks properties without a broker: unknown names, values out of range, combinations that librdkafka refuses.
pub fn validate(settings: &Settings) -> Result<(), SourceError> {
    let config = settings.consumer()?;
    let _: rdkafka::consumer::BaseConsumer = config.create().map_err(|error| client_error(&error))?;
    Ok(())
}

pub(super) fn client_error(error: &rdkafka::error::KafkaError) -> SourceError {
    use rdkafka::error::KafkaError;
    let message = match error {
        // The value may be a password, so only its name is told.
        KafkaError::ClientConfig(_, description, key, _) if !description.contains("value") => {
            format!(
                "kafka.client: {key:?} is not accepted by librdkafka: {description}; see librdkafka's CONFIGURATION.md for its properties"
            )
        }
        KafkaError::ClientConfig(_, _, key, _) => {
            format!("kafka.client: the value of {key:?} is not accepted by librdkafka; see librdkafka's CONFIGURATION.md for what it takes")
        }
        KafkaError::ClientCreation(description) => {
            let named = FILES.iter().find(|(property, _)| description.contains(property));
            let advice = match named {
                Some((_, name)) => format!("kafka.security.{name} is no such file in PEM format, or does not fit tls.cert and tls.key"),
                None => "check kafka.security and kafka.client".to_owned(),
            };
            format!("the Kafka client cannot be created: {description}; {advice}")
        }
        other => format!("the Kafka client cannot be created: {other}"),
    };
    SourceError { fatal: true, message }
}

/// Defaults that users may override.
const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    // The back-off of a full queue decides throughput once queues are bounded; the default of a second starves fast workers.
    ("fetch.queue.backoff.ms", "20"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.min.bytes", "1"),
    ("fetch.max.bytes", "16777216"),
    ("max.partition.fetch.bytes", "2097152"),
    // Per partition, since each has a queue of its own.
    ("queued.max.messages.kbytes", "8192"),
    ("queued.min.messages", "50000"),
    ("session.timeout.ms", "45000"),
    // The callback waits for the pipeline to commit; it is bounded by the revoke deadline, far below this.
    ("max.poll.interval.ms", "600000"),
    // How soon new partitions and new topics of a regular expression are seen.
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "5000"),
    ("allow.auto.create.topics", "false"),
    ("check.crcs", "true"),
];

/// Consumer-only properties beyond the defaults, not to be handed to the producer.
const CONSUMER_PROPERTIES: &[&str] = &[
    "group.instance.id",
    "heartbeat.interval.ms",
    "fetch.error.backoff.ms",
    "fetch.message.max.bytes",
    "coordinator.query.interval.ms",
    "consume.callback.max.messages",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn settings(client: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::new("localhost:1", vec!["t".into()], "g");
        settings.client = client.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        settings
    }

    #[test]
    fn what_exactness_rests_on_cannot_be_overridden() {
        for key in [
            "auto.offset.reset",
            "enable.auto.commit",
            "isolation.level",
            "partition.assignment.strategy",
            "group.id",
        ] {
            let error = settings(&[(key, "x")]).consumer().unwrap_err();
            assert!(error.fatal && error.message.contains(key), "{error}");
        }
    }

    #[test]
    fn any_other_property_is_passed_through_and_beats_the_default() {
        let config = settings(&[("fetch.wait.max.ms", "7"), ("client.rack", "r1")]).consumer().unwrap();
        assert_eq!(config.get("fetch.wait.max.ms"), Some("7"));
        assert_eq!(config.get("client.rack"), Some("r1"));
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
    }

    #[test]
    fn librdkafka_accepts_the_defaults() {
        validate(&settings(&[])).unwrap();
    }

    #[test]
    fn an_unknown_property_is_named() {
        let error = validate(&settings(&[("fetch.wiat.max.ms", "7")])).unwrap_err();
        assert!(error.message.contains("fetch.wiat.max.ms"), "{error}");
    }

    #[test]
    fn a_refused_value_is_not_repeated_since_it_may_be_a_secret() {
        let error = validate(&settings(&[("security.protocol", "hunter2")])).unwrap_err();
        assert!(
            error.message.contains("security.protocol") && !error.message.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn a_property_alone_is_checked_by_its_name_and_its_value() {
        assert_eq!(refused("fetch.wait.max.ms", "7"), None);
        assert_eq!(refused("ssl.key.location", "/no/such/file"), None);
        let message = refused("fetch.wait.max.ms", "soon").unwrap();
        assert!(message.contains("fetch.wait.max.ms") && !message.contains("soon"), "{message}");
        let message = refused("ssl.key.pasword", "hunter2").unwrap();
        assert!(message.contains("ssl.key.pasword") && !message.contains("hunter2"), "{message}");
    }

    #[test]
    fn tls_and_sasl_are_built_in() {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let mut settings = settings(&[]);
            settings.security = [
                ("security.protocol", "SASL_SSL"),
                ("sasl.mechanism", mechanism),
                ("sasl.username", "u"),
                ("sasl.password", "p"),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .to_vec();
            validate(&settings).unwrap();
        }
    }

    #[test]
    fn consumer_properties_do_not_reach_the_producer() {
        let config = settings(&[("queued.min.messages", "7"), ("socket.timeout.ms", "5000")])
            .producer()
            .unwrap();
        assert_eq!(config.get("queued.min.messages"), None);
        assert_eq!(config.get("socket.timeout.ms"), Some("5000"));
    }
}
