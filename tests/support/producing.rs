//! Producers for tests.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message as _};

use crate::reading::Seen;

/// One message to send.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub timestamp: Option<i64>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Message {
    /// A value and nothing else.
    pub fn text(value: &str) -> Message {
        Message {
            value: Some(value.as_bytes().to_vec()),
            ..Message::default()
        }
    }

    /// How it is to be read.
    pub fn seen(&self, offset: i64) -> Seen {
        Seen {
            offset,
            timestamp: self.timestamp,
            key: self.key.clone(),
            value: self.value.clone(),
            headers: self.headers.clone(),
        }
    }
}

/// Fails the test that polls or flushes when a message is not delivered.
pub struct Strict;

impl ClientContext for Strict {}

impl ProducerContext for Strict {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            panic!("{}[{}] does not take a message: {error}", message.topic(), message.partition());
        }
    }
}

/// A producer that acknowledges nothing before the broker has it.
pub fn producer(bootstrap: &str, properties: &[(&str, &str)]) -> BaseProducer<Strict> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "1")
        .set("topic.metadata.refresh.interval.ms", "500")
        .set("acks", "all");
    for (key, value) in properties {
        config.set(*key, *value);
    }
    config.create_with_context(Strict).expect("a producer")
}

/// A producer with a transaction id, ready to begin.
pub fn transactional(bootstrap: &str, id: &str) -> BaseProducer<Strict> {
    let producer = producer(bootstrap, &[("transactional.id", id)]);
    producer.init_transactions(Duration::from_secs(30)).expect("transactions");
    producer
}

/// Sends them and waits until the broker has them.
pub fn produce(producer: &BaseProducer<Strict>, topic: &str, partition: i32, messages: &[Message]) {
    for message in messages {
        send(producer, topic, partition, message);
    }
    producer.flush(Duration::from_secs(60)).expect("all is sent");
}

/// Sends one without waiting for the broker.
pub fn send(producer: &BaseProducer<Strict>, topic: &str, partition: i32, message: &Message) {
    let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
    record.key = message.key.as_deref();
    record.payload = message.value.as_deref();
    record.timestamp = message.timestamp;
    if !message.headers.is_empty() {
        let headers = OwnedHeaders::new();
        let add = |headers: OwnedHeaders, (key, value): &(String, Option<Vec<u8>>)| {
            headers.insert(Header {
                key,
                value: value.as_ref(),
            })
        };
        record = record.headers(message.headers.iter().fold(headers, add));
    }
    while let Err((error, unsent)) = producer.send(record) {
        // A partition that was just added is unknown until the producer's metadata is refreshed.
        let passing = [RDKafkaErrorCode::QueueFull, RDKafkaErrorCode::UnknownPartition];
        assert!(passing.map(KafkaError::MessageProduction).contains(&error), "{error}");
        producer.poll(Duration::from_millis(20));
        record = unsent;
    }
}
