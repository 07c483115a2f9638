//! Reads an output as its users do: the Parquet files under the table directories, and nothing below `_tidegauge`.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::reference::RefRow;

/// Every Parquet file of a table, in order of path.
pub fn files(output: &Path, table: &str) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = directory.read_dir() else { return };
        for path in entries.map(|e| e.unwrap().path()) {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "parquet") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&output.join(table), &mut found);
    found.sort();
    found
}

pub fn batches(file: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

pub fn rows_in(output: &Path, table: &str) -> usize {
    files(output, table).iter().flat_map(|f| batches(f)).map(|b| b.num_rows()).sum()
}

fn column(batch: &RecordBatch, name: &str, to: &DataType) -> ArrayRef {
    cast(batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}")), to).unwrap()
}

/// Every row of a table as text, column by column, sorted: what two runs over the same log must agree on.
pub fn table(output: &Path, table: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in files(output, table).iter().flat_map(|f| batches(f)) {
        let schema = batch.schema();
        let columns: Vec<(String, ArrayRef)> = schema
            .fields()
            .iter()
            .map(|f| {
                let plain = batch.column_by_name(f.name()).unwrap();
                let text = match f.data_type() {
                    DataType::Binary | DataType::List(_) => std::sync::Arc::clone(plain),
                    DataType::Timestamp(..) => cast(plain, &DataType::Int64).unwrap(),
                    _ => cast(plain, &DataType::Utf8).unwrap(),
                };
                (f.name().clone(), text)
            })
            .collect();
        let options = arrow::util::display::FormatOptions::default();
        let formats: Vec<_> = columns
            .iter()
            .map(|(name, c)| (name, arrow::util::display::ArrayFormatter::try_new(c, &options).unwrap()))
            .collect();
        for row in 0..batch.num_rows() {
            rows.push(
                formats
                    .iter()
                    .map(|(name, f)| format!("{name}={}", f.value(row)))
                    .collect::<Vec<_>>()
                    .join("|"),
            );
        }
    }
    rows.sort();
    rows
}

/// The rows of `metrics`, each at its highest revision, without those that were taken back.
pub fn metrics(output: &Path) -> Vec<RefRow> {
    let mut latest: BTreeMap<String, (i64, Option<RefRow>)> = BTreeMap::new();
    for batch in files(output, "metrics").iter().flat_map(|f| batches(f)) {
        let text = |name: &str| column(&batch, name, &DataType::Utf8);
        let number = |name: &str| column(&batch, name, &DataType::UInt64);
        let float = |name: &str| column(&batch, name, &DataType::Float64);
        let time = |name: &str| {
            let micros = column(&batch, name, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
            cast(&micros, &DataType::Int64).unwrap()
        };
        let fixed = [
            "window",
            "window_start",
            "window_end",
            "grouping",
            "metric",
            "stat",
            "label",
            "value",
            "lower",
            "upper",
            "n",
            "numerator",
            "denominator",
            "revision",
        ];
        let schema = batch.schema();
        let dims: Vec<(String, ArrayRef)> = schema
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .filter(|n| !fixed.contains(&n.as_str()))
            .map(|n| (n.clone(), text(&n)))
            .collect();
        let (window, grouping, metric, stat, label) = (text("window"), text("grouping"), text("metric"), text("stat"), text("label"));
        let (start, end) = (time("window_start"), time("window_end"));
        let (value, lower, upper) = (float("value"), float("lower"), float("upper"));
        let (n, numerator, denominator, revision) = (number("n"), number("numerator"), number("denominator"), number("revision"));
        let get = |a: &ArrayRef, i: usize| (!a.is_null(i)).then(|| a.as_string::<i32>().value(i).to_owned());
        let get_f = |a: &ArrayRef, i: usize| (!a.is_null(i)).then(|| a.as_primitive::<Float64Type>().value(i));
        let get_n = |a: &ArrayRef, i: usize| (!a.is_null(i)).then(|| a.as_primitive::<UInt64Type>().value(i));
        let get_t = |a: &ArrayRef, i: usize| a.as_primitive::<Int64Type>().value(i) / 1000;
        for i in 0..batch.num_rows() {
            let row = RefRow {
                window: get(&window, i).unwrap(),
                window_start: get_t(&start, i),
                window_end: get_t(&end, i),
                grouping: get(&grouping, i).unwrap(),
                dims: dims.iter().filter_map(|(name, a)| Some((name.clone(), get(a, i)?))).collect(),
                metric: get(&metric, i).unwrap(),
                stat: get(&stat, i).unwrap(),
                label: get(&label, i),
                value: get_f(&value, i).unwrap_or(f64::NAN),
                lower: get_f(&lower, i),
                upper: get_f(&upper, i),
                n: get_n(&n, i).unwrap(),
                numerator: get_n(&numerator, i),
                denominator: get_n(&denominator, i),
            };
            let revision = get_n(&revision, i).unwrap() as i64;
            let key = format!(
                "{}|{}|{}|{:?}|{}|{}|{:?}",
                row.window, row.window_start, row.grouping, row.dims, row.metric, row.stat, row.label
            );
            let entry = latest.entry(key.clone()).or_insert((-1, None));
            assert_ne!(entry.0, revision, "twice in revision {revision}: {key}");
            if revision > entry.0 {
                *entry = (revision, (!row.value.is_nan()).then_some(row));
            }
        }
    }
    latest.into_values().filter_map(|(_, row)| row).collect()
}
