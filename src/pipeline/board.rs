//! What workers tell the rest of the process between commits: where every partition stands, and how much waits to be committed.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tidegauge_aggregate::time::{EventTime, Millis};
use tidegauge_ingest::source::PartitionRef;

/// Where one partition stands. Written by its worker, read by everybody.
#[derive(Debug)]
pub(crate) struct LaneStatus {
    pub(crate) partition: PartitionRef,
    pub(crate) position: AtomicI64,
    pub(crate) watermark: AtomicI64,
    /// Read to its end, as far as is known.
    pub(crate) at_end: AtomicBool,
    /// At its end, and nothing accepted for a while.
    pub(crate) idle: AtomicBool,
    /// Will not be read any further by this run.
    pub(crate) done: AtomicBool,
    /// It was read to its end, or to about now, since it was taken over.
    pub(crate) caught_up: AtomicBool,
    /// Waiting for slower partitions or for a commit.
    pub(crate) waiting: AtomicBool,
    /// Reading again what is committed, to get from a snapshot to the committed position.
    pub(crate) replaying: AtomicBool,
}

impl LaneStatus {
    pub(crate) fn new(partition: PartitionRef, position: i64, watermark: EventTime) -> LaneStatus {
        LaneStatus {
            partition,
            position: AtomicI64::new(position),
            watermark: AtomicI64::new(watermark.0),
            at_end: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            done: AtomicBool::new(false),
            caught_up: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            replaying: AtomicBool::new(false),
        }
    }

    pub(crate) fn watermark(&self) -> EventTime {
        EventTime(self.watermark.load(Ordering::Relaxed))
    }

    fn has_records_left(&self) -> bool {
        !self.at_end.load(Ordering::Relaxed) && !self.done.load(Ordering::Relaxed)
    }
}

/// All lanes of this process.
#[derive(Debug)]
pub(crate) struct Board {
    lanes: RwLock<Vec<Arc<LaneStatus>>>,
    /// Records handled since the last cut.
    pub(crate) uncommitted_records: AtomicU64,
    /// Bytes of table rows that wait in workers.
    pub(crate) buffered_bytes: AtomicU64,
    /// Records handled by this process.
    pub(crate) records: AtomicU64,
    /// The committed watermark of the slowest busy partition that others read, as far as is known; the greatest number where there is none.
    others: AtomicI64,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            lanes: RwLock::default(),
            uncommitted_records: AtomicU64::new(0),
            buffered_bytes: AtomicU64::new(0),
            records: AtomicU64::new(0),
            others: AtomicI64::new(i64::MAX),
        }
    }
}

impl Board {
    /// Tells how far the slowest of the partitions is that others read.
    pub(crate) fn set_others(&self, slowest: Option<EventTime>) {
        self.others.store(slowest.map_or(i64::MAX, |slowest| slowest.0), Ordering::Relaxed);
    }

    /// Whether every partition waits for others, with something to commit that would tell them how far it is.
    pub(crate) fn waits_for_others(&self) -> bool {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let left = || lanes.iter().filter(|lane| lane.has_records_left());
        self.uncommitted_records.load(Ordering::Relaxed) > 0
            && left().next().is_some()
            && left().all(|lane| lane.waiting.load(Ordering::Relaxed))
    }

    pub(crate) fn add(&self, lane: Arc<LaneStatus>) {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    pub(crate) fn remove(&self, partition: &PartitionRef) {
        self.lanes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|lane| lane.partition != *partition);
    }

    pub(crate) fn lanes(&self) -> Vec<Arc<LaneStatus>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The watermark beyond which a partition has to wait: that of the slowest that has records left, which counts as at most `now`, plus the
    /// allowed skew.
    pub(crate) fn limit(&self, skew: Millis, now: EventTime) -> EventTime {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let left = lanes.iter().filter(|lane| lane.has_records_left()).map(|lane| lane.watermark());
        let others = EventTime(self.others.load(Ordering::Relaxed));
        match left
            .chain((others != EventTime::MAX).then_some(others))
            .map(|mark| mark.min(now))
            .min()
        {
            Some(EventTime::MIN) => EventTime::MIN,
            Some(slowest) => slowest.plus(skew),
            None => EventTime::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_partitions_with_records_left_make_others_wait() {
        let board = Board::default();
        let slow = Arc::new(LaneStatus::new(PartitionRef::new("t", 0), 0, EventTime(1_000)));
        board.add(Arc::clone(&slow));
        board.add(Arc::new(LaneStatus::new(PartitionRef::new("t", 1), 0, EventTime(9_000))));
        assert_eq!(board.limit(500, EventTime(100_000)), EventTime(1_500));
        slow.at_end.store(true, Ordering::Relaxed);
        assert_eq!(board.limit(500, EventTime(100_000)), EventTime(9_500));
        assert_eq!(
            board.limit(500, EventTime(5_000)),
            EventTime(5_500),
            "a clock that runs ahead counts as at most now"
        );
        board.set_others(Some(EventTime(2_000)));
        assert_eq!(
            board.limit(500, EventTime(100_000)),
            EventTime(2_500),
            "so do the partitions of other processes"
        );
        board.set_others(None);
        assert_eq!(board.limit(500, EventTime(100_000)), EventTime(9_500));
    }
}
