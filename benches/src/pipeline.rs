//! The pipeline as one worker thread runs it, from a record in memory to the merged panes and the encoded row groups.

use std::sync::Arc;

use tidegauge_aggregate::merger::Merger;
use tidegauge_aggregate::partition::{PartitionState, Verdict};
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};
use tidegauge_sink::table::{EncodedRowGroup, TableError, TableOptions, WorkerTables};

use crate::traffic::{LANES, Traffic};

/// Records between two drains: what a core reads in less than a second, which is as often as gauges ask for it.
pub const DRAIN: usize = 500_000;

/// One worker with its partitions, and the merger behind it.
pub struct Pipeline {
    decoder: Decoder,
    lanes: Vec<PartitionState>,
    /// Committed panes.
    pub merger: Merger,
    tables: Option<WorkerTables>,
    /// Row groups so far.
    pub groups: Vec<EncodedRowGroup>,
}

/// The plan of the default configuration.
#[must_use]
pub fn default_plan() -> Arc<Plan> {
    Arc::new(Plan::new(Spec::default()))
}

impl Pipeline {
    /// A pipeline that has read nothing; it writes tables if there are options for them.
    ///
    /// # Errors
    ///
    /// Two columns of a table have the same name.
    pub fn new(plan: &Arc<Plan>, tables: Option<&TableOptions>) -> Result<Pipeline, TableError> {
        let limits = DecodeLimits {
            max_record_bytes: plan.spec.max_record_bytes,
            max_future_skew: plan.spec.max_future_skew,
        };
        Ok(Pipeline {
            decoder: Decoder::new(limits),
            lanes: (0..LANES).map(|_| PartitionState::new(Arc::clone(plan))).collect(),
            merger: Merger::new(Arc::clone(plan)),
            tables: tables.map(WorkerTables::new).transpose()?,
            groups: Vec::new(),
        })
    }

    /// Handles every record and drains now and then and at the end. The input is not closed.
    ///
    /// # Errors
    ///
    /// A row group cannot be encoded.
    pub fn run(&mut self, traffic: &Traffic) -> Result<(), TableError> {
        for (n, (lane, record)) in traffic.records().enumerate() {
            if n % DRAIN == DRAIN - 1 {
                self.drain();
            }
            let Some(state) = self.lanes.get_mut(lane) else { continue };
            let before = state.watermark();
            let event = match self.decoder.decode(&record) {
                Ok(event) => event,
                Err(reject) => {
                    state.counters.reject(reject.reason);
                    if let Some(tables) = &mut self.tables {
                        tables.append_reject(&record, &reject, (before != EventTime::MIN).then_some(before))?;
                    }
                    continue;
                }
            };
            let Some(tables) = &mut self.tables else {
                state.apply(record.timestamp, record.offset, &event, &mut |_| ());
                continue;
            };
            let mut written = Ok(());
            let verdict = state.apply(record.timestamp, record.offset, &event, &mut |attempt| {
                if written.is_ok() {
                    written = tables.append_attempt(record.topic, record.partition, attempt);
                }
            });
            written?;
            match verdict {
                Verdict::Accepted => tables.append_event(&record, &event)?,
                Verdict::Late => tables.append_late(&record, &event, before)?,
                Verdict::Duplicate => (),
            }
        }
        self.drain();
        if let Some(tables) = &mut self.tables {
            self.groups = tables.flush()?;
        }
        Ok(())
    }

    fn drain(&mut self) {
        for state in &mut self.lanes {
            self.merger.apply(&state.take_delta());
        }
    }

    /// The least watermark of all partitions.
    #[must_use]
    pub fn watermark(&self) -> EventTime {
        self.lanes.iter().map(PartitionState::watermark).min().unwrap_or(EventTime::MIN)
    }

    /// What became of the records: accepted, late, duplicates.
    #[must_use]
    pub fn verdicts(&self) -> [u64; 3] {
        self.lanes.iter().fold([0; 3], |[a, l, d], lane| {
            let counters = &lane.counters;
            [a + counters.accepted, l + counters.late, d + counters.duplicate]
        })
    }
}

/// The whole way of all records.
///
/// # Errors
///
/// As [`Pipeline::new`] and [`Pipeline::run`].
pub fn run(plan: &Arc<Plan>, traffic: &Traffic, tables: Option<&TableOptions>) -> Result<Pipeline, TableError> {
    let mut pipeline = Pipeline::new(plan, tables)?;
    pipeline.run(traffic)?;
    Ok(pipeline)
}
