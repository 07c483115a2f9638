//! A store in memory whose operations can be made to fail: what tests of everything above the store use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;

use super::{Creation, Listed, Move, Pending, Store, StoreError, check_path};

/// How one operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and answers with an error; the next ones work.
    Refused,
    /// It takes effect but answers with an error; the next ones work.
    AnswerLost,
    /// It takes effect only right before the operation after the next, and answers with an error.
    Late,
    /// It does nothing, and nothing works any more until [`MemoryStore::restart`].
    CrashBefore,
    /// It takes effect, and nothing works any more until [`MemoryStore::restart`].
    CrashAfter,
}

/// Files in memory, shared by all clones.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, Bytes>,
    /// When each file was staged or replaced.
    modified: BTreeMap<String, i64>,
    clock: i64,
    operations: u64,
    plan: BTreeMap<u64, Fault>,
    late: Vec<(u64, Change)>,
    crashed: bool,
}

/// What an operation does to the files. A batch of moves is one change per file, so that a crash can fall between two.
#[derive(Clone, Debug)]
enum Change {
    Write(String, Bytes),
    Create(String, Bytes),
    Move(Move),
    Delete(String),
    Nothing,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Number of operations so far; each file of a [`Store::publish`] counts as one.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Makes the operation after the next `after` ones fail.
    pub fn fail(&self, after: u64, fault: Fault) {
        let mut inner = self.lock();
        let number = inner.operations + after;
        inner.plan.insert(number, fault);
    }

    /// Forgets all faults, as a new process on the same files does. What was under way lands or is lost with the crash: here it lands.
    pub fn restart(&self) {
        let mut inner = self.lock();
        inner.plan.clear();
        inner.crashed = false;
        for (_, change) in std::mem::take(&mut inner.late) {
            let _ = inner.apply(change);
        }
    }

    /// What time it is from now on, in milliseconds; it begins at 0.
    pub fn set_clock(&self, now: i64) {
        self.lock().clock = now;
    }

    /// An independent store with the same files.
    #[must_use]
    pub fn fork(&self) -> MemoryStore {
        let files = self.lock().files.clone();
        MemoryStore {
            inner: Arc::new(Mutex::new(Inner { files, ..Inner::default() })),
        }
    }

    /// Every file and its content.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Bytes> {
        self.lock().files.clone()
    }

    /// Puts a file there, or replaces it, without counting as an operation: for tests that damage files.
    pub fn overwrite(&self, path: &str, bytes: impl Into<Bytes>) {
        self.lock().files.insert(path.to_owned(), bytes.into());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: Change) -> Result<Creation, StoreError> {
        self.lock().step(change)
    }
}

impl Inner {
    fn step(&mut self, change: Change) -> Result<Creation, StoreError> {
        let failed = |what: &str| StoreError::Retry {
            doing: format!("{change:.40?} in memory"),
            why: what.to_owned(),
        };
        if self.crashed {
            return Err(failed("crashed"));
        }
        let number = self.operations;
        self.operations += 1;
        let (due, waiting) = std::mem::take(&mut self.late).into_iter().partition(|(when, _)| *when <= number);
        self.late = waiting;
        for (_, change) in Vec::from_iter::<Vec<(u64, Change)>>(due) {
            let _ = self.apply(change);
        }
        match self.plan.remove(&number) {
            None => return self.apply(change),
            Some(Fault::Refused) => {}
            Some(Fault::AnswerLost) => drop(self.apply(change.clone())),
            Some(Fault::Late) => self.late.push((number + 2, change.clone())),
            Some(Fault::CrashBefore) => self.crashed = true,
            Some(Fault::CrashAfter) => {
                drop(self.apply(change.clone()));
                self.crashed = true;
            }
        }
        Err(failed("injected"))
    }

    fn apply(&mut self, change: Change) -> Result<Creation, StoreError> {
        match change {
            Change::Nothing => {}
            Change::Write(path, bytes) => {
                self.modified.insert(path.clone(), self.clock);
                drop(self.files.insert(path, bytes));
            }
            Change::Delete(path) => drop(self.files.remove(&path)),
            Change::Create(path, _) if self.files.contains_key(&path) => return Ok(Creation::Exists),
            Change::Create(path, bytes) => drop(self.files.insert(path, bytes)),
            Change::Move(one) => match (self.files.get(&one.staged), self.files.get(&one.path)) {
                (None, Some(_)) => {}
                (None, None) => return Err(missing(&one.path)),
                (Some(staged), Some(visible)) if staged.len() != visible.len() => {
                    let why = format!("{} bytes instead of {}", visible.len(), staged.len());
                    return Err(StoreError::Conflict {
                        location: "memory".to_owned(),
                        path: one.path,
                        why,
                    });
                }
                (Some(staged), _) => {
                    let staged_bytes = staged.clone();
                    self.files.remove(&one.staged);
                    self.files.entry(one.path).or_insert(staged_bytes);
                }
            },
        }
        Ok(Creation::Created)
    }
}

fn missing(path: &str) -> StoreError {
    StoreError::Missing {
        location: "memory".to_owned(),
        path: path.to_owned(),
    }
}

impl Store for MemoryStore {
    fn location(&self) -> &str {
        "memory"
    }

    fn probe(&self) -> Pending<'_, ()> {
        async { self.change(Change::Nothing).map(drop) }.boxed()
    }

    fn stage(&self, path: &str, bytes: Bytes) -> Pending<'_, ()> {
        let path = path.to_owned();
        async move {
            check_path(&path)?;
            self.change(Change::Write(path, bytes)).map(drop)
        }
        .boxed()
    }

    fn replace(&self, path: &str, bytes: Bytes) -> Pending<'_, ()> {
        self.stage(path, bytes)
    }

    fn publish(&self, moves: &[Move]) -> Pending<'_, ()> {
        let moves = moves.to_vec();
        async move {
            for one in moves {
                check_path(&one.staged)?;
                check_path(&one.path)?;
                self.change(Change::Move(one))?;
            }
            Ok(())
        }
        .boxed()
    }

    fn create_if_absent(&self, path: &str, bytes: Bytes) -> Pending<'_, Creation> {
        let path = path.to_owned();
        async move {
            check_path(&path)?;
            // Lets concurrent callers interleave, as they would elsewhere.
            tokio::task::yield_now().await;
            self.change(Change::Create(path, bytes))
        }
        .boxed()
    }

    fn get(&self, path: &str, max_bytes: u64) -> Pending<'_, Bytes> {
        let path = path.to_owned();
        async move {
            check_path(&path)?;
            let mut inner = self.lock();
            inner.step(Change::Nothing)?;
            let bytes = inner.files.get(&path).cloned().ok_or_else(|| missing(&path))?;
            if bytes.len() as u64 > max_bytes {
                return Err(StoreError::too_large(&path, max_bytes));
            }
            Ok(bytes)
        }
        .boxed()
    }

    fn list(&self, directory: &str) -> Pending<'_, Vec<Listed>> {
        let directory = directory.to_owned();
        async move {
            check_path(&directory)?;
            let mut inner = self.lock();
            inner.step(Change::Nothing)?;
            let below = format!("{directory}/");
            let found = inner.files.iter().filter(|(path, _)| path.starts_with(&below));
            Ok(found
                .map(|(path, bytes)| Listed {
                    path: path.clone(),
                    bytes: bytes.len() as u64,
                    modified: inner.modified.get(path).copied().unwrap_or(0),
                })
                .collect())
        }
        .boxed()
    }

    fn delete(&self, path: &str) -> Pending<'_, ()> {
        let path = path.to_owned();
        async move {
            check_path(&path)?;
            self.change(Change::Delete(path)).map(drop)
        }
        .boxed()
    }

    fn sync(&self, _directory: &str) -> Pending<'_, ()> {
        async { self.change(Change::Nothing).map(drop) }.boxed()
    }
}
