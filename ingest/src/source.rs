//! The seam between where records come from and the pipeline, so that rebalance logic needs no broker to test.
//!
//! A [`Source`] tells a coordinator what happens to it by [`SourceEvent`]s and hands out one [`PartitionReader`] for each partition; worker
//! threads own the readers and pull batches of borrowed records from them.
//!
//! ```text
//! Assigned{low, high} --reply: where to start--> Started{readers}      (the source waits for the reply)
//! Revoked{deadline}   --reply: committed------>  partitions given back (the source waits until the deadline)
//! Lost                                           discard; someone else may read them already
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tidegauge_aggregate::record::Record;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionRef {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
}

impl PartitionRef {
    /// Names a partition.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for PartitionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// The records of one partition in offset order. Owned by one worker thread.
pub trait PartitionReader: Send {
    /// Topic name.
    fn topic(&self) -> &str;

    /// Partition number.
    fn partition(&self) -> i32;

    /// Hands up to `limit` records to `each`, in offset order and each offset once, without waiting.
    fn read(&mut self, limit: usize, each: &mut dyn FnMut(&Record<'_>)) -> Result<ReadState, ReadError>;

    /// Reads on from `offset`, for a pipeline that discards what it staged and starts again from its log.
    fn seek(&mut self, offset: i64) -> Result<(), ReadError>;

    /// Unparks `worker` when records arrive after [`PartitionReader::read`] found none. A hint: a worker parks with a time-out all the same.
    fn wake(&mut self, worker: Thread) {
        let _ = worker;
    }
}

/// Where a reader stands after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// Records handed out in this batch.
    pub records: usize,
    /// Next offset to read; at the end of a partition it is also past transaction markers and compaction gaps.
    pub position: i64,
    /// The position is the partition's end offset (for committed reads, the end of what is committed) and nothing is buffered.
    pub at_end: bool,
}

/// Why a partition cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset to read next is gone or not there yet.
    #[error("{0}")]
    OutOfRange(OffsetOutOfRange),
    /// The partition was revoked or lost: the reader is to be dropped.
    #[error("{partition} is no longer assigned to this process: drop its reader and discard what is not committed")]
    Revoked {
        /// The partition.
        partition: PartitionRef,
    },
    /// The broker refuses: for good, as far as this process can tell.
    #[error("cannot read {partition} at offset {position}: {reason}")]
    Refused {
        /// The partition.
        partition: PartitionRef,
        /// Next offset to read.
        position: i64,
        /// What the broker or file says, and what to do.
        reason: String,
    },
}

/// The offset to read next lies outside of what the broker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetOutOfRange {
    /// The partition.
    pub partition: PartitionRef,
    /// The offset that reading has to go on from.
    pub wanted: i64,
    /// First offset that the broker holds, where it could be asked.
    pub low: Option<i64>,
    /// The broker's end offset, where it could be asked.
    pub high: Option<i64>,
}

impl OffsetOutOfRange {
    /// The offsets `[from, to)` that Kafka has deleted, where that is the case.
    #[must_use]
    pub fn missing(&self) -> Option<(i64, i64)> {
        self.low.filter(|&low| low > self.wanted).map(|low| (self.wanted, low))
    }
}

impl fmt::Display for OffsetOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            wanted,
            low,
            high,
        } = self;
        match (self.missing(), low, high) {
            (Some((from, to)), _, _) => write!(
                f,
                "{partition}: offsets {from} to {to} (exclusive, {} of them) were deleted before they were read: reading has to go on at {from}, \
                 the broker's first offset is {to}; retention is shorter than the time this pipeline was behind. Set output.on_gap = \"record\" to \
                 go on at {to} with the gap on record, and lengthen the topic's retention",
                to - from
            ),
            (None, Some(low), Some(high)) if wanted > high => write!(
                f,
                "{partition}: reading has to go on at offset {wanted}, but the broker's offsets are {low} to {high} (exclusive): the topic was \
                 deleted and created again, or the cluster lost data. Compare the topic with the commit log before going on with --reconfigure"
            ),
            (None, Some(low), Some(high)) => write!(
                f,
                "{partition}: the broker refused offset {wanted} although its offsets are {low} to {high} (exclusive) now; it may just have \
                 changed leaders. Try again"
            ),
            _ => write!(
                f,
                "{partition}: the broker does not hold offset {wanted}, where reading has to go on, and could not be asked for its range; \
                 check the topic's retention and the broker's health"
            ),
        }
    }
}

/// A partition that was just assigned, with what the broker holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The partition.
    pub partition: PartitionRef,
    /// First offset held and end offset, where the broker could be asked; a gap is a low one above the offset to start from.
    pub watermarks: Option<Watermarks>,
}

/// The range of offsets that a broker holds of a partition, under the source's isolation level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// First offset held.
    pub low: i64,
    /// End offset; for committed reads, the end of what is committed.
    pub high: i64,
}

impl Offered {
    /// The range error of starting at `offset`, if there is one.
    #[must_use]
    pub fn out_of_range(&self, offset: i64) -> Option<OffsetOutOfRange> {
        let Watermarks { low, high } = self.watermarks?;
        (offset < low || offset > high).then(|| OffsetOutOfRange {
            partition: self.partition.clone(),
            wanted: offset,
            low: Some(low),
            high: Some(high),
        })
    }
}

/// Where to start reading a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this offset, which must be there.
    At(i64),
    /// At the first offset that the broker holds.
    Earliest,
    /// At the end offset.
    Latest,
    /// At the first record whose timestamp (ms) is not before this; at the end where there is none.
    Time(i64),
    /// Not at all: the partition stays assigned, but no reader is handed out.
    Hold,
}

/// A partition whose reading starts.
pub struct Started {
    /// The partition.
    pub partition: PartitionRef,
    /// The offset it starts at, resolved from what was asked for.
    pub start: i64,
    /// Its reader, for one worker.
    pub reader: Box<dyn PartitionReader>,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Started({} at {})", self.partition, self.start)
    }
}

/// What a source tells the coordinator.
#[derive(Debug)]
pub enum SourceEvent {
    /// Partitions joined this process; the source waits for one start for each, in this order.
    Assigned {
        /// The partitions, in order of topic and number.
        partitions: Vec<Offered>,
        /// Takes one [`Start`] for each; dropped without an answer, all are held.
        reply: Reply<Vec<Start>>,
    },
    /// Reading starts, after the answer to `Assigned`.
    Started(Vec<Started>),
    /// Partitions are about to leave; the source waits for the answer until the deadline. Commit or discard, drop their readers, answer.
    Revoked {
        /// The partitions, in order.
        partitions: Vec<PartitionRef>,
        /// When the source gives them back whether answered or not.
        deadline: Instant,
        /// Takes the answer; dropping it answers too.
        reply: Reply<()>,
    },
    /// Partitions left without notice: discard what is not committed. Another process may read them already.
    Lost(Vec<PartitionRef>),
    /// Something went wrong.
    Error(SourceError),
    /// The last event: the source has left the group and its threads have ended.
    Stopped,
}

/// Something that went wrong outside of a single partition's reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// The source cannot go on; otherwise it goes on trying.
    pub fatal: bool,
    /// What, where, why and what to do.
    pub message: String,
}

/// The answering end of a question from the source.
#[derive(Debug)]
pub struct Reply<T>(SyncSender<T>);

/// The asking end, for implementations of sources.
#[derive(Debug)]
pub struct Pending<T>(Receiver<T>);

/// How a question ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// With an answer.
    Given(T),
    /// The reply was dropped, or whoever had it is gone.
    Dropped,
    /// The deadline passed.
    TimedOut,
}

impl<T> Reply<T> {
    /// A question: the reply for the event, and the end that waits for it.
    #[must_use]
    pub fn channel() -> (Reply<T>, Pending<T>) {
        let (sender, receiver) = sync_channel(1);
        (Reply(sender), Pending(receiver))
    }

    /// Answers. Never blocks; an answer that comes too late is dropped.
    pub fn send(self, answer: T) {
        let _ = self.0.try_send(answer);
    }
}

impl<T> Pending<T> {
    /// Waits until the reply is sent or dropped, or the time is over, or nobody is left to answer.
    #[must_use]
    pub fn wait(self, limit: Duration, abandoned: &AtomicBool) -> Answer<T> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left.min(Duration::from_millis(50))) {
                Ok(answer) => return Answer::Given(answer),
                Err(RecvTimeoutError::Disconnected) => return Answer::Dropped,
                Err(RecvTimeoutError::Timeout) if abandoned.load(Ordering::Acquire) => return Answer::Dropped,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Answer::TimedOut,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// What the pipeline asks of a source while it runs; every call is safe from any thread.
pub trait Source: Send + Sync {
    /// Stops fetching these partitions. What they have buffered is dropped and fetched again on [`Source::resume`]; the source stays in its group.
    fn pause(&self, partitions: &[PartitionRef]);

    /// Fetches them again.
    fn resume(&self, partitions: &[PartitionRef]);

    /// Tells lag tools how far the pipeline has committed, as next offsets to read. Never an error: nothing depends on it.
    fn report_positions(&self, positions: &[(PartitionRef, i64)]);

    /// End offsets now; for committed reads, the end of what is committed.
    fn end_offsets(&self, partitions: &[PartitionRef], limit: Duration) -> Result<Vec<(PartitionRef, i64)>, SourceError>;

    /// Begins to leave: partitions are revoked as in a rebalance, then `Stopped` is sent.
    fn stop(&self);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn offered(low: i64, high: i64) -> Offered {
        Offered {
            partition: PartitionRef::new("t", 3),
            watermarks: Some(Watermarks { low, high }),
        }
    }

    #[test]
    fn deleted_offsets_are_an_error_with_the_missing_range_in_it() {
        let error = offered(100, 200).out_of_range(40).unwrap();
        assert_eq!(error.missing(), Some((40, 100)));
        let text = error.to_string();
        assert!(
            text.contains("t[3]") && text.contains("40 to 100") && text.contains("60 of them"),
            "{text}"
        );
        assert!(text.contains("on_gap"), "{text}");
    }

    #[test]
    fn an_offset_beyond_the_end_means_that_the_topic_was_recreated() {
        let error = offered(0, 10).out_of_range(11).unwrap();
        assert_eq!(error.missing(), None);
        assert!(error.to_string().contains("created again"), "{error}");
    }

    #[test]
    fn the_first_and_the_end_offset_are_in_range() {
        assert_eq!(offered(5, 10).out_of_range(5), None);
        assert_eq!(offered(5, 10).out_of_range(10), None);
    }

    #[test]
    fn a_dropped_reply_ends_the_wait_at_once() {
        let (reply, pending) = Reply::<()>::channel();
        drop(reply);
        assert_eq!(pending.wait(Duration::from_secs(60), &AtomicBool::new(false)), Answer::Dropped);
    }

    #[test]
    fn nobody_waits_for_a_coordinator_that_is_gone() {
        let (reply, pending) = Reply::<()>::channel();
        assert_eq!(pending.wait(Duration::from_secs(60), &AtomicBool::new(true)), Answer::Dropped);
        drop(reply);
    }

    #[test]
    fn an_answer_after_the_deadline_blocks_nobody() {
        let (reply, pending) = Reply::channel();
        assert_eq!(pending.wait(Duration::from_millis(1), &AtomicBool::new(false)), Answer::TimedOut);
        reply.send(1);
    }
}
