//! One partition's records, from its own librdkafka queue, on a worker's thread.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, Timestamp};
use tidegauge_aggregate::record::Record;

use super::rebalance::Context;
use crate::source::{OffsetOutOfRange, PartitionReader, PartitionRef, ReadError, ReadState};

/// How long an error waits for the broker's offsets, to have the numbers in its text.
const WATERMARK_TIMEOUT: Duration = Duration::from_secs(5);
const SEEK_TIMEOUT: Duration = Duration::from_secs(30);
/// Headers up to this many cost no allocation.
const INLINE_HEADERS: usize = 16;

pub(super) struct KafkaReader {
    consumer: Arc<BaseConsumer<Context>>,
    queue: PartitionQueue<Context>,
    partition: PartitionRef,
    position: i64,
    at_end: bool,
    revoked: Arc<AtomicBool>,
}

impl KafkaReader {
    pub(super) fn new(
        consumer: Arc<BaseConsumer<Context>>,
        queue: PartitionQueue<Context>,
        partition: PartitionRef,
        start: i64,
        revoked: Arc<AtomicBool>,
    ) -> Self {
        Self {
            consumer,
            queue,
            partition,
            position: start,
            at_end: false,
            revoked,
        }
    }

    fn failed(&self, code: RDKafkaErrorCode) -> ReadError {
        use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange as OutOfRange, TopicAuthorizationFailed, UnknownTopicOrPartition};
        let text = take_signal().reason.unwrap_or_else(|| code.to_string());
        match code {
            AutoOffsetReset | OutOfRange => {
                let PartitionRef { topic, partition } = &self.partition;
                let watermarks = self.consumer.fetch_watermarks(topic, *partition, WATERMARK_TIMEOUT).ok();
                ReadError::OutOfRange(OffsetOutOfRange {
                    partition: self.partition.clone(),
                    wanted: self.position,
                    low: watermarks.map(|(low, _)| low),
                    high: watermarks.map(|(_, high)| high),
                })
            }
            TopicAuthorizationFailed => self.refused(format!(
                "the broker does not let this user read the topic ({text}); grant READ and DESCRIBE on topic {:?} to the user of kafka.security",
                self.partition.topic
            )),
            UnknownTopicOrPartition => self.refused(format!("the topic or partition does not exist any more ({text})")),
            _ => self.refused(text),
        }
    }

    fn refused(&self, reason: String) -> ReadError {
        ReadError::Refused {
            partition: self.partition.clone(),
            position: self.position,
            reason,
        }
    }
}

impl PartitionReader for KafkaReader {
    fn topic(&self) -> &str {
        &self.partition.topic
    }

    fn partition(&self) -> i32 {
        self.partition.partition
    }

    fn read(&mut self, limit: usize, each: &mut dyn FnMut(&Record<'_>)) -> Result<ReadState, ReadError> {
        let mut records = 0;
        while records < limit {
            if self.revoked.load(Ordering::Relaxed) {
                return Err(ReadError::Revoked {
                    partition: self.partition.clone(),
                });
            }
            match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    // A message on its way to us while the partition was paused is delivered again after it is resumed.
                    if message.offset() < self.position {
                        continue;
                    }
                    self.position = message.offset() + 1;
                    self.at_end = false;
                    records += 1;
                    hand_over(&self.partition, &message, each);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.position = self.position.max(take_signal().end_of_partition.unwrap_or(self.position));
                    self.at_end = true;
                }
                Some(Err(error)) => match error.rdkafka_error_code() {
                    Some(code) if is_transient(code) => {
                        tracing::warn!(partition = %self.partition, %error, "reading goes on when the broker is back");
                    }
                    Some(code) => return Err(self.failed(code)),
                    None => return Err(self.refused(error.to_string())),
                },
            }
        }
        Ok(ReadState {
            records,
            position: self.position,
            at_end: self.at_end,
        })
    }

    fn seek(&mut self, offset: i64) -> Result<(), ReadError> {
        let PartitionRef { topic, partition } = &self.partition;
        // librdkafka drops what it has queued from before the seek.
        self.consumer
            .seek(topic, *partition, Offset::Offset(offset), SEEK_TIMEOUT)
            .map_err(|error| self.refused(format!("cannot go back to offset {offset}: {error}")))?;
        self.position = offset;
        self.at_end = false;
        Ok(())
    }

    fn wake(&mut self, worker: Thread) {
        self.queue.set_nonempty_callback(move || worker.unpark());
    }
}

/// Errors after which librdkafka goes on by itself.
fn is_transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::ReplicaNotAvailable
            | Code::BrokerNotAvailable
            | Code::NetworkException
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::Resolve
    )
}

pub(super) fn hand_over(partition: &PartitionRef, message: &BorrowedMessage<'_>, each: &mut dyn FnMut(&Record<'_>)) {
    let timestamp = match message.timestamp() {
        Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => Some(ms).filter(|ms| *ms >= 0),
        Timestamp::NotAvailable => None,
    };
    let mut record = Record {
        topic: &partition.topic,
        partition: partition.partition,
        offset: message.offset(),
        timestamp,
        key: message.key(),
        value: message.payload(),
        headers: &[],
    };
    let Some(headers) = message.headers() else {
        return each(&record);
    };
    let count = headers.count();
    let mut inline = [("", None); INLINE_HEADERS];
    let mut spilled = Vec::new();
    let slots = if count <= INLINE_HEADERS {
        &mut inline[..count]
    } else {
        spilled.resize(count, ("", None));
        &mut spilled[..]
    };
    for (index, slot) in slots.iter_mut().enumerate() {
        *slot = header(headers, index);
    }
    record.headers = slots;
    each(&record);
}

/// One header. The client library panics over a name that is not UTF-8; such a header keeps its place, without its name and value.
fn header(headers: &impl Headers, index: usize) -> (&str, Option<&[u8]>) {
    match catch_unwind(AssertUnwindSafe(|| headers.try_get(index))) {
        Ok(Some(header)) => (header.key, header.value),
        Ok(None) | Err(_) => ("\u{fffd}", None),
    }
}

/// What the error callback says on a worker's thread, just before the same event is returned without its text there.
#[derive(Default)]
struct Signal {
    end_of_partition: Option<i64>,
    reason: Option<String>,
}

thread_local! {
    static SIGNAL: RefCell<Signal> = RefCell::default();
}

/// Notes an error or end of partition; called by the error callback on the thread that polls a partition's queue.
pub(super) fn note_signal(code: RDKafkaErrorCode, reason: &str) {
    SIGNAL.with_borrow_mut(|signal| {
        if code == RDKafkaErrorCode::PartitionEOF {
            signal.end_of_partition = offset_in(reason);
        } else {
            signal.reason = Some(reason.to_owned());
        }
    });
}

fn take_signal() -> Signal {
    SIGNAL.take()
}

fn offset_in(reason: &str) -> Option<i64> {
    let (_, rest) = reason.split_once("reached end of partition at offset ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_offset_is_taken_from_the_signals_text() {
        assert_eq!(
            offset_in("Fetch from broker 1 reached end of partition at offset 1234 (HighwaterMark 1240)"),
            Some(1234)
        );
        assert_eq!(offset_in("Fetch from broker 1 failed: offset 12"), None);
    }

    /// What the client library does with a header whose name is not UTF-8.
    struct Broken;

    impl Headers for Broken {
        fn count(&self) -> usize {
            1
        }

        #[allow(clippy::panic, reason = "as the client library does")]
        fn try_get(&self, _: usize) -> Option<rdkafka::message::Header<'_, &[u8]>> {
            panic!("the name is not UTF-8")
        }
    }

    #[test]
    fn a_header_whose_name_is_not_utf_8_stops_nothing() {
        assert_eq!(header(&Broken, 0), ("\u{fffd}", None));
    }

    #[test]
    fn a_noted_end_offset_is_used_once() {
        note_signal(RDKafkaErrorCode::PartitionEOF, "reached end of partition at offset 7 (");
        assert_eq!(take_signal().end_of_partition, Some(7));
        assert_eq!(take_signal().end_of_partition, None);
    }
}
