//! From the commit log to the state to go on with.

use std::sync::Arc;

use tidegauge_aggregate::cold::ColdKey;
use tidegauge_aggregate::merger::{Merger, MergerState};
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::snapshot::PartitionSnapshot;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::source::PartitionRef;
use tidegauge_sink::log::{BlobKind, BlobRef, LastRecord, LogError, LogState, Position, Recovered, load};
use tidegauge_sink::store::Store;

use super::PipelineError;
use super::lane::Silent;

/// Version of the results: what a pipeline of the same specification computes from the same records. Raised when that changes.
pub(crate) const RESULTS_VERSION: u32 = 1;

/// Name of the merger's part of a checkpoint.
pub(crate) const MERGER_BLOB: &str = "merger";

/// Name of a cold part of the merger in a checkpoint.
pub(crate) fn cold_name(key: ColdKey) -> String {
    format!("panes/{}/{}", key.level, key.hour.0)
}

/// Bound on one decompressed state file.
const MAX_STATE_BYTES: u64 = 16 << 30;

fn damaged(path: &str, why: impl std::fmt::Display) -> PipelineError {
    PipelineError {
        message: format!(
            "{path}: {why}; the file is whole but cannot be used: it was written by another version or changed by another program"
        ),
        usage: false,
    }
}

/// Watermark as the log writes it.
pub(crate) fn to_log(watermark: EventTime) -> Option<i64> {
    (watermark != EventTime::MIN).then_some(watermark.0)
}

/// Watermark as the log writes it.
pub(crate) fn from_log(watermark: Option<i64>) -> EventTime {
    watermark.map_or(EventTime::MIN, EventTime)
}

/// Applies the newest checkpoint and everything after it.
pub(crate) async fn merger(plan: &Arc<Plan>, store: &dyn Store, recovered: &Recovered) -> Result<Merger, PipelineError> {
    let mut merger = Merger::new(Arc::clone(plan));
    // A checkpoint of an earlier epoch holds panes of another specification; the new epoch began without any.
    let current = recovered.at_checkpoint.as_ref().is_some_and(|at| at.epoch == recovered.state.epoch);
    if let Some(blob) = recovered.blobs.iter().find(|b| current && b.name == MERGER_BLOB) {
        let bytes = load(store, &blob.file, BlobKind::State, MAX_STATE_BYTES).await?;
        let state: MergerState<'_> = postcard::from_bytes(&bytes).map_err(|e| damaged(&blob.file.path, e))?;
        merger = Merger::restore(Arc::clone(plan), state).ok_or_else(|| damaged(&blob.file.path, "it is of another specification"))?;
    }
    for entry in recovered.entries.iter().filter(|entry| entry.epoch == recovered.state.epoch) {
        if let Some(file) = &entry.delta {
            let bytes = load(store, file, BlobKind::Delta, MAX_STATE_BYTES).await?;
            let delta: PaneStore = postcard::from_bytes(&bytes).map_err(|e| damaged(&file.path, e))?;
            load_cold(&mut merger, store, &recovered.blobs, &delta).await?;
            merger.apply(&delta);
        }
        if let Some(publication) = &entry.publication {
            merger.skip_to(from_log(publication.watermark));
        }
    }
    Ok(merger)
}

/// Gives a merger the cold panes back that a delta needs. What has been given back when this fails stays so, and another call goes on.
pub(crate) async fn load_cold(merger: &mut Merger, store: &dyn Store, blobs: &[BlobRef], delta: &PaneStore) -> Result<(), LoadError> {
    for key in merger.cold_needed(delta) {
        let name = cold_name(key);
        let blob = blobs.iter().find(|b| b.name == name).ok_or_else(|| {
            LoadError::Damaged(PipelineError {
                message: format!(
                    "{}: the newest checkpoint does not name {name}, which it says it keeps apart; this is a bug in tidegauge, please report it",
                    store.location()
                ),
                usage: false,
            })
        })?;
        let bytes = load(store, &blob.file, BlobKind::State, MAX_STATE_BYTES).await?;
        let panes: PaneStore = postcard::from_bytes(&bytes).map_err(|e| damaged(&blob.file.path, e))?;
        merger.give_back(key, panes);
    }
    Ok(())
}

/// Why cold panes could not be read.
pub(crate) enum LoadError {
    /// The store, which may get over it.
    Log(LogError),
    /// What was read is of no use.
    Damaged(PipelineError),
}

impl From<LogError> for LoadError {
    fn from(error: LogError) -> LoadError {
        LoadError::Log(error)
    }
}

impl From<PipelineError> for LoadError {
    fn from(error: PipelineError) -> LoadError {
        LoadError::Damaged(error)
    }
}

impl From<LoadError> for PipelineError {
    fn from(error: LoadError) -> PipelineError {
        match error {
            LoadError::Log(error) => error.into(),
            LoadError::Damaged(error) => error,
        }
    }
}

/// From where, and with what, a partition goes on.
pub(crate) struct Resume {
    pub(crate) state: PartitionState,
    /// Where to start reading, and the lowest offset that would do.
    pub(crate) read_from: i64,
    pub(crate) needed_from: i64,
    /// Committed position.
    pub(crate) to: i64,
    pub(crate) silent: Option<Silent>,
    pub(crate) expected: Option<LastRecord>,
}

/// Prepares a partition, or `None` if its topic is not the pipeline's.
pub(crate) async fn partition(
    plan: &Arc<Plan>,
    store: &dyn Store,
    log: &LogState,
    partition: &PartitionRef,
) -> Result<Option<Resume>, PipelineError> {
    let Some(to) = log.next_offset(&partition.topic, partition.partition) else {
        return Ok(None);
    };
    let fresh = || PartitionState::new(Arc::clone(plan));
    let Some(Position { newest, .. }) = log.position(&partition.topic, partition.partition) else {
        return Ok(Some(Resume {
            state: fresh(),
            read_from: to,
            needed_from: to,
            to,
            silent: None,
            expected: None,
        }));
    };
    let (state, offset) = match &newest.snapshot {
        Some(at) if at.epoch == log.epoch && at.results == RESULTS_VERSION => {
            let path = &at.file.path;
            let bytes = load(store, &at.file, BlobKind::Snapshot, MAX_STATE_BYTES).await?;
            let snapshot: PartitionSnapshot = postcard::from_bytes(&bytes).map_err(|e| damaged(path, e))?;
            (
                PartitionState::restore(Arc::clone(plan), &snapshot).map_err(|e| damaged(path, e))?,
                at.offset,
            )
        }
        Some(at) => {
            return Err(damaged(
                &at.file.path,
                format!("it is of epoch {} and results version {}", at.epoch, at.results),
            ));
        }
        None => (fresh(), log.start_of(&partition.topic, partition.partition)),
    };
    let silent = Silent {
        snapshot: offset,
        to,
        watermark: from_log(newest.watermark),
    };
    let expected = newest.last;
    let read_from = expected.map_or(offset, |last| last.offset.min(offset));
    let silent = (read_from < to).then_some(silent);
    Ok(Some(Resume {
        state,
        read_from,
        needed_from: offset,
        to,
        silent,
        expected,
    }))
}
