//! `status`: how far the brokers are, for a pipeline that need not be running.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::probe::{Collector, connect};
use super::settings::{self, Settings};
use super::{cluster, unanswered};
use crate::source::{PartitionRef, SourceError, Watermarks};

/// What the brokers hold of some partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The cluster's id, where it has one.
    pub cluster_id: Option<String>,
    /// The offsets of each partition that exists and that this user may see.
    pub partitions: BTreeMap<PartitionRef, Watermarks>,
}

/// Asks the brokers which offsets they hold, under the isolation level of the settings; joins no group.
///
/// # Errors
/// Where the brokers cannot be reached, or do not answer in time.
pub fn held(settings: &Settings, wanted: &[PartitionRef], limit: Duration) -> Result<Held, SourceError> {
    let deadline = Instant::now() + limit;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    let consumer: BaseConsumer<Collector> = settings
        .plain_consumer()?
        .create_with_context(Collector::default())
        .map_err(|error| settings::client_error(&error))?;
    let metadata = connect(&consumer, settings, deadline)?;
    let visible = |partition: &&PartitionRef| {
        let topic = metadata.topics().iter().find(|topic| topic.name() == &*partition.topic);
        topic.is_some_and(|topic| topic.partitions().iter().any(|found| found.id() == partition.partition))
    };
    let wanted: Vec<&PartitionRef> = wanted.iter().filter(visible).collect();
    // As times, these are the protocol's names for the first and the end offset.
    let asked = offsets(&consumer, &wanted, Offset::Beginning, left())
        .and_then(|low| Ok((low, offsets(&consumer, &wanted, Offset::End, left())?)))
        .map_err(|error| unanswered("which offsets the partitions have", &error))?;
    let both = wanted.iter().zip(asked.0).zip(asked.1);
    Ok(Held {
        cluster_id: cluster::cluster_id(&consumer, left()),
        partitions: both
            .filter_map(|((partition, low), high)| Some(((*partition).clone(), Watermarks { low: low?, high: high? })))
            .collect(),
    })
}

/// One offset of each partition, in their order; none where its broker refused to tell.
fn offsets(consumer: &BaseConsumer<Collector>, wanted: &[&PartitionRef], which: Offset, limit: Duration) -> KafkaResult<Vec<Option<i64>>> {
    let mut query = TopicPartitionList::with_capacity(wanted.len());
    for partition in wanted {
        query.add_partition_offset(&partition.topic, partition.partition, which)?;
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let found = consumer.offsets_for_times(query, limit)?;
    let told = |partition: &&PartitionRef| {
        let element = found.find_partition(&partition.topic, partition.partition)?;
        match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => Some(offset),
            _ => None,
        }
    };
    Ok(wanted.iter().map(told).collect())
}
