//! The pages of a [`Name`]: its dictionary and one page of numbers, as the Parquet format describes them under RLE_DICTIONARY. They have no
//! statistics, since nothing is found by the order of names.

use bytes::Bytes;
use parquet::basic::{Encoding, EncodingMask};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::name::Name;
use super::options::Compressor;

/// A column chunk that is ready to be copied into a file.
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// Encodes the first `rows` rows of a column, which is empty afterwards.
pub(super) fn encode(name: &mut Name, rows: usize, column: &ColumnDescPtr, compressor: &mut Compressor) -> Result<Chunk> {
    let numbers = numbers_page(name, rows, column.max_def_level() > 0);
    let mut sink = TrackedWrite::new(Vec::with_capacity(numbers.len() + name.dictionary.len() + 64));
    let mut writer = SerializedPageWriter::new(&mut sink);
    let dictionary = Page::DictionaryPage {
        buf: compressor.compress(&name.dictionary)?.into(),
        num_values: name.distinct() as u32,
        encoding: Encoding::PLAIN,
        is_sorted: false,
    };
    let first = writer.write_page(CompressedPage::new(dictionary, name.dictionary.len()))?;
    let data = Page::DataPage {
        buf: compressor.compress(&numbers)?.into(),
        num_values: rows as u32,
        encoding: Encoding::RLE_DICTIONARY,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    let second = writer.write_page(CompressedPage::new(data, numbers.len()))?;
    writer.close()?;
    name.clear();

    let bytes = Bytes::from(sink.into_inner()?);
    let encodings = [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
    let metadata = ColumnChunkMetaData::builder(column.clone())
        .set_compression(compressor.codec())
        .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
        .set_total_compressed_size(bytes.len() as i64)
        .set_total_uncompressed_size((first.uncompressed_size + second.uncompressed_size) as i64)
        .set_num_values(rows as i64)
        .set_dictionary_page_offset(Some(first.offset as i64))
        .set_data_page_offset(second.offset as i64)
        .build()?;
    let mut pages = OffsetIndexBuilder::new();
    pages.append_row_count(rows as i64);
    pages.append_offset_and_size(second.offset as i64, second.compressed_size as i32);
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: rows as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: Some(pages.build()),
    };
    Ok(Chunk { bytes, close })
}

/// Whether each row has a value, where that is in question, and the numbers of those that have one.
fn numbers_page(name: &mut Name, rows: usize, nullable: bool) -> Vec<u8> {
    let width = usize::BITS - name.distinct().saturating_sub(1).leading_zeros();
    let mut page = Vec::with_capacity(rows / 8 + (name.numbers.len() * width as usize) / 8 + 64);
    if nullable {
        page.extend_from_slice(&[0; 4]);
        name.present.resize(rows.div_ceil(8), 0);
        match name.numbers.len() {
            0 => run(&mut page, rows, 0, 1),
            all if all == rows => run(&mut page, rows, 1, 1),
            _ => {
                varint(&mut page, name.present.len() << 1 | 1);
                page.extend_from_slice(&name.present);
            }
        }
        let length = (page.len() - 4) as u32;
        page[..4].copy_from_slice(&length.to_le_bytes());
    }
    page.push(width as u8);
    hybrid(&mut page, &name.numbers, width);
    page
}

/// Parquet's hybrid of runs of one number and packed groups of eight.
fn hybrid(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    let (mut packed, mut at) = (0, 0);
    while let Some(first) = numbers.get(at) {
        let same = numbers[at..].iter().take_while(|number| *number == first).count();
        if same >= 8 {
            pack(out, &numbers[packed..at], width);
            run(out, same, *first, width);
            at += same;
            packed = at;
        } else {
            at = numbers.len().min(at + 8);
        }
    }
    pack(out, &numbers[packed..], width);
}

fn run(out: &mut Vec<u8>, count: usize, number: u32, width: u32) {
    varint(out, count << 1);
    out.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn pack(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    if numbers.is_empty() {
        return;
    }
    varint(out, numbers.len().div_ceil(8) << 1 | 1);
    for group in numbers.chunks(8) {
        let (mut bits, mut held) = (0_u64, 0);
        for place in 0..8 {
            bits |= u64::from(group.get(place).copied().unwrap_or(0)) << held;
            held += width;
            while held >= 8 {
                out.push(bits as u8);
                bits >>= 8;
                held -= 8;
            }
        }
    }
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::cast::AsArray;
    use arrow::datatypes::{Field, Schema};
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use proptest::prelude::*;

    use super::super::Compression;
    use super::super::column::Column;
    use super::*;

    /// The column as a reader finds it in a file of its own.
    fn read_back(values: &[Option<String>], nullable: bool, compression: Compression, batch: usize) -> Vec<Option<String>> {
        let mut name = Name::empty();
        let mut compressor = Compressor::new(compression).unwrap();
        let schema = Schema::new(vec![Field::new("name", Name::data_type(), nullable)]);
        let schema = ArrowSchemaConverter::new().convert(&schema).unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let mut file = SerializedFileWriter::new(Vec::new(), schema.root_schema_ptr(), properties).unwrap();
        // Twice, since the second row group starts from what the first left.
        for _ in 0..2 {
            for rows in values.chunks(batch) {
                for (row, value) in rows.iter().enumerate() {
                    name.set(row, value.as_deref());
                }
                assert!(name.finish(rows.len()).unwrap().is_none());
            }
            let chunk = encode(&mut name, values.len(), &schema.column(0), &mut compressor).unwrap();
            let mut group = file.next_row_group().unwrap();
            group.append_column(&chunk.bytes, chunk.close).unwrap();
            group.close().unwrap();
        }
        let bytes = Bytes::from(file.into_inner().unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
        let mut found = Vec::new();
        for batch in reader {
            found.extend(
                batch
                    .unwrap()
                    .column(0)
                    .as_string::<i32>()
                    .iter()
                    .map(|value| value.map(str::to_owned)),
            );
        }
        assert_eq!(found.split_off(values.len()), found);
        found
    }

    fn compressions() -> impl Strategy<Value = Compression> {
        prop::sample::select(vec![Compression::Zstd(1), Compression::Snappy, Compression::Lz4, Compression::None])
    }

    proptest! {
        #[test]
        fn names_come_back_as_they_were_set(
            distinct in 1_usize..700,
            picks in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..20, 0_u8..4), 1..300),
            compression in compressions(),
            batch in 1_usize..50,
        ) {
            // Of many lengths, some of them alike up to their last byte.
            let names: Vec<String> = (0..distinct).map(|n| format!("{}{n}", "name".repeat(n % 9))).collect();
            let values: Vec<Option<String>> = picks
                .iter()
                .flat_map(|(name, times, kind)| std::iter::repeat_n((*kind > 0).then(|| name.get(&names).clone()), *times))
                .collect();
            prop_assert_eq!(&read_back(&values, true, compression, batch), &values);
            let filled: Vec<Option<String>> = values.into_iter().map(|value| Some(value.unwrap_or_default())).collect();
            prop_assert_eq!(&read_back(&filled, false, compression, batch), &filled);
            prop_assert_eq!(&read_back(&filled, true, compression, batch), &filled);
        }
    }

    #[test]
    fn a_column_without_values_comes_back_empty() {
        let values = vec![None; 100];
        for compression in [Compression::Zstd(3), Compression::Snappy, Compression::Lz4, Compression::None] {
            assert_eq!(read_back(&values, true, compression, 64), values);
        }
    }
}
