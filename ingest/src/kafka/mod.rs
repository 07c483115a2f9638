//! The Kafka source: one consumer, a queue for each partition, positions from the pipeline's own log.
//!
//! ```text
//! librdkafka fetch threads --partition queue (bounded by queued.max.messages.kbytes)--> KafkaReader on a worker thread
//!                          --main queue: rebalances, statistics, errors---------------> the `kafka` thread --> SourceEvent
//! ```
//!
//! Back-pressure is a worker that does not read: the partition's queue fills up and fetching stops, while the `kafka` thread goes on polling,
//! so that waiting never costs the group membership.

mod cluster;
mod dead_letter;
mod held;
mod matching;
mod policy;
mod probe;
mod reader;
mod rebalance;
mod settings;
mod stats;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

pub use dead_letter::DeadLetter;
pub use held::{Held, held};
pub use matching::{matching, offsets_at};
pub use policy::compacted;
pub use probe::{Probe, ProbedTopic, Sampling, probe, sample};
pub use settings::{Settings, refused, reserved, validate};
pub use stats::{ClientStats, PartitionStats};

use self::rebalance::Context;
use crate::source::{PartitionRef, Source, SourceError, SourceEvent, Watermarks};

/// How often the `kafka` thread looks whether it is to stop.
const POLL: Duration = Duration::from_millis(100);
/// How long leaving the group may take beyond the revoke deadline.
const LEAVE: Duration = Duration::from_secs(10);

/// A running consumer. Dropping it leaves the group at once, without waiting for a commit; [`Source::stop`] leaves in good order.
pub struct KafkaSource {
    consumer: Arc<BaseConsumer<Context>>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl KafkaSource {
    /// Joins the group and subscribes; what happens from then on is sent to `events`.
    pub fn start(settings: &Settings, events: Sender<SourceEvent>) -> Result<Self, SourceError> {
        let config = settings.consumer()?;
        let context = Context::new(events, settings.revoke_deadline);
        let consumer: BaseConsumer<Context> = config
            .create_with_context(context)
            .map_err(|error| settings::client_error(&error))?;
        let consumer = Arc::new(consumer);
        let _ = consumer.context().consumer.set(Arc::downgrade(&consumer));
        let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| SourceError {
            fatal: true,
            message: format!("kafka.topics: cannot subscribe to {topics:?}: {error}; a leading ^ makes a name a regular expression"),
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("kafka".into())
            .spawn({
                let (consumer, stop, patience) = (Arc::clone(&consumer), Arc::clone(&stop), settings.revoke_deadline + LEAVE);
                move || poll_main_queue(&consumer, &stop, patience)
            })
            .map_err(|error| SourceError {
                fatal: true,
                message: format!("the thread that polls Kafka cannot be started: {error}"),
            })?;
        Ok(Self {
            consumer,
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The cluster's id; `None` where it cannot be reached or has none.
    #[must_use]
    pub fn cluster_id(&self, limit: Duration) -> Option<String> {
        cluster::cluster_id(&self.consumer, limit)
    }

    /// The range of offsets that the broker holds now.
    pub fn watermarks(&self, partition: &PartitionRef, limit: Duration) -> Result<Watermarks, SourceError> {
        cluster::watermarks(&self.consumer, partition, limit).map_err(|error| unanswered(&format!("which offsets {partition} has"), &error))
    }

    /// Names and partition counts of all topics that this user may see.
    pub fn topics(&self, limit: Duration) -> Result<Vec<(String, usize)>, SourceError> {
        cluster::topics(&self.consumer, limit).map_err(|error| unanswered("which topics there are", &error))
    }

    /// The newest statistics: lag, queues, brokers.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.consumer.context().stats.get()
    }

    /// What is assigned now.
    #[must_use]
    pub fn assigned(&self) -> Vec<PartitionRef> {
        self.consumer.context().assigned()
    }

    /// Waits until the source has stopped, after [`Source::stop`].
    pub fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn list(partitions: &[PartitionRef]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for PartitionRef { topic, partition } in partitions {
            list.add_partition(topic, *partition);
        }
        list
    }
}

impl Source for KafkaSource {
    fn pause(&self, partitions: &[PartitionRef]) {
        if let Err(error) = self.consumer.pause(&Self::list(partitions)) {
            tracing::warn!(%error, "partitions could not be paused; their queues stay bounded");
        }
    }

    fn resume(&self, partitions: &[PartitionRef]) {
        if let Err(error) = self.consumer.resume(&Self::list(partitions)) {
            self.consumer.context().fail(
                true,
                format!("paused partitions could not be resumed: {error}; restart the process"),
            );
        }
    }

    fn report_positions(&self, positions: &[(PartitionRef, i64)]) {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (PartitionRef { topic, partition }, offset) in positions {
            if let Err(error) = list.add_partition_offset(topic, *partition, Offset::Offset(*offset)) {
                tracing::warn!(%error, topic = &**topic, partition, offset, "a position for lag tools is not an offset");
                return;
            }
        }
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::info!(%error, "offsets for lag tools could not be sent; the next commit sends them again");
        }
    }

    fn end_offsets(&self, partitions: &[PartitionRef], limit: Duration) -> Result<Vec<(PartitionRef, i64)>, SourceError> {
        cluster::end_offsets(&self.consumer, partitions, limit).map_err(|error| unanswered("the end offsets", &error))
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.consumer.context().abandoned.store(true, Ordering::Release);
        self.stop();
        self.join();
    }
}

fn unanswered(what: &str, error: &KafkaError) -> SourceError {
    SourceError {
        fatal: false,
        message: format!("Kafka could not be asked for {what}: {error}; check that its brokers are up"),
    }
}

fn poll_main_queue(consumer: &BaseConsumer<Context>, stop: &AtomicBool, patience: Duration) {
    let context = Arc::clone(consumer.context());
    let _ = context.poller.set(std::thread::current().id());
    let mut leave_by = None;
    let mut strayed = false;
    loop {
        match consumer.poll(POLL) {
            None => {}
            Some(Ok(_)) if strayed => {}
            Some(Ok(message)) => {
                use rdkafka::Message;
                strayed = true;
                let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
                // It would be lost to the partition's reader, so nothing read from here on can be trusted.
                context.fail(
                    true,
                    format!("{topic}[{partition}]: offset {offset} arrived outside of its queue: a bug, please report it"),
                );
            }
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                context.fail(true, format!("the Kafka client failed for good: {code}; restart the process"));
            }
            // The error callback has told it, with its text.
            Some(Err(_)) => {}
        }
        match leave_by {
            None if stop.load(Ordering::Acquire) => {
                // Revokes everything, which asks the pipeline to commit.
                consumer.unsubscribe();
                leave_by = Some(Instant::now() + patience);
            }
            None => {}
            Some(deadline) if context.assigned().is_empty() || Instant::now() > deadline => break,
            Some(_) => {}
        }
    }
    context.send(SourceEvent::Stopped);
}
