//! The commit log: exactly-once without asking Kafka for anything. `docs/commit-log.md` is its specification.
//!
//! - [`entry`]: what an entry says; [`codec`]: how files carry it, so that damage is seen;
//! - [`state`]: what all entries up to one add up to, and which entry may follow;
//! - [`chain`]: open and commit, with the moves of files that go with it; `follow`: what others added; [`checkpoint`]: the bound on growth;
//! - [`stager`]: writes what a commit will name; [`blob`]: the container of binary files.

pub mod blob;
pub mod chain;
pub mod checkpoint;
pub mod codec;
pub mod entry;
pub mod error;
mod files;
mod follow;
pub mod id;
mod open;
pub mod paths;
pub mod stager;
mod start;
pub mod state;

pub use blob::BlobKind;
pub use chain::{CommitLog, Committed, Options};
pub use checkpoint::{Blob, BlobRef};
pub use entry::{
    DataFile, Entry, EpochChange, FileRef, Gap, Genesis, Kind, LastRecord, PartitionEntry, PartitionStart, Publication, Revision,
    SnapshotRef, Topic, WindowRange,
};
pub use error::{CommitError, LogError};
pub use id::{Crc, Names, Nonce, WriterId};
pub use open::Recovered;
pub use stager::{Hour, SnapshotAt, Stager, load};
pub use state::{Draft, Head, LogState, Position, PublicationState, TableTotals};
