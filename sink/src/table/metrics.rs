//! The `metrics` table: one row per number of one indicator for one window position and group.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::{Dimension, Spec};

use super::assemble::{DataFile, FileIdentity, assemble};
use super::column::{Column, Columns, Text, columns, field};
use super::encode::{EncodedRowGroup, Encoder};
use super::pages::Kept;
use super::{Hour, Table, TableError, TableOptions};

columns! {
    /// The columns before the dimensions.
    struct Head {
        window: Text, required, "window", "", "Name of the window";
        window_start: Moment, required, "window_start", "UTC", "Start of the window position, inclusive";
        window_end: Moment, required, "window_end", "UTC", "End of the window position, exclusive";
        grouping: Text, required, "grouping", "", "overall, or the grouping's dimensions joined by +";
    }
}

columns! {
    /// The columns after the dimensions.
    struct Tail {
        metric: Text, required, "metric", "", "Name of the metric; tidegauge metrics NAME explains it";
        stat: Text, required, "stat", "", "value, p50, mean, ...";
        label: Text, nullable, "label", "", "What the metric is split by besides the grouping: severity, currency, journey/step, ...";
        value: Real, nullable, "value", "the metric's unit", "The estimate; null in a revision that takes a row back";
        lower: Real, nullable, "lower", "the metric's unit", "Lower end of the interval";
        upper: Real, nullable, "upper", "the metric's unit", "Upper end of the interval";
        n: Long, required, "n", "", "Sample size";
        numerator: Long, nullable, "numerator", "", "Numerator of a ratio";
        denominator: Long, nullable, "denominator", "", "Denominator of a ratio";
        revision: Int, required, "revision", "", "How often the row was corrected; the highest counts";
    }
}

struct MetricColumns {
    head: Head,
    dimensions: Vec<Text>,
    tail: Tail,
}

impl Columns for MetricColumns {
    fn finish(&mut self, rows: usize) -> Result<Vec<Option<ArrayRef>>, ArrowError> {
        let mut arrays = self.head.finish(rows)?;
        for column in &mut self.dimensions {
            arrays.push(column.finish(rows)?);
        }
        arrays.extend(self.tail.finish(rows)?);
        Ok(arrays)
    }

    fn kept(&mut self) -> Vec<Option<&mut dyn Kept>> {
        Vec::new()
    }
}

/// The columns of the `metrics` table of a specification, in order. Also the check that they can stand side by side.
///
/// # Errors
///
/// When a dimension has the name of another column.
pub fn metrics_columns(spec: &Spec) -> Result<Vec<Field>, TableError> {
    let mut fields = Head::fields();
    let tail = Tail::fields();
    for dimension in spec.dimensions() {
        let name = dimension.name();
        if fields.iter().chain(&tail).any(|other| other.name().eq_ignore_ascii_case(&name)) {
            return Err(TableError::ColumnClash {
                table: Table::Metrics,
                column: name,
            });
        }
        fields.push(field(
            &name,
            Text::data_type(),
            true,
            "",
            "Dimension; null where the grouping lacks it or the value is absent",
        ));
    }
    fields.extend(tail);
    Ok(fields)
}

/// Writes results to files, one per hour of the window's end, rows in the order given.
///
/// # Errors
///
/// When a row names a window or grouping that the specification lacks, or two columns clash.
pub fn encode_metrics(rows: &[MetricRow], options: &TableOptions, identity: &FileIdentity) -> Result<Vec<DataFile>, TableError> {
    if !options.tables.contains(Table::Metrics) {
        return Ok(Vec::new());
    }
    let mut encoder = Encoder::new(Table::Metrics, metrics_columns(&options.spec)?, options)?;
    let groupings = Groupings::new(&options.spec);
    let mut hours: BTreeMap<Hour, Vec<&MetricRow>> = BTreeMap::new();
    for row in rows {
        hours.entry(Hour::of(row.window_end)).or_default().push(row);
    }
    let mut groups: Vec<EncodedRowGroup> = Vec::new();
    for (hour, rows) in hours {
        for chunk in rows.chunks(options.row_group_rows.max(1)) {
            let arrays = columns_of(chunk, &options.spec, &groupings)?
                .finish(chunk.len())
                .map_err(|source| TableError::Arrow {
                    table: Table::Metrics,
                    source,
                })?;
            let mut group = encoder.start()?;
            encoder.write(&mut group, chunk.len(), &arrays)?;
            groups.push(encoder.finish(group, hour, Vec::new())?);
        }
    }
    assemble(groups, identity)
}

fn columns_of(rows: &[&MetricRow], spec: &Spec, groupings: &Groupings) -> Result<MetricColumns, TableError> {
    let mut columns = MetricColumns {
        head: Head::empty(),
        dimensions: std::iter::repeat_with(Text::empty).take(groupings.dimensions).collect(),
        tail: Tail::empty(),
    };
    for (i, row) in rows.iter().enumerate() {
        let unknown = |what, index, len| TableError::UnknownIndex {
            metric: row.metric,
            what,
            index,
            len,
        };
        let window = spec
            .windows
            .get(row.window)
            .ok_or_else(|| unknown("window", row.window, spec.windows.len()))?;
        let grouping = groupings
            .by_index
            .get(row.grouping)
            .ok_or_else(|| unknown("grouping", row.grouping, spec.groupings.len()))?;
        columns.head.window.set(i, window.name.as_str());
        columns.head.window_start.set(i, row.window_start);
        columns.head.window_end.set(i, row.window_end);
        columns.head.grouping.set(i, grouping.name.as_str());
        for (value, column) in row.group.iter().zip(&grouping.columns) {
            if let Some(column) = columns.dimensions.get_mut(*column) {
                column.set(i, value.as_deref());
            }
        }
        columns.tail.write(i, row);
    }
    Ok(columns)
}

impl Tail {
    fn write(&mut self, i: usize, row: &MetricRow) {
        let long = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.metric.set(i, row.metric);
        self.stat.set(i, row.stat);
        self.label.set(i, row.label.as_deref());
        self.value.set(i, row.value);
        self.lower.set(i, row.lower);
        self.upper.set(i, row.upper);
        self.n.set(i, long(row.n));
        self.numerator.set(i, row.numerator.map(long));
        self.denominator.set(i, row.denominator.map(long));
        self.revision.set(i, i32::try_from(row.revision).unwrap_or(i32::MAX));
    }
}

/// Names of the groupings, and in which dimension column each of their values goes.
struct Groupings {
    dimensions: usize,
    by_index: Vec<GroupingColumns>,
}

struct GroupingColumns {
    name: String,
    columns: Vec<usize>,
}

impl Groupings {
    fn new(spec: &Spec) -> Groupings {
        let dimensions = spec.dimensions();
        let column = |dimension: &Dimension| dimensions.iter().position(|d| *d == dimension);
        let by_index = spec
            .groupings
            .iter()
            .map(|g| GroupingColumns {
                name: g.name(),
                columns: g.dimensions.iter().filter_map(column).collect(),
            })
            .collect();
        Groupings {
            dimensions: dimensions.len(),
            by_index,
        }
    }
}
