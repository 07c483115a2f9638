//! The `metrics` table.

use std::sync::Arc;

use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::{Dimension, Spec};
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::table::{Table, TableError, TableOptions, TableSet, encode_metrics, metrics_columns};

use crate::support::{EIGHT, filled, identity, options, read};

fn row(window: usize, grouping: usize, group: &[Option<&str>]) -> MetricRow {
    MetricRow {
        window,
        window_start: EventTime(EIGHT - 300_000),
        window_end: EventTime(EIGHT),
        grouping,
        group: group.iter().map(|value| value.map(Arc::from)).collect(),
        metric: "task_success_ratio",
        stat: "value",
        label: None,
        value: Some(0.75),
        lower: Some(0.3),
        upper: Some(0.95),
        n: 4,
        numerator: Some(3),
        denominator: Some(4),
        revision: 0,
    }
}

#[test]
fn columns_are_those_of_the_specification_with_one_per_dimension() {
    let names: Vec<String> = metrics_columns(&options().spec).unwrap().iter().map(|f| f.name().clone()).collect();
    let expected = [
        "window",
        "window_start",
        "window_end",
        "grouping",
        "product",
        "task",
        "platform",
        "channel",
        "version",
        "touchpoint",
        "attributes.plan",
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
    assert_eq!(names, expected);
}

#[test]
fn dimensions_go_to_their_own_columns_whatever_the_order_of_the_grouping() {
    let mut options = options();
    let spec = Arc::make_mut(&mut options.spec);
    spec.groupings[2].dimensions.reverse();
    assert_eq!(spec.groupings[2].name(), "task+product");
    let rows = [
        row(1, 2, &[Some("pay"), Some("shop")]),
        row(1, 2, &[Some("pay"), None]),
        row(1, 0, &[]),
    ];
    let files = encode_metrics(&rows, &options, &identity()).unwrap();
    assert_eq!(
        (files.len(), files[0].table, files[0].partition.as_str()),
        (1, "metrics", "date=2025-01-29/hour=08")
    );
    let batch = read(&files[0]);
    let expected = [
        "window=5m",
        "window_start=2025-01-29T07:55:00Z",
        "window_end=2025-01-29T08:00:00Z",
        "grouping=task+product",
        "product=shop",
        "task=pay",
        "metric=task_success_ratio",
        "stat=value",
        "value=0.75",
        "lower=0.3",
        "upper=0.95",
        "n=4",
        "numerator=3",
        "denominator=4",
        "revision=0",
    ];
    assert_eq!(filled(&batch, 0, &[]), expected);
    assert!(filled(&batch, 1, &[]).contains(&"task=pay".to_owned()));
    assert!(!filled(&batch, 1, &[]).iter().any(|cell| cell.starts_with("product=")));
    assert_eq!(filled(&batch, 2, &[])[3], "grouping=overall");
}

#[test]
fn a_row_that_is_taken_back_keeps_its_identity_and_loses_its_value() {
    let gone = MetricRow {
        value: None,
        lower: None,
        upper: None,
        n: 0,
        numerator: None,
        denominator: None,
        revision: 2,
        label: Some("EUR".into()),
        ..row(1, 1, &[Some("shop")])
    };
    let batch = read(&encode_metrics(&[gone], &options(), &identity()).unwrap()[0]);
    let cells = filled(&batch, 0, &["window_start", "window_end"]);
    let expected = [
        "window=5m",
        "grouping=product",
        "product=shop",
        "metric=task_success_ratio",
        "stat=value",
        "label=EUR",
        "n=0",
        "revision=2",
    ];
    assert_eq!(cells, expected);
}

#[test]
fn rows_are_filed_by_the_end_of_their_window() {
    let late = MetricRow {
        window_end: EventTime(EIGHT + 3_600_000),
        ..row(1, 0, &[])
    };
    let files = encode_metrics(&[late, row(1, 0, &[])], &options(), &identity()).unwrap();
    let partitions: Vec<(&str, u64)> = files.iter().map(|f| (f.partition.as_str(), f.rows)).collect();
    assert_eq!(partitions, [("date=2025-01-29/hour=08", 1), ("date=2025-01-29/hour=09", 1)]);
}

#[test]
fn a_row_of_an_unknown_window_or_grouping_is_an_error() {
    let error = encode_metrics(&[row(99, 0, &[])], &options(), &identity()).unwrap_err();
    assert!(
        error.to_string().contains("names window number 99, but the configuration has 5"),
        "{error}"
    );
    let error = encode_metrics(&[row(0, 99, &[])], &options(), &identity()).unwrap_err();
    assert!(error.to_string().contains("names grouping number 99"), "{error}");
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let mut spec = Spec::default();
    spec.groupings[1].dimensions = ["Plan", "plan"].map(|name| Dimension::Attribute(name.to_owned())).to_vec();
    let error = metrics_columns(&spec).unwrap_err();
    assert!(
        matches!(&error, TableError::ColumnClash { table: Table::Metrics, column } if column == "attributes.plan"),
        "{error}"
    );
}

#[test]
fn metrics_can_be_switched_off() {
    let options = TableOptions {
        tables: TableSet::NONE,
        ..options()
    };
    assert!(encode_metrics(&[row(1, 0, &[])], &options, &identity()).unwrap().is_empty());
}
