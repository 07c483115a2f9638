//! What a process has handled but not committed, for the reporter's gauges: one file of soft state that is overwritten every `live_interval`.
//! It counts only while the log stands where it says that it goes on from, so that nothing is shown twice.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::source::PartitionRef;
use tidegauge_sink::log::{BlobKind, LogError, LogState, blob, paths};
use tidegauge_sink::store::Listed;

use super::PipelineError;
use super::commit::{encode, heavy};
use super::coordinator::Engine;
use super::recover::from_log;
use super::reporter::partitions;

/// The largest share that a reporter reads.
const MAX_BYTES: u64 = 1 << 30;

/// What one process has handled but not committed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    epoch: u64,
    lanes: Vec<SharedLane>,
    pub(crate) delta: PaneStore,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SharedLane {
    topic: String,
    partition: i32,
    /// The committed offset that the delta goes on from.
    from: i64,
    watermark: EventTime,
    idle: bool,
}

impl SharedLane {
    fn partition(&self) -> PartitionRef {
        PartitionRef::new(self.topic.as_str(), self.partition)
    }
}

impl Share {
    /// Whether it goes on from exactly where the log stands.
    fn fits(&self, log: &LogState) -> bool {
        self.epoch == log.epoch
            && self
                .lanes
                .iter()
                .all(|lane| log.next_offset(&lane.topic, lane.partition) == Some(lane.from))
    }
}

/// Of shares from newest to oldest, those that fit the log and of which no partition is read by someone newer.
fn select(shares: Vec<Share>, log: &LogState, own: &BTreeSet<PartitionRef>) -> Vec<Share> {
    let mut taken = own.clone();
    let mut selected = Vec::new();
    for share in shares {
        let partitions: Vec<PartitionRef> = share.lanes.iter().map(SharedLane::partition).collect();
        if share.fits(log) && !partitions.iter().any(|p| taken.contains(p)) {
            selected.push(share);
        }
        // Whatever an older share says of them is out of date.
        taken.extend(partitions);
    }
    selected
}

impl Engine {
    /// Whether some of the pipeline's partitions are read by others, or by nobody.
    pub(crate) fn has_company(&self) -> bool {
        partitions(self.committer.log.state()).any(|p| !self.lanes.contains_key(&p))
    }

    /// Reads what others have committed, and tells workers how far the slowest of the others is.
    pub(crate) async fn follow(&mut self) -> Result<(), PipelineError> {
        self.committer.follow().await?;
        let log = self.committer.log.state();
        let others = partitions(log).filter(|p| !self.lanes.contains_key(p));
        let positions = others
            .filter_map(|p| log.position(&p.topic, p.partition))
            .filter(|p| !p.newest.idle);
        self.board.set_others(positions.map(|p| from_log(p.newest.watermark)).min());
        Ok(())
    }

    /// Exchanges shares: the reporter reads the others', all others write theirs. What fails here only makes gauges older.
    pub(crate) async fn exchange(&mut self) -> Result<(), PipelineError> {
        if self.committer.reporter.is_some() {
            match self.read_shares().await {
                Ok(shares) => self.shares = shares,
                Err(error) => tracing::debug!(%error, "what other processes have not committed could not be read"),
            }
            return Ok(());
        }
        self.shares.clear();
        let share = Share {
            epoch: self.committer.log.epoch(),
            lanes: self
                .lanes
                .values()
                .map(|lane| SharedLane {
                    topic: lane.partition.topic.to_string(),
                    partition: lane.partition.partition,
                    from: lane.from,
                    watermark: lane.watermark,
                    idle: lane.idle,
                })
                .collect(),
            // Given back below: a store of panes is not cheap to copy.
            delta: std::mem::take(&mut self.uncommitted),
        };
        let file = heavy(|| encode(&share).and_then(|payload| Ok(blob::encode(BlobKind::Live, &payload)?)));
        self.uncommitted = share.delta;
        let log = &self.committer.log;
        if let Err(error) = log.store().replace(&paths::live(log.writer()), file?).await {
            tracing::debug!(%error, "the share of the gauges could not be written");
        }
        Ok(())
    }

    async fn read_shares(&self) -> Result<Vec<Share>, LogError> {
        let log = &self.committer.log;
        let mut files = log.store().list(paths::LIVE).await?;
        files.retain(|file| paths::writer_of(&file.path, paths::LIVE).is_some_and(|writer| writer != log.writer()));
        files.sort_by(|a, b| (b.modified, &b.path).cmp(&(a.modified, &a.path)));
        let mut shares = Vec::new();
        for Listed { path, .. } in files {
            let share = match log.store().get(&path, MAX_BYTES).await {
                Ok(file) => blob::decode(&file, BlobKind::Live, &path, MAX_BYTES)
                    .map_err(|error| error.to_string())
                    .and_then(|payload| postcard::from_bytes::<Share>(&payload).map_err(|error| error.to_string())),
                Err(error) => Err(error.to_string()),
            };
            match share {
                Ok(share) if share.delta.fits(&self.committer.plan) => shares.push(share),
                Ok(_) => tracing::debug!(path, "a share of the gauges is of another specification"),
                Err(error) => tracing::debug!(path, error, "a share of the gauges could not be read"),
            }
        }
        Ok(select(shares, log.state(), &self.lanes.keys().cloned().collect()))
    }

    /// Removes the own share: another speaks for this process's partitions from now on.
    pub(crate) async fn withdraw_share(&mut self) {
        let log = &self.committer.log;
        if let Err(error) = log.store().delete(&paths::live(log.writer())).await {
            tracing::debug!(%error, "the own share of the gauges could not be removed; it is out of date for all who read it");
        }
    }

    /// The watermark that the gauges stand at: the least of all partitions that are not idle, as far as is known of them.
    pub(crate) fn live_watermark(&self, clock: EventTime) -> EventTime {
        let log = self.committer.log.state();
        let mut stands: BTreeMap<PartitionRef, (EventTime, bool)> = partitions(log)
            .filter_map(|p| {
                log.position(&p.topic, p.partition)
                    .map(|at| (p, (from_log(at.newest.watermark), at.newest.idle)))
            })
            .collect();
        let shared = self.shares.iter().flat_map(|share| &share.lanes);
        stands.extend(shared.map(|lane| (lane.partition(), (lane.watermark, lane.idle))));
        stands.extend(self.lanes.iter().map(|(p, lane)| (p.clone(), (lane.watermark, lane.idle))));
        let watermarks = |idle_too: bool| {
            stands
                .values()
                .filter(move |(_, idle)| idle_too || !idle)
                .map(|(w, _)| (*w).min(clock))
        };
        watermarks(false).min().or_else(|| watermarks(true).max()).unwrap_or(EventTime::MIN)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_shares_are_fuzzed_from_are_shares() {
        for name in ["one", "few", "nothing"] {
            let path = format!("{}/ingest/fuzz/seeds/share/{name}", env!("CARGO_MANIFEST_DIR"));
            let bytes = std::fs::read(path).unwrap();
            let share: Share = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(share.delta.is_empty(), name == "nothing");
            assert_eq!(postcard::to_allocvec(&share).unwrap(), bytes);
        }
    }
}
