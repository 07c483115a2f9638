//! From the configuration to the settings of the Kafka source.

use std::time::Duration;

use tidegauge_ingest::kafka::Settings;

use crate::config::{Config, Isolation};

/// The settings of the source that this configuration asks for. They hold secrets in the clear.
pub(crate) fn settings(config: &Config) -> Settings {
    let kafka = &config.kafka;
    let brokers = kafka.brokers.as_ref().map(|brokers| brokers.to_string()).unwrap_or_default();
    let topics = kafka.topics.iter().map(|topic| topic.name.to_string()).collect();
    let clear = |(name, value): (String, crate::config::Guarded<String>)| (name, value.to_string());
    let mut settings = Settings::new(brokers, topics, kafka.group_id.to_string());
    settings.read_committed = kafka.isolation == Isolation::ReadCommitted;
    settings.security = kafka.security.properties().into_iter().map(clear).collect();
    settings.client = kafka.client.clone().into_iter().map(clear).collect();
    settings.revoke_deadline = config.shutdown_timeout.max(Duration::from_secs(1));
    settings
}
