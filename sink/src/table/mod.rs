//! The Parquet tables: worker threads fill and encode row groups, the committer splices them into one file per table and hour.
//!
//! [`WorkerTables`] is the hot path: one per worker thread, no lock, no IO. What it hands out ([`EncodedRowGroup`]) is compressed
//! already, so that [`assemble()`] only copies bytes and writes a footer, whatever the number of workers. The `metrics` table is
//! written by whoever publishes, with [`encode_metrics`].

mod assemble;
mod attempts;
mod attributes;
mod column;
mod delta;
mod encode;
mod events;
mod hour;
mod id;
mod metrics;
mod name;
mod options;
mod packed;
mod pages;
mod present;
mod read;
mod rejects;
mod sheet;
mod worker;

pub use assemble::{DataFile, FileIdentity, assemble};
pub use encode::EncodedRowGroup;
pub use hour::Hour;
pub use metrics::{encode_metrics, metrics_columns};
pub use options::{Compression, TableOptions, TableSet};
pub use read::read_metrics;
pub use worker::WorkerTables;

use std::fmt;

/// The tables of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Results of closed windows.
    Metrics,
    /// Every accepted event.
    Events,
    /// Every attempt fact.
    Attempts,
    /// Events that came too late to count.
    Late,
    /// Records that could not be used, with their raw bytes.
    Rejects,
}

impl Table {
    /// All of them, in the order of the configuration's default.
    pub const ALL: [Table; 5] = [Table::Metrics, Table::Events, Table::Attempts, Table::Late, Table::Rejects];

    /// Name of the table: its directory under the output, and its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Table::Metrics => "metrics",
            Table::Events => "events",
            Table::Attempts => "attempts",
            Table::Late => "late",
            Table::Rejects => "rejects",
        }
    }

    /// The table of that exact name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.as_str() == text)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why rows could not become a Parquet file.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The Parquet writer failed; it works in memory, so this is a bug or a value that the format cannot hold.
    #[error("table {table}: cannot encode a row group: {source}; this is a bug in tidegauge, please report it with this message")]
    Parquet {
        /// The table.
        table: Table,
        /// What the writer said.
        source: parquet::errors::ParquetError,
    },
    /// The columns do not fit together.
    #[error("table {table}: cannot build its columns: {source}; this is a bug in tidegauge, please report it with this message")]
    Arrow {
        /// The table.
        table: Table,
        /// What Arrow said.
        source: arrow::error::ArrowError,
    },
    /// One record is larger than a Parquet value may be.
    #[error(
        "table {table}: the record at {topic}/{partition} offset {offset} has {bytes} bytes, more than the {limit} that fit into one row; \
         lower limits.max_record_bytes so that such records are refused instead"
    )]
    RowTooLarge {
        /// The table.
        table: Table,
        /// Topic of the record.
        topic: String,
        /// Partition of the record.
        partition: i32,
        /// Offset of the record.
        offset: i64,
        /// Its size.
        bytes: usize,
        /// The greatest size.
        limit: usize,
    },
    /// A result names a window or grouping that the specification does not have.
    #[error(
        "table metrics: a row of {metric} names {what} number {index}, but the configuration has {len}; results and configuration are of different epochs"
    )]
    UnknownIndex {
        /// Name of the row's metric.
        metric: &'static str,
        /// `window` or `grouping`.
        what: &'static str,
        /// The index in the row.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// Two columns of one table have the same name.
    #[error(
        "table {table}: the dimension {column:?} has the name of another column (names are compared without case, as query engines do); rename the attribute"
    )]
    ColumnClash {
        /// The table.
        table: Table,
        /// The name.
        column: String,
    },
}

impl TableError {
    pub(crate) fn parquet(table: Table) -> impl FnOnce(parquet::errors::ParquetError) -> TableError {
        move |source| TableError::Parquet { table, source }
    }
}
