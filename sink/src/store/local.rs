//! A directory of a local file system. `object_store`'s local store knows neither file modes nor which directories have to be synced after
//! a rename, so this is plain `std::fs` on tokio's blocking threads.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::FutureExt;

use super::{Creation, Listed, Move, PRIVATE, Pending, Store, StoreError, check_path, parent, probe};

/// Group may read, others may not: events can tell of persons.
const FILE_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;
/// Directories remembered as durable; beyond, all are forgotten and checked again.
const REMEMBERED: usize = 10_000;

/// Files in a local directory.
#[derive(Clone, Debug)]
pub struct LocalStore {
    inner: Arc<Inner>,
}

/// The blocking half.
#[derive(Debug)]
pub(super) struct Inner {
    root: PathBuf,
    location: String,
    /// Set by a failed fsync: a later one could succeed although pages were lost, so nothing may be trusted any more.
    broken: AtomicBool,
    temporary: AtomicU64,
    /// Directories whose whole way down from the root is known to be durable. That a directory exists does not say so: whoever made it may
    /// have died before syncing its parent.
    durable: Mutex<BTreeSet<String>>,
}

impl LocalStore {
    /// The store below `root`, which need not exist before [`Store::probe`].
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> LocalStore {
        let root = root.into();
        let location = root.display().to_string();
        let (broken, temporary, durable) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::default());
        LocalStore {
            inner: Arc::new(Inner {
                root,
                location,
                broken,
                temporary,
                durable,
            }),
        }
    }

    fn run<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static) -> Pending<'_, T> {
        let inner = Arc::clone(&self.inner);
        async move {
            let location = inner.location.clone();
            let done = tokio::task::spawn_blocking(move || {
                if inner.broken.load(Ordering::Acquire) {
                    Err(inner.is_broken())
                } else {
                    work(&inner)
                }
            });
            done.await.unwrap_or_else(|stopped| {
                Err(StoreError::Fatal {
                    what: format!("writing to {location}"),
                    why: format!("the operation did not finish: {stopped}"),
                    remedy: "start the process again; it goes on from the commit log".to_owned(),
                })
            })
        }
        .boxed()
    }
}

impl Store for LocalStore {
    fn location(&self) -> &str {
        &self.inner.location
    }

    fn probe(&self) -> Pending<'_, ()> {
        self.run(probe::probe)
    }

    fn stage(&self, path: &str, bytes: Bytes) -> Pending<'_, ()> {
        let path = path.to_owned();
        self.run(move |inner| inner.stage(&path, &bytes))
    }

    fn replace(&self, path: &str, bytes: Bytes) -> Pending<'_, ()> {
        let path = path.to_owned();
        self.run(move |inner| inner.replace(&path, &bytes))
    }

    fn publish(&self, moves: &[Move]) -> Pending<'_, ()> {
        let moves = moves.to_vec();
        self.run(move |inner| inner.publish(&moves))
    }

    fn create_if_absent(&self, path: &str, bytes: Bytes) -> Pending<'_, Creation> {
        let path = path.to_owned();
        self.run(move |inner| inner.create_if_absent(&path, &bytes))
    }

    fn get(&self, path: &str, max_bytes: u64) -> Pending<'_, Bytes> {
        let path = path.to_owned();
        self.run(move |inner| inner.get(&path, max_bytes))
    }

    fn list(&self, directory: &str) -> Pending<'_, Vec<Listed>> {
        let directory = directory.to_owned();
        self.run(move |inner| inner.list(&directory))
    }

    fn delete(&self, path: &str) -> Pending<'_, ()> {
        let path = path.to_owned();
        self.run(move |inner| match fs::remove_file(inner.resolve(&path)?) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(inner.retry("deleting", &path, &error)),
            _ => Ok(()),
        })
    }

    fn sync(&self, directory: &str) -> Pending<'_, ()> {
        let directory = directory.to_owned();
        self.run(move |inner| {
            let path = inner.resolve(&directory)?;
            if path.is_dir() { inner.sync_directory(&path) } else { Ok(()) }
        })
    }
}

impl Inner {
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn resolve(&self, path: &str) -> Result<PathBuf, StoreError> {
        check_path(path)?;
        Ok(self.root.join(path))
    }

    fn stage(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let target = self.resolve(path)?;
        self.make_parents(path)?;
        self.write(&target, path, bytes)?;
        self.sync_parent(path)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let target = self.resolve(path)?;
        self.make_parents(path)?;
        let (temporary, _) = self.temporary()?;
        let written = self.open(&temporary).and_then(|mut file| file.write_all(bytes));
        written
            .and_then(|()| fs::rename(&temporary, &target))
            .map_err(|error| self.retry("writing", path, &error))
    }

    fn publish(&self, moves: &[Move]) -> Result<(), StoreError> {
        let mut touched: Vec<&str> = Vec::new();
        let moved = moves.iter().try_for_each(|one| {
            // For files that are in place already too, since the process that moved them may have died before it synced.
            touched.extend([parent(&one.staged), parent(&one.path)]);
            self.publish_one(one)
        });
        touched.sort_unstable();
        touched.dedup();
        for directory in touched {
            let path = self.root.join(directory);
            if path.is_dir() {
                self.sync_directory(&path)?;
            }
        }
        moved
    }

    fn publish_one(&self, one: &Move) -> Result<(), StoreError> {
        let (from, to) = (self.resolve(&one.staged)?, self.resolve(&one.path)?);
        let failed = |error: io::Error| self.retry("moving into place", &one.path, &error);
        let size = |path: &Path| match fs::metadata(path) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(failed(error)),
        };
        match (size(&from)?, size(&to)?) {
            // Whoever moved it may have died before making its directories durable.
            (None, Some(_)) => self.make_parents(&one.path),
            (None, None) => Err(self.missing(&one.path)),
            (Some(_), None) => {
                self.make_parents(&one.path)?;
                match fs::rename(&from, &to) {
                    // Another process that finishes the same entry was faster.
                    Err(error) if error.kind() == ErrorKind::NotFound && to.is_file() => Ok(()),
                    renamed => renamed.map_err(failed),
                }
            }
            // A file that readers may have open is never replaced.
            (Some(staged), Some(visible)) if staged == visible => match fs::remove_file(&from) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            },
            (Some(staged), Some(visible)) => Err(StoreError::Conflict {
                location: self.location.clone(),
                path: one.path.clone(),
                why: format!("{visible} bytes instead of {staged}"),
            }),
        }
    }

    fn create_if_absent(&self, path: &str, bytes: &[u8]) -> Result<Creation, StoreError> {
        let target = self.resolve(path)?;
        self.make_parents(path)?;
        let (temporary, shown) = self.temporary()?;
        let written = self.write(&temporary, &shown, bytes);
        let linked = if written.is_ok() {
            fs::hard_link(&temporary, &target)
        } else {
            Ok(())
        };
        // What stays behind after a crash here is removed by the next probe; it has no meaning to anyone.
        let _ = fs::remove_file(&temporary);
        written?;
        let creation = match linked {
            Ok(()) => Creation::Created,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Creation::Exists,
            Err(error) => return Err(self.retry("creating", path, &error)),
        };
        self.sync_parent(path)?;
        Ok(creation)
    }

    fn get(&self, path: &str, max_bytes: u64) -> Result<Bytes, StoreError> {
        let file = match File::open(self.resolve(path)?) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Err(self.missing(path)),
            Err(error) => return Err(self.retry("reading", path, &error)),
        };
        let mut bytes = Vec::new();
        file.take(max_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| self.retry("reading", path, &error))?;
        if bytes.len() as u64 > max_bytes {
            return Err(StoreError::too_large(path, max_bytes));
        }
        Ok(Bytes::from(bytes))
    }

    fn list(&self, directory: &str) -> Result<Vec<Listed>, StoreError> {
        self.resolve(directory)?;
        let mut found = Vec::new();
        let mut waiting = vec![directory.to_owned()];
        while let Some(directory) = waiting.pop() {
            let failed = |error: &io::Error| self.retry("listing", &directory, error);
            let entries = match fs::read_dir(self.root.join(&directory)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed(&error))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = format!("{directory}/{name}");
                match entry.metadata() {
                    Ok(about) if about.is_dir() => waiting.push(path),
                    Ok(about) => found.push(Listed {
                        path,
                        bytes: about.len(),
                        modified: modified(&about),
                    }),
                    // Moved or deleted by someone else since the directory was read.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(&error)),
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// A path for a temporary file that nobody else uses, in a directory that exists.
    pub(super) fn temporary(&self) -> Result<(PathBuf, String), StoreError> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let path = format!("{PRIVATE}/tmp/{}-{number}", std::process::id());
        // Two stores in one process, and process ids in containers, may collide; the nonce keeps them apart.
        let path = match crate::log::Nonce::random() {
            Ok(nonce) => format!("{path}-{nonce}"),
            Err(error) => return Err(self.retry("naming", &path, &io::Error::other(error.to_string()))),
        };
        self.make_parents(&path)?;
        Ok((self.resolve(&path)?, path))
    }

    /// Writes a whole file and syncs it, but not its directory.
    pub(super) fn write(&self, target: &Path, shown: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.open(target).and_then(|mut file| file.write_all(bytes).map(|()| file));
        let file = written.map_err(|error| self.retry("writing", shown, &error))?;
        file.sync_all().map_err(|error| self.not_durable(target, &error))
    }

    fn open(&self, target: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        options.open(target)
    }

    /// Creates the directories of a path, each made durable in its parent.
    fn make_parents(&self, path: &str) -> Result<(), StoreError> {
        let directory = parent(path);
        let mut current = self.root.join(directory);
        if self.durable().contains(directory) && current.is_dir() {
            return Ok(());
        }
        current.clone_from(&self.root);
        for part in directory.split('/').filter(|part| !part.is_empty()) {
            let above = current.clone();
            current.push(part);
            self.make_directory(&current)
                .map_err(|error| self.retry("creating the directory of", path, &error))?;
            self.sync_directory(&above)?;
        }
        let mut durable = self.durable();
        if durable.len() >= REMEMBERED {
            durable.clear();
        }
        durable.insert(directory.to_owned());
        Ok(())
    }

    fn durable(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a directory unless it exists.
    pub(super) fn make_directory(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn sync_parent(&self, path: &str) -> Result<(), StoreError> {
        self.sync_directory(&self.root.join(parent(path)))
    }

    pub(super) fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        let directory = File::open(path).map_err(|error| self.retry("opening the directory", &path.display().to_string(), &error))?;
        directory.sync_all().map_err(|error| self.not_durable(path, &error))
    }

    fn missing(&self, path: &str) -> StoreError {
        StoreError::Missing {
            location: self.location.clone(),
            path: path.to_owned(),
        }
    }

    pub(super) fn retry(&self, verb: &str, path: &str, error: &io::Error) -> StoreError {
        StoreError::Retry {
            doing: format!("{verb} {path} in {}", self.location),
            why: explain(error),
        }
    }

    fn not_durable(&self, path: &Path, error: &io::Error) -> StoreError {
        self.broken.store(true, Ordering::Release);
        StoreError::Fatal {
            what: format!("syncing {} to disk", path.display()),
            why: explain(error),
            remedy: "what the disk holds is unknown now, so the process ends; check the disk, then start it again: it goes on from the commit log"
                .to_owned(),
        }
    }

    fn is_broken(&self) -> StoreError {
        StoreError::Fatal {
            what: format!("writing to {}", self.location),
            why: "an earlier sync to disk failed".to_owned(),
            remedy: "check the disk, then start the process again: it goes on from the commit log".to_owned(),
        }
    }
}

/// When a file was last written, in milliseconds since 1970.
fn modified(about: &fs::Metadata) -> i64 {
    let since = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// An input or output error with what to do about it, where that is known.
pub(super) fn explain(error: &io::Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::StorageFull => "free some space on that file system, or make it larger",
        ErrorKind::QuotaExceeded => "raise the quota of the user that runs tidegauge, or free some space",
        ErrorKind::ReadOnlyFilesystem => "mount that file system for writing, or choose another `output.url`",
        ErrorKind::PermissionDenied => "give the user that runs tidegauge the right to write there (chown), or choose another `output.url`",
        ErrorKind::NotADirectory => "a file is where a directory has to be: move it away, or choose another `output.url`",
        _ => return error.to_string(),
    };
    format!("{error}; {remedy}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_written_any_more() {
        let directory = tempfile::TempDir::new().unwrap();
        let store = LocalStore::new(directory.path());
        store.stage("a/b", Bytes::from_static(b"x")).await.unwrap();
        let error = store.inner.not_durable(directory.path(), &io::Error::from_raw_os_error(5));
        assert!(
            matches!(error, StoreError::Fatal { .. }) && error.to_string().contains("check the disk"),
            "{error}"
        );
        for error in [
            store.stage("a/c", Bytes::new()).await.unwrap_err(),
            store.sync("a").await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Fatal { .. }), "{error}");
        }
        assert!(!directory.path().join("a/c").exists());
    }

    #[test]
    fn a_full_disk_says_so_and_what_to_do() {
        let text = explain(&io::Error::from_raw_os_error(28));
        assert!(text.contains("No space left") && text.contains("free some space"), "{text}");
        let text = explain(&io::Error::from_raw_os_error(30));
        assert!(text.contains("mount that file system for writing"), "{text}");
    }
}
