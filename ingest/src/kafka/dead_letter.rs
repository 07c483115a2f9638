//! The dead-letter topic: refused records as they were, at least once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use tidegauge_aggregate::record::{Record, Reject};

use super::rebalance::log_line;
use super::settings::{self, Settings};
use crate::source::SourceError;

/// How long a full producer queue may hold up a worker.
const QUEUE_PATIENCE: Duration = Duration::from_secs(60);

/// Writes refused records to the dead-letter topic. A commit waits for [`DeadLetter::flush`]; what was sent and not committed is sent again.
pub struct DeadLetter {
    producer: ThreadedProducer<Delivery>,
    topic: String,
}

impl DeadLetter {
    /// A producer for `topic` with the source's brokers and security.
    pub fn new(settings: &Settings, topic: impl Into<String>) -> Result<Self, SourceError> {
        let producer = settings
            .producer()?
            .create_with_context(Delivery::default())
            .map_err(|error| settings::client_error(&error))?;
        Ok(Self {
            producer,
            topic: topic.into(),
        })
    }

    /// Queues one record with its key, value, headers and timestamp, and where it came from and why it was refused in headers.
    pub fn send(&self, record: &Record<'_>, reject: &Reject) -> Result<(), SourceError> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 6);
        for &(key, value) in record.headers {
            headers = headers.insert(Header { key, value });
        }
        let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
        for (key, value) in [
            ("tidegauge.topic", record.topic),
            ("tidegauge.partition", &partition),
            ("tidegauge.offset", &offset),
            ("tidegauge.reason", reject.reason.as_str()),
            ("tidegauge.field", reject.field),
            ("tidegauge.detail", &reject.detail),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut message = BaseRecord::<[u8], [u8]>::to(&self.topic).headers(headers);
        message.key = record.key;
        message.payload = record.value;
        message.timestamp = record.timestamp;
        let deadline = Instant::now() + QUEUE_PATIENCE;
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) if Instant::now() < deadline => {
                    message = unsent;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err((error, _)) => return Err(self.failed(&error.to_string())),
            }
        }
    }

    /// Waits until the broker has everything that was sent. After an error nothing may be committed that refused one of these records.
    pub fn flush(&self, limit: Duration) -> Result<(), SourceError> {
        self.producer.flush(limit).map_err(|error| self.failed(&error.to_string()))?;
        match self
            .producer
            .context()
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            Some(failure) => Err(self.failed(&failure)),
            None => Ok(()),
        }
    }

    fn failed(&self, reason: &str) -> SourceError {
        let message = format!(
            "kafka.dead_letter_topic: refused records could not be written to {:?}: {reason}; check that the topic exists and that the user of \
             kafka.security may WRITE to it, or leave dead_letter_topic empty: the `rejects` table has them in any case",
            self.topic
        );
        SourceError { fatal: false, message }
    }
}

/// Remembers the first delivery that failed since the last flush.
#[derive(Default)]
struct Delivery {
    failure: Mutex<Option<String>>,
}

impl ClientContext for Delivery {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka producer of the dead-letter topic");
    }
}

impl ProducerContext for Delivery {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| format!("{error} (a record of {} bytes)", message.payload().map_or(0, <[u8]>::len)));
        }
    }
}
