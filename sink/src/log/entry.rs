//! What an entry says. Field names are the file format: changing one needs a new [`super::codec::FORMAT`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::Crc;
use super::paths;
use super::{Nonce, WriterId};
use crate::store::{StoreError, check_path};

/// No pipeline counts this far.
const MOST: u64 = 1 << 48;

/// One entry of the commit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of the results that the writer computes; a writer with an older one must not follow.
    pub results: u32,
    /// Number of the epoch: 0 at genesis, one higher with each reconfiguration.
    pub epoch: u64,
    /// Position in the chain; genesis is 0.
    pub seq: u64,
    /// This entry's own name.
    pub nonce: Nonce,
    /// The name of the entry before it.
    pub previous: Nonce,
    /// Who wrote it.
    pub writer: WriterId,
    /// Wall clock in milliseconds since 1970, for people; no rule reads it.
    pub written_at: i64,
    /// What kind of entry it is, and what only that kind says.
    #[serde(flatten)]
    pub kind: Kind,
    /// How far it moves each partition that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PartitionEntry>,
    /// The data files that it makes official.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<DataFile>,
    /// What its records add to the panes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<FileRef>,
    /// The window results that it makes official.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
}

/// The kinds of entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The first entry.
    Genesis {
        /// What the pipeline is.
        genesis: Genesis,
    },
    /// Moves partitions on; may publish too.
    Commit,
    /// Publishes without moving a partition.
    Publication,
    /// A reconfiguration.
    Epoch {
        /// What changes.
        change: EpochChange,
    },
    /// Everything that a writer staged and no entry before this one names is void.
    Fence {
        /// The writer.
        fenced: WriterId,
    },
    /// Records that offsets were lost; its partition entry starts after them and carries a fresh snapshot.
    Gap {
        /// What was lost.
        gap: Gap,
    },
    /// Ends the input: all timers fired, all windows closed.
    Close,
    /// Its writer is about to sum the log up to it. Of two who begin at the same checkpoint, only one can.
    Checkpoint {
        /// The newest entry of this kind before it; null for the first.
        after: Option<u64>,
    },
}

impl Kind {
    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Genesis { .. } => "genesis",
            Kind::Commit => "commit",
            Kind::Publication => "publication",
            Kind::Epoch { .. } => "epoch",
            Kind::Fence { .. } => "fence",
            Kind::Gap { .. } => "gap",
            Kind::Close => "close",
            Kind::Checkpoint { .. } => "checkpoint",
        }
    }
}

/// What the pipeline is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Genesis {
    /// Random name of the pipeline.
    pub pipeline: Nonce,
    /// The Kafka cluster's id; null where the source has none.
    pub cluster: Option<String>,
    /// Topics and where their partitions start.
    pub topics: Vec<Topic>,
    /// Least [`super::codec::VERSION`] of a program that may read this log.
    pub least_reader: u32,
    /// Least [`super::codec::VERSION`] of a program that may append to it.
    pub least_writer: u32,
    /// The configuration that changes results.
    pub spec: Value,
}

/// A topic of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub topic: String,
    /// The broker's id for it, where it gives one.
    pub id: Option<String>,
    /// Its partitions; later ones start at 0.
    pub partitions: Vec<PartitionStart>,
}

/// Where a partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionStart {
    /// Its number.
    pub partition: i32,
    /// The first offset that counts.
    pub start: i64,
}

/// What a reconfiguration changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochChange {
    /// The configuration that changes results, from now on.
    pub spec: Value,
    /// Topics that join.
    pub joins: Vec<Topic>,
    /// Names of the topics that leave.
    pub leaves: Vec<String>,
    /// As in [`Genesis`], from now on.
    pub least_reader: u32,
    /// As in [`Genesis`], from now on.
    pub least_writer: u32,
}

/// Offsets that were lost before they were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// First offset lost.
    pub from: i64,
    /// First offset not lost.
    pub to: i64,
    /// What happened, for people.
    pub reason: String,
}

/// How far an entry moves one partition: the half-open range `from..to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionEntry {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// First offset of the range: the `to` of the partition's newest entry.
    pub from: i64,
    /// First offset after the range.
    pub to: i64,
    /// Watermark after the range in milliseconds; null before the first event, the greatest 64-bit number once closed.
    pub watermark: Option<i64>,
    /// Whether it is idle: it does not hold the others back.
    pub idle: bool,
    /// The newest record read, to see on resume that the topic is the same.
    pub last: Option<LastRecord>,
    /// What the summary counts, since the pipeline's beginning.
    pub counters: BTreeMap<String, u64>,
    /// The newest snapshot of its state.
    pub snapshot: Option<SnapshotRef>,
}

/// What identifies a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRecord {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, where it has one.
    pub timestamp: Option<i64>,
    /// CRC-32 of its key and value.
    pub crc: Crc,
}

/// A binary file of the log, see [`super::blob`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Path below the output.
    pub path: String,
    /// Size of the file.
    pub bytes: u64,
    /// CRC-32 of the whole file.
    pub crc: Crc,
}

/// A snapshot of one partition's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRef {
    /// The file.
    #[serde(flatten)]
    pub file: FileRef,
    /// The state is that after all records before this offset.
    pub offset: i64,
    /// The epoch it was made in; another cannot replay from it.
    pub epoch: u64,
    /// The results version it was made by; another cannot replay from it.
    pub results: u32,
}

/// A data file of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// The table.
    pub table: String,
    /// Where it was staged before the entry.
    pub staged: String,
    /// Where readers find it after the entry.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// Window results that an entry makes official.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Seq of the publication before it; null for the first.
    pub previous: Option<u64>,
    /// All entries up to this seq are in the results; it may be the entry's own.
    pub through: u64,
    /// The published watermark in milliseconds after it; null for none.
    pub watermark: Option<i64>,
    /// The window positions published for the first time.
    pub windows: Vec<WindowRange>,
    /// The window positions published again.
    pub revisions: Vec<Revision>,
}

/// Positions of one window by their ends, `from_end < end <= to_end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRange {
    /// The window's name.
    pub window: String,
    /// End of the last position published before; null if there was none.
    pub from_end: Option<i64>,
    /// End of the last position published now.
    pub to_end: i64,
}

/// One window position published again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The window's name.
    pub window: String,
    /// End of the position.
    pub end: i64,
    /// The highest revision among its rows.
    pub revision: u32,
}

impl PartitionEntry {
    pub(super) fn check(&self, path: &str) -> Result<(), StoreError> {
        let (topic, partition, to) = (&self.topic, self.partition, self.to);
        let corrupt = |why: String| Err(StoreError::corrupt(path, why));
        if self.from > to {
            return corrupt(format!("{topic}[{partition}] goes back from {} to {to}", self.from));
        }
        if self.snapshot.as_ref().is_some_and(|s| s.offset > to) {
            return corrupt(format!("the snapshot of {topic}[{partition}] is ahead of its position {to}"));
        }
        match self.counters.iter().find(|(_, n)| **n > MOST) {
            Some((counter, n)) => corrupt(format!(
                "the counter {counter} of {topic}[{partition}] is {n}, which no pipeline counts up to"
            )),
            None => Ok(()),
        }
    }
}

impl FileRef {
    pub(super) fn check(&self, path: &str) -> Result<(), StoreError> {
        check_path(&self.path)?;
        if paths::is_private(&self.path) {
            return Ok(());
        }
        Err(StoreError::corrupt(
            path,
            format!("it keeps state in {}, which no writer does", self.path),
        ))
    }
}

/// Checks that what is counted on by one does not come near its end.
pub(super) fn check_numbers(seq: u64, epoch: u64, path: &str) -> Result<(), StoreError> {
    if seq.max(epoch) <= MOST {
        return Ok(());
    }
    Err(StoreError::corrupt(
        path,
        format!("it is of entry {seq} and epoch {epoch}, which no pipeline comes to"),
    ))
}

impl Entry {
    /// Every binary file that the entry names.
    pub fn binary_files(&self) -> impl Iterator<Item = &FileRef> {
        self.delta
            .iter()
            .chain(self.partitions.iter().filter_map(|p| p.snapshot.as_ref().map(|s| &s.file)))
    }

    /// Checks what no writer would write, before anything acts on it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with `path` as the file at fault.
    pub fn check(&self, path: &str) -> Result<(), StoreError> {
        let corrupt = |why: String| Err(StoreError::corrupt(path, why));
        check_numbers(self.seq, self.epoch, path)?;
        for p in &self.partitions {
            p.check(path)?;
        }
        for file in &self.files {
            check_path(&file.staged)?;
            check_path(&file.path)?;
            if !paths::is_staged(&file.staged) || paths::is_private(&file.path) {
                return corrupt(format!("it moves {} to {}, which no writer does", file.staged, file.path));
            }
        }
        for file in self.binary_files() {
            file.check(path)?;
        }
        if self.publication.as_ref().is_some_and(|p| p.through > self.seq) {
            return corrupt("it publishes more than the log holds".to_owned());
        }
        match &self.kind {
            Kind::Genesis { .. } if self.seq != 0 || self.previous != Nonce::NONE => corrupt("a genesis entry is not the first".to_owned()),
            Kind::Genesis { .. } => Ok(()),
            _ if self.seq == 0 => corrupt("the first entry is not a genesis entry".to_owned()),
            Kind::Publication if self.publication.is_none() => corrupt("a publication entry publishes nothing".to_owned()),
            _ => Ok(()),
        }
    }
}
