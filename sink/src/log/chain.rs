//! Open the log, and commit to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::open::{self, Recovered};
use super::{
    BlobRef, CommitError, DataFile, Draft, Entry, Genesis, Kind, LogError, LogState, Names, Nonce, Stager, WriterId, codec, paths,
};
use crate::store::{Creation, Store, StoreError};

/// How the log behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Version of the results that this program computes.
    pub results: u32,
    /// Whether a configuration that differs from the log's is accepted, to be made official by an epoch entry.
    pub reconfigure: bool,
    /// Entries between checkpoints.
    pub checkpoint_every: u64,
    /// How often one call tries a store that fails.
    pub attempts: u32,
    /// Pause after the first failure; it doubles with each.
    pub backoff: Duration,
    /// Where names come from.
    pub names: Names,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            results: 1,
            reconfigure: false,
            checkpoint_every: 50,
            attempts: 5,
            backoff: Duration::from_millis(50),
            names: Names::default(),
        }
    }
}

/// A commit that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its entry.
    pub seq: u64,
    /// Whether its files are in place. If not, the store failed after the entry; the next commit, checkpoint or start moves them.
    pub in_place: bool,
}

/// The commit log of one pipeline, as one writer sees it.
#[derive(Debug)]
pub struct CommitLog {
    pub(super) store: Arc<dyn Store>,
    pub(super) options: Options,
    pub(super) writer: WriterId,
    /// The epoch that this process works in.
    epoch: u64,
    pub(super) state: LogState,
    /// Entries of others that the caller has not seen.
    pub(super) others: Vec<Entry>,
    /// Whether there were more of them, which a checkpoint summed up before they were read.
    pub(super) skipped: bool,
    /// Drafts of which it is not known whether they are the entry after the head.
    pub(super) pending: BTreeSet<Nonce>,
    /// Moves of committed files that are not known to be done and durable.
    pub(super) moves: Vec<DataFile>,
    /// Committed files that lie nowhere.
    pub(super) absent: Vec<DataFile>,
    pub(super) checkpoint: Option<u64>,
    /// Binary parts of that checkpoint.
    pub(super) blobs: Vec<BlobRef>,
    /// Binary files that the newest checkpoint or an entry after it names.
    pub(super) recent: BTreeSet<String>,
}

/// Wall clock in milliseconds, for people.
pub(super) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

impl Genesis {
    /// A new pipeline.
    ///
    /// # Errors
    /// Where there are no random numbers.
    pub fn new(cluster: Option<String>, topics: Vec<super::Topic>, spec: serde_json::Value) -> Result<Genesis, LogError> {
        Ok(Genesis {
            pipeline: Nonce::random()?,
            cluster,
            topics,
            least_reader: codec::VERSION,
            least_writer: codec::VERSION,
            spec,
        })
    }
}

impl CommitLog {
    /// Reads the log without changing anything; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read, is damaged or of a later version.
    pub async fn read(store: &dyn Store) -> Result<Option<Recovered>, LogError> {
        let read = open::read(store).await?;
        if let Some(found) = &read {
            let least = found.state.identity.least_reader;
            if least > codec::VERSION {
                return Err(LogError::TooOld {
                    location: store.location().to_owned(),
                    action: "reads",
                    least,
                    ours: codec::VERSION,
                });
            }
        }
        Ok(read)
    }

    /// Checks the store, opens the log or begins it with `genesis`, and finishes the moves of all entries since the last checkpoint.
    ///
    /// # Errors
    /// Where the output cannot be used, the log is damaged, of a later version, of another source or of another configuration.
    pub async fn open(store: Arc<dyn Store>, genesis: Genesis, options: Options) -> Result<(CommitLog, Recovered), LogError> {
        store.probe().await?;
        let writer = WriterId(options.names.next()?);
        let mut found = match open::read(&*store).await? {
            Some(found) => found,
            None => begin(&*store, writer, &genesis, &options).await?,
        };
        open::check_versions(&found.state, store.location(), options.results)?;
        found.differences = open::compare(&found.state, &genesis, store.location())?;
        if let (Some(differences), false) = (&found.differences, options.reconfigure) {
            return Err(LogError::Reconfigured {
                location: store.location().to_owned(),
                differences: differences.clone(),
            });
        }
        let mut log = CommitLog {
            writer,
            options,
            epoch: found.state.epoch,
            state: found.state.clone(),
            others: Vec::new(),
            skipped: false,
            pending: BTreeSet::new(),
            moves: found.entries.iter().flat_map(|entry| entry.files.iter().cloned()).collect(),
            absent: Vec::new(),
            blobs: Vec::new(),
            checkpoint: found.checkpoint,
            recent: found.entries.iter().flat_map(Entry::binary_files).map(|f| f.path.clone()).collect(),
            store,
        };
        log.blobs.clone_from(&found.blobs);
        log.recent.extend(found.blobs.iter().map(|blob| blob.file.path.clone()));
        log.check_staged().await?;
        log.finish_moves().await?;
        found.absent = log.take_absent();
        Ok((log, found))
    }

    /// What the log says.
    #[must_use]
    pub fn state(&self) -> &LogState {
        &self.state
    }

    /// The binary parts of the last checkpoint that this process read or wrote.
    #[must_use]
    pub fn blobs(&self) -> &[BlobRef] {
        &self.blobs
    }

    /// This writer's id; a fence changes it.
    #[must_use]
    pub fn writer(&self) -> WriterId {
        self.writer
    }

    /// The epoch that this process works in.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Where everything is kept.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Stages files under this writer's present id.
    #[must_use]
    pub fn stager(&self) -> Stager {
        Stager::new(Arc::clone(&self.store), self.writer)
    }

    /// Entries of other writers that were read since the last call, in order; `None` where a checkpoint summed some of them up before they were
    /// read, so that the caller has to begin with [`CommitLog::recover`].
    pub fn take_others(&mut self) -> Option<Vec<Entry>> {
        let others = std::mem::take(&mut self.others);
        (!std::mem::take(&mut self.skipped)).then_some(others)
    }

    /// Committed files that were found neither staged nor in place since the last call.
    pub fn take_absent(&mut self) -> Vec<DataFile> {
        std::mem::take(&mut self.absent)
    }

    /// Begins a commit on what the log says now. File names carry its nonce.
    ///
    /// # Errors
    /// Where there are no random numbers.
    pub fn draft(&self) -> Result<Draft, LogError> {
        Ok(Draft {
            nonce: self.nonce()?,
            based_on: self.state.head,
            kind: Kind::Commit,
            partitions: Vec::new(),
            files: Vec::new(),
            delta: None,
            publication: None,
        })
    }

    /// Makes a draft official, or says why not. After a transient error the same draft may be committed again. Where the error says that what
    /// was staged is discarded, the staged files are gone.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(&mut self, draft: &Draft) -> Result<Committed, CommitError> {
        let mut round = 0;
        let entry = loop {
            self.catch_up().await?;
            if let Some(at) = self.others.iter().position(|entry| entry.nonce == draft.nonce) {
                // An earlier attempt had landed after all.
                break self.others.remove(at);
            }
            if let Err(error) = self.may_follow(draft) {
                return Err(self.give_up(draft, error).await);
            }
            let entry = self.state.entry(draft, self.writer, self.options.results, now());
            let path = paths::entry(entry.seq);
            entry.check(&path).map_err(|error| CommitError::Refused {
                nonce: draft.nonce,
                why: error.to_string(),
            })?;
            let bytes = codec::encode(&entry, &path)?;
            self.pending.insert(draft.nonce);
            if self.create(&entry, bytes).await? {
                // Only now, and not before the checkpoints were listed, is it part of the chain.
                self.check_overtaken_at(&entry).await?;
                self.advance(&entry)?;
                break entry;
            }
            self.pause(round).await;
            round += 1;
        };
        self.epoch = self
            .epoch
            .max(if matches!(entry.kind, Kind::Epoch { .. }) { entry.epoch } else { 0 });
        let in_place = match self.finish_moves().await {
            Ok(()) => true,
            Err(error) if error.is_transient() => false,
            Err(error) => return Err(error.into()),
        };
        Ok(Committed { seq: entry.seq, in_place })
    }

    fn may_follow(&mut self, draft: &Draft) -> Result<(), CommitError> {
        if self.state.fenced.contains(&self.writer) {
            let writer = std::mem::replace(&mut self.writer, WriterId(self.options.names.next()?));
            return Err(CommitError::Fenced {
                writer,
                renamed: self.writer,
            });
        }
        if self.state.epoch > self.epoch {
            return Err(CommitError::NewerEpoch {
                ours: self.epoch,
                newest: self.state.epoch,
            });
        }
        self.state.check(draft)
    }

    async fn give_up(&mut self, draft: &Draft, error: CommitError) -> CommitError {
        let void = matches!(
            error,
            CommitError::Zombie { .. } | CommitError::Fenced { .. } | CommitError::NewerEpoch { .. } | CommitError::Closed { .. }
        );
        if void && let Err(failed) = self.discard(draft).await {
            tracing::warn!(%failed, "files of a commit that did not happen could not be deleted; the next start deletes them");
        }
        error
    }

    /// Rule 2: whether the entry at its seq is this one, however the store answered.
    async fn create(&mut self, entry: &Entry, bytes: Bytes) -> Result<bool, CommitError> {
        let path = paths::entry(entry.seq);
        let mut why = "the store gave no answer".to_owned();
        for attempt in 0..self.options.attempts.max(1) {
            if attempt > 0 {
                self.pause(attempt - 1).await;
            }
            match self.store.create_if_absent(&path, bytes.clone()).await {
                Ok(Creation::Created) => return Ok(true),
                Ok(Creation::Exists) => {}
                Err(error @ StoreError::Retry { .. }) => why = error.to_string(),
                Err(error) => return Err(error.into()),
            }
            match open::read_entry(&*self.store, entry.seq).await {
                Ok(found) => return Ok(found.nonce == entry.nonce),
                // Still unknown: the create may land later, so it is tried again.
                Err(LogError::Store(StoreError::Missing { .. })) => {}
                Err(error) if error.is_transient() => why = error.to_string(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommitError::Unknown { seq: entry.seq, why })
    }

    pub(super) fn advance(&mut self, entry: &Entry) -> Result<(), LogError> {
        self.state.apply(entry).map_err(|why| LogError::Broken {
            path: paths::entry(entry.seq),
            why,
        })?;
        // The place after the old head is taken: no other draft can land there any more.
        self.pending.clear();
        self.moves.extend(entry.files.iter().cloned());
        self.recent.extend(entry.binary_files().map(|f| f.path.clone()));
        Ok(())
    }

    /// Waits longer after each failure, by a random part, so that writers who met do not meet again.
    async fn pause(&self, attempt: u32) {
        let longest = self.options.backoff.saturating_mul(1 << attempt.min(8));
        let random = self.options.names.next().map_or(0, |number| number >> 32);
        let share = random as f64 / f64::from(u32::MAX);
        tokio::time::sleep(longest.mul_f64(0.5 + share / 2.0)).await;
    }

    pub(super) fn nonce(&self) -> Result<Nonce, LogError> {
        self.options.names.next().map(Nonce)
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn has_others(&self) -> bool {
        !self.others.is_empty() || self.skipped
    }

    pub(super) fn recent_files(&self) -> impl Iterator<Item = &String> {
        self.recent.iter()
    }

    /// The checkpoint that this process goes on from.
    pub(super) fn base(&self) -> Option<u64> {
        self.checkpoint
    }

    pub(super) fn entries_since_checkpoint(&self) -> u64 {
        self.state.head.seq - self.checkpoint.unwrap_or(0)
    }

    pub(super) fn unknown(&self, seq: u64) -> CommitError {
        CommitError::Unknown {
            seq,
            why: "the store says that a checkpoint exists, but does not show it".to_owned(),
        }
    }

    pub(super) fn after_checkpoint(&mut self, seq: u64, blobs: &[BlobRef]) {
        self.checkpoint = Some(seq);
        self.blobs = blobs.to_vec();
        self.recent = blobs.iter().map(|blob| blob.file.path.clone()).collect();
    }
}

/// Writes the first entry, or finds that another process did.
async fn begin(store: &dyn Store, writer: WriterId, genesis: &Genesis, options: &Options) -> Result<Recovered, LogError> {
    if let Some(found) = open::check_fresh(store).await? {
        return Ok(found);
    }
    let entry = Entry {
        results: options.results,
        epoch: 0,
        seq: 0,
        nonce: Nonce(options.names.next()?),
        previous: Nonce::NONE,
        writer,
        written_at: now(),
        kind: Kind::Genesis { genesis: genesis.clone() },
        partitions: Vec::new(),
        files: Vec::new(),
        delta: None,
        publication: None,
    };
    let path = paths::entry(0);
    store.create_if_absent(&path, codec::encode(&entry, &path)?).await?;
    match open::read(store).await? {
        Some(found) => Ok(found),
        None => Err(StoreError::Retry {
            doing: format!("beginning the log in {}", store.location()),
            why: "the first entry is not shown".to_owned(),
        }
        .into()),
    }
}
