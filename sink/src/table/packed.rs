//! `Packed`: a column of integers that are written by their differences. Those that grow from row to row, those that are the same in all, and
//! those that are small need few bits, and a dictionary of them would be one more look-up a row.

use std::marker::PhantomData;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use parquet::basic::{Encoding, Type};
use parquet::errors::Result;
use parquet::schema::types::ColumnDescPtr;

use super::column::Column;
use super::delta;
use super::options::Compressor;
use super::pages::{self, Chunk, Kept};
use super::present::{Present, count, write_levels};

/// Rows of a page, each of which has its least and greatest value; whole bytes of bits.
const PAGE_ROWS: usize = 16_384;

/// What the integers of a column stand for.
pub(super) trait Whole {
    type Value;
    /// The integer that is written for a value.
    fn whole(value: Self::Value) -> i64;
}

/// The rows of a column since the row group began.
pub(super) struct Packed<K> {
    values: Vec<i64>,
    present: Present,
    kind: PhantomData<K>,
}

impl<K: Whole> Packed<K> {
    /// Sets the value of a row, or leaves it null; rows are set in ascending order.
    #[inline]
    pub(super) fn set(&mut self, row: usize, value: impl Into<Option<K::Value>>) {
        if let Some(value) = value.into() {
            self.values.push(K::whole(value));
            self.present.set(row);
        }
    }
}

impl<K> Kept for Packed<K> {
    fn bytes(&self) -> usize {
        self.values.len() * size_of::<i64>() + self.present.bytes()
    }

    fn encode(&mut self, rows: usize, column: &ColumnDescPtr, compressor: &mut Compressor) -> Result<Chunk> {
        let narrow = column.physical_type() == Type::INT32;
        let (bits, mut rest) = (self.present.rows(rows), self.values.as_slice());
        let chunk = pages::chunk(rows, column, compressor, |chunk| {
            for (number, bits) in bits.chunks(PAGE_ROWS / 8).enumerate() {
                let rows = PAGE_ROWS.min(rows - number * PAGE_ROWS);
                let (values, behind) = rest.split_at(count(bits).min(rest.len()));
                rest = behind;
                chunk.data_page(Encoding::DELTA_BINARY_PACKED, rows, |page| {
                    if column.max_def_level() > 0 {
                        write_levels(page, bits, rows, values.len());
                    }
                    delta::pack(page, values.iter().copied(), narrow);
                })?;
                chunk.bounds(rows, values);
            }
            Ok(())
        });
        self.values.clear();
        self.present.clear();
        chunk
    }
}

impl<K: Whole + Column> Column for Packed<K> {
    fn data_type() -> DataType {
        K::data_type()
    }

    fn empty() -> Self {
        Packed {
            values: Vec::new(),
            present: Present::default(),
            kind: PhantomData,
        }
    }

    fn finish(&mut self, rows: usize) -> std::result::Result<Option<ArrayRef>, ArrowError> {
        self.present.next_batch(rows);
        Ok(None)
    }

    fn kept(&mut self) -> Option<&mut dyn Kept> {
        Some(self)
    }
}
