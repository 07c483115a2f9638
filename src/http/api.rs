//! The JSON of `/api/v1/metrics`.

use serde_json::{Map, Value, json};
use tidegauge_aggregate::catalogue;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;

/// The newest live results.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    /// The rows, as on the page of gauges.
    pub rows: &'a [MetricRow],
    /// The watermark that they belong to.
    pub watermark: Option<EventTime>,
    /// Whether every partition is read to its end.
    pub caught_up: bool,
}

/// The answer of `/api/v1/metrics`: `{"watermark", "caught_up", "rows": [{"metric", "area", "unit", "help", "window", "window_start",
/// "window_end", "grouping", "dimensions", "stat", "label", "value", "lower", "upper", "n", "numerator", "denominator"}]}`, with times as RFC
/// 3339 texts, in the order of the rows. Rows without a value are left out.
#[must_use]
pub fn metrics_json(spec: &Spec, live: &Live<'_>) -> Value {
    let rows: Vec<Value> = live.rows.iter().filter_map(|row| row_json(spec, row)).collect();
    json!({"watermark": live.watermark.and_then(time), "caught_up": live.caught_up, "rows": rows})
}

fn row_json(spec: &Spec, row: &MetricRow) -> Option<Value> {
    let value = row.value.filter(|value| value.is_finite())?;
    let metric = catalogue::find(row.metric)?;
    let window = spec.windows.get(row.window)?;
    let grouping = spec.groupings.get(row.grouping)?;
    let dimensions: Map<String, Value> = grouping
        .dimensions
        .iter()
        .zip(row.group.iter())
        .map(|(dimension, value)| (dimension.name(), json!(value.as_deref())))
        .collect();
    Some(json!({
        "metric": metric.name,
        "area": metric.area.as_str(),
        "unit": metric.unit.describe(),
        "help": metric.help,
        "window": window.name,
        "window_start": time(row.window_start),
        "window_end": time(row.window_end),
        "grouping": grouping.name(),
        "dimensions": dimensions,
        "stat": row.stat,
        "label": row.label.as_deref(),
        "value": value,
        "lower": row.lower,
        "upper": row.upper,
        "n": row.n,
        "numerator": row.numerator,
        "denominator": row.denominator,
    }))
}

/// A time as an RFC 3339 text.
pub(crate) fn time(time: EventTime) -> Option<String> {
    jiff::Timestamp::from_millisecond(time.0).ok().map(|time| time.to_string())
}
