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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use rdkafka::producer::BaseRecord;

    use super::*;
    use crate::kafka::{KafkaSource, Settings};
    use crate::source::{PartitionReader, PartitionRef, Source, SourceEvent, Start};

    #[test]
    fn what_is_produced_is_read_once_and_then_the_end_is_known() {
        let broker = EmbeddedBroker::start(&[("t", 2)]).unwrap();
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap_servers().unwrap())
            .create()
            .unwrap();
        for n in 0..1_000 {
            producer
                .send(BaseRecord::<(), str>::to("t").partition(n % 2).payload("x"))
                .map_err(|(error, _)| error)
                .unwrap();
        }
        producer.flush(Duration::from_secs(10)).unwrap();

        let mut settings = Settings::new(broker.bootstrap_servers().unwrap(), vec!["t".into()], "g");
        settings.client = EmbeddedBroker::client_properties();
        let (sender, events) = channel();
        let source = KafkaSource::start(&settings, sender).unwrap();
        let mut readers: Vec<Box<dyn PartitionReader>> = Vec::new();
        let (mut offsets, mut ended) = ([vec![], vec![]], [false; 2]);
        let deadline = Instant::now() + Duration::from_secs(30);
        while ended != [true; 2] {
            assert!(Instant::now() < deadline, "{ended:?}");
            match events.recv_timeout(Duration::from_millis(5)) {
                Ok(SourceEvent::Assigned { partitions, reply }) => {
                    assert_eq!(
                        partitions.iter().map(|offered| offered.partition.partition).collect::<Vec<_>>(),
                        [0, 1]
                    );
                    reply.send(vec![Start::Earliest, Start::At(100)]);
                }
                Ok(SourceEvent::Started(started)) => readers.extend(started.into_iter().map(|started| started.reader)),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
            for reader in &mut readers {
                let partition = usize::try_from(reader.partition()).unwrap();
                let state = reader.read(64, &mut |record| offsets[partition].push(record.offset)).unwrap();
                assert!(state.records <= 64);
                ended[partition] = state.at_end && state.position == 500;
            }
        }
        assert_eq!(offsets, [(0..500).collect::<Vec<_>>(), (100..500).collect()]);
        let both = [PartitionRef::new("t", 0), PartitionRef::new("t", 1)];
        let ends = source.end_offsets(&both, Duration::from_secs(5)).unwrap();
        assert_eq!(ends.iter().map(|(_, end)| *end).collect::<Vec<_>>(), [500, 500]);

        source.stop();
        let revoked = events.recv_timeout(Duration::from_secs(10)).unwrap();
        let SourceEvent::Revoked { partitions, reply, .. } = revoked else {
            panic!("{revoked:?}")
        };
        assert_eq!(partitions, both);
        reply.send(());
        assert!(matches!(
            events.recv_timeout(Duration::from_secs(10)).unwrap(),
            SourceEvent::Stopped
        ));
        let error = readers[0]
            .read(1, &mut |_| panic!("nothing is read after the partition is gone"))
            .unwrap_err();
        assert!(error.to_string().contains("no longer assigned"), "{error}");
    }
}
