//! The reporter: of all processes on one output, the one that reads the lowest partition merges everyone's deltas, publishes window results and
//! writes checkpoints. There may be two for a while; the preconditions of the log keep the results right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegauge_aggregate::cold::{ColdKey, ColdPart};
use tidegauge_aggregate::merger::{Merger, Publication};
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::source::PartitionRef;
use tidegauge_sink::log::{
    Blob, BlobKind, BlobRef, CommitError, Draft, Entry, Kind, LogState, Publication as PublicationEntry, Revision, WindowRange,
};
use tidegauge_sink::table::{DataFile, encode_metrics};

use super::PipelineError;
use super::commit::{Committer, encode, heavy};
use super::recover::{self, LoadError, MERGER_BLOB, cold_name, from_log, to_log};

const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What only the reporter has.
pub(crate) struct Reporter {
    pub(crate) merger: Merger,
    /// Since when all partitions have been idle.
    all_idle_since: Option<EventTime>,
}

/// The partition whose reader is the reporter.
pub(crate) fn lowest(log: &LogState) -> Option<PartitionRef> {
    partitions(log).min()
}

/// Every partition that the log knows to be the pipeline's.
pub(crate) fn partitions(log: &LogState) -> impl Iterator<Item = PartitionRef> + '_ {
    let listed = log.identity.topics.iter().flat_map(|topic| {
        let listed = topic.partitions.iter().map(|p| p.partition);
        listed.map(|partition| PartitionRef::new(topic.topic.as_str(), partition))
    });
    let joined = log.partitions.values().map(|p| &p.newest);
    let joined = joined.filter(|p| {
        log.identity
            .topics
            .iter()
            .any(|t| t.topic == p.topic && !t.partitions.iter().any(|l| l.partition == p.partition))
    });
    listed.chain(joined.map(|p| PartitionRef::new(p.topic.as_str(), p.partition)))
}

/// What the caller knows of a partition beyond the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Read to its end, and nothing accepted for a while.
    pub(crate) idle: bool,
    /// This run reads no more of it.
    pub(crate) done: bool,
}

impl Committer {
    /// Takes the part of the reporter over, or gives it up.
    pub(crate) async fn be_reporter(&mut self, reporter: bool) -> Result<(), PipelineError> {
        if !reporter {
            self.reporter = None;
            if let Some(feed) = &mut self.feed {
                feed.forget();
            }
        } else if self.reporter.is_none() {
            tracing::info!("this process is the reporter now: it publishes window results and exports the business gauges");
            self.begin_again().await?;
        }
        Ok(())
    }

    pub(crate) fn merger(&self) -> Option<&Merger> {
        self.reporter.as_ref().map(|reporter| &reporter.merger)
    }

    /// What was committed in a later epoch was made under another specification.
    fn check_epoch(&self) -> Result<(), CommitError> {
        let (ours, newest) = (self.log.epoch(), self.log.state().epoch);
        if newest > ours {
            return Err(CommitError::NewerEpoch { ours, newest });
        }
        Ok(())
    }

    /// Makes the merger from the log, however long the store fails meanwhile.
    async fn begin_again(&mut self) -> Result<(), PipelineError> {
        let mut pause = FIRST_PAUSE;
        let mut read_at = None;
        loop {
            let error = match self.log.recover().await {
                Ok(_) if self.check_epoch().is_err() => return Ok(self.check_epoch()?),
                Ok(recovered) => match recover::merger(&self.plan, self.log.store(), &recovered).await {
                    Ok(merger) => {
                        let all_idle_since = self.reporter.take().and_then(|reporter| reporter.all_idle_since);
                        self.reporter = Some(Reporter { merger, all_idle_since });
                        self.bring_history_back();
                        return Ok(());
                    }
                    // A file that is named but missing may have been covered by a newer checkpoint meanwhile.
                    Err(LoadError::Log(error)) if recover::is_missing(&error) && read_at != Some(recovered.checkpoint) => {
                        read_at = Some(recovered.checkpoint);
                        continue;
                    }
                    Err(LoadError::Log(error)) => error,
                    Err(error) => return Err(error.into()),
                },
                Err(error) => error,
            };
            self.wait_or_fail(error.into(), &mut pause).await?;
        }
    }

    /// What was published before, by whomever, is in the tables.
    fn bring_history_back(&mut self) {
        let ends = self
            .log
            .state()
            .publication
            .iter()
            .flat_map(|publication| publication.ends.values());
        let newest = ends.copied().max().map(EventTime);
        if let Some(feed) = &mut self.feed {
            feed.reload(newest);
        }
    }

    /// Reads what others have committed, and as the reporter merges it.
    pub(crate) async fn follow(&mut self) -> Result<(), PipelineError> {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.log.catch_up().await {
            self.wait_or_fail(error, &mut pause).await?;
        }
        self.absorb(None).await
    }

    /// Merges what others were seen to have committed, and the delta of the own commit that was just made after it.
    pub(super) async fn absorb(&mut self, own: Option<&PaneStore>) -> Result<(), PipelineError> {
        let others = self.log.take_others();
        if self.reporter.is_none() {
            return Ok(());
        }
        self.check_epoch()?;
        // Another reporter's publication, and a checkpoint over what was not read, are nothing to go on from.
        let Some(others) = others.filter(|others| others.iter().all(|entry| entry.publication.is_none())) else {
            return self.begin_again().await;
        };
        for entry in others {
            match self.delta_of(&entry).await? {
                Some(delta) if self.merge(&delta).await? => {}
                None if entry.delta.is_none() => {}
                _ => return self.begin_again().await,
            }
        }
        match own {
            Some(delta) if !self.merge(delta).await? => self.begin_again().await,
            _ => Ok(()),
        }
    }

    /// Reads an entry's delta; `None` where there is none, or none any more.
    async fn delta_of(&mut self, entry: &Entry) -> Result<Option<PaneStore>, PipelineError> {
        let Some(file) = &entry.delta else { return Ok(None) };
        let mut pause = FIRST_PAUSE;
        loop {
            match recover::read_panes(&self.plan, self.log.store(), file, BlobKind::Delta).await {
                Ok(delta) => return Ok(Some(delta)),
                Err(LoadError::Log(error)) if recover::is_missing(&error) => return Ok(None),
                Err(LoadError::Log(error)) => self.wait_or_fail(error.into(), &mut pause).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives whether it could: another reporter's checkpoint may have taken the place of the one that names what is needed.
    async fn merge(&mut self, delta: &PaneStore) -> Result<bool, PipelineError> {
        let mut pause = FIRST_PAUSE;
        while let Some(reporter) = &mut self.reporter {
            match recover::load_cold(&mut reporter.merger, self.log.store(), self.log.blobs(), delta).await {
                Ok(()) => break,
                Err(LoadError::Log(error)) if recover::is_missing(&error) => return Ok(false),
                Err(LoadError::Log(error)) => self.wait_or_fail(error.into(), &mut pause).await?,
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(reporter) = &mut self.reporter {
            let bounded = reporter.merger.committed().groups_overflowed();
            reporter.merger.apply(delta);
            let newly = reporter.merger.committed().groups_overflowed().saturating_sub(bounded);
            self.stats.groups_bounded += newly as u64;
        }
        Ok(true)
    }

    /// The watermark of the pipeline as far as it is committed: the least of all partitions that are not idle, which count as at most the wall
    /// clock; when all are idle it moves on with the wall clock from the greatest.
    pub(crate) fn published_watermark(&mut self, clock: EventTime, own: &BTreeMap<PartitionRef, Known>) -> EventTime {
        let log = self.log.state();
        let mut least: Option<EventTime> = None;
        let mut greatest = EventTime::MIN;
        let all: BTreeSet<PartitionRef> = partitions(log).chain(own.keys().cloned()).collect();
        for partition in all {
            let committed = log.position(&partition.topic, partition.partition);
            let watermark = committed.map_or(EventTime::MIN, |p| from_log(p.newest.watermark)).min(clock);
            greatest = greatest.max(watermark);
            let known = own.get(&partition);
            let idle = known.map_or_else(|| committed.is_some_and(|p| p.newest.idle), |known| known.idle);
            // A partition without a single accepted event, of which this run will read no more, has nothing to contribute.
            let spent = known.is_some_and(|known| known.done) && watermark == EventTime::MIN;
            if !spent && !idle {
                least = Some(least.map_or(watermark, |l| l.min(watermark)));
            }
        }
        let Some(reporter) = &mut self.reporter else { return greatest };
        if let Some(least) = least {
            reporter.all_idle_since = None;
            return least;
        }
        let since = *reporter.all_idle_since.get_or_insert(clock);
        if greatest == EventTime::MIN {
            greatest
        } else {
            greatest
                .plus(clock.0.saturating_sub(since.0).max(0))
                .max(reporter.merger.published_watermark())
        }
    }

    /// As the reporter, publishes what the watermark closes, and what has to be corrected. Gives whether there was anything.
    pub(crate) async fn publish(&mut self, watermark: EventTime) -> Result<bool, PipelineError> {
        self.follow().await?;
        let Some(reporter) = &mut self.reporter else { return Ok(false) };
        let publication = heavy(|| reporter.merger.publish(watermark));
        let published = reporter.merger.published_watermark();
        if publication.rows.is_empty() {
            return Ok(false);
        }
        let mut draft = self.log.draft()?;
        draft.kind = Kind::Publication;
        let files = heavy(|| encode_metrics(&publication.rows, &self.tables, &self.identity(&draft)))?;
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.stage_again(&mut draft, &files).await {
            self.wait_or_fail(error, &mut pause).await?;
        }
        draft.publication = Some(self.entry(&publication, published));
        loop {
            match self.log.commit(&draft).await {
                Ok(_) => break,
                Err(CommitError::StalePublication { .. }) => {
                    tracing::info!("another process published first; its results stand, and this one goes on from them");
                    if let Err(failed) = self.log.discard(&draft).await {
                        tracing::warn!(%failed, "files of a publication that did not happen could not be deleted; a later start deletes them");
                    }
                    self.begin_again().await?;
                    return Ok(false);
                }
                Err(error) => self.wait_or_fail(error, &mut pause).await?,
            }
        }
        self.count_files(&draft);
        if let Some(feed) = &self.feed {
            heavy(|| feed.published(&publication.rows));
        }
        self.stats.windows += publication.windows.len() as u64;
        self.stats.revisions += publication.rows.iter().filter(|r| r.revision > 0).count() as u64;
        // What others committed between is not in it, and corrects it later.
        self.absorb(None).await?;
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

    /// As the reporter, writes a checkpoint where one is due, or where much memory is taken by panes that it can keep instead, and removes what it
    /// covers. Only where nothing waits to be corrected.
    pub(crate) async fn checkpoint(&mut self) -> Result<(), PipelineError> {
        let Some(reporter) = &mut self.reporter else { return Ok(()) };
        let due = self.log.checkpoint_due() || reporter.merger.cold_ready();
        if !due || reporter.merger.has_corrections() {
            return Ok(());
        }
        let parts = reporter.merger.take_cold();
        let blobs = heavy(|| self.blobs(&parts))?;
        match self.log.checkpoint(blobs).await {
            // Another process may have written the checkpoint of the same entry, with other panes in memory.
            Ok(named) => {
                let lacks = |key: ColdKey| !named.iter().any(|blob| blob.name == cold_name(key));
                let Some(reporter) = &mut self.reporter else { return Ok(()) };
                for part in parts.into_iter().filter(|part| lacks(part.key)) {
                    reporter.merger.put_back(part);
                }
                if reporter.merger.cold().any(lacks) {
                    self.begin_again().await?;
                }
            }
            Err(CommitError::Overtaken { .. }) => return self.begin_again().await,
            Err(error) if error.is_transient() || error == CommitError::Behind => {
                if let Some(reporter) = &mut self.reporter {
                    for part in parts {
                        reporter.merger.put_back(part);
                    }
                }
                if error != CommitError::Behind {
                    tracing::warn!(%error, "the checkpoint is put off to the next commit");
                }
                return self.absorb(None).await;
            }
            Err(error) => return Err(error.into()),
        }
        if let Err(error) = self.log.collect_garbage().await {
            tracing::warn!(%error, "files that the checkpoint made superfluous could not all be removed; the next checkpoint tries again");
        }
        match self.clear_abandoned().await {
            Err(error) if !error.is_transient() => Err(error.into()),
            _ => self.absorb(None).await,
        }
    }

    /// The merger's state, the cold panes that were just taken out of it, and those that the last checkpoint holds and that may yet be needed.
    fn blobs(&self, parts: &[ColdPart]) -> Result<Vec<Blob>, PipelineError> {
        let Some(reporter) = &self.reporter else { return Ok(Vec::new()) };
        let kept: BTreeMap<&str, &BlobRef> = self.log.blobs().iter().map(|blob| (blob.name.as_str(), blob)).collect();
        let fresh: BTreeMap<ColdKey, &ColdPart> = parts.iter().map(|part| (part.key, part)).collect();
        let mut blobs = vec![Blob::New {
            name: MERGER_BLOB.to_owned(),
            payload: encode(&reporter.merger.state())?.into(),
        }];
        for key in reporter.merger.cold() {
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
