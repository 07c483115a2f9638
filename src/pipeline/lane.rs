//! A lane: one partition on its way through decoding, aggregation and the tables.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::partition::{PartitionState, Verdict};
use tidegauge_aggregate::record::{Record, Reject};
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::decode::Decoder;
use tidegauge_ingest::kafka::DeadLetter;
use tidegauge_ingest::source::{PartitionReader, PartitionRef, ReadError, SourceError};
use tidegauge_sink::log::{Crc, LastRecord};
use tidegauge_sink::table::{TableError, WorkerTables};
use tokio::time::Instant;

use super::board::LaneStatus;
use crate::console::pipeline::Refused;

/// Records that are read again without output, to get from a snapshot to the committed position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silent {
    /// Records before this are in the snapshot already and only looked at.
    pub(crate) snapshot: i64,
    /// The committed position: from here on records count.
    pub(crate) to: i64,
    /// What the watermark must be there.
    pub(crate) watermark: EventTime,
}

/// Why a lane cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaneError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    DeadLetter(SourceError),
    #[error(
        "{partition}: the record at offset {offset} is not the one that was committed: the topic was deleted and created again, or its cluster lost data. \
         Compare the topic with the commit log; `tidegauge run --reconfigure` opens a new epoch for it"
    )]
    Recreated { partition: PartitionRef, offset: i64 },
    #[error(
        "{partition}: reading offsets {from} to {to} again ended at watermark {found:?} instead of the committed {expected:?}: the records have changed, \
         or were committed by a version that computes other results"
    )]
    Diverged {
        partition: PartitionRef,
        from: i64,
        to: i64,
        found: EventTime,
        expected: EventTime,
    },
    #[error("{partition}: the broker's records end before the committed offset {to}; the topic was truncated or created again")]
    Truncated { partition: PartitionRef, to: i64 },
}

/// What all lanes of a worker share.
pub(crate) struct Tools {
    pub(crate) decoder: Decoder,
    pub(crate) tables: WorkerTables,
    pub(crate) dead_letter: Option<Arc<DeadLetter>>,
    pub(crate) batch: usize,
    /// The newest refused records since they were last asked for.
    pub(crate) refused: VecDeque<Refused>,
}

/// Examples of refused records that are worth keeping.
pub(crate) const EXAMPLES: usize = 10;

impl Tools {
    /// Keeps a refused record as an example.
    fn keep(&mut self, record: &Record<'_>, reject: Reject) {
        if self.refused.len() == EXAMPLES {
            self.refused.pop_front();
        }
        self.refused.push_back(Refused {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            reason: reject.reason,
            field: reject.field,
            detail: reject.detail,
        });
    }
}

/// One partition with its reader and its state.
pub(crate) struct Lane {
    pub(crate) partition: PartitionRef,
    pub(crate) reader: Box<dyn PartitionReader>,
    pub(crate) state: PartitionState,
    pub(crate) status: Arc<LaneStatus>,
    /// Records may vanish after they were read, so that each commit holds a snapshot.
    pub(crate) compacted: bool,
    /// Position of the last cut.
    pub(crate) from: i64,
    /// Next offset.
    pub(crate) position: i64,
    /// End offset at which a bounded run stops.
    pub(crate) stop: Option<i64>,
    pub(crate) silent: Option<Silent>,
    /// The record that the log names as last, to be seen again.
    pub(crate) expected: Option<LastRecord>,
    pub(crate) last: LastSeen,
    pub(crate) accepted_at: Instant,
    /// Will not be read any further, because of an error.
    pub(crate) halted: bool,
}

/// The newest record, kept as it is until a commit wants its checksum.
#[derive(Default)]
pub(crate) struct LastSeen {
    offset: Option<i64>,
    timestamp: Option<i64>,
    bytes: Vec<u8>,
    committed: Option<LastRecord>,
}

impl LastSeen {
    pub(crate) fn committed(record: Option<LastRecord>) -> LastSeen {
        LastSeen {
            committed: record,
            ..LastSeen::default()
        }
    }

    #[inline]
    fn see(&mut self, record: &Record<'_>) {
        self.offset = Some(record.offset);
        self.timestamp = record.timestamp;
        self.bytes.clear();
        for part in [record.key, record.value].into_iter().flatten() {
            self.bytes.extend_from_slice(part);
        }
    }

    pub(crate) fn record(&self) -> Option<LastRecord> {
        match self.offset {
            Some(offset) => Some(LastRecord {
                offset,
                timestamp: self.timestamp,
                crc: Crc::of(&self.bytes),
            }),
            None => self.committed,
        }
    }
}

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) records: usize,
    /// Nothing more to read for this run.
    pub(crate) done: bool,
}

impl Lane {
    /// Reads and handles up to one batch.
    pub(crate) fn step(&mut self, tools: &mut Tools) -> Result<Step, LaneError> {
        if self.finished() {
            return self.finish_silent().map(|()| Step { records: 0, done: true });
        }
        let Lane {
            reader,
            state,
            last,
            silent,
            expected,
            partition,
            stop,
            position,
            ..
        } = self;
        let mut failure: Option<LaneError> = None;
        let mut accepted = false;
        let read = reader.read(tools.batch, &mut |record: &Record<'_>| {
            if failure.is_some() || stop.is_some_and(|stop| record.offset >= stop) {
                return;
            }
            last.see(record);
            if let Some(wanted) = expected
                && record.offset >= wanted.offset
            {
                if record.offset == wanted.offset && last.record() != Some(*wanted) {
                    failure = Some(LaneError::Recreated {
                        partition: partition.clone(),
                        offset: record.offset,
                    });
                    return;
                }
                *expected = None;
            }
            if let Some(quiet) = silent {
                if record.offset < quiet.to {
                    if record.offset >= quiet.snapshot {
                        silently(state, tools, record);
                    }
                    *position = record.offset + 1;
                    return;
                }
                if let Err(error) = end_silence(partition, state, *quiet) {
                    failure = Some(error);
                    return;
                }
                *silent = None;
            }
            match handle(state, tools, record) {
                Ok(verdict) => {
                    accepted |= verdict == Some(Verdict::Accepted);
                    // An error further on in the batch must not lose sight of what has been handled.
                    *position = record.offset + 1;
                }
                Err(error) => failure = Some(error),
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        let read = read?;
        self.position = self.stop.map_or(read.position, |stop| read.position.min(stop)).max(self.position);
        if accepted {
            self.accepted_at = Instant::now();
        }
        self.finish_silent()?;
        if read.at_end
            && let Some(quiet) = self.silent
        {
            return Err(LaneError::Truncated {
                partition: self.partition.clone(),
                to: quiet.to,
            });
        }
        self.status.position.store(self.position, Ordering::Relaxed);
        self.status.watermark.store(self.state.watermark().0, Ordering::Relaxed);
        self.status.at_end.store(read.at_end, Ordering::Relaxed);
        if read.at_end && self.silent.is_none() {
            self.status.caught_up.store(true, Ordering::Relaxed);
        }
        self.status.replaying.store(self.silent.is_some(), Ordering::Relaxed);
        Ok(Step {
            records: read.records,
            done: self.finished(),
        })
    }

    /// Whether this run reads no more of it.
    pub(crate) fn finished(&self) -> bool {
        self.stop.is_some_and(|stop| self.position >= stop)
    }

    fn finish_silent(&mut self) -> Result<(), LaneError> {
        if let Some(quiet) = self.silent
            && self.position >= quiet.to
        {
            end_silence(&self.partition, &mut self.state, quiet)?;
            self.silent = None;
            self.status.watermark.store(self.state.watermark().0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether output may be cut from this lane: not before it has caught up with what is committed.
    pub(crate) fn counts(&self) -> bool {
        self.silent.is_none()
    }
}

fn end_silence(partition: &PartitionRef, state: &mut PartitionState, quiet: Silent) -> Result<(), LaneError> {
    drop(state.take_delta());
    if state.watermark() == quiet.watermark {
        return Ok(());
    }
    Err(LaneError::Diverged {
        partition: partition.clone(),
        from: quiet.snapshot,
        to: quiet.to,
        found: state.watermark(),
        expected: quiet.watermark,
    })
}

fn silently(state: &mut PartitionState, tools: &mut Tools, record: &Record<'_>) {
    match tools.decoder.decode(record) {
        Ok(event) => {
            state.apply(record.timestamp, record.offset, &event, &mut |_| ());
        }
        Err(reject) => state.counters.reject(reject.reason),
    }
}

/// The whole way of one record. Gives its verdict, or none where it was refused.
fn handle(state: &mut PartitionState, tools: &mut Tools, record: &Record<'_>) -> Result<Option<Verdict>, LaneError> {
    let before = state.watermark();
    let event = match tools.decoder.decode(record) {
        Ok(event) => event,
        Err(reject) => {
            state.counters.reject(reject.reason);
            let known = (before != EventTime::MIN).then_some(before);
            tools.tables.append_reject(record, &reject, known)?;
            if let Some(dead_letter) = &tools.dead_letter {
                dead_letter.send(record, &reject).map_err(LaneError::DeadLetter)?;
            }
            tools.keep(record, reject);
            return Ok(None);
        }
    };
    let tables = &mut tools.tables;
    let mut written = Ok(());
    let verdict = state.apply(record.timestamp, record.offset, &event, &mut |attempt| {
        if written.is_ok() {
            written = tables.append_attempt(record.topic, record.partition, attempt);
        }
    });
    written?;
    match verdict {
        Verdict::Accepted => tables.append_event(record, &event)?,
        Verdict::Late => tables.append_late(record, &event, before)?,
        Verdict::Duplicate => (),
    }
    Ok(Some(verdict))
}

/// How one lane stands at a cut.
#[derive(Clone, Debug)]
pub(crate) struct LaneCut {
    pub(crate) partition: PartitionRef,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) watermark: EventTime,
    pub(crate) idle: bool,
    /// This run reads no more of it, and this cut has all that it read.
    pub(crate) done: bool,
    pub(crate) last: Option<LastRecord>,
    pub(crate) counters: Counters,
    /// Open or remembered attempts, known tickets, open journey runs and remembered event ids.
    pub(crate) tracked: [usize; 4],
    /// Encoded state, where one was asked for.
    pub(crate) snapshot: Option<Vec<u8>>,
}
