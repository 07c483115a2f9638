//! The `metrics` table read back, for those who show its past.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tidegauge_aggregate::catalogue;
use tidegauge_aggregate::row::{GroupKey, MetricRow};
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;

use super::{Table, TableError};

const BATCH: usize = 8_192;

/// Hands on the rows of a file of the `metrics` table, in its order. Rows of windows, groupings and metrics that the specification does not have,
/// or has otherwise, are left out: they are of an earlier epoch.
///
/// # Errors
///
/// When it is no such file.
pub fn read_metrics(file: Bytes, spec: &Spec, row: &mut dyn FnMut(MetricRow)) -> Result<(), TableError> {
    let parquet = TableError::parquet(Table::Metrics);
    let arrow = |source| TableError::Arrow {
        table: Table::Metrics,
        source,
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.with_batch_size(BATCH).build());
    let mut known = Known::new(spec);
    for batch in reader.map_err(parquet)? {
        let batch = batch.map_err(arrow)?;
        let columns = Columns::of(&batch, spec).ok_or_else(|| arrow(missing()))?;
        (0..batch.num_rows()).filter_map(|at| known.row(&columns, at)).for_each(&mut *row);
    }
    Ok(())
}

fn missing() -> arrow::error::ArrowError {
    arrow::error::ArrowError::SchemaError("a column of the table is missing or has another type".to_owned())
}

/// The columns of one batch.
struct Columns<'a> {
    window: &'a StringArray,
    start: &'a PrimitiveArray<TimestampMicrosecondType>,
    end: &'a PrimitiveArray<TimestampMicrosecondType>,
    grouping: &'a StringArray,
    /// By name; a dimension that came with a later epoch is missing.
    dimensions: BTreeMap<String, &'a StringArray>,
    metric: &'a StringArray,
    stat: &'a StringArray,
    label: &'a StringArray,
    value: &'a PrimitiveArray<Float64Type>,
    lower: &'a PrimitiveArray<Float64Type>,
    upper: &'a PrimitiveArray<Float64Type>,
    n: &'a PrimitiveArray<Int64Type>,
    numerator: &'a PrimitiveArray<Int64Type>,
    denominator: &'a PrimitiveArray<Int64Type>,
    revision: &'a PrimitiveArray<Int32Type>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch, spec: &Spec) -> Option<Columns<'a>> {
        let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
        let dimensions = spec.dimensions().into_iter().map(|dimension| dimension.name());
        Some(Columns {
            window: text("window")?,
            start: number(batch, "window_start")?,
            end: number(batch, "window_end")?,
            grouping: text("grouping")?,
            dimensions: dimensions.filter_map(|name| text(&name).map(|column| (name, column))).collect(),
            metric: text("metric")?,
            stat: text("stat")?,
            label: text("label")?,
            value: number(batch, "value")?,
            lower: number(batch, "lower")?,
            upper: number(batch, "upper")?,
            n: number(batch, "n")?,
            numerator: number(batch, "numerator")?,
            denominator: number(batch, "denominator")?,
            revision: number(batch, "revision")?,
        })
    }
}

fn number<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &str) -> Option<&'a PrimitiveArray<T>> {
    batch.column_by_name(name)?.as_primitive_opt::<T>()
}

fn at<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// What the specification knows by name.
struct Known<'a> {
    spec: &'a Spec,
    windows: BTreeMap<&'a str, usize>,
    /// Index of a grouping, and the names of its dimensions.
    groupings: BTreeMap<String, (usize, Vec<String>)>,
    metrics: BTreeMap<&'static str, Vec<&'static str>>,
    /// Groups repeat in thousands of rows.
    groups: BTreeMap<Vec<Option<String>>, GroupKey>,
}

impl<'a> Known<'a> {
    fn new(spec: &'a Spec) -> Known<'a> {
        let names = |grouping: &tidegauge_aggregate::spec::Grouping| grouping.dimensions.iter().map(|d| d.name()).collect();
        Known {
            windows: spec.windows.iter().enumerate().map(|(index, w)| (w.name.as_str(), index)).collect(),
            groupings: spec
                .groupings
                .iter()
                .enumerate()
                .map(|(index, g)| (g.name(), (index, names(g))))
                .collect(),
            metrics: catalogue::metrics().map(|metric| (metric.name, metric.stats())).collect(),
            groups: BTreeMap::new(),
            spec,
        }
    }

    fn row(&mut self, columns: &Columns<'_>, row: usize) -> Option<MetricRow> {
        let window = *self.windows.get(columns.window.value(row))?;
        let time = |column| at(column, row).map(|micros: i64| EventTime(micros.div_euclid(1_000)));
        let (start, end) = (time(columns.start)?, time(columns.end)?);
        if end.0.checked_sub(start.0) != Some(self.spec.windows.get(window)?.size) {
            return None;
        }
        let (metric, stats) = self.metrics.get_key_value(columns.metric.value(row))?;
        let name = columns.stat.value(row);
        let stat = stats.iter().find(|stat| **stat == name)?;
        let (grouping, dimensions) = self.groupings.get(columns.grouping.value(row))?;
        let values: Vec<Option<String>> = dimensions
            .iter()
            .map(|name| columns.dimensions.get(name).and_then(|column| text(column, row)).map(str::to_owned))
            .collect();
        let group = match self.groups.get(&values) {
            Some(group) => Arc::clone(group),
            None => {
                let group: GroupKey = values.iter().map(|value| value.as_deref().map(Arc::from)).collect();
                self.groups.insert(values, Arc::clone(&group));
                group
            }
        };
        let count = |column| at(column, row).map(|n: i64| n.unsigned_abs());
        Some(MetricRow {
            window,
            window_start: start,
            window_end: end,
            grouping: *grouping,
            group,
            metric,
            stat,
            label: text(columns.label, row).map(Arc::from),
            value: at(columns.value, row),
            lower: at(columns.lower, row),
            upper: at(columns.upper, row),
            n: count(columns.n)?,
            numerator: count(columns.numerator),
            denominator: count(columns.denominator),
            revision: at(columns.revision, row)?.unsigned_abs(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::table::{FileIdentity, TableOptions, encode_metrics};

    fn rows() -> Vec<MetricRow> {
        let row = MetricRow {
            window: 2,
            window_start: EventTime(0),
            window_end: EventTime(3_600_000),
            grouping: 2,
            group: Arc::from([Some(Arc::from("shop")), None]),
            metric: "time_on_task_seconds",
            stat: "p90",
            label: None,
            value: Some(0.1 + 0.2),
            lower: None,
            upper: Some(f64::MIN_POSITIVE),
            n: 4,
            numerator: None,
            denominator: Some(9),
            revision: 3,
        };
        let taken_back = MetricRow {
            metric: "revenue",
            stat: "value",
            label: Some(Arc::from("EUR")),
            value: None,
            ..row.clone()
        };
        vec![row, taken_back]
    }

    fn file(spec: &Spec) -> Bytes {
        let options = TableOptions::new(Arc::new(spec.clone()));
        let identity = FileIdentity {
            nonce: "n".to_owned(),
            version: "0".to_owned(),
        };
        encode_metrics(&rows(), &options, &identity).unwrap().remove(0).bytes
    }

    fn read(file: Bytes, spec: &Spec) -> Vec<MetricRow> {
        let mut found = Vec::new();
        read_metrics(file, spec, &mut |row| found.push(row)).unwrap();
        found
    }

    #[test]
    fn rows_come_back_as_they_were_written() {
        let spec = Spec::default();
        assert_eq!(read(file(&spec), &spec), rows());
    }

    #[test]
    fn rows_of_what_is_configured_otherwise_now_are_left_out() {
        let spec = Spec::default();
        let mut other = spec.clone();
        other.windows[2].size *= 2;
        assert_eq!(read(file(&spec), &other), []);
        let mut other = spec.clone();
        other.groupings.remove(2);
        assert_eq!(read(file(&spec), &other), []);
    }

    #[test]
    fn what_is_no_parquet_file_is_refused() {
        let spec = Spec::default();
        let whole = file(&spec);
        for bytes in [Bytes::new(), Bytes::from_static(b"PAR1"), whole.slice(..whole.len() / 2)] {
            assert!(read_metrics(bytes, &spec, &mut |_| ()).is_err());
        }
    }
}
