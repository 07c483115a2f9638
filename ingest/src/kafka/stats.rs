//! What librdkafka's statistics say about lag and queues, for gauges and the status page.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rdkafka::Statistics;

use crate::source::PartitionRef;

/// The newest statistics of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Per partition that this process reads.
    pub partitions: BTreeMap<PartitionRef, PartitionStats>,
    /// Connected brokers.
    pub brokers_up: usize,
    /// Brokers known.
    pub brokers_known: usize,
    /// Rebalances since start.
    pub rebalances: i64,
    /// Bytes received since start.
    pub received_bytes: i64,
    /// Records received since start.
    pub received_records: i64,
}

impl ClientStats {
    /// Whether brokers are known and none of them is connected. A consumer that has partitions is always fetching, so this is no idleness.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.brokers_known > 0 && self.brokers_up == 0
    }
}

/// The newest statistics of one partition; a number that the broker has not told yet is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionStats {
    /// First offset held.
    pub low: Option<i64>,
    /// End offset, open transactions included.
    pub high: Option<i64>,
    /// End of what is committed; reading stops here.
    pub stable: Option<i64>,
    /// Next offset to read.
    pub position: Option<i64>,
    /// Records between the next one to read and the end.
    pub lag: Option<i64>,
    /// Records fetched and not read yet.
    pub queued_records: i64,
    /// Their bytes.
    pub queued_bytes: u64,
}

/// Where the statistics callback leaves them.
#[derive(Debug, Default)]
pub(super) struct StatsCell(Mutex<ClientStats>);

impl StatsCell {
    pub(super) fn set(&self, statistics: &Statistics) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = summarise(statistics);
    }

    pub(super) fn get(&self) -> ClientStats {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn summarise(statistics: &Statistics) -> ClientStats {
    let known = |offset: i64| Some(offset).filter(|offset| *offset >= 0);
    let mut partitions = BTreeMap::new();
    for topic in statistics.topics.values() {
        // `desired` marks what is assigned; other entries are leftovers of metadata.
        for partition in topic
            .partitions
            .values()
            .filter(|partition| partition.desired && partition.partition >= 0)
        {
            let stats = PartitionStats {
                low: known(partition.lo_offset),
                high: known(partition.hi_offset),
                stable: known(partition.ls_offset),
                position: known(partition.app_offset),
                lag: known(partition.ls_offset)
                    .zip(known(partition.app_offset))
                    .map(|(end, position)| (end - position).max(0)),
                queued_records: partition.fetchq_cnt,
                queued_bytes: partition.fetchq_size,
            };
            partitions.insert(PartitionRef::new(topic.topic.as_str(), partition.partition), stats);
        }
    }
    let brokers = || statistics.brokers.values().filter(|broker| broker.nodeid >= 0);
    ClientStats {
        partitions,
        brokers_up: brokers().filter(|broker| broker.state == "UP").count(),
        brokers_known: brokers().count(),
        rebalances: statistics.cgrp.as_ref().map_or(0, |group| group.rebalance_cnt),
        received_bytes: statistics.rxmsg_bytes,
        received_records: statistics.rxmsgs,
    }
}
