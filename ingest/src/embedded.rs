//! The in-process broker of the demo and of fast tests: librdkafka's mock cluster.
//!
//! It keeps 5 MiB or 100,000 batches a partition and drops the oldest beyond that, so a producer must not run ahead of its consumer; it has
//! no topic administration, no SASL, and answers the end for offsets by time.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::producer::{BaseProducer, Producer};

use crate::source::SourceError;

/// A running broker on a free port of the loopback interface; it ends when dropped.
pub struct EmbeddedBroker {
    // The mock cluster lives in a client of its own, which makes it usable from any thread.
    host: BaseProducer,
}

impl EmbeddedBroker {
    /// Starts a broker with these topics and their partition counts.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, SourceError> {
        let host: BaseProducer = ClientConfig::new()
            .set_log_level(RDKafkaLogLevel::Error)
            .set("test.mock.num.brokers", "1")
            .set("client.id", "embedded-broker")
            .create()
            .map_err(|error| failed(&error.to_string()))?;
        let broker = Self { host };
        for (topic, partitions) in topics {
            broker.create_topic(topic, *partitions)?;
        }
        Ok(broker)
    }

    /// Creates a topic.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), SourceError> {
        let cluster = self
            .host
            .client()
            .mock_cluster()
            .ok_or_else(|| failed("librdkafka has no mock cluster"))?;
        cluster
            .create_topic(topic, partitions, 1)
            .map_err(|error| failed(&format!("topic {topic:?}: {error}")))
    }

    /// What clients connect to.
    pub fn bootstrap_servers(&self) -> Result<String, SourceError> {
        let cluster = self
            .host
            .client()
            .mock_cluster()
            .ok_or_else(|| failed("librdkafka has no mock cluster"))?;
        Ok(cluster.bootstrap_servers())
    }

    /// Properties that its consumers need: an empty fetch waits all of its time, even when records arrive meanwhile.
    #[must_use]
    pub fn client_properties() -> Vec<(String, String)> {
        [("fetch.wait.max.ms", "20"), ("topic.metadata.refresh.interval.ms", "5000")]
            .map(|(key, value)| (key.into(), value.into()))
            .to_vec()
    }
}

fn failed(reason: &str) -> SourceError {
    SourceError {
        fatal: true,
        message: format!("the embedded broker cannot be started: {reason}; use a real one with `tidegauge run`"),
    }
}
