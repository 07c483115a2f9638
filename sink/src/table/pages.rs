//! Column chunks that are written page by page from what a column kept, without Arrow between.

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Encoding, EncodingMask, Type};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::options::Compressor;

/// Bytes of the longest text that is stored as a bound.
const LONGEST_BOUND: usize = 64;

/// A column that keeps its rows until the row group ends.
pub(super) trait Kept {
    /// About how many bytes the rows take.
    fn bytes(&self) -> usize;
    /// Encodes the first `rows` rows; afterwards the column is empty, and keeps the room they took.
    fn encode(&mut self, rows: usize, column: &ColumnDescPtr, compressor: &mut Compressor) -> Result<Chunk>;
}

/// A column chunk that is ready to be copied into a file.
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// The chunk of a column of `rows` rows, whose pages `fill` writes.
pub(super) fn chunk(
    rows: usize,
    column: &ColumnDescPtr,
    compressor: &mut Compressor,
    fill: impl FnOnce(&mut ChunkWriter<'_>) -> Result<()>,
) -> Result<Chunk> {
    let mut sink = TrackedWrite::new(compressor.take_room());
    let mut chunk = ChunkWriter {
        pages: SerializedPageWriter::new(&mut sink),
        compressor,
        encodings: vec![Encoding::RLE],
        dictionary_at: None,
        data_at: None,
        uncompressed: 0,
        index: OffsetIndexBuilder::new(),
        bounds: Bounds::default(),
        texts: None,
    };
    fill(&mut chunk)?;
    chunk.pages.close()?;
    let ChunkWriter {
        encodings,
        dictionary_at,
        data_at,
        uncompressed,
        index,
        bounds,
        texts,
        ..
    } = chunk;
    let bytes = compressor.give_back(sink.into_inner()?);
    let mut metadata = ColumnChunkMetaData::builder(column.clone())
        .set_compression(compressor.codec())
        .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
        .set_total_compressed_size(bytes.len() as i64)
        .set_total_uncompressed_size(uncompressed as i64)
        .set_num_values(rows as i64)
        .set_dictionary_page_offset(dictionary_at)
        .set_data_page_offset(data_at.unwrap_or(0));
    if let Some(statistics) = texts {
        metadata = metadata.set_statistics(statistics);
    }
    let mut column_index = None;
    if !bounds.pages.is_empty() {
        metadata = metadata.set_statistics(bounds.statistics(column.physical_type()));
        column_index = Some(bounds.index(column.physical_type()).build()?);
    }
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: rows as u64,
        metadata: metadata.build()?,
        bloom_filter: None,
        column_index,
        offset_index: Some(index.build()),
    };
    Ok(Chunk { bytes, close })
}

/// A column chunk that is being written.
pub(super) struct ChunkWriter<'c> {
    pages: SerializedPageWriter<'c, Vec<u8>>,
    compressor: &'c mut Compressor,
    encodings: Vec<Encoding>,
    dictionary_at: Option<i64>,
    data_at: Option<i64>,
    uncompressed: usize,
    index: OffsetIndexBuilder,
    bounds: Bounds,
    texts: Option<Statistics>,
}

impl ChunkWriter<'_> {
    /// Writes the dictionary, which comes before the pages that use it.
    pub(super) fn dictionary(&mut self, texts: &[u8], count: usize) -> Result<()> {
        let page = Page::DictionaryPage {
            buf: self.compressor.compress(texts)?,
            num_values: count as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let written = self.pages.write_page(CompressedPage::new(page, texts.len()))?;
        self.encodings.push(Encoding::PLAIN);
        self.dictionary_at = Some(written.offset as i64);
        self.uncompressed += written.uncompressed_size;
        Ok(())
    }

    /// Writes the next `rows` rows as a page of which `fill` gives the levels and values.
    pub(super) fn data_page(&mut self, encoding: Encoding, rows: usize, fill: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let (length, buf) = self.compressor.compress_what(fill)?;
        let page = Page::DataPage {
            buf,
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let written = self.pages.write_page(CompressedPage::new(page, length))?;
        self.encodings.push(encoding);
        self.data_at.get_or_insert(written.offset as i64);
        self.uncompressed += written.uncompressed_size;
        self.index.append_row_count(rows as i64);
        self.index
            .append_offset_and_size(written.offset as i64, written.compressed_size as i32);
        Ok(())
    }

    /// Notes the least and greatest text of the whole chunk, and how many rows have none. Readers only need bounds that hold, so long ones are left out.
    pub(super) fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t [u8]>, nulls: usize) {
        let bounds = text_bounds(texts).filter(|(least, greatest)| least.len().max(greatest.len()) <= LONGEST_BOUND);
        let (least, greatest) = bounds.unzip();
        let stored = |text: &[u8]| ByteArray::from(text.to_vec());
        self.texts = Some(Statistics::byte_array(
            least.map(stored),
            greatest.map(stored),
            None,
            Some(nulls as u64),
            false,
        ));
    }

    /// Notes the bounds of the page that was written last.
    pub(super) fn bounds(&mut self, rows: usize, values: &[i64]) {
        let least = values.iter().copied().min();
        let bounds = least.zip(values.iter().copied().max());
        self.bounds.pages.push((bounds, rows - values.len()));
    }
}

/// The least and the greatest, most of which their first eight bytes decide.
fn text_bounds<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Option<(&'t [u8], &'t [u8])> {
    let start = |text: &[u8]| match text.first_chunk() {
        Some(start) => u64::from_be_bytes(*start),
        None => text.iter().rev().fold(0, |start, byte| start >> 8 | u64::from(*byte) << 56),
    };
    let mut texts = texts.map(|text| (start(text), text));
    let first = texts.next()?;
    let (least, greatest) = texts.fold((first, first), |(least, greatest), text| (least.min(text), greatest.max(text)));
    Some((least.1, greatest.1))
}

/// The least and greatest value of each page, where it has a value, and how many rows have none.
#[derive(Default)]
struct Bounds {
    pages: Vec<(Option<(i64, i64)>, usize)>,
}

impl Bounds {
    fn statistics(&self, physical: Type) -> Statistics {
        let bounds = || self.pages.iter().filter_map(|page| page.0);
        let (least, greatest) = (bounds().map(|b| b.0).min(), bounds().map(|b| b.1).max());
        let nulls = Some(self.pages.iter().map(|page| page.1 as u64).sum());
        match physical {
            Type::INT32 => Statistics::int32(least.map(|v| v as i32), greatest.map(|v| v as i32), None, nulls, false),
            _ => Statistics::int64(least, greatest, None, nulls, false),
        }
    }

    fn index(&self, physical: Type) -> ColumnIndexBuilder {
        let stored = |value: i64| match physical {
            Type::INT32 => (value as i32).to_le_bytes().to_vec(),
            _ => value.to_le_bytes().to_vec(),
        };
        let mut index = ColumnIndexBuilder::new(physical);
        for (bounds, nulls) in &self.pages {
            let (least, greatest) = bounds.map_or_else(Default::default, |(least, greatest)| (stored(least), stored(greatest)));
            index.append(bounds.is_none(), least, greatest, *nulls as i64, None);
        }
        let bounds = || self.pages.iter().filter_map(|page| page.0);
        let steps = || bounds().zip(bounds().skip(1));
        index.set_boundary_order(if steps().all(|(page, next)| page.0 <= next.0 && page.1 <= next.1) {
            BoundaryOrder::ASCENDING
        } else if steps().all(|(page, next)| page.0 >= next.0 && page.1 >= next.1) {
            BoundaryOrder::DESCENDING
        } else {
            BoundaryOrder::UNORDERED
        });
        index
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Arc;

    use arrow::array::cast::AsArray;
    use arrow::array::{Array, ArrayRef, RecordBatch};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
    use parquet::file::page_index::column_index::ColumnIndexMetaData;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use proptest::prelude::*;

    use super::super::Compression;
    use super::super::column::{Column, Id, Name, PackedInt, PackedLong, PackedMoment};
    use super::*;
    use tidegauge_aggregate::time::EventTime;

    /// The column as a reader finds it in a file of its own, where `set` sets the value of a row.
    fn read_back<C: Column, V>(
        values: &[V],
        set: impl Fn(&mut C, usize, &V),
        nullable: bool,
        compression: Compression,
        batch: usize,
    ) -> ArrayRef {
        let mut column = C::empty();
        let mut compressor = Compressor::new(compression).unwrap();
        let schema = Schema::new(vec![Field::new("column", C::data_type(), nullable)]);
        let parquet = ArrowSchemaConverter::new().convert(&schema).unwrap();
        let mut properties = WriterProperties::builder().build();
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let mut file = SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), Arc::new(properties)).unwrap();
        // Twice, since the second row group starts from what the first left.
        for _ in 0..2 {
            for rows in values.chunks(batch) {
                for (row, value) in rows.iter().enumerate() {
                    set(&mut column, row, value);
                }
                assert!(column.finish(rows.len()).unwrap().is_none());
            }
            let kept = column.kept().unwrap();
            let chunk = kept.encode(values.len(), &parquet.column(0), &mut compressor).unwrap();
            let mut group = file.next_row_group().unwrap();
            group.append_column(&chunk.bytes, chunk.close).unwrap();
            group.close().unwrap();
        }
        let bytes = Bytes::from(file.into_inner().unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let schema = Arc::clone(reader.schema());
        let batches: Vec<RecordBatch> = reader.with_batch_size(1_000).build().unwrap().map(Result::unwrap).collect();
        let found = concat_batches(&schema, &batches).unwrap();
        let (first, second) = (
            found.column(0).slice(0, values.len()),
            found.column(0).slice(values.len(), values.len()),
        );
        assert_eq!(&first, &second);
        first
    }

    fn read_texts<C: Column>(
        values: &[Option<String>],
        set: impl Fn(&mut C, usize, Option<&str>),
        nullable: bool,
        compression: Compression,
        batch: usize,
    ) -> Vec<Option<String>> {
        let set = |column: &mut C, row: usize, value: &Option<String>| set(column, row, value.as_deref());
        let found = read_back(values, set, nullable, compression, batch);
        found.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
    }

    fn compressions() -> impl Strategy<Value = Compression> {
        prop::sample::select(vec![Compression::Zstd(1), Compression::Snappy, Compression::Lz4, Compression::None])
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_were_set(
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
            let filled: Vec<Option<String>> = values.iter().map(|value| Some(value.clone().unwrap_or_default())).collect();
            for (values, nullable) in [(&values, true), (&filled, false), (&filled, true)] {
                prop_assert_eq!(&read_texts(values, |column: &mut Name, row, text| column.set(row, text), nullable, compression, batch), values);
                prop_assert_eq!(&read_texts(values, |column: &mut Id, row, text| column.set(row, text), nullable, compression, batch), values);
            }
        }

        #[test]
        fn integers_come_back_as_they_were_set(
            runs in prop::collection::vec((any::<i64>(), 0_u32..64, 1_usize..400, 0_u8..4), 1..40),
            compression in compressions(),
            batch in 1_usize..5_000,
        ) {
            // Of every width: constant, growing and wild.
            let values: Vec<Option<i64>> = runs
                .iter()
                .flat_map(|&(start, narrower, times, kind)| (0..times as i64).map(move |n| match kind {
                    0 => None,
                    1 => Some(start >> narrower),
                    2 => Some((start >> narrower).wrapping_add(n * n)),
                    _ => Some(start.wrapping_mul(n * 2 + 1) >> narrower),
                }))
                .collect();
            let found = read_back(&values, |column: &mut PackedLong, row, value| column.set(row, *value), true, compression, batch);
            prop_assert_eq!(found.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), values.clone());
            let narrow: Vec<i32> = values.iter().map(|value| value.unwrap_or_default() as i32).collect();
            let found = read_back(&narrow, |column: &mut PackedInt, row, value| column.set(row, *value), false, compression, batch);
            prop_assert_eq!(found.as_primitive::<Int32Type>().values().to_vec(), narrow);
        }
    }

    #[test]
    fn a_column_without_values_comes_back_empty() {
        let values = vec![None; 100];
        for compression in [Compression::Zstd(3), Compression::Snappy, Compression::Lz4, Compression::None] {
            assert_eq!(
                read_texts(&values, |column: &mut Name, row, text| column.set(row, text), true, compression, 64),
                values
            );
            assert_eq!(
                read_texts(&values, |column: &mut Id, row, text| column.set(row, text), true, compression, 64),
                values
            );
            let found = read_back(
                &[None; 100],
                |column: &mut PackedLong, row, value| column.set(row, *value),
                true,
                compression,
                64,
            );
            assert_eq!(found.null_count(), 100);
        }
    }

    proptest! {
        #[test]
        fn texts_have_the_bounds_of_the_whole_chunk(values in prop::collection::vec(prop::option::of("[a-c\\x00é]{0,12}"), 1..200)) {
            fn bounds(column: &mut (impl Column + 'static), rows: usize) -> Statistics {
                let schema = Schema::new(vec![Field::new("text", DataType::Utf8, true)]);
                let parquet = ArrowSchemaConverter::new().convert(&schema).unwrap();
                let mut compressor = Compressor::new(Compression::Zstd(1)).unwrap();
                assert!(column.finish(rows).unwrap().is_none());
                let chunk = column.kept().unwrap().encode(rows, &parquet.column(0), &mut compressor).unwrap();
                chunk.close.metadata.statistics().unwrap().clone()
            }
            let (mut name, mut id) = (Name::empty(), Id::empty());
            for (row, value) in values.iter().enumerate() {
                name.set(row, value.as_deref());
                id.set(row, value.as_deref());
            }
            let texts = || values.iter().flatten().map(String::as_bytes);
            for found in [bounds(&mut name, values.len()), bounds(&mut id, values.len())] {
                prop_assert_eq!(found.min_bytes_opt(), texts().min());
                prop_assert_eq!(found.max_bytes_opt(), texts().max());
                prop_assert_eq!(found.null_count_opt(), Some((values.len() - texts().count()) as u64));
            }
        }
    }

    #[test]
    fn bounds_that_are_too_long_are_left_out() {
        let mut id = Id::empty();
        id.set(0, "a".repeat(LONGEST_BOUND + 1).as_str());
        let schema = Schema::new(vec![Field::new("text", DataType::Utf8, true)]);
        let parquet = ArrowSchemaConverter::new().convert(&schema).unwrap();
        let mut compressor = Compressor::new(Compression::None).unwrap();
        assert!(id.finish(1).unwrap().is_none());
        let close = id.encode(1, &parquet.column(0), &mut compressor).unwrap().close;
        let found = close.metadata.statistics().unwrap();
        assert_eq!(
            (found.min_bytes_opt(), found.max_bytes_opt(), found.null_count_opt()),
            (None, None, Some(0))
        );
    }

    #[test]
    fn integers_have_the_bounds_of_each_page() {
        let mut column = PackedMoment::empty();
        let rows = 40_000;
        for row in (0..rows).filter(|row| !(16_384..32_768).contains(row) && row % 2 == 0) {
            column.set(row, EventTime(row as i64));
        }
        assert!(column.finish(rows).unwrap().is_none());
        let schema = Schema::new(vec![Field::new("time", PackedMoment::data_type(), true)]);
        let parquet = ArrowSchemaConverter::new().convert(&schema).unwrap();
        let mut compressor = Compressor::new(Compression::Zstd(1)).unwrap();
        let close = column.encode(rows, &parquet.column(0), &mut compressor).unwrap().close;
        let Some(Statistics::Int64(whole)) = close.metadata.statistics() else {
            panic!()
        };
        assert_eq!((whole.min_opt(), whole.max_opt()), (Some(&0), Some(&39_998_000)));
        assert_eq!(whole.null_count_opt(), Some(28_192));
        let Some(ColumnIndexMetaData::INT64(index)) = close.column_index else {
            panic!()
        };
        assert_eq!(index.min_values_iter().collect::<Vec<_>>(), [Some(&0), None, Some(&32_768_000)]);
        assert_eq!(
            index.max_values_iter().collect::<Vec<_>>(),
            [Some(&16_382_000), None, Some(&39_998_000)]
        );
        assert_eq!(
            [0, 1, 2].map(|page| index.null_count(page)),
            [Some(8_192), Some(16_384), Some(3_616)]
        );
    }
}
