//! From the commit log to the state to go on with.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tidegauge_aggregate::cold::ColdKey;
use tidegauge_aggregate::merger::{Merger, MergerState};
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::snapshot::PartitionSnapshot;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::source::PartitionRef;
use tidegauge_sink::log::{BlobKind, BlobRef, FileRef, LastRecord, LogError, LogState, Position, Recovered, blob, load};
use tidegauge_sink::store::{Store, StoreError};

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

fn damaged(path: &str, why: impl std::fmt::Display) -> PipelineError {
    PipelineError {
        message: format!(
            "{path}: {why}; the file is whole but cannot be used: it was written by another version or changed by another program"
        ),
        usage: false,
        again: false,
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

/// Reads a state file that an entry or a checkpoint names.
pub(crate) async fn read_state<T: DeserializeOwned>(store: &dyn Store, file: &FileRef, kind: BlobKind) -> Result<T, LoadError> {
    let bytes = load(store, file, kind, blob::MAX_PAYLOAD).await?;
    postcard::from_bytes(&bytes).map_err(|e| LoadError::Damaged(damaged(&file.path, e)))
}

/// Reads panes that an entry or a checkpoint names.
pub(crate) async fn read_panes(plan: &Plan, store: &dyn Store, file: &FileRef, kind: BlobKind) -> Result<PaneStore, LoadError> {
    let panes: PaneStore = read_state(store, file, kind).await?;
    if panes.fits(plan) {
        Ok(panes)
    } else {
        Err(damaged(&file.path, "its panes are of another specification").into())
    }
}

/// Whether a file that is named does not exist.
pub(crate) fn is_missing(error: &LogError) -> bool {
    matches!(error, LogError::Store(StoreError::Missing { .. }))
}

/// Applies the newest checkpoint and everything after it.
pub(crate) async fn merger(plan: &Arc<Plan>, store: &dyn Store, recovered: &Recovered) -> Result<Merger, LoadError> {
    let mut merger = Merger::new(Arc::clone(plan));
    // A checkpoint of an earlier epoch holds panes of another specification; the new epoch began without any.
    let current = recovered.at_checkpoint.as_ref().is_some_and(|at| at.epoch == recovered.state.epoch);
    if let Some(blob) = recovered.blobs.iter().find(|b| current && b.name == MERGER_BLOB) {
        let state: MergerState<'static> = read_state(store, &blob.file, BlobKind::State).await?;
        merger = Merger::restore(Arc::clone(plan), state).ok_or_else(|| damaged(&blob.file.path, "it is of another specification"))?;
    }
    // What came between the entry that a publication was computed through and the publication is not in it: it corrects it.
    let mut waiting: VecDeque<(u64, &FileRef)> = VecDeque::new();
    for entry in recovered.entries.iter().filter(|entry| entry.epoch == recovered.state.epoch) {
        waiting.extend(entry.delta.iter().map(|file| (entry.seq, file)));
        if let Some(publication) = &entry.publication {
            apply(&mut merger, store, recovered, &mut waiting, publication.through).await?;
            merger.skip_to(from_log(publication.watermark));
        }
    }
    apply(&mut merger, store, recovered, &mut waiting, u64::MAX).await?;
    Ok(merger)
}

/// Applies the deltas of the entries up to one.
async fn apply(
    merger: &mut Merger,
    store: &dyn Store,
    recovered: &Recovered,
    waiting: &mut VecDeque<(u64, &FileRef)>,
    through: u64,
) -> Result<(), LoadError> {
    while let Some((_, file)) = waiting.pop_front_if(|(seq, _)| *seq <= through) {
        let delta = read_panes(merger.plan(), store, file, BlobKind::Delta).await?;
        load_cold(merger, store, &recovered.blobs, &delta).await?;
        merger.apply(&delta);
    }
    Ok(())
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
                usage: false, again: false,
            })
        })?;
        merger.give_back(key, read_panes(merger.plan(), store, &blob.file, BlobKind::State).await?);
    }
    Ok(())
}

/// Why state could not be read.
#[derive(Debug)]
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
            LoadError::Log(error) => PipelineError {
                // A checkpoint that was not read yet may have put another file in its place.
                again: error.is_transient() || is_missing(&error),
                ..error.into()
            },
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
            let snapshot: PartitionSnapshot = read_state(store, &at.file, BlobKind::Snapshot).await?;
            let state = PartitionState::restore(Arc::clone(plan), &snapshot).map_err(|e| damaged(&at.file.path, e))?;
            (state, at.offset)
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
