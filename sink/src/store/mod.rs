//! Durable files below one output location: stage, publish, create-if-absent.
//!
//! Paths are relative to the output, with `/` between their parts. Everything that is not a finished data file lives below
//! [`PRIVATE`], so that a reader who globs a table never meets it.

mod bucket;
mod local;
mod memory;
mod probe;

use std::fmt;

use bytes::Bytes;
use futures::future::BoxFuture;

pub use bucket::{BucketStore, Provider};
pub use local::LocalStore;
pub use memory::{Fault, MemoryStore};

/// Directory below the output that holds everything except finished data files.
pub const PRIVATE: &str = "_tidegauge";

/// What an operation gives back, some time later.
pub type Pending<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// How a create-if-absent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The file did not exist and now holds what was given.
    Created,
    /// A file of that name exists already. It may be an earlier attempt of the same caller: only its content tells.
    Exists,
}

/// A staged file and the place where readers look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where it was staged.
    pub staged: String,
    /// Where it belongs.
    pub path: String,
}

/// One file that a listing found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Path relative to the output.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was last written, in milliseconds since 1970 by the store's clock. Tells who seems to be alive; no result depends on it.
    pub modified: i64,
}

/// A place for durable files. When an operation answers `Ok`, its effect survives a loss of power.
pub trait Store: fmt::Debug + Send + Sync {
    /// The output location as a person would write it, for messages.
    fn location(&self) -> &str;

    /// Checks that the store keeps its word (rule 10), and refuses it with a reason and a remedy if not.
    fn probe(&self) -> Pending<'_, ()>;

    /// Writes a whole file under a name that only this caller uses. Writing it again replaces it.
    fn stage(&self, path: &str, bytes: Bytes) -> Pending<'_, ()>;

    /// Replaces a file of soft state, which only this caller writes: readers see the old content or the new one, whole. It need not survive a
    /// loss of power.
    fn replace(&self, path: &str, bytes: Bytes) -> Pending<'_, ()>;

    /// Moves staged files to their final places. Idempotent: a file that is in place and no longer staged is done. Never replaces a
    /// file that is in place. [`StoreError::Missing`] names the final path of the first file that is in neither place; of the files
    /// after it, some may have been moved.
    fn publish(&self, moves: &[Move]) -> Pending<'_, ()>;

    /// Creates a file with this content unless a file of that name exists. Of any number of callers at most one succeeds, and nobody
    /// ever sees a part of the content.
    fn create_if_absent(&self, path: &str, bytes: Bytes) -> Pending<'_, Creation>;

    /// Reads a whole file of at most `max_bytes`.
    fn get(&self, path: &str, max_bytes: u64) -> Pending<'_, Bytes>;

    /// Lists every file below a directory, in ascending order of paths; a directory that does not exist holds none.
    fn list(&self, directory: &str) -> Pending<'_, Vec<Listed>>;

    /// Deletes a file; one that does not exist is deleted already.
    fn delete(&self, path: &str) -> Pending<'_, ()>;

    /// Makes sure that what a directory shows now is still there after a loss of power, whoever wrote it.
    fn sync(&self, directory: &str) -> Pending<'_, ()>;
}

/// Why an operation failed, named by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing is known to be lost: try again later. Whether the operation took effect is unknown.
    #[error("{doing} failed: {why}; it will be tried again")]
    Retry {
        /// The operation and its path.
        doing: String,
        /// What the store said.
        why: String,
    },
    /// There is no such file.
    #[error("{path} does not exist in {location}")]
    Missing {
        /// The output location.
        location: String,
        /// The file.
        path: String,
    },
    /// Another file is in the way: stop and let a person look.
    #[error("{path} in {location} is not what was staged for that name ({why}); it was left as it is")]
    Conflict {
        /// The output location.
        location: String,
        /// The file.
        path: String,
        /// How it differs.
        why: String,
    },
    /// The file cannot be what was written: it must not be used.
    #[error("{path} is damaged: {why}; restore it from a backup, it was not read as data")]
    Corrupt {
        /// The file.
        path: String,
        /// How that is known.
        why: String,
    },
    /// This process must end, since it can no longer tell what is durable, or the location cannot be used at all.
    #[error("{what}: {why}; {remedy}")]
    Fatal {
        /// What was attempted, and where.
        what: String,
        /// What went wrong.
        why: String,
        /// What to do about it.
        remedy: String,
    },
}

impl StoreError {
    /// A file that is larger than the reader is ready to hold.
    fn too_large(path: &str, max_bytes: u64) -> StoreError {
        StoreError::corrupt(
            path,
            format!("it is larger than {max_bytes} bytes, the most that such a file can have"),
        )
    }

    /// A damaged file.
    pub(crate) fn corrupt(path: &str, why: impl fmt::Display) -> StoreError {
        StoreError::Corrupt {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

/// Refuses a path that could lead out of the output. Paths come from files too, and a file may be damaged or forged.
pub(crate) fn check_path(path: &str) -> Result<(), StoreError> {
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(['\0', '\\']);
    if path.split('/').any(bad) {
        return Err(StoreError::corrupt(&format!("{path:?}"), "it is not a path below the output"));
    }
    Ok(())
}

/// The directory part of a checked path; empty for a file right below the output.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_the_output_is_refused() {
        for path in ["../x", "a/../../x", "/etc/passwd", "", "a//b", "a/./b", "a\\b", "a/"] {
            assert!(matches!(check_path(path), Err(StoreError::Corrupt { .. })), "{path:?}");
        }
        assert_eq!(check_path("events/date=2026-07-01/hour=00/x.parquet"), Ok(()));
    }
}
