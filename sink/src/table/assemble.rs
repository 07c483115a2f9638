//! The committer's part: row groups of all workers become one file per table and hour.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;

use super::encode::EncodedRowGroup;
use super::{Hour, Table, TableError};

/// What a file says of where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// Nonce of the commit-log entry that makes the file official.
    pub nonce: String,
    /// Version of the program that writes it.
    pub version: String,
}

/// One Parquet file in memory.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// Name of the table.
    pub table: &'static str,
    /// Directory below the table's: `date=2025-01-29/hour=07`.
    pub partition: String,
    /// Number of rows.
    pub rows: u64,
    /// The file.
    pub bytes: Bytes,
}

/// Splices row groups into files, one per table and hour, in the order of tables and hours; within a file the row groups stay in the order
/// given. Nothing is encoded again.
pub fn assemble(groups: Vec<EncodedRowGroup>, identity: &FileIdentity) -> std::result::Result<Vec<DataFile>, TableError> {
    let mut files: BTreeMap<(Table, Hour), Vec<EncodedRowGroup>> = BTreeMap::new();
    for group in groups {
        files.entry((group.table(), group.hour())).or_default().push(group);
    }
    files
        .into_iter()
        .map(|((table, hour), groups)| {
            let rows = groups.iter().map(|group| group.rows as u64).sum();
            let bytes = splice(groups, identity).map_err(TableError::parquet(table))?;
            Ok(DataFile {
                table: table.as_str(),
                partition: hour.path(),
                rows,
                bytes,
            })
        })
        .collect()
}

fn splice(groups: Vec<EncodedRowGroup>, identity: &FileIdentity) -> Result<Bytes> {
    let Some(first) = groups.first() else {
        return Ok(Bytes::new());
    };
    let layout = Arc::clone(&first.layout);
    let size: usize = groups.iter().map(EncodedRowGroup::bytes).sum();
    let properties = layout
        .properties
        .clone()
        .into_builder()
        .set_created_by(format!("tidegauge version {}", identity.version))
        .build();
    let buffer = Vec::with_capacity(size + size / 16);
    let mut file = SerializedFileWriter::new(buffer, layout.parquet.root_schema_ptr(), Arc::new(properties))?;
    for group in groups {
        let mut row_group = file.next_row_group()?;
        for chunk in group.chunks {
            chunk.append_to(&mut row_group)?;
        }
        row_group.close()?;
    }
    for (key, value) in [
        ("tidegauge.nonce", identity.nonce.as_str()),
        ("tidegauge.table", layout.table.as_str()),
        ("tidegauge.version", &identity.version),
    ] {
        file.append_key_value_metadata(KeyValue::new(key.to_owned(), value.to_owned()));
    }
    Ok(Bytes::from(file.into_inner()?))
}
