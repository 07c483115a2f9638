//! Rule 9: growth is bounded. A checkpoint sums the log up, so that older entries, and what only they name, can go.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::chain::CommitLog;
use super::entry::check_numbers;
use super::open::{newest_checkpoint, read_checkpoint, read_entry};
use super::{CommitError, FileRef, Kind, LogError, LogState, WriterId, codec, paths};
use crate::store::{Creation, StoreError};

/// The log up to one entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Who wrote it.
    pub writer: WriterId,
    /// Wall clock in milliseconds since 1970, for people; no rule reads it.
    pub written_at: i64,
    /// What the entries add up to.
    pub state: LogState,
    /// The binary parts.
    pub blobs: Vec<BlobRef>,
}

impl Checkpoint {
    /// Checks what no writer would write, before anything acts on it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with `path` as the file at fault.
    pub fn check(&self, path: &str) -> Result<(), StoreError> {
        let state = &self.state;
        check_numbers(state.head.seq, state.epoch, path)?;
        for p in state.partitions.values() {
            p.newest.check(path)?;
        }
        for file in self.named() {
            file.check(path)?;
        }
        let newest = state.publication.as_ref().map(|p| p.through.max(p.seq));
        if newest.max(state.announced).max(state.closed) > Some(state.head.seq) {
            return Err(StoreError::corrupt(path, "it sums up more than the log holds"));
        }
        Ok(())
    }

    /// Every binary file that it names.
    pub(super) fn named(&self) -> impl Iterator<Item = &FileRef> {
        let snapshots = self.state.partitions.values().filter_map(|p| p.newest.snapshot.as_ref());
        self.blobs.iter().map(|blob| &blob.file).chain(snapshots.map(|s| &s.file))
    }
}

/// A binary part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// The caller's name for it.
    pub name: String,
    /// The file.
    #[serde(flatten)]
    pub file: FileRef,
}

/// A binary part to put into a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob {
    /// One to be written.
    New {
        /// The caller's name for it.
        name: String,
        /// The content.
        payload: Bytes,
    },
    /// One that the last checkpoint names already and that has not changed.
    Keep(BlobRef),
}

/// What a collection of garbage removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Entries.
    pub entries: u64,
    /// Older checkpoints.
    pub checkpoints: u64,
    /// Deltas, snapshots and binary parts of checkpoints.
    pub files: u64,
}

impl CommitLog {
    /// Whether enough entries were added since the last checkpoint.
    #[must_use]
    pub fn checkpoint_due(&self) -> bool {
        self.entries_since_checkpoint() >= self.options().checkpoint_every
    }

    /// Sums the log up to its head, with what the caller has computed from exactly the entries up to it, and announces so by an entry first. Gives
    /// the refs of the binary parts, in the order given.
    ///
    /// # Errors
    /// [`CommitError::Behind`] while entries of other writers wait in [`CommitLog::take_others`], since the caller's parts cannot contain them;
    /// [`CommitError::Overtaken`] where another writer made or announced one meanwhile.
    pub async fn checkpoint(&mut self, blobs: Vec<Blob>) -> Result<Vec<BlobRef>, CommitError> {
        let nonce = self.nonce()?;
        if self.has_others() {
            return Err(CommitError::Behind);
        }
        self.check_overtaken().await?;
        self.check_base().await?;
        let mut announcement = self.draft()?;
        announcement.kind = Kind::Checkpoint {
            after: self.state().announced,
        };
        self.commit(&announcement).await?;
        if self.has_others() {
            return Err(CommitError::Behind);
        }
        // Whoever made one before the announcement may be removing what the base names; whoever sees the announcement does not begin to.
        self.check_base().await?;
        self.finish_moves().await?;
        let seq = self.state().head.seq;
        let mut parts = Vec::with_capacity(blobs.len());
        let mut new = Vec::new();
        for blob in blobs {
            parts.push(match blob {
                Blob::Keep(part) => part,
                Blob::New { name, payload } => {
                    let file = self.stager().state(nonce, seq, &name, &payload).await?;
                    new.push(file.path.clone());
                    BlobRef { name, file }
                }
            });
        }
        let checkpoint = Checkpoint {
            writer: self.writer(),
            written_at: super::chain::now(),
            state: self.state().clone(),
            blobs: parts,
        };
        let path = paths::checkpoint(seq);
        let bytes = codec::encode(&checkpoint, &path)?;
        match self.store().create_if_absent(&path, bytes).await {
            Ok(Creation::Created) => {}
            Err(error @ StoreError::Fatal { .. }) => return Err(error.into()),
            answer => {
                // Rule 2 holds here too: only the file tells whose checkpoint it is.
                let theirs = match read_checkpoint(self.store(), seq).await {
                    Err(LogError::Store(StoreError::Missing { .. })) => {
                        return Err(answer.err().map_or_else(|| self.unknown(seq), Into::into));
                    }
                    other => other?,
                };
                if theirs.state.head != self.state().head {
                    return Err(CommitError::Overtaken { seq, checkpoint: seq });
                }
                if theirs != checkpoint {
                    for path in new.iter().filter(|path| !theirs.blobs.iter().any(|blob| blob.file.path == **path)) {
                        self.store().delete(path).await?;
                    }
                    self.after_checkpoint(seq, &theirs.blobs);
                    return Ok(theirs.blobs);
                }
            }
        }
        self.after_checkpoint(seq, &checkpoint.blobs);
        Ok(checkpoint.blobs)
    }

    /// Whether the newest checkpoint is the one that this process goes on from.
    async fn check_base(&self) -> Result<(), CommitError> {
        match newest_checkpoint(self.store()).await? {
            Some(newest) if self.base() != Some(newest) => Err(CommitError::Overtaken {
                seq: self.base().unwrap_or(0),
                checkpoint: newest,
            }),
            _ => Ok(()),
        }
    }

    /// Removes the entries up to the newest checkpoint, the older checkpoints, and the files that only these name. Data files are never
    /// touched. A crash in between leaves nothing behind that the next call does not remove: what names a file goes after the file. Nothing is
    /// removed while another checkpoint is announced, which may keep some of it. Where another process collects at the same time, one leaves it to the
    /// other.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn collect_garbage(&mut self) -> Result<Collected, CommitError> {
        let mut collected = Collected::default();
        match self.collect(&mut collected).await {
            Err(CommitError::Log(LogError::Store(StoreError::Missing { path, .. }))) => {
                tracing::debug!(path, "another process collects the same");
                Ok(collected)
            }
            done => done.map(|()| collected),
        }
    }

    async fn collect(&mut self, collected: &mut Collected) -> Result<(), CommitError> {
        // Listed before the announcements are read: whoever announces one after that begins at this checkpoint, or at a later one.
        let newest = newest_checkpoint(self.store()).await?;
        self.catch_up().await?;
        let Some(newest) = newest.filter(|newest| self.state().announced == Some(*newest)) else {
            return Ok(());
        };
        let store = self.store();
        let checkpoint = read_checkpoint(store, newest).await?;
        let mut keep: BTreeSet<String> = checkpoint.named().map(|file| file.path.clone()).collect();
        keep.extend(self.recent_files().cloned());

        let mut entries = older(store.list(paths::LOG).await?, newest + 1).into_iter().peekable();
        let mut next = None;
        while let Some(seq) = entries.next() {
            let entry = match next.take() {
                Some(entry) => entry,
                None => read_entry(store, seq).await?,
            };
            let follower = match entries.peek() {
                Some(after) => {
                    let after = next.insert(read_entry(store, *after).await?);
                    (after.seq == seq + 1).then_some(after.previous)
                }
                None => (seq == newest).then_some(checkpoint.state.head.nonce),
            };
            // One that landed in the hole of an earlier collection is no part of the chain, and its writer may yet commit what it names.
            if follower == Some(entry.nonce) {
                for file in entry.binary_files().filter(|file| !keep.contains(&file.path)) {
                    store.delete(&file.path).await?;
                    collected.files += 1;
                }
            }
            store.delete(&paths::entry(seq)).await?;
            collected.entries += 1;
        }
        for seq in older(store.list(paths::CHECKPOINT).await?, newest) {
            let old = read_checkpoint(store, seq).await?;
            for file in old.named().filter(|file| !keep.contains(&file.path)) {
                store.delete(&file.path).await?;
                collected.files += 1;
            }
            store.delete(&paths::checkpoint(seq)).await?;
            collected.checkpoints += 1;
        }
        Ok(())
    }
}

/// The numbered files below a seq, oldest first.
fn older(files: Vec<crate::store::Listed>, below: u64) -> Vec<u64> {
    files
        .iter()
        .filter_map(|file| paths::seq(&file.path))
        .filter(|seq| *seq < below)
        .collect()
}
