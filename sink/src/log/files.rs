//! Rule 5: the files that go with an entry, before and after it.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::CommitLog;
use super::open::{newest_checkpoint, read_checkpoint};
use super::{CommitError, DataFile, Draft, Kind, LogError, WriterId, paths};
use crate::store::{Listed, Move, StoreError};

impl CommitLog {
    /// Deletes what a draft staged, unless it may still become an entry. Gives whether it did.
    ///
    /// # Errors
    /// Where the store fails; what remains is left to a fence.
    pub async fn discard(&mut self, draft: &Draft) -> Result<bool, LogError> {
        if self.pending.contains(&draft.nonce) {
            return Ok(false);
        }
        let own = draft.nonce.to_string();
        let snapshots = draft.partitions.iter().filter_map(|p| p.snapshot.as_ref()).map(|s| &s.file.path);
        // A partition's newest snapshot may be an older one, which stays.
        let snapshots = snapshots.filter(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with(&own)));
        let files = draft
            .files
            .iter()
            .map(|file| &file.staged)
            .chain(draft.delta.iter().map(|file| &file.path))
            .chain(snapshots);
        // An earlier attempt may have landed and been read as another writer's entry: what it names stays.
        let named = self.named_files();
        for path in files.filter(|path| !named.contains(path)) {
            self.store.delete(path).await?;
        }
        Ok(true)
    }

    /// Refuses a committed file in staging that has another size than its entry says, before it is moved to where it is read.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the file's name, or where the store fails.
    pub(super) async fn check_staged(&self) -> Result<(), LogError> {
        if self.moves.is_empty() {
            return Ok(());
        }
        let sizes: BTreeMap<&str, u64> = self.moves.iter().map(|file| (file.staged.as_str(), file.bytes)).collect();
        for Listed { path, bytes, .. } in self.store.list(paths::STAGING).await? {
            if let Some(size) = sizes.get(path.as_str()).filter(|size| **size != bytes) {
                return Err(StoreError::corrupt(&path, format!("it has {bytes} bytes instead of {size}")).into());
            }
        }
        Ok(())
    }

    /// Moves every committed file to its place, durably. Files that lie nowhere are left for [`CommitLog::take_absent`].
    ///
    /// # Errors
    /// Where the store fails; the next call goes on.
    pub async fn finish_moves(&mut self) -> Result<(), LogError> {
        while !self.moves.is_empty() {
            let moves: Vec<Move> = self
                .moves
                .iter()
                .map(|f| Move {
                    staged: f.staged.clone(),
                    path: f.path.clone(),
                })
                .collect();
            match self.store.publish(&moves).await {
                Ok(()) => self.moves.clear(),
                Err(StoreError::Missing { path, .. }) if self.moves.iter().any(|f| f.path == path) => {
                    tracing::warn!(
                        path,
                        "a committed data file is neither in its place nor staged: it was moved or deleted by another program"
                    );
                    let (absent, rest) = std::mem::take(&mut self.moves).into_iter().partition(|f| f.path == path);
                    self.moves = rest;
                    self.absent.extend::<Vec<DataFile>>(absent);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Fences every other writer that left files which no entry names, none of them newer than `quiet_since` (milliseconds by the store's clock),
    /// then deletes these files. Gives the writers. A live writer that is fenced all the same loses what it staged, and begins again.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn clear_abandoned(&mut self, quiet_since: i64) -> Result<Vec<WriterId>, CommitError> {
        // The moves of what was read before checkpoints could be listed have to wait until they are.
        self.catch_up().await?;
        self.finish_moves().await?;
        let mut newest: BTreeMap<WriterId, i64> = BTreeMap::new();
        for (writer, file) in self.unnamed_files().await? {
            let time = newest.entry(writer).or_insert(file.modified);
            *time = file.modified.max(*time);
        }
        newest.remove(&self.writer);
        let writers: BTreeSet<WriterId> = newest
            .into_iter()
            .filter(|(_, time)| *time <= quiet_since)
            .map(|(writer, _)| writer)
            .collect();
        for writer in &writers {
            if !self.state.fenced.contains(writer) {
                let mut fence = self.draft()?;
                fence.kind = Kind::Fence { fenced: *writer };
                self.commit(&fence).await?;
            }
        }
        // Whatever the fenced writers managed to commit before is in the chain now, and named.
        self.finish_moves().await?;
        for (_, file) in self.unnamed_files().await?.iter().filter(|(writer, _)| writers.contains(writer)) {
            self.store.delete(&file.path).await?;
        }
        Ok(writers.into_iter().collect())
    }

    /// Files below the writers' directories that the newest checkpoint or an entry after it names.
    fn named_files(&self) -> BTreeSet<&String> {
        let snapshots = self
            .state
            .partitions
            .values()
            .filter_map(|p| p.newest.snapshot.as_ref())
            .map(|s| &s.file.path);
        self.moves.iter().map(|f| &f.staged).chain(snapshots).chain(&self.recent).collect()
    }

    async fn unnamed_files(&mut self) -> Result<Vec<(WriterId, Listed)>, CommitError> {
        // A checkpoint that its writer gave up may land all the same, and would be read if it were the newest: what was written for it stays until a
        // newer one exists. Fences do not hold it up, since it is no entry. It may also keep parts of its base, so no part goes while one is announced;
        // whoever announces one after the log is read here begins at the newest checkpoint listed before, or at a later one.
        let newest = newest_checkpoint(&*self.store).await?;
        self.catch_up().await?;
        let settled = newest == self.state.announced;
        let may_be_read = |path: &str| paths::state_seq(path).is_some_and(|seq| !settled || newest.is_none_or(|newest| seq > newest));
        let mut named: BTreeSet<String> = self.named_files().into_iter().cloned().collect();
        if let Some(seq) = newest {
            // It may be another's, which this process has had no need to read.
            let checkpoint = read_checkpoint(&*self.store, seq).await;
            named.extend(
                checkpoint
                    .map_err(|error| self.unstable(error))?
                    .named()
                    .map(|file| file.path.clone()),
            );
        }
        let mut found = Vec::new();
        for directory in [paths::STAGING, paths::DELTA, paths::STATE, paths::LIVE] {
            for file in self
                .store
                .list(directory)
                .await?
                .into_iter()
                .filter(|file| !named.contains(&file.path) && !may_be_read(&file.path))
            {
                found.extend(paths::writer_of(&file.path, directory).map(|writer| (writer, file)));
            }
        }
        Ok(found)
    }
}
