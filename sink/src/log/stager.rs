//! Writes the files that a commit will name. Nothing of it counts before the entry does.

use std::sync::Arc;

use bytes::Bytes;

use super::blob::{self, BlobKind};
use super::id::Crc;
use super::{DataFile, FileRef, LogError, Nonce, SnapshotRef, WriterId, paths};
use crate::store::{Store, StoreError};

const HOUR_MS: i64 = 3_600_000;

/// An hour of event time in UTC: the directory that a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour that holds a time in milliseconds since 1970.
    #[must_use]
    pub fn of(time: i64) -> Hour {
        Hour(time.div_euclid(HOUR_MS))
    }

    /// `date=YYYY-MM-DD/hour=HH`.
    #[must_use]
    pub fn directory(self) -> String {
        let (year, month, day) = civil(self.0.div_euclid(24));
        format!("date={year:04}-{month:02}-{day:02}/hour={:02}", self.0.rem_euclid(24))
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar (Hinnant's days-to-civil).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Stages files under one writer's id. Cheap to clone; several may stage at once.
#[derive(Clone, Debug)]
pub struct Stager {
    store: Arc<dyn Store>,
    writer: WriterId,
}

impl Stager {
    pub(super) fn new(store: Arc<dyn Store>, writer: WriterId) -> Stager {
        Stager { store, writer }
    }

    /// The writer's id.
    #[must_use]
    pub fn writer(&self) -> WriterId {
        self.writer
    }

    /// Stages one data file of a draft; `part` keeps the draft's files for one table and hour apart.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub async fn data(&self, nonce: Nonce, table: &str, hour: Hour, part: u32, rows: u64, bytes: Bytes) -> Result<DataFile, LogError> {
        self.data_in(nonce, table, &hour.directory(), part, rows, bytes).await
    }

    /// The same for a directory below the table's, such as `date=2025-01-29/hour=07`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub async fn data_in(
        &self,
        nonce: Nonce,
        table: &str,
        directory: &str,
        part: u32,
        rows: u64,
        bytes: Bytes,
    ) -> Result<DataFile, LogError> {
        let staged = format!(
            "{}/{}/{nonce}-{table}-{}-{part:04}.staged",
            paths::STAGING,
            self.writer,
            directory.replace('/', "-")
        );
        let path = format!("{table}/{directory}/{nonce}-{part:04}.parquet");
        let file = DataFile {
            table: table.to_owned(),
            staged,
            path,
            rows,
            bytes: bytes.len() as u64,
        };
        self.store.stage(&file.staged, bytes).await?;
        Ok(file)
    }

    /// Writes what a draft adds to the panes.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub async fn delta(&self, nonce: Nonce, payload: &[u8]) -> Result<FileRef, LogError> {
        self.write(paths::delta(self.writer, nonce), BlobKind::Delta, payload).await
    }

    /// Writes a snapshot of a partition's state after all records before `offset`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub async fn snapshot(&self, nonce: Nonce, at: SnapshotAt<'_>, payload: &[u8]) -> Result<SnapshotRef, LogError> {
        let path = paths::snapshot(self.writer, nonce, at.topic, at.partition, at.offset);
        let file = self.write(path, BlobKind::Snapshot, payload).await?;
        Ok(SnapshotRef {
            file,
            offset: at.offset,
            epoch: at.epoch,
            results: at.results,
        })
    }

    pub(super) async fn state(&self, nonce: Nonce, seq: u64, name: &str, payload: &[u8]) -> Result<FileRef, LogError> {
        self.write(paths::state(self.writer, nonce, seq, name), BlobKind::State, payload)
            .await
    }

    async fn write(&self, path: String, kind: BlobKind, payload: &[u8]) -> Result<FileRef, LogError> {
        let file = blob::encode(kind, payload)?;
        let reference = FileRef {
            path,
            bytes: file.len() as u64,
            crc: Crc::of(&file),
        };
        self.store.stage(&reference.path, file).await?;
        Ok(reference)
    }
}

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotAt<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The first offset that is not in it.
    pub offset: i64,
    /// The epoch.
    pub epoch: u64,
    /// The results version.
    pub results: u32,
}

/// Reads the payload of a binary file that an entry or a checkpoint names, of at most `limit` bytes.
///
/// # Errors
/// [`StoreError::Missing`] or [`StoreError::Corrupt`] with the file's name where it is not what was written.
pub async fn load(store: &dyn Store, file: &FileRef, kind: BlobKind, limit: u64) -> Result<Vec<u8>, LogError> {
    let bytes = store.get(&file.path, file.bytes).await?;
    let found = Crc::of(&bytes);
    if bytes.len() as u64 != file.bytes || found != file.crc {
        let why = format!(
            "it has {} bytes with checksum {found} instead of {} with {}",
            bytes.len(),
            file.bytes,
            file.crc
        );
        return Err(StoreError::corrupt(&file.path, why).into());
    }
    blob::decode(&bytes, kind, &file.path, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_right_on_leap_days_and_before_the_epoch() {
        let directory = |ms: i64| Hour::of(ms).directory();
        assert_eq!(directory(0), "date=1970-01-01/hour=00");
        assert_eq!(directory(-1), "date=1969-12-31/hour=23");
        assert_eq!(directory(951_782_400_000 + 13 * HOUR_MS), "date=2000-02-29/hour=13");
        assert_eq!(directory(1_783_036_799_999), "date=2026-07-02/hour=23");
        assert_eq!(directory(4_107_542_400_000), "date=2100-03-01/hour=00");
    }
}
