//! `Id`: a column of texts that hardly repeat. They are kept one after the other as Parquet's DELTA_LENGTH_BYTE_ARRAY has them, lengths apart:
//! ids of equal length are compressed as what they are, random digits.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::schema::types::ColumnDescPtr;

use super::column::Column;
use super::delta;
use super::options::Compressor;
use super::pages::{self, Chunk, Kept};
use super::present::{Present, write_levels};

/// The rows of a column since the row group began.
#[derive(Default)]
pub(super) struct Id {
    lengths: Vec<u32>,
    texts: Vec<u8>,
    present: Present,
}

impl Id {
    /// Sets the value of a row, or leaves it null; rows are set in ascending order.
    #[inline]
    pub(super) fn set<'v>(&mut self, row: usize, value: impl Into<Option<&'v str>>) {
        if let Some(text) = value.into() {
            self.lengths.push(text.len() as u32);
            self.texts.extend_from_slice(text.as_bytes());
            self.present.set(row);
        }
    }
}

impl Kept for Id {
    fn bytes(&self) -> usize {
        self.texts.len() + self.lengths.len() * size_of::<u32>() + self.present.bytes()
    }

    /// One page, with bounds for the whole of it.
    fn encode(&mut self, rows: usize, column: &ColumnDescPtr, compressor: &mut Compressor) -> Result<Chunk> {
        let chunk = pages::chunk(rows, column, compressor, |chunk| {
            chunk.data_page(Encoding::DELTA_LENGTH_BYTE_ARRAY, rows, |page| {
                if column.max_def_level() > 0 {
                    write_levels(page, self.present.rows(rows), rows, self.lengths.len());
                }
                delta::pack(page, self.lengths.iter().map(|length| i64::from(*length)), true);
                page.extend_from_slice(&self.texts);
            })?;
            let mut rest = self.texts.as_slice();
            let texts = self.lengths.iter().map_while(|length| {
                let (text, after) = rest.split_at_checked(*length as usize)?;
                rest = after;
                Some(text)
            });
            chunk.texts(texts, rows - self.lengths.len());
            Ok(())
        });
        self.lengths.clear();
        self.texts.clear();
        self.present.clear();
        chunk
    }
}

impl Column for Id {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn empty() -> Self {
        Id::default()
    }

    fn finish(&mut self, rows: usize) -> std::result::Result<Option<ArrayRef>, ArrowError> {
        self.present.next_batch(rows);
        Ok(None)
    }

    fn kept(&mut self) -> Option<&mut dyn Kept> {
        Some(self)
    }
}
