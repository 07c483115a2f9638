//! The committer: what the workers staged becomes one entry of the log, and what that closes is published by another.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::log::{CommitError, CommitLog, Committed, Draft, Kind, PartitionEntry, SnapshotAt};
use tidegauge_sink::table::{DataFile, FileIdentity, TableOptions, assemble};
use tokio::sync::watch;
use tokio::time::Instant;

use super::PipelineError;
use super::clock::now;
use super::lane::LaneCut;
use super::recover::{RESULTS_VERSION, to_log};
use super::reporter::Reporter;
use super::worker::Drained;
use crate::console::load::Feed;
use crate::console::pipeline::CommitNote;

/// Commits that the console shows.
const NOTES: usize = 10;
/// Longest pause between two tries of a commit while the store fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What has been committed since the start of the process, for the operational metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommitStats {
    pub(crate) commits: u64,
    pub(crate) failures: u64,
    pub(crate) last: Option<EventTime>,
    pub(crate) last_seconds: Option<f64>,
    /// The newest ones, the newest last.
    pub(crate) newest: VecDeque<CommitNote>,
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

/// The log and what a commit needs besides.
pub(crate) struct Committer {
    pub(crate) plan: Arc<Plan>,
    pub(crate) log: CommitLog,
    /// What this process has as the reporter; none while another is.
    pub(crate) reporter: Option<Reporter>,
    pub(crate) tables: TableOptions,
    /// How long a process may write nothing before what it left is removed.
    pub(crate) abandoned_after: Duration,
    pub(crate) stats: CommitStats,
    /// The console's history of what is published, where there is a console.
    pub(crate) feed: Option<Feed>,
    /// Tells of every try that failed while it is still tried again.
    pub(crate) trouble: watch::Sender<Option<Trouble>>,
}

impl Committer {
    pub(crate) fn new(plan: Arc<Plan>, log: CommitLog, tables: TableOptions, abandoned_after: Duration) -> Committer {
        Committer {
            plan,
            log,
            reporter: None,
            tables,
            abandoned_after,
            stats: CommitStats::default(),
            feed: None,
            trouble: watch::Sender::new(None),
        }
    }

    /// Removes what processes left that are gone, as far as can be told: if one is not, it begins again from the log.
    pub(crate) async fn clear_abandoned(&mut self) -> Result<(), CommitError> {
        let patience = i64::try_from(self.abandoned_after.as_millis()).unwrap_or(i64::MAX);
        for writer in self.log.clear_abandoned(now().minus(patience).0).await? {
            tracing::info!(%writer, "removed what another process left that never became official");
        }
        Ok(())
    }

    pub(super) fn identity(&self, draft: &Draft) -> FileIdentity {
        FileIdentity {
            nonce: draft.nonce.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(super) async fn stage(&self, draft: &mut Draft, files: Vec<DataFile>) -> Result<(), CommitError> {
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
        let files = heavy(|| assemble(drained.groups, &self.identity(&draft)))?;
        let payload = if delta.is_empty() { None } else { Some(encode(delta)?) };
        let mut pause = Duration::from_millis(100);
        // Staging is tried again as a whole: staged files of the same name are overwritten, and nothing counts before the entry.
        while let Err(error) = self.stage_all(&mut draft, &drained.lanes, &files, payload.as_deref()).await {
            self.wait_or_fail(error, &mut pause).await?;
        }
        self.create(&draft).await?;
        self.absorb(Some(delta)).await?;
        let (at, seconds) = (now(), begun.elapsed().as_secs_f64());
        self.stats.commits += 1;
        self.stats.last = Some(at);
        self.stats.last_seconds = Some(seconds);
        if self.stats.newest.len() == NOTES {
            self.stats.newest.pop_front();
        }
        self.stats.newest.push_back(CommitNote {
            at,
            seconds,
            records: draft.partitions.iter().map(|p| p.to.abs_diff(p.from)).sum(),
            files: draft.files.len() as u64,
            rows: draft.files.iter().map(|file| file.rows).sum(),
        });
        Ok(())
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
    pub(super) async fn create(&mut self, draft: &Draft) -> Result<Committed, PipelineError> {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.log.commit(draft).await {
                Ok(committed) => {
                    self.count_files(draft);
                    return Ok(committed);
                }
                Err(error) => self.wait_or_fail(error, &mut pause).await?,
            }
        }
    }

    pub(super) fn count_files(&mut self, draft: &Draft) {
        for file in &draft.files {
            *self.stats.rows.entry(file.table.clone()).or_default() += file.rows;
            *self.stats.files.entry(file.table.clone()).or_default() += 1;
        }
    }

    pub(super) async fn wait_or_fail(&mut self, error: CommitError, pause: &mut Duration) -> Result<(), PipelineError> {
        self.stats.failures += 1;
        if !error.is_transient() {
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
}

/// Runs what takes long without holding up other tasks, where the runtime has other threads for them.
pub(super) fn heavy<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

pub(super) fn encode<T: serde::Serialize>(state: &T) -> Result<Vec<u8>, PipelineError> {
    postcard::to_allocvec(state).map_err(|error| PipelineError {
        message: format!("state cannot be encoded: {error}; this is a bug in tidegauge, please report it"),
        usage: false,
        again: false,
    })
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;
