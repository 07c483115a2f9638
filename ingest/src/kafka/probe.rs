//! `check --connect`: can the brokers be reached, do the topics exist, may this user read them?

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tidegauge_aggregate::record::Record;

use super::reader::hand_over;
use super::rebalance::explain;
use super::settings::{self, Settings};
use super::{cluster, unanswered};
use crate::source::{PartitionRef, SourceError, Watermarks};

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// The cluster's id, where it has one.
    pub cluster_id: Option<String>,
    /// `host:port` of every broker.
    pub brokers: Vec<String>,
    /// The id of one of them.
    pub broker_id: Option<i32>,
    /// The names of all topics that this user sees, without those that are the cluster's own (`__...`).
    pub visible: Vec<String>,
    /// The topics of the configuration that exist and can be read; regular expressions are left to the subscription.
    pub topics: Vec<ProbedTopic>,
    /// What would keep the pipeline from running, each with what to do about it.
    pub problems: Vec<String>,
}

/// One topic that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbedTopic {
    /// Its name.
    pub name: String,
    /// Its partitions in order, with what the broker holds of each.
    pub partitions: Vec<(i32, Watermarks)>,
}

/// How much of a topic is looked at: as much as the first of these allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Records, evenly from all partitions that hold any.
    pub records: usize,
    /// Bytes of their values.
    pub bytes: usize,
    /// Time.
    pub time: Duration,
}

/// Connects and looks. An error means that the cluster could not be reached at all; lesser problems are in the result.
pub fn probe(settings: &Settings, limit: Duration) -> Result<Probe, SourceError> {
    let deadline = Instant::now() + limit;
    let consumer: BaseConsumer<Collector> = settings
        .plain_consumer()?
        .create_with_context(Collector::default())
        .map_err(|error| settings::client_error(&error))?;
    let metadata = connect(&consumer, settings, deadline)?;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    let mut found = Probe {
        cluster_id: cluster::cluster_id(&consumer, left()),
        brokers: metadata
            .brokers()
            .iter()
            .map(|broker| format!("{}:{}", broker.host(), broker.port()))
            .collect(),
        broker_id: metadata.brokers().first().map(|broker| broker.id()),
        visible: visible(&metadata),
        ..Probe::default()
    };
    found.brokers.sort_unstable();
    for name in settings.topics.iter().filter(|name| !name.starts_with('^')) {
        match probe_topic(&consumer, name, &metadata, left()) {
            Ok(topic) => found.topics.push(topic),
            Err(problem) => found.problems.push(problem),
        }
    }
    found.problems.extend(probe_group(settings, &found.topics, left()));
    Ok(found)
}

/// Hands the newest records of a topic to `each`, without joining the group.
pub fn sample(
    settings: &Settings,
    topic: &ProbedTopic,
    sampling: Sampling,
    each: &mut dyn FnMut(&Record<'_>),
) -> Result<usize, SourceError> {
    let deadline = Instant::now() + sampling.time;
    let consumer: BaseConsumer<Collector> = settings
        .consumer()?
        .create_with_context(Collector::default())
        .map_err(|error| settings::client_error(&error))?;
    let held: Vec<_> = topic.partitions.iter().filter(|(_, marks)| marks.high > marks.low).collect();
    let mut list = TopicPartitionList::with_capacity(held.len());
    let wanted = i64::try_from(sampling.records.div_ceil(held.len().max(1))).unwrap_or(i64::MAX);
    for (partition, Watermarks { low, high }) in &held {
        let start = high.saturating_sub(wanted).max(*low);
        list.add_partition_offset(&topic.name, *partition, Offset::Offset(start))
            .map_err(|error| unanswered("a sample", &error))?;
    }
    let mut open = list.count();
    consumer.assign(&list).map_err(|error| unanswered("a sample", &error))?;
    let (mut seen, mut bytes) = (0, 0);
    while seen < sampling.records && bytes < sampling.bytes && open > 0 && Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                use rdkafka::Message;
                hand_over(&PartitionRef::new(message.topic(), message.partition()), &message, each);
                seen += 1;
                bytes += message.payload_len();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(unanswered(&format!("a sample of topic {:?}", topic.name), &error)),
            None => {}
        }
    }
    Ok(seen)
}

pub(super) fn connect(consumer: &BaseConsumer<Collector>, settings: &Settings, deadline: Instant) -> Result<Metadata, SourceError> {
    loop {
        let error = match consumer.fetch_metadata(None, Duration::from_secs(1)) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        serve_callbacks(consumer);
        let refused = consumer.context().worst().filter(|(code, reason)| lasting(*code, reason).is_some());
        if refused.is_some() || Instant::now() >= deadline {
            return Err(unreachable(settings, consumer.context(), &error));
        }
    }
}

/// Serves the error and log callbacks, which have the reasons.
fn serve_callbacks(consumer: &BaseConsumer<Collector>) {
    while consumer.poll(Duration::from_millis(50)).is_some() {}
}

fn unreachable(settings: &Settings, seen: &Collector, error: &KafkaError) -> SourceError {
    let brokers = &settings.brokers;
    let message = match seen.worst() {
        Some((code, reason)) => {
            let advice = lasting(code, &reason).unwrap_or(
                "check kafka.brokers, that the brokers are up, that this host may connect to them, and that kafka.security matches the listener's \
                 protocol",
            );
            format!("kafka.brokers: {brokers}: {reason} ({code}); {advice}")
        }
        None => format!("kafka.brokers: {brokers}: no answer in time: {error}; check kafka.brokers and that this host may connect to them"),
    };
    SourceError { fatal: true, message }
}

fn probe_topic(consumer: &BaseConsumer<Collector>, name: &str, all: &Metadata, limit: Duration) -> Result<ProbedTopic, String> {
    let metadata = consumer
        .fetch_metadata(Some(name), limit)
        .map_err(|error| format!("topic {name:?}: no metadata: {error}"))?;
    let topic = metadata
        .topics()
        .iter()
        .find(|topic| topic.name() == name)
        .ok_or_else(|| missing(name, all))?;
    if let Some(code) = topic.error().map(RDKafkaErrorCode::from) {
        return Err(match code {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => missing(name, all),
            other => format!("topic {name:?}: {other}; {}", explain(other).unwrap_or("see the broker's log")),
        });
    }
    let mut partitions = Vec::with_capacity(topic.partitions().len());
    for partition in topic.partitions() {
        let reference = PartitionRef::new(name, partition.id());
        let watermarks = cluster::watermarks(consumer, &reference, limit).map_err(|error| {
            let advice = error
                .rdkafka_error_code()
                .and_then(explain)
                .unwrap_or("check that its leader is up");
            format!("{reference}: the broker does not tell its offsets: {error}; {advice}")
        })?;
        partitions.push((partition.id(), watermarks));
    }
    partitions.sort_unstable_by_key(|(partition, _)| *partition);
    Ok(ProbedTopic {
        name: name.to_owned(),
        partitions,
    })
}

fn visible(all: &Metadata) -> Vec<String> {
    let names = all.topics().iter().map(MetadataTopic::name);
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("__")).map(str::to_owned).collect();
    names.sort_unstable();
    names
}

fn missing(name: &str, all: &Metadata) -> String {
    let mut names = visible(all);
    names.truncate(20);
    let others = if names.is_empty() {
        "this user sees no topics".to_owned()
    } else {
        format!("this user sees: {}", names.join(", "))
    };
    format!("topic {name:?} does not exist, or this user may not see it; create it, correct kafka.topics, or grant DESCRIBE ({others})")
}

/// Whether the group's offsets can be read, which needs what joining it needs.
fn probe_group(settings: &Settings, topics: &[ProbedTopic], limit: Duration) -> Option<String> {
    let (topic, partition) = topics
        .iter()
        .find_map(|topic| topic.partitions.first().map(|(partition, _)| (&topic.name, *partition)))?;
    let name = &settings.group_id;
    let consumer: BaseConsumer<Collector> = match settings.consumer() {
        Ok(config) => config.create_with_context(Collector::default()).ok()?,
        Err(error) => return Some(error.message),
    };
    let deadline = Instant::now() + limit;
    loop {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(topic, partition);
        let outcome = consumer.committed_offsets(list, Duration::from_secs(1));
        let error = outcome.map_or_else(Some, |found| found.elements().iter().find_map(|element| element.error().err()))?;
        // A refusal to name the coordinator comes by the error callback, while the question itself goes on waiting.
        serve_callbacks(&consumer);
        let refused = consumer.context().worst().map(|(code, _)| code).or(error.rdkafka_error_code());
        if let Some((code, advice)) = refused.and_then(|code| explain(code).map(|advice| (code, advice))) {
            return Some(format!("kafka.group_id {name:?} cannot be used: {code}; {advice}"));
        }
        if Instant::now() >= deadline {
            return Some(format!(
                "kafka.group_id {name:?} cannot be used: {error}; check that the group coordinator is up"
            ));
        }
    }
}

/// What to do about an error that does not go away by itself. That a broker does not take the client's certificate has no code of its own.
fn lasting(code: RDKafkaErrorCode, reason: &str) -> Option<&'static str> {
    let alerts = [
        "alert bad certificate",
        "certificate required",
        "alert unknown ca",
        "alert certificate unknown",
    ];
    if alerts.iter().any(|alert| reason.contains(alert)) {
        return Some(
            "the broker asks for another certificate of this client: set tls.cert and tls.key in kafka.security to one that an authority has signed \
             which the broker trusts",
        );
    }
    explain(code)
}

/// Keeps the errors that librdkafka reports while it tries.
#[derive(Default)]
pub(super) struct Collector(Mutex<Vec<(RDKafkaErrorCode, String)>>);

impl Collector {
    fn note(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut errors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < 64 {
            errors.push((code, reason.to_owned()));
        }
    }

    /// The error that tells most: one that does not go away by itself, else the first one about a broker.
    fn worst(&self) -> Option<(RDKafkaErrorCode, String)> {
        let errors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = errors.iter().find(|(code, reason)| lasting(*code, reason).is_some());
        let specific = errors.iter().find(|(code, _)| *code != RDKafkaErrorCode::AllBrokersDown);
        lasting.or(specific).or(errors.first()).cloned()
    }
}

impl ClientContext for Collector {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, message);
        // A listener that hangs up on the wrong protocol is told in the log only.
        if facility == "FAIL" {
            self.note(RDKafkaErrorCode::BrokerTransportFailure, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        self.note(code, reason);
    }
}

impl ConsumerContext for Collector {}
