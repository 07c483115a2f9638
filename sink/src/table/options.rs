//! What can be set about the tables.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::Result;
use tidegauge_aggregate::spec::Spec;

use super::Table;

/// How the pages of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard at a level from 1 to 22.
    Zstd(u8),
    /// Snappy.
    Snappy,
    /// LZ4 (Parquet's `LZ4_RAW`).
    Lz4,
    /// None.
    None,
}

impl Compression {
    pub(super) fn codec(self) -> Codec {
        match self {
            Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(i32::from(level)).unwrap_or_default()),
            Compression::Snappy => Codec::SNAPPY,
            Compression::Lz4 => Codec::LZ4_RAW,
            Compression::None => Codec::UNCOMPRESSED,
        }
    }
}

/// Compresses pages, one after the other, as the Parquet writer does; the most frequent compression keeps its working memory.
pub(super) struct Compressor {
    compression: Compression,
    zstd: zstd::bulk::Compressor<'static>,
    /// A page before and after, and a column chunk, whose room is used again.
    page: Vec<u8>,
    compressed: Vec<u8>,
    chunk: Vec<u8>,
}

impl Compressor {
    pub(super) fn new(compression: Compression) -> Result<Compressor> {
        let level = match compression {
            Compression::Zstd(level) => level.into(),
            _ => 1,
        };
        Ok(Compressor {
            compression,
            zstd: zstd::bulk::Compressor::new(level)?,
            page: Vec::new(),
            compressed: Vec::new(),
            chunk: Vec::new(),
        })
    }

    pub(super) fn codec(&self) -> Codec {
        self.compression.codec()
    }

    pub(super) fn compress(&mut self, page: &[u8]) -> Result<Bytes> {
        Ok(match self.compression {
            Compression::Zstd(_) => {
                self.compressed.clear();
                self.compressed.reserve(zstd::zstd_safe::compress_bound(page.len()));
                self.zstd.compress_to_buffer(page, &mut self.compressed)?;
                Bytes::copy_from_slice(&self.compressed)
            }
            Compression::Snappy => snap::raw::Encoder::new().compress_vec(page).map_err(std::io::Error::from)?.into(),
            Compression::Lz4 => lz4_flex::block::compress(page).into(),
            Compression::None => Bytes::copy_from_slice(page),
        })
    }

    /// Room for a column chunk.
    pub(super) fn take_room(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.chunk)
    }

    /// The chunk that was written there; its room goes back.
    pub(super) fn give_back(&mut self, mut chunk: Vec<u8>) -> Bytes {
        let bytes = Bytes::copy_from_slice(&chunk);
        chunk.clear();
        self.chunk = chunk;
        bytes
    }

    /// Compresses the page that `fill` writes, and gives its length before as well.
    pub(super) fn compress_what(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(usize, Bytes)> {
        let mut page = std::mem::take(&mut self.page);
        page.clear();
        fill(&mut page);
        let compressed = self.compress(&page);
        self.page = page;
        Ok((self.page.len(), compressed?))
    }
}

impl Default for Compression {
    fn default() -> Self {
        Compression::Zstd(1)
    }
}

/// A compression that is none of those there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {found:?}: expected zstd(n) with n from 1 to 22, snappy, lz4 or none")]
pub struct UnknownCompression {
    found: String,
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let level = |text: &str| text.parse().ok().filter(|level| (1..=22).contains(level));
        match text {
            "snappy" => Ok(Compression::Snappy),
            "lz4" => Ok(Compression::Lz4),
            "none" => Ok(Compression::None),
            _ => text
                .strip_prefix("zstd(")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(level)
                .map(Compression::Zstd)
                .ok_or_else(|| UnknownCompression { found: text.to_owned() }),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::Zstd(level) => write!(f, "zstd({level})"),
            Compression::Snappy => f.write_str("snappy"),
            Compression::Lz4 => f.write_str("lz4"),
            Compression::None => f.write_str("none"),
        }
    }
}

/// Which tables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSet(u8);

impl TableSet {
    /// Every table.
    pub const ALL: TableSet = TableSet(0b1_1111);
    /// No table.
    pub const NONE: TableSet = TableSet(0);

    /// This set and one more table.
    #[must_use]
    pub fn with(self, table: Table) -> TableSet {
        TableSet(self.0 | 1 << table as u8)
    }

    /// Whether the table is in the set.
    #[must_use]
    pub fn contains(self, table: Table) -> bool {
        self.0 & (1 << table as u8) != 0
    }
}

impl FromIterator<Table> for TableSet {
    fn from_iter<I: IntoIterator<Item = Table>>(tables: I) -> Self {
        tables.into_iter().fold(TableSet::NONE, TableSet::with)
    }
}

/// What a pipeline's tables look like.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// Compression of the pages.
    pub compression: Compression,
    /// Tables that are written; rows for others are dropped at once.
    pub tables: TableSet,
    /// What is computed: it names the dimension columns.
    pub spec: Arc<Spec>,
    /// Rows after which a row group is encoded.
    pub row_group_rows: usize,
    /// Bytes of records after which a row group is encoded even if it has fewer rows.
    pub row_group_bytes: usize,
    /// Hours of one table that a worker fills side by side; beyond, the one that was used least recently is encoded.
    pub open_hours: usize,
}

impl TableOptions {
    /// The defaults for a specification: every table, zstd(1), row groups of 65,536 rows or 32 MiB.
    #[must_use]
    pub fn new(spec: Arc<Spec>) -> TableOptions {
        TableOptions {
            compression: Compression::default(),
            tables: TableSet::ALL,
            spec,
            row_group_rows: 65_536,
            row_group_bytes: 32 << 20,
            open_hours: 8,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn compressions_are_read_as_the_configuration_writes_them() {
        for text in ["zstd(1)", "zstd(22)", "snappy", "lz4", "none"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
        for text in ["zstd", "zstd(0)", "zstd(23)", "zstd(x)", "gzip", "", "Snappy", "zstd(1"] {
            assert!(
                text.parse::<Compression>().unwrap_err().to_string().contains("expected zstd(n)"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: TableSet = [Table::Late, Table::Metrics].into_iter().collect();
        let found: Vec<Table> = Table::ALL.into_iter().filter(|t| set.contains(*t)).collect();
        assert_eq!(found, [Table::Metrics, Table::Late]);
        assert!(Table::ALL.into_iter().all(|t| TableSet::ALL.contains(t)));
    }
}
