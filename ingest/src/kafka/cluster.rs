//! Questions to a cluster: who it is, what topics and offsets it has.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use crate::source::{PartitionRef, Watermarks};

/// The cluster's id; `None` where it has none or cannot be reached.
pub(super) fn cluster_id<C: ConsumerContext>(consumer: &BaseConsumer<C>, limit: Duration) -> Option<String> {
    consumer.client().fetch_cluster_id(limit).filter(|id| !id.is_empty())
}

/// First offset held and end offset, under the client's isolation level.
pub(super) fn watermarks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: &PartitionRef,
    limit: Duration,
) -> KafkaResult<Watermarks> {
    let (low, high) = consumer.fetch_watermarks(&partition.topic, partition.partition, limit)?;
    Ok(Watermarks { low, high })
}

/// End offsets under the client's isolation level: for committed reads the end of what is committed, where reading stops.
pub(super) fn end_offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[PartitionRef],
    limit: Duration,
) -> KafkaResult<Vec<(PartitionRef, i64)>> {
    let mut query = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        // As a time, "end" is the protocol's name for the end offset.
        query.add_partition_offset(&partition.topic, partition.partition, Offset::End)?;
    }
    let found = consumer.offsets_for_times(query, limit)?;
    let end = |partition: &PartitionRef| match found.find_partition(&partition.topic, partition.partition) {
        Some(element) => {
            element.error()?;
            match element.offset() {
                Offset::Offset(offset) => Ok((partition.clone(), offset)),
                _ => Ok((partition.clone(), watermarks(consumer, partition, limit)?.high)),
            }
        }
        None => Err(KafkaError::NoMessageReceived),
    };
    partitions.iter().map(end).collect()
}

/// Offset of the first record whose timestamp is not before `ms`; the end offset where there is none.
pub(super) fn offset_at<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: &PartitionRef,
    ms: i64,
    limit: Duration,
) -> KafkaResult<i64> {
    let mut query = TopicPartitionList::with_capacity(1);
    query.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(ms.max(0)))?;
    let found = consumer.offsets_for_times(query, limit)?;
    let element = found
        .find_partition(&partition.topic, partition.partition)
        .ok_or(KafkaError::NoMessageReceived)?;
    element.error()?;
    match element.offset() {
        Offset::Offset(offset) => Ok(offset),
        _ => Ok(watermarks(consumer, partition, limit)?.high),
    }
}

/// Names and partition counts of all topics that this user may see.
pub(super) fn topics<C: ConsumerContext>(consumer: &BaseConsumer<C>, limit: Duration) -> KafkaResult<Vec<(String, usize)>> {
    let metadata = consumer.fetch_metadata(None, limit)?;
    let mut topics: Vec<_> = metadata
        .topics()
        .iter()
        .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
        .collect();
    topics.sort_unstable();
    Ok(topics)
}
