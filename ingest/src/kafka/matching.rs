//! What a new pipeline has to know of its topics before it joins the group: which ones an expression names, and where a time begins.

use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::probe::ProbedTopic;
use super::settings::{self, Settings};
use super::{cluster, unanswered};
use crate::source::{PartitionRef, SourceError};

fn client(settings: &Settings) -> Result<BaseConsumer, SourceError> {
    let mut config = settings.plain_consumer()?;
    config.set_log_level(RDKafkaLogLevel::Error);
    config.create().map_err(|error| settings::client_error(&error))
}

/// The topics that exist now and that one of the configured expressions matches.
///
/// # Errors
/// Where the cluster does not answer, or an expression is none.
pub fn matching(settings: &Settings, limit: Duration) -> Result<Vec<ProbedTopic>, SourceError> {
    let expressions: Vec<regex::Regex> = settings
        .topics
        .iter()
        .filter(|topic| topic.starts_with('^'))
        .map(|topic| {
            regex::Regex::new(topic).map_err(|error| SourceError {
                fatal: true,
                message: format!("kafka.topics: {topic:?} is no regular expression: {error}"),
            })
        })
        .collect::<Result<_, _>>()?;
    let consumer = client(settings)?;
    let names = cluster::topics(&consumer, limit).map_err(|error| unanswered("which topics there are", &error))?;
    let mut found = Vec::new();
    for (name, partitions) in names {
        if !expressions.iter().any(|expression| expression.is_match(&name)) {
            continue;
        }
        let mut topic = ProbedTopic {
            name,
            partitions: Vec::new(),
        };
        for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            let partition = PartitionRef::new(topic.name.as_str(), partition);
            let marks = cluster::watermarks(&consumer, &partition, limit);
            let marks = marks.map_err(|error| unanswered(&format!("which offsets {partition} has"), &error))?;
            topic.partitions.push((partition.partition, marks));
        }
        found.push(topic);
    }
    Ok(found)
}

/// For each partition the first offset whose record is not before a time (ms); the end offset where there is none.
///
/// # Errors
/// Where the cluster does not answer.
pub fn offsets_at(settings: &Settings, partitions: &[PartitionRef], time: i64, limit: Duration) -> Result<Vec<i64>, SourceError> {
    let consumer = client(settings)?;
    let failed = |error: &rdkafka::error::KafkaError| unanswered("which offsets a time has", error);
    let mut query = TopicPartitionList::new();
    for PartitionRef { topic, partition } in partitions {
        query
            .add_partition_offset(topic, *partition, Offset::Offset(time))
            .map_err(|e| failed(&e))?;
    }
    let answer = consumer.offsets_for_times(query, limit).map_err(|e| failed(&e))?;
    partitions
        .iter()
        .map(|partition| {
            let found = answer
                .find_partition(&partition.topic, partition.partition)
                .map(|element| element.offset());
            match found {
                Some(Offset::Offset(offset)) => Ok(offset),
                _ => cluster::watermarks(&consumer, partition, limit)
                    .map(|marks| marks.high)
                    .map_err(|e| failed(&e)),
            }
        })
        .collect()
}
