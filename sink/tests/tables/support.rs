//! Writing a few rows and reading files back as text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use tidegauge_aggregate::event::{Body, Event};
use tidegauge_aggregate::record::Record;
use tidegauge_aggregate::spec::{Dimension, Grouping, Spec};
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::table::{DataFile, FileIdentity, TableOptions, WorkerTables, assemble};

/// 2025-01-29T08:00:00Z.
pub(crate) const EIGHT: i64 = 1_738_137_600_000;

pub(crate) fn identity() -> FileIdentity {
    FileIdentity {
        nonce: "5f3a9c".to_owned(),
        version: "1.2.3".to_owned(),
    }
}

/// The default options over a specification with the attribute `plan` as a dimension.
pub(crate) fn options() -> TableOptions {
    let mut spec = Spec::default();
    spec.groupings.push(Grouping {
        dimensions: vec![Dimension::Attribute("plan".to_owned())],
    });
    TableOptions::new(Arc::new(spec))
}

pub(crate) fn record(offset: i64, timestamp: Option<i64>) -> Record<'static> {
    Record {
        topic: "product.telemetry",
        partition: 3,
        offset,
        timestamp,
        key: None,
        value: Some(b"{}"),
        headers: &[],
    }
}

pub(crate) fn event(ms: i64, body: Body<'static>) -> Event<'static> {
    Event {
        time: EventTime(ms),
        event_id: None,
        user_id: None,
        session_id: None,
        common: [None; 6],
        attributes: &[],
        body,
    }
}

pub(crate) fn files_of(mut tables: WorkerTables) -> Vec<DataFile> {
    assemble(tables.flush().unwrap(), &identity()).unwrap()
}

/// One file, all row groups in one batch.
pub(crate) fn read(file: &DataFile) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap();
    let schema = Arc::clone(builder.schema());
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

pub(crate) fn metadata(file: &DataFile) -> Arc<ParquetMetaData> {
    Arc::clone(ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap().metadata())
}

/// A cell as text; nulls are `None`.
pub(crate) fn cell(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let array = batch.column_by_name(column).unwrap_or_else(|| panic!("no column {column}"));
    let options = FormatOptions::default();
    // The formatter knows time zones only as offsets.
    let array = match array.data_type() {
        DataType::Timestamp(..) => {
            &(Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("+00:00")) as ArrayRef)
        }
        _ => array,
    };
    array
        .is_valid(row)
        .then(|| ArrayFormatter::try_new(array.as_ref(), &options).unwrap().value(row).to_string())
}

/// The cells of a row that are not null, as `column=text`, in the order of the schema, without those named.
pub(crate) fn filled(batch: &RecordBatch, row: usize, without: &[&str]) -> Vec<String> {
    let schema = batch.schema();
    let names = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .filter(|name| !without.contains(name));
    names
        .filter_map(|name| cell(batch, name, row).map(|text| format!("{name}={text}")))
        .collect()
}
