//! A bucket of an object store: Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.
//!
//! An object is there whole or not at all and survives what the store survives, so nothing has to be synced. What differs from a directory is
//! that there is no rename: a file is moved by a copy within the store and the deletion of its source, and a crash can fall between the two.

mod open;
mod probe;
mod trouble;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, WriteMultipart};

use super::{Creation, Listed, Move, Pending, Store, StoreError, check_path};
pub use open::Provider;
use trouble::{Cause, Trouble};

/// Files larger than this are written in parts.
const WHOLE: usize = 16 << 20;
/// Bytes of a part; S3 takes none below 5 MiB except the last.
const PART: usize = 8 << 20;
/// Parts of a file that are under way at once.
const PARTS: usize = 4;
/// Files that are moved at once.
const MOVES: usize = 8;
/// How often a move looks again when another process moves the same file.
const LOOKS: u32 = 3;

/// Files below a prefix of a bucket.
pub struct BucketStore {
    objects: Arc<dyn ObjectStore>,
    provider: Provider,
    /// Without slashes at its ends; may be empty.
    prefix: String,
    location: String,
    /// Set once the store said that it cannot copy on condition that the target is absent.
    copies_plainly: AtomicBool,
}

/// The client holds credentials, so it is not shown.
impl fmt::Debug for BucketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BucketStore").field(&self.location).finish()
    }
}

impl Store for BucketStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn probe(&self) -> Pending<'_, ()> {
        probe::probe(self).boxed()
    }

    fn stage(&self, path: &str, bytes: Bytes) -> Pending<'_, ()> {
        let path = path.to_owned();
        async move {
            let written = self.write(&self.resolve(&path)?, bytes).await;
            written.map_err(|error| self.retry("writing", &path, &error))
        }
        .boxed()
    }

    fn replace(&self, path: &str, bytes: Bytes) -> Pending<'_, ()> {
        self.stage(path, bytes)
    }

    fn publish(&self, moves: &[Move]) -> Pending<'_, ()> {
        let moves = moves.to_vec();
        async move {
            let moved = stream::iter(moves).map(|one| async move { self.publish_one(&one).await });
            moved.buffered(MOVES).try_collect().await
        }
        .boxed()
    }

    fn create_if_absent(&self, path: &str, bytes: Bytes) -> Pending<'_, Creation> {
        let path = path.to_owned();
        async move {
            let target = self.resolve(&path)?;
            match self.objects.put_opts(&target, bytes.into(), PutMode::Create.into()).await {
                Ok(_) => Ok(Creation::Created),
                // S3 says so too while another create is under way that may still fail.
                Err(error @ Error::AlreadyExists { .. }) => match self.size(&target, &path).await? {
                    Some(_) => Ok(Creation::Exists),
                    None => Err(self.retry("creating", &path, &error)),
                },
                Err(error) => Err(self.retry("creating", &path, &error)),
            }
        }
        .boxed()
    }

    fn get(&self, path: &str, max_bytes: u64) -> Pending<'_, Bytes> {
        let path = path.to_owned();
        async move {
            let failed = |error: Error| self.missing_or_retry("reading", &path, &error);
            let found = self.objects.get(&self.resolve(&path)?).await.map_err(failed)?;
            if found.meta.size > max_bytes {
                return Err(StoreError::too_large(&path, max_bytes));
            }
            found.bytes().await.map_err(failed)
        }
        .boxed()
    }

    fn list(&self, directory: &str) -> Pending<'_, Vec<Listed>> {
        let directory = directory.to_owned();
        async move {
            let below = self.resolve(&directory)?;
            let objects: Vec<_> = self
                .objects
                .list(Some(&below))
                .try_collect()
                .await
                .map_err(|error| self.retry("listing", &directory, &error))?;
            let mut found: Vec<Listed> = objects
                .into_iter()
                .filter_map(|object| {
                    let rest = object.location.as_ref().strip_prefix(below.as_ref())?.strip_prefix('/')?;
                    Some(Listed {
                        path: format!("{directory}/{rest}"),
                        bytes: object.size,
                        modified: object.last_modified.timestamp_millis(),
                    })
                })
                .collect();
            found.sort_unstable();
            Ok(found)
        }
        .boxed()
    }

    fn delete(&self, path: &str) -> Pending<'_, ()> {
        let path = path.to_owned();
        async move { self.remove(&self.resolve(&path)?, &path).await }.boxed()
    }

    fn sync(&self, directory: &str) -> Pending<'_, ()> {
        let checked = check_path(directory);
        async move { checked }.boxed()
    }
}

impl BucketStore {
    fn resolve(&self, path: &str) -> Result<Path, StoreError> {
        check_path(path)?;
        let whole = if self.prefix.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.prefix)
        };
        Path::parse(whole).map_err(|error| StoreError::corrupt(&format!("{path:?}"), error))
    }

    async fn write(&self, target: &Path, bytes: Bytes) -> object_store::Result<()> {
        if bytes.len() <= WHOLE {
            return self.objects.put(target, bytes.into()).await.map(drop);
        }
        let mut upload = WriteMultipart::new_with_chunk_size(self.objects.put_multipart(target).await?, PART);
        for start in (0..bytes.len()).step_by(PART) {
            if let Err(error) = upload.wait_for_capacity(PARTS).await {
                // Parts that stay behind cost money until the bucket's own rules remove them; the first error says more.
                let _ = upload.abort().await;
                return Err(error);
            }
            upload.put(bytes.slice(start..bytes.len().min(start + PART)));
        }
        upload.finish().await.map(drop)
    }

    async fn publish_one(&self, one: &Move) -> Result<(), StoreError> {
        let (from, to) = (self.resolve(&one.staged)?, self.resolve(&one.path)?);
        let mut seen = None;
        for _ in 0..LOOKS {
            if let Some(visible) = self.size(&to, &one.path).await? {
                return match self.size(&from, &one.staged).await? {
                    None => Ok(()),
                    // Whoever copied it died before the deletion, or is about to delete it.
                    Some(staged) if staged == visible => self.remove(&from, &one.staged).await,
                    Some(staged) => Err(self.conflict(&one.path, staged, visible)),
                };
            }
            match self.copy(&from, &to).await {
                Ok(()) => return self.remove(&from, &one.staged).await,
                // Another process that finishes the same entry was faster.
                Err(error @ Error::AlreadyExists { .. }) => seen = Some(error),
                Err(error) if Trouble::of(&error).cause == Cause::NoFile => {
                    // The answer to a HEAD does not say what is missing, the file or the bucket, and this one must not be wrong.
                    match self.objects.get(&to).await {
                        Ok(_) => seen = Some(error),
                        Err(error) => return Err(self.missing_or_retry("moving into place", &one.path, &error)),
                    }
                }
                Err(error) => return Err(self.retry("moving into place", &one.path, &error)),
            }
        }
        let why = seen.map_or_else(String::new, |error| Trouble::of(&error).why);
        Err(self.retry_because("moving into place", &one.path, format!("{why}, but it is not there")))
    }

    /// Copies within the store, without replacing what another process copied where the store can do that.
    async fn copy(&self, from: &Path, to: &Path) -> object_store::Result<()> {
        if !self.copies_plainly.load(Ordering::Relaxed) {
            match self.objects.copy_if_not_exists(from, to).await {
                Err(error) if Trouble::of(&error).cause == Cause::Unsupported => self.copies_plainly.store(true, Ordering::Relaxed),
                other => return other,
            }
        }
        // Names are never used twice: whatever lies there by now is the same file.
        self.objects.copy(from, to).await
    }

    async fn size(&self, object: &Path, path: &str) -> Result<Option<u64>, StoreError> {
        match self.objects.head(object).await {
            Ok(found) => Ok(Some(found.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.retry("looking for", path, &error)),
        }
    }

    async fn remove(&self, object: &Path, path: &str) -> Result<(), StoreError> {
        match self.objects.delete(object).await {
            Err(error) if Trouble::of(&error).cause != Cause::NoFile => Err(self.retry("deleting", path, &error)),
            _ => Ok(()),
        }
    }

    fn missing_or_retry(&self, verb: &str, path: &str, error: &Error) -> StoreError {
        if Trouble::of(error).cause == Cause::NoFile {
            StoreError::Missing {
                location: self.location.clone(),
                path: path.to_owned(),
            }
        } else {
            self.retry(verb, path, error)
        }
    }

    fn conflict(&self, path: &str, staged: u64, visible: u64) -> StoreError {
        StoreError::Conflict {
            location: self.location.clone(),
            path: path.to_owned(),
            why: format!("{visible} bytes instead of {staged}"),
        }
    }

    fn retry(&self, verb: &str, path: &str, error: &Error) -> StoreError {
        let Trouble { cause, why } = Trouble::of(error);
        let why = match self.provider.remedy(cause) {
            Some(remedy) => format!("{why}; {remedy}"),
            None => why,
        };
        self.retry_because(verb, path, why)
    }

    fn retry_because(&self, verb: &str, path: &str, why: String) -> StoreError {
        StoreError::Retry {
            doing: format!("{verb} {path} in {}", self.location),
            why,
        }
    }
}
