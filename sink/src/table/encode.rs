//! From arrays to an encoded row group, ready to be spliced into a file.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use super::options::Compressor;
use super::pages::{self, Kept};
use super::{Hour, Table, TableError, TableOptions};

/// Columns whose values hardly repeat within a row group: a dictionary of them costs time and is thrown away.
const UNIQUE: [&str; 6] = ["message", "comment", "text", "key", "value", "detail"];
/// Text whose least and greatest value in a page prunes nothing; the bounds of a row group are enough.
const UNORDERED: [&str; 8] = ["ticket_id", "message", "comment", "text", "attributes", "value", "detail", "topic"];

/// What a table's files look like; shared by the row groups of all workers.
pub(super) struct Layout {
    pub(super) table: Table,
    pub(super) parquet: SchemaDescriptor,
    pub(super) properties: WriterProperties,
}

/// Turns arrays of one table into row groups.
pub(super) struct Encoder {
    layout: Arc<Layout>,
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
    compressor: Compressor,
}

/// One compressed row group of one table and hour.
pub struct EncodedRowGroup {
    pub(super) layout: Arc<Layout>,
    pub(super) hour: Hour,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    pub(super) chunks: Vec<Chunk>,
}

/// One column of a row group.
pub(super) enum Chunk {
    Arrow(ArrowColumnChunk),
    Kept(pages::Chunk),
}

impl Chunk {
    fn bytes(&self) -> usize {
        let close = match self {
            Chunk::Arrow(chunk) => chunk.close(),
            Chunk::Kept(chunk) => &chunk.close,
        };
        usize::try_from(close.bytes_written).unwrap_or(usize::MAX)
    }

    pub(super) fn append_to<W: Write + Send>(self, row_group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        match self {
            Chunk::Arrow(chunk) => chunk.append_to_row_group(row_group),
            Chunk::Kept(chunk) => row_group.append_column(&chunk.bytes, chunk.close),
        }
    }
}

impl EncodedRowGroup {
    /// The table it belongs to.
    #[must_use]
    pub fn table(&self) -> Table {
        self.layout.table
    }

    /// The hour it is filed under.
    #[must_use]
    pub fn hour(&self) -> Hour {
        self.hour
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Compressed size of its pages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl fmt::Debug for EncodedRowGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EncodedRowGroup({} {}, {} rows, {} bytes)",
            self.layout.table, self.hour, self.rows, self.bytes
        )
    }
}

impl Encoder {
    pub(super) fn new(table: Table, fields: Vec<Field>, options: &TableOptions) -> std::result::Result<Encoder, TableError> {
        Encoder::build(table, Schema::new(fields), options).map_err(TableError::parquet(table))
    }

    fn build(table: Table, schema: Schema, options: &TableOptions) -> Result<Encoder> {
        let mut properties = properties(table, options);
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let parquet = ArrowSchemaConverter::new().schema_root("tidegauge").convert(&schema)?;
        let schema = Arc::new(schema);
        // Only its schema and properties are used; nothing is written to it.
        let writer = SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), Arc::new(properties.clone()))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
        Ok(Encoder {
            layout: Arc::new(Layout {
                table,
                parquet,
                properties,
            }),
            schema,
            factory,
            compressor: Compressor::new(options.compression)?,
        })
    }

    pub(super) fn table(&self) -> Table {
        self.layout.table
    }

    /// Starts a row group.
    pub(super) fn start(&self) -> std::result::Result<OpenRowGroup, TableError> {
        let writers = self
            .factory
            .create_column_writers(0)
            .map_err(TableError::parquet(self.layout.table))?;
        Ok(OpenRowGroup { writers, rows: 0 })
    }

    /// Adds rows to a row group; `arrays` are in the order of the schema and all of length `rows`, but for columns that keep their rows.
    pub(super) fn write(&self, group: &mut OpenRowGroup, rows: usize, arrays: &[Option<ArrayRef>]) -> std::result::Result<(), TableError> {
        group.rows += rows;
        self.write_columns(group, arrays).map_err(TableError::parquet(self.layout.table))
    }

    fn write_columns(&self, group: &mut OpenRowGroup, arrays: &[Option<ArrayRef>]) -> Result<()> {
        let mut writers = group.writers.iter_mut();
        for (field, array) in self.schema.fields().iter().zip(arrays) {
            let Some(array) = array else {
                writers.next();
                continue;
            };
            for leaf in compute_leaves(field, array)? {
                if let Some(writer) = writers.next() {
                    writer.write(&leaf)?;
                }
            }
        }
        Ok(())
    }

    /// Ends a row group; `kept` are in the order of the schema, as [`super::column::Columns::kept`] gives them.
    pub(super) fn finish(
        &mut self,
        group: OpenRowGroup,
        hour: Hour,
        kept: Vec<Option<&mut dyn Kept>>,
    ) -> std::result::Result<EncodedRowGroup, TableError> {
        let rows = group.rows;
        let chunks = self.close(group, kept).map_err(TableError::parquet(self.layout.table))?;
        let bytes = chunks.iter().map(Chunk::bytes).sum();
        Ok(EncodedRowGroup {
            layout: Arc::clone(&self.layout),
            hour,
            rows,
            bytes,
            chunks,
        })
    }

    fn close(&mut self, group: OpenRowGroup, mut kept: Vec<Option<&mut dyn Kept>>) -> Result<Vec<Chunk>> {
        let parquet = &self.layout.parquet;
        let leaves = group.writers.into_iter().enumerate();
        leaves
            .map(|(leaf, writer)| match kept.get_mut(parquet.get_column_root_idx(leaf)) {
                Some(Some(column)) => column
                    .encode(group.rows, &parquet.column(leaf), &mut self.compressor)
                    .map(Chunk::Kept),
                _ => writer.close().map(Chunk::Arrow),
            })
            .collect()
    }
}

/// A row group that is being written.
pub(super) struct OpenRowGroup {
    writers: Vec<ArrowColumnWriter>,
    rows: usize,
}

impl OpenRowGroup {
    /// Bytes of pages and dictionaries so far.
    pub(super) fn bytes(&self) -> usize {
        self.writers.iter().map(ArrowColumnWriter::memory_size).sum()
    }
}

fn properties(table: Table, options: &TableOptions) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(options.compression.codec())
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_write_batch_size(4_096);
    for column in UNIQUE {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    // Results are few, and in the order of their windows and groups.
    for column in UNORDERED.into_iter().filter(|_| table != Table::Metrics) {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::Chunk);
    }
    builder.build()
}
