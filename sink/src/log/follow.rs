//! What others added: entry after entry, or from the newest checkpoint where one went past what was read (rules 1 and 9).

use super::chain::CommitLog;
use super::open::{self, Recovered};
use super::{CommitError, Entry, LogError, Nonce, paths};
use crate::store::StoreError;

impl CommitLog {
    /// Reads the log again from its newest checkpoint, for a caller that needs everything which the entries add up to. What was staged and what is
    /// under way stays as it is.
    ///
    /// # Errors
    /// As of [`CommitLog::open`].
    pub async fn recover(&mut self) -> Result<Recovered, LogError> {
        let Some(found) = open::read(&*self.store).await? else {
            return Err(LogError::Broken {
                path: paths::LOG.to_owned(),
                why: "it is gone".to_owned(),
            });
        };
        open::check_versions(&found.state, self.store.location(), self.options.results)?;
        if found.state.head != self.state.head {
            self.pending.clear();
        }
        self.state.clone_from(&found.state);
        self.others.clear();
        self.skipped = false;
        self.checkpoint = found.checkpoint;
        self.blobs.clone_from(&found.blobs);
        self.moves
            .extend(found.entries.iter().flat_map(|entry| entry.files.iter().cloned()));
        self.recent = found.entries.iter().flat_map(Entry::binary_files).map(|f| f.path.clone()).collect();
        self.recent.extend(found.blobs.iter().map(|blob| blob.file.path.clone()));
        Ok(found)
    }

    /// Reads the entries that other writers added. Where a checkpoint went past what this process has read, it goes on from there.
    ///
    /// # Errors
    /// [`LogError`] for damage.
    pub async fn catch_up(&mut self) -> Result<(), CommitError> {
        match self.read_on().await {
            Err(CommitError::Overtaken { seq, checkpoint }) => {
                tracing::debug!(seq, checkpoint, "a checkpoint went past what was read; going on from it");
                self.recover().await?;
                self.skipped = true;
                Ok(())
            }
            done => done,
        }
    }

    async fn read_on(&mut self) -> Result<(), CommitError> {
        let mut synced = false;
        loop {
            let entry = match open::read_entry(&*self.store, self.state.head.seq + 1).await {
                Err(LogError::Store(StoreError::Missing { .. })) => break,
                other => other?,
            };
            if !synced {
                self.store.sync(paths::LOG).await?;
                synced = true;
            }
            if entry.previous != self.state.head.nonce {
                // Broken, unless a checkpoint explains it.
                self.check_overtaken().await?;
            }
            self.advance(&entry)?;
            self.others.push(entry);
        }
        self.check_overtaken().await
    }

    /// Whether a checkpoint shows that the head is not, or no longer, the head of the chain.
    pub(super) async fn check_overtaken(&self) -> Result<(), CommitError> {
        self.compare_checkpoints(self.state.head.seq, self.state.head.nonce).await
    }

    pub(super) async fn check_overtaken_at(&self, entry: &Entry) -> Result<(), CommitError> {
        match self.compare_checkpoints(entry.seq, entry.nonce).await {
            Err(CommitError::Log(error)) if error.is_transient() => Err(CommitError::Unknown {
                seq: entry.seq,
                why: error.to_string(),
            }),
            other => other,
        }
    }

    async fn compare_checkpoints(&self, seq: u64, nonce: Nonce) -> Result<(), CommitError> {
        let newest = open::newest_checkpoint(&*self.store).await?;
        let Some(checkpoint) = newest.filter(|newest| *newest >= seq && Some(*newest) != self.checkpoint) else {
            return Ok(());
        };
        if checkpoint == seq
            && open::read_checkpoint(&*self.store, seq)
                .await
                .map_err(|error| self.unstable(error))?
                .state
                .head
                .nonce
                == nonce
        {
            return Ok(());
        }
        Err(CommitError::Overtaken { seq, checkpoint })
    }

    /// What it means that a checkpoint which was listed is gone: a newer one took its place.
    pub(super) fn unstable(&self, error: LogError) -> LogError {
        match error {
            LogError::Store(StoreError::Missing { .. }) => LogError::Unstable {
                location: self.store.location().to_owned(),
                attempts: 1,
            },
            error => error,
        }
    }
}
