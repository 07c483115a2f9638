//! Converts between the engine's types and the neutral ones.

use tidegauge_aggregate::record::Record;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::Spec;

use super::{Log, RefRow};

/// A row of the engine in neutral form; nothing of a row that is taken back.
pub fn neutral(spec: &Spec, row: &MetricRow) -> Option<RefRow> {
    let grouping = &spec.groupings[row.grouping];
    let dims = grouping.dimensions.iter().zip(row.group.iter());
    Some(RefRow {
        window: spec.windows[row.window].name.clone(),
        window_start: row.window_start.0,
        window_end: row.window_end.0,
        grouping: grouping.name(),
        dims: dims
            .filter_map(|(d, value)| Some((d.name(), value.as_ref()?.to_string())))
            .collect(),
        metric: row.metric.to_owned(),
        stat: row.stat.to_owned(),
        label: row.label.as_ref().map(ToString::to_string),
        value: row.value?,
        lower: row.lower,
        upper: row.upper,
        n: row.n,
        numerator: row.numerator,
        denominator: row.denominator,
    })
}

/// The records of a log as the engine takes them, partition after partition.
pub fn records(log: &Log) -> impl Iterator<Item = Record<'_>> {
    log.iter().flat_map(|(topic, partition, records)| {
        records.iter().zip(0..).map(move |(record, offset)| Record {
            topic,
            partition: *partition,
            offset,
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &[],
        })
    })
}
