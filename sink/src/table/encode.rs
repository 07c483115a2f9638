//! From arrays to an encoded row group, ready to be spliced into a file.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use super::{Hour, Table, TableError, TableOptions};

/// Columns whose values hardly ever repeat: a dictionary of them costs time and is thrown away.
const UNIQUE: [&str; 11] = [
    "time",
    "offset",
    "record_timestamp",
    "event_id",
    "attempt_id",
    "message",
    "comment",
    "text",
    "key",
    "value",
    "detail",
];
/// Free text: its least and greatest value prune nothing.
const UNORDERED: [&str; 7] = ["message", "comment", "text", "attributes", "value", "detail", "reason"];

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
}

/// One compressed row group of one table and hour.
pub struct EncodedRowGroup {
    pub(super) layout: Arc<Layout>,
    pub(super) hour: Hour,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    pub(super) chunks: Vec<ArrowColumnChunk>,
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
        let mut properties = properties(options);
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
        })
    }

    pub(super) fn table(&self) -> Table {
        self.layout.table
    }

    /// Encodes one row group; `arrays` are in the order of the schema and all of length `rows`.
    pub(super) fn encode(&self, hour: Hour, rows: usize, arrays: &[ArrayRef]) -> std::result::Result<EncodedRowGroup, TableError> {
        let chunks = self.chunks(arrays).map_err(TableError::parquet(self.layout.table))?;
        let bytes = chunks
            .iter()
            .map(|chunk| usize::try_from(chunk.close().bytes_written).unwrap_or(usize::MAX))
            .sum();
        Ok(EncodedRowGroup {
            layout: Arc::clone(&self.layout),
            hour,
            rows,
            bytes,
            chunks,
        })
    }

    fn chunks(&self, arrays: &[ArrayRef]) -> Result<Vec<ArrowColumnChunk>> {
        let mut writers = self.factory.create_column_writers(0)?.into_iter();
        let mut chunks = Vec::with_capacity(writers.len());
        for (field, array) in self.schema.fields().iter().zip(arrays) {
            for leaf in compute_leaves(field, array)? {
                if let Some(mut writer) = writers.next() {
                    writer.write(&leaf)?;
                    chunks.push(writer.close()?);
                }
            }
        }
        Ok(chunks)
    }
}

fn properties(options: &TableOptions) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(options.compression.codec())
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page);
    for column in UNIQUE {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    for column in UNORDERED {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::Chunk);
    }
    builder.build()
}
