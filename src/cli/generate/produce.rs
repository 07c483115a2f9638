//! The traffic into Kafka.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::{Generated, Options, USUAL_PARTITIONS, describe};
use crate::cli::failure::Failure;
use crate::cli::progress::ProgressLine;
use crate::cli::signal;
use crate::generate::{GeneratedRecord, TOPICS};

/// How long the cluster has to answer, and to take what is under way at the end.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a paced generator sleeps at most, so that it soon hears of Ctrl-C.
const NAP: Duration = Duration::from_millis(50);
/// Records between two looks at deliveries.
const POLL_EVERY: u64 = 256;

/// Sends records until there are enough, or until this process is asked to stop.
pub(super) fn produce(brokers: &str, options: &Options, line: &mut ProgressLine) -> Result<Generated, Failure> {
    let config = client_config(brokers, options);
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default()).map_err(|error| {
        Failure::Usage(format!(
            "the Kafka producer cannot be created: {error}; check --brokers and --property"
        ))
    })?;
    let partitions = prepare_topics(&producer, &config, brokers, options.partitions)?;
    let mut generator = options.generator(partitions)?;
    let stop = signal::stop_flag()?;
    let paced = options.rate > 0.0;
    let mut generated = Generated::default();
    let began = Instant::now();
    while options.events.is_none_or(|events| generated.written.records < events) && !stop.load(Ordering::Acquire) {
        let record = generator.draw();
        let due = Duration::from_millis(u64::try_from(record.timestamp.saturating_sub(options.start)).unwrap_or(0));
        if paced && !wait_until(began + due, &producer, &stop) {
            break;
        }
        if !send(&producer, record, &stop)? {
            break;
        }
        generated.written.records += 1;
        generated.written.refused += u64::from(record.refused.is_some());
        generated.written.bytes += (record.key().len() + record.value().map_or(0, <[u8]>::len)) as u64;
        if generated.written.records.is_multiple_of(POLL_EVERY) || paced {
            producer.poll(Duration::ZERO);
            producer.context().check(brokers)?;
            line.show(|seconds| describe(&generated.written, options.events, seconds));
        }
    }
    generated.event_time = generator.event_time();
    let flushed = producer.flush(PATIENCE);
    producer.context().check(brokers)?;
    let delivered = producer.context().delivered.load(Ordering::Acquire);
    if flushed.is_err() || delivered < generated.written.records {
        return Err(Failure::Running(format!(
            "{brokers} confirmed only {delivered} of {} records within {} s; check that the brokers are up",
            generated.written.records,
            PATIENCE.as_secs()
        )));
    }
    Ok(generated)
}

fn client_config(brokers: &str, options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set_log_level(RDKafkaLogLevel::Warning)
        .set("bootstrap.servers", brokers)
        .set("client.id", "tidegauge-generate")
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "65536");
    for (key, value) in &options.property {
        config.set(key, value);
    }
    config
}

/// Makes sure that both topics exist, and tells how many partitions the traffic is spread over.
fn prepare_topics(producer: &BaseProducer<Deliveries>, config: &ClientConfig, brokers: &str, wanted: Option<u32>) -> Result<u32, Failure> {
    let metadata = producer.client().fetch_metadata(None, PATIENCE).map_err(|error| {
        let reason = producer
            .context()
            .reason()
            .map_or_else(String::new, |reason| format!(" ({reason})"));
        Failure::Running(format!(
            "{brokers} cannot be reached: {error}{reason}; check --brokers, and --property for the security settings"
        ))
    })?;
    let existing: Vec<(&str, u32)> = TOPICS
        .iter()
        .filter_map(|name| {
            let topic = metadata
                .topics()
                .iter()
                .find(|topic| topic.name() == *name && topic.error().is_none())?;
            Some((*name, u32::try_from(topic.partitions().len()).ok().filter(|count| *count > 0)?))
        })
        .collect();
    let least = existing.iter().map(|(_, count)| *count).min();
    let partitions = wanted.or(least).unwrap_or(USUAL_PARTITIONS);
    if let Some((name, count)) = existing.iter().find(|(_, count)| *count < partitions) {
        return Err(Failure::Usage(format!(
            "topic {name} has {count} partitions, but {partitions} were asked for; use --partitions {count}, or leave it out"
        )));
    }
    let missing: Vec<&str> = TOPICS
        .into_iter()
        .filter(|name| !existing.iter().any(|(known, _)| known == name))
        .collect();
    if !missing.is_empty() {
        create_topics(config, &missing, partitions)?;
    }
    Ok(partitions)
}

fn create_topics(config: &ClientConfig, names: &[&str], partitions: u32) -> Result<(), Failure> {
    let cannot = |reason: String| {
        let advice = "create them yourself, or grant this user CREATE";
        Failure::Running(format!("the topics {} cannot be created: {reason}; {advice}", names.join(", ")))
    };
    let admin: AdminClient<DefaultClientContext> = config.create().map_err(|error| cannot(error.to_string()))?;
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    // -1 is the broker's default.
    let topics: Vec<NewTopic<'_>> = names
        .iter()
        .map(|name| NewTopic::new(name, count, TopicReplication::Fixed(-1)))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| cannot(error.to_string()))?;
    let limits = AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .request_timeout(Some(PATIENCE));
    let results = runtime
        .block_on(admin.create_topics(&topics, &limits))
        .map_err(|error| cannot(error.to_string()))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(cannot(format!("{name}: {code}"))),
        }
    }
    Ok(())
}

/// `false` if this process was asked to stop meanwhile.
fn wait_until(time: Instant, producer: &BaseProducer<Deliveries>, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Acquire) {
            return false;
        }
        let left = time.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        producer.poll(Duration::ZERO);
        std::thread::sleep(left.min(NAP));
    }
}

/// Queues one record; a full queue waits. `false` if this process was asked to stop meanwhile.
fn send(producer: &BaseProducer<Deliveries>, record: &GeneratedRecord, stop: &AtomicBool) -> Result<bool, Failure> {
    let mut message = BaseRecord::<[u8], [u8]>::to(record.topic)
        .key(record.key())
        .partition(record.partition)
        .timestamp(record.timestamp);
    message.payload = record.value();
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(true),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) => {
                if stop.load(Ordering::Acquire) {
                    return Ok(false);
                }
                message = unsent;
                producer.poll(NAP);
            }
            Err((error, _)) => {
                return Err(Failure::Running(format!(
                    "a record for topic {} cannot be sent: {error}",
                    record.topic
                )));
            }
        }
    }
}

/// What became of what was sent.
#[derive(Default)]
struct Deliveries {
    delivered: AtomicU64,
    failure: Mutex<Option<String>>,
    reason: Mutex<Option<String>>,
}

impl Deliveries {
    fn check(&self, brokers: &str) -> Result<(), Failure> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(failure) => Err(Failure::Running(format!(
                "{brokers} did not take a record: {failure}; nothing more was sent"
            ))),
            None => Ok(()),
        }
    }

    /// The newest error of the connection.
    fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", %error, reason);
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::AcqRel);
            }
            Err((error, _)) => {
                self.failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert_with(|| error.to_string());
            }
        }
    }
}
