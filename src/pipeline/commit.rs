//! The committer: what the workers staged becomes one entry of the log, and what that closes is published by another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegauge_aggregate::cold::{ColdKey, ColdPart};
use tidegauge_aggregate::merger::{Merger, Publication};
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::log::{
    Blob, BlobRef, CommitError, CommitLog, Committed, Draft, Kind, PartitionEntry, Publication as PublicationEntry, Revision, SnapshotAt,
    WindowRange,
};
use tidegauge_sink::table::{DataFile, FileIdentity, TableOptions, assemble, encode_metrics};
use tokio::sync::watch;

use super::PipelineError;
use super::lane::LaneCut;
use super::recover::{self, LoadError, MERGER_BLOB, RESULTS_VERSION, cold_name, to_log};
use super::worker::Drained;

/// Longest pause between two tries of a commit while the store fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What has been committed since the start of the process, for the operational metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommitStats {
    pub(crate) commits: u64,
    pub(crate) failures: u64,
    pub(crate) last: Option<EventTime>,
    pub(crate) last_seconds: Option<f64>,
    pub(crate) rows: BTreeMap<String, u64>,
    pub(crate) files: BTreeMap<String, u64>,
    pub(crate) revisions: u64,
    pub(crate) windows: u64,
    pub(crate) gaps: u64,
    pub(crate) gap_records: u64,
    /// Groupings of panes that reached `max_groups`.
    pub(crate) groups_bounded: u64,
}

/// Why the store does not take a commit, and how often it has failed since the start of the process.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) why: String,
    pub(crate) failures: u64,
}

/// The log, the merger and what a commit needs besides.
pub(crate) struct Committer {
    pub(crate) plan: Arc<Plan>,
    pub(crate) log: CommitLog,
    pub(crate) merger: Merger,
    pub(crate) tables: TableOptions,
    pub(crate) stats: CommitStats,
    /// The last failure was of the kind after which everything is taken up from the log.
    pub(crate) starts_again: bool,
    /// Tells of every try that failed while it is still tried again.
    pub(crate) trouble: watch::Sender<Option<Trouble>>,
}

impl Committer {
    fn identity(&self, draft: &Draft) -> FileIdentity {
        FileIdentity {
            nonce: draft.nonce.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    async fn stage(&self, draft: &mut Draft, files: Vec<DataFile>) -> Result<(), CommitError> {
        let stager = self.log.stager();
        for file in files {
            draft.files.push(
                stager
                    .data_in(draft.nonce, file.table, &file.partition, 0, file.rows, file.bytes)
                    .await?,
            );
        }
        Ok(())
    }

    /// Commits what workers cut, with the pane deltas of everything since the last cut.
    pub(crate) async fn commit(&mut self, drained: Drained, delta: &PaneStore, kind: Kind) -> Result<(), PipelineError> {
        let begun = Instant::now();
        let mut draft = self.log.draft()?;
        draft.kind = kind;
        let files = tokio::task::block_in_place(|| assemble(drained.groups, &self.identity(&draft)))?;
        let payload = if delta.is_empty() { None } else { Some(encode(delta)?) };
        let mut pause = Duration::from_millis(100);
        // Staging is tried again as a whole: staged files of the same name are overwritten, and nothing counts before the entry.
        while let Err(error) = self.stage_all(&mut draft, &drained.lanes, &files, payload.as_deref()).await {
            self.wait_or_fail(error, &mut pause).await?;
        }
        self.create(&draft).await?;
        self.load_cold(delta).await?;
        let bounded = self.merger.committed().groups_overflowed();
        self.merger.apply(delta);
        let newly = self.merger.committed().groups_overflowed().saturating_sub(bounded);
        self.stats.groups_bounded += newly as u64;
        self.stats.commits += 1;
        self.stats.last = Some(super::worker::now());
        self.stats.last_seconds = Some(begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Reads the panes back that a delta needs and that are not in memory, however long the store fails meanwhile.
    async fn load_cold(&mut self, delta: &PaneStore) -> Result<(), PipelineError> {
        let mut pause = Duration::from_millis(100);
        loop {
            match recover::load_cold(&mut self.merger, self.log.store(), self.log.blobs(), delta).await {
                Ok(()) => return Ok(()),
                Err(LoadError::Log(error)) => self.wait_or_fail(error.into(), &mut pause).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn stage_all(&self, draft: &mut Draft, lanes: &[LaneCut], files: &[DataFile], delta: Option<&[u8]>) -> Result<(), CommitError> {
        draft.files.clear();
        draft.partitions.clear();
        self.stage(draft, files.to_vec()).await?;
        let stager = self.log.stager();
        draft.delta = match delta {
            Some(payload) => Some(stager.delta(draft.nonce, payload).await?),
            None => None,
        };
        for lane in lanes {
            let at = SnapshotAt {
                topic: &lane.partition.topic,
                partition: lane.partition.partition,
                offset: lane.to,
                epoch: self.log.epoch(),
                results: RESULTS_VERSION,
            };
            let snapshot = match &lane.snapshot {
                Some(bytes) => Some(stager.snapshot(draft.nonce, at, bytes).await?),
                None => None,
            };
            draft.partitions.push(PartitionEntry {
                topic: lane.partition.topic.to_string(),
                partition: lane.partition.partition,
                from: lane.from,
                to: lane.to,
                watermark: to_log(lane.watermark),
                idle: lane.idle,
                last: lane.last,
                counters: lane.counters.to_map(),
                snapshot,
            });
        }
        Ok(())
    }

    /// Makes a draft an entry, however long the store fails meanwhile.
    async fn create(&mut self, draft: &Draft) -> Result<Committed, PipelineError> {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.log.commit(draft).await {
                Ok(committed) => {
                    for file in &draft.files {
                        *self.stats.rows.entry(file.table.clone()).or_default() += file.rows;
                        *self.stats.files.entry(file.table.clone()).or_default() += 1;
                    }
                    return Ok(committed);
                }
                Err(error) => self.wait_or_fail(error, &mut pause).await?,
            }
        }
    }

    async fn wait_or_fail(&mut self, error: CommitError, pause: &mut Duration) -> Result<(), PipelineError> {
        self.stats.failures += 1;
        if !error.is_transient() {
            self.starts_again = error.starts_again();
            return Err(error.into());
        }
        self.trouble.send_replace(Some(Trouble {
            why: error.to_string(),
            failures: self.stats.failures,
        }));
        tracing::warn!(%error, "the commit is tried again in {pause:?}; reading waits meanwhile and nothing is lost");
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// Publishes what the watermark closes, and what has to be corrected. Gives whether there was anything.
    pub(crate) async fn publish(&mut self, watermark: EventTime) -> Result<bool, PipelineError> {
        let publication = tokio::task::block_in_place(|| self.merger.publish(watermark));
        if publication.rows.is_empty() {
            return Ok(false);
        }
        let mut draft = self.log.draft()?;
        draft.kind = Kind::Publication;
        let files = tokio::task::block_in_place(|| encode_metrics(&publication.rows, &self.tables, &self.identity(&draft)))?;
        let mut pause = Duration::from_millis(100);
        while let Err(error) = self.stage_again(&mut draft, &files).await {
            self.wait_or_fail(error, &mut pause).await?;
        }
        draft.publication = Some(self.entry(&publication, self.merger.published_watermark()));
        self.create(&draft).await?;
        self.stats.windows += publication.windows.len() as u64;
        self.stats.revisions += publication.rows.iter().filter(|r| r.revision > 0).count() as u64;
        Ok(true)
    }

    async fn stage_again(&self, draft: &mut Draft, files: &[DataFile]) -> Result<(), CommitError> {
        draft.files.clear();
        self.stage(draft, files.to_vec()).await
    }

    fn entry(&self, publication: &Publication, watermark: EventTime) -> PublicationEntry {
        let spec = &self.plan.spec;
        let name = |window: usize| spec.windows.get(window).map(|w| w.name.clone()).unwrap_or_default();
        let mut revisions: BTreeMap<(usize, EventTime), u32> = BTreeMap::new();
        for row in publication.rows.iter().filter(|r| r.revision > 0) {
            let highest = revisions.entry((row.window, row.window_end)).or_default();
            *highest = row.revision.max(*highest);
        }
        PublicationEntry {
            previous: self.log.state().publication.as_ref().map(|p| p.seq),
            through: self.log.state().head.seq,
            watermark: to_log(watermark),
            windows: publication
                .windows
                .iter()
                .map(|p| WindowRange {
                    window: name(p.window),
                    from_end: to_log(p.after),
                    to_end: p.until.0,
                })
                .collect(),
            revisions: revisions
                .into_iter()
                .map(|((w, end), revision)| Revision {
                    window: name(w),
                    end: end.0,
                    revision,
                })
                .collect(),
        }
    }

    /// Writes a checkpoint where one is due, or where much memory is taken by panes that it can keep instead, and removes what it covers. Only
    /// to be called when nothing waits to be corrected.
    pub(crate) async fn checkpoint(&mut self) -> Result<(), PipelineError> {
        let due = self.log.checkpoint_due() || self.merger.cold_ready();
        if !due || self.merger.has_corrections() {
            return Ok(());
        }
        let parts = self.merger.take_cold();
        let blobs = tokio::task::block_in_place(|| self.blobs(&parts))?;
        match self.log.checkpoint(blobs).await {
            // Another process may have written the checkpoint of the same entry, with other panes in memory.
            Ok(named) => {
                let lacks = |key: ColdKey| !named.iter().any(|blob| blob.name == cold_name(key));
                for part in parts.into_iter().filter(|part| lacks(part.key)) {
                    self.merger.put_back(part);
                }
                if let Some(key) = self.merger.cold().find(|key| lacks(*key)) {
                    return Err(PipelineError {
                        message: format!(
                            "{}: another process wrote the checkpoint without {}; start again to go on from it",
                            self.log.store().location(),
                            cold_name(key)
                        ),
                        usage: false,
                    });
                }
            }
            Err(error) if error.is_transient() => {
                for part in parts {
                    self.merger.put_back(part);
                }
                tracing::warn!(%error, "the checkpoint is put off to the next commit");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        if let Err(error) = self.log.collect_garbage().await {
            tracing::warn!(%error, "files that the checkpoint made superfluous could not all be removed; the next checkpoint tries again");
        }
        Ok(())
    }

    /// The merger's state, the cold panes that were just taken out of it, and those that the last checkpoint holds and that may yet be needed.
    fn blobs(&self, parts: &[ColdPart]) -> Result<Vec<Blob>, PipelineError> {
        let kept: BTreeMap<&str, &BlobRef> = self.log.blobs().iter().map(|blob| (blob.name.as_str(), blob)).collect();
        let fresh: BTreeMap<ColdKey, &ColdPart> = parts.iter().map(|part| (part.key, part)).collect();
        let mut blobs = vec![Blob::New {
            name: MERGER_BLOB.to_owned(),
            payload: encode(&self.merger.state())?.into(),
        }];
        for key in self.merger.cold() {
            let name = cold_name(key);
            let kept = kept.get(name.as_str()).map(|blob| Blob::Keep((*blob).clone()));
            let blob = match fresh.get(&key) {
                Some(part) if part.changed || kept.is_none() => Some(Blob::New {
                    payload: encode(&part.panes)?.into(),
                    name,
                }),
                _ => kept,
            };
            blobs.extend(blob);
        }
        Ok(blobs)
    }
}

fn encode<T: serde::Serialize>(state: &T) -> Result<Vec<u8>, PipelineError> {
    postcard::to_allocvec(state).map_err(|error| PipelineError {
        message: format!("state cannot be encoded: {error}; this is a bug in tidegauge, please report it"),
        usage: false,
    })
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;
