//! Why the log cannot be opened, and why a commit did not happen.

use super::{Nonce, WriterId};
use crate::store::StoreError;

/// Why the log cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The store's error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Written by a later version.
    #[error(
        "{path} has format {found}, this program knows formats up to {known}; use the version of Tidegauge that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// The greatest format that this program knows.
        known: u32,
    },
    /// The log asks for a later program.
    #[error("{location} asks for a program that {action} version {least}, this one has version {ours}; use a later version of Tidegauge")]
    TooOld {
        /// The output.
        location: String,
        /// `reads`, `writes` or `computes results of`.
        action: &'static str,
        /// What the log asks for.
        least: u32,
        /// What this program has.
        ours: u32,
    },
    /// The entries are no chain.
    #[error(
        "{path} does not follow its predecessor ({why}); the log below this output was changed by hand or restored in part: restore all of it"
    )]
    Broken {
        /// The first file that does not fit.
        path: String,
        /// How it does not fit.
        why: String,
    },
    /// The output belongs to another source.
    #[error(
        "the output {location} belongs to the Kafka cluster {theirs}, but this pipeline reads from {ours}; choose another `output.url`, or the cluster it was made with"
    )]
    OtherCluster {
        /// The output.
        location: String,
        /// The cluster of the log.
        theirs: String,
        /// The cluster given.
        ours: String,
    },
    /// A topic was deleted and created again.
    #[error(
        "the topic {topic} has the id {ours}, but the output was made from one with the id {theirs}: it was created again, and offsets mean other records now; choose another `output.url`"
    )]
    OtherTopic {
        /// The topic.
        topic: String,
        /// The id in the log.
        theirs: String,
        /// The id that the broker gives.
        ours: String,
    },
    /// What would change results is not what the log was made with.
    #[error(
        "the configuration differs from the one that {location} was made with, in a way that changes results: {differences}; undo the change, choose another `output.url`, or start once with `--reconfigure` to open a new epoch"
    )]
    Reconfigured {
        /// The output.
        location: String,
        /// What differs, from old to new.
        differences: String,
    },
    /// Too many checkpoints or entries appeared while the log was read.
    #[error("{location} changed {attempts} times while it was read; it will be tried again")]
    Unstable {
        /// The output.
        location: String,
        /// How often reading began.
        attempts: u32,
    },
    /// What was to be written cannot be.
    #[error("{what} cannot be written: {why}; this is a mistake in Tidegauge, please report it")]
    Invalid {
        /// The file.
        what: String,
        /// The reason.
        why: String,
    },
    /// No random numbers.
    #[error("the operating system gives no random numbers ({why}); check /dev/urandom and the sandbox that the process runs in")]
    Random {
        /// What it said.
        why: String,
    },
}

impl LogError {
    /// Whether trying the same again later can succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            LogError::Store(StoreError::Retry { .. }) | LogError::Unstable { .. } | LogError::Random { .. }
        )
    }
}

/// Why a commit did not happen, or is not known to have happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another writer advanced one of the partitions. What was staged is discarded: start again from the log.
    #[error(
        "another writer committed {topic}[{partition}] up to offset {newest}, this one was to go on from {from}; what it staged is discarded, and the partition is taken up from the log"
    )]
    Zombie {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the draft starts.
        from: i64,
        /// Where the log stands.
        newest: i64,
    },
    /// This writer was fenced. What it staged is discarded, it has a new id now: start again from the log.
    #[error(
        "another process fenced this writer ({writer}); what it staged is discarded, and everything is taken up from the log under the new id {renamed}"
    )]
    Fenced {
        /// The old id.
        writer: WriterId,
        /// The new id.
        renamed: WriterId,
    },
    /// The pipeline was reconfigured. What was staged is discarded: stop.
    #[error(
        "the pipeline was reconfigured: the log is in epoch {newest}, this process in epoch {ours}; what it staged is discarded, restart it with the new configuration"
    )]
    NewerEpoch {
        /// This process's.
        ours: u64,
        /// The log's.
        newest: u64,
    },
    /// The input was closed. What was staged is discarded: stop.
    #[error("the input was closed by entry {seq}: no record counts any more; choose another `output.url` for more")]
    Closed {
        /// The entry that closed it.
        seq: u64,
    },
    /// A checkpoint passed over the entry, so whether it is part of the chain is not known: open the log again. Nothing is discarded.
    #[error("a checkpoint at entry {checkpoint} overtook entry {seq}; the log is read again")]
    Overtaken {
        /// Where the entry was to be.
        seq: u64,
        /// The checkpoint.
        checkpoint: u64,
    },
    /// Another publication or entry came first. What was staged is kept: compute the publication again or leave it out.
    #[error(
        "the results were computed through entry {through} after publication {previous:?}, but the log has gone on: {newest}; they are computed again"
    )]
    StalePublication {
        /// Seq of the publication that the draft follows.
        previous: Option<u64>,
        /// What the draft says it was computed through.
        through: u64,
        /// What came first.
        newest: String,
    },
    /// Nobody knows whether the entry was written. Nothing is discarded: commit the same draft again.
    #[error("whether entry {seq} was written is not known: {why}; the same commit is tried again")]
    Unknown {
        /// Where the entry is, or will be.
        seq: u64,
        /// The last thing the store said.
        why: String,
    },
    /// A checkpoint cannot contain what others committed before its caller merged it. Nothing is discarded: merge it, and begin the checkpoint again.
    #[error("entries of other processes have to be merged before the log is summed up up to them; the checkpoint is put off")]
    Behind,
    /// The draft contradicts itself or the log's configuration.
    #[error("the commit {nonce} is refused: {why}")]
    Refused {
        /// The draft.
        nonce: Nonce,
        /// The reason.
        why: String,
    },
    /// Reading or writing failed before the entry was tried.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> CommitError {
        CommitError::Log(LogError::Store(error))
    }
}

impl CommitError {
    /// Whether the caller must forget what it computed and start again from the log.
    #[must_use]
    pub fn starts_again(&self) -> bool {
        matches!(
            self,
            CommitError::Zombie { .. } | CommitError::Fenced { .. } | CommitError::Overtaken { .. }
        )
    }

    /// Whether committing the same draft again later can succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            CommitError::Unknown { .. } => true,
            CommitError::Log(error) => error.is_transient(),
            _ => false,
        }
    }
}
