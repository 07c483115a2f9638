//! Rule 8 under `on_gap = "record"`: offsets that were lost are named by an entry of the log, and reading goes on behind them.

use std::sync::Arc;

use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_ingest::source::PartitionRef;
use tidegauge_sink::log::{Gap, Kind, PartitionEntry, SnapshotAt};

use super::PipelineError;
use super::commit::Committer;
use super::recover::{RESULTS_VERSION, Resume, from_log, to_log};

impl Committer {
    /// Records that `[from, to)` of a partition is lost and gives what it goes on with. Its watermark and counters are kept; its trackers begin
    /// anew, since what they knew cannot be read again.
    pub(crate) async fn record_gap(&mut self, partition: &PartitionRef, from: i64, to: i64, reason: &str) -> Result<Resume, PipelineError> {
        let log = self.log.state();
        let known = log.position(&partition.topic, partition.partition).map(|p| p.newest.clone());
        let committed = log.next_offset(&partition.topic, partition.partition).unwrap_or(from);
        let counters = known.as_ref().map(|n| Counters::from_map(&n.counters)).unwrap_or_default();
        let watermark = from_log(known.as_ref().and_then(|n| n.watermark));
        let state = PartitionState::after_gap(Arc::clone(&self.plan), watermark, counters);
        let mut draft = self.log.draft()?;
        let end = to.max(committed);
        draft.kind = Kind::Gap {
            gap: Gap {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                from,
                to,
                reason: reason.to_owned(),
            },
        };
        let bytes = postcard::to_allocvec(&state.snapshot()).map_err(|error| PipelineError {
            message: format!("a snapshot cannot be encoded: {error}"),
            usage: false,
            again: false,
        })?;
        let at = SnapshotAt {
            topic: &partition.topic,
            partition: partition.partition,
            offset: end,
            epoch: self.log.epoch(),
            results: RESULTS_VERSION,
        };
        let snapshot = Some(self.log.stager().snapshot(draft.nonce, at, &bytes).await?);
        draft.partitions.push(PartitionEntry {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            from: committed,
            to: end,
            watermark: to_log(watermark),
            idle: false,
            last: None,
            counters: state.counters.to_map(),
            snapshot,
        });
        tracing::warn!("{reason}; the gap is on record");
        self.create(&draft).await?;
        self.stats.gaps += 1;
        self.stats.gap_records += to.saturating_sub(from).unsigned_abs();
        Ok(Resume {
            state,
            read_from: end,
            needed_from: end,
            to: end,
            silent: None,
            expected: None,
        })
    }
}
