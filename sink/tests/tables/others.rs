//! The tables `late`, `rejects` and `attempts`.

use tidegauge_aggregate::event::{AttemptRow, Body, Outcome};
use tidegauge_aggregate::record::{Record, Reject, RejectReason};
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::table::{DataFile, Table, TableOptions, TableSet, WorkerTables};

use crate::support::{EIGHT, cell, event, files_of, filled, options, read, record};

const HOUR: i64 = 3_600_000;

fn partitions(files: &[DataFile]) -> Vec<(&str, &str)> {
    files.iter().map(|file| (file.table, file.partition.as_str())).collect()
}

#[test]
fn a_late_event_is_filed_by_when_it_came_with_the_watermark_that_made_it_late() {
    let mut tables = WorkerTables::new(&options()).unwrap();
    let late = event(EIGHT, Body::Churned { reason: None });
    tables
        .append_late(&record(0, Some(EIGHT + 5 * HOUR)), &late, EventTime(EIGHT + 2 * HOUR))
        .unwrap();
    tables.append_late(&record(1, None), &late, EventTime(EIGHT + 2 * HOUR)).unwrap();
    let files = files_of(tables);
    assert_eq!(
        partitions(&files),
        [("late", "date=2025-01-29/hour=10"), ("late", "date=2025-01-29/hour=13")]
    );
    let batch = read(&files[0]);
    let expected = [
        "type=churned",
        "time=2025-01-29T08:00:00Z",
        "topic=product.telemetry",
        "partition=3",
        "offset=1",
        "watermark=2025-01-29T10:00:00Z",
    ];
    assert_eq!(filled(&batch, 0, &[]), expected);
}

#[test]
fn a_reject_keeps_everything_that_is_needed_to_send_it_again() {
    let headers: [(&str, Option<&[u8]>); 3] = [("trace", Some(b"\x00\xff")), ("trace", None), ("ä", Some(b""))];
    let broken = Record {
        topic: "customer.feedback",
        partition: 1,
        offset: 42,
        timestamp: Some(EIGHT),
        key: Some(b"\xfe\x00key"),
        value: Some(b"\xff{not json"),
        headers: &headers,
    };
    let reject = Reject {
        reason: RejectReason::NotJson,
        field: "",
        detail: "expected a JSON object".to_owned(),
    };
    let tombstone = Record {
        offset: 43,
        key: None,
        value: None,
        headers: &[],
        timestamp: None,
        ..broken
    };
    let empty = Reject {
        reason: RejectReason::Empty,
        field: "value",
        detail: "no value".to_owned(),
    };
    let mut tables = WorkerTables::new(&options()).unwrap();
    tables.append_reject(&broken, &reject, None).unwrap();
    tables.append_reject(&tombstone, &empty, Some(EventTime(EIGHT + 1))).unwrap();
    let files = files_of(tables);
    assert_eq!(partitions(&files), [("rejects", "date=2025-01-29/hour=08")]);
    let batch = read(&files[0]);
    let expected = [
        "topic=customer.feedback",
        "partition=1",
        "offset=42",
        "record_timestamp=2025-01-29T08:00:00Z",
        "key=fe006b6579",
        "headers=[{key: trace, value: 00ff}, {key: trace, value: }, {key: ä, value: }]",
        "value=ff7b6e6f74206a736f6e",
        "reason=not_json",
        "detail=expected a JSON object",
    ];
    assert_eq!(filled(&batch, 0, &[]), expected);
    let expected = [
        "topic=customer.feedback",
        "partition=1",
        "offset=43",
        "headers=[]",
        "reason=empty",
        "field=value",
        "detail=no value",
    ];
    assert_eq!(filled(&batch, 1, &[]), expected);
}

#[test]
fn a_null_header_value_differs_from_an_empty_one() {
    use arrow::array::{Array, AsArray};
    let headers: [(&str, Option<&[u8]>); 2] = [("null", None), ("empty", Some(b""))];
    let mut tables = WorkerTables::new(&options()).unwrap();
    let reject = Reject {
        reason: RejectReason::Empty,
        field: "",
        detail: String::new(),
    };
    tables
        .append_reject(
            &Record {
                headers: &headers,
                ..record(0, None)
            },
            &reject,
            None,
        )
        .unwrap();
    let batch = read(&files_of(tables)[0]);
    let items = batch.column_by_name("headers").unwrap().as_list::<i32>().value(0);
    let values = items.as_struct().column_by_name("value").unwrap();
    assert!(values.is_null(0));
    assert!(values.is_valid(1));
}

#[test]
fn a_reject_without_timestamp_is_filed_by_the_watermark_and_else_by_the_epoch() {
    let reject = Reject {
        reason: RejectReason::Empty,
        field: "value",
        detail: String::new(),
    };
    let mut tables = WorkerTables::new(&options()).unwrap();
    tables.append_reject(&record(0, Some(i64::MAX)), &reject, None).unwrap();
    tables
        .append_reject(&record(1, None), &reject, Some(EventTime(EIGHT + HOUR)))
        .unwrap();
    tables.append_reject(&record(2, None), &reject, None).unwrap();
    let files = files_of(tables);
    let expected = [
        ("rejects", "date=1970-01-01/hour=00"),
        ("rejects", "date=2025-01-29/hour=09"),
        ("rejects", "date=9999-12-31/hour=23"),
    ];
    assert_eq!(partitions(&files), expected);
}

fn attempt(ms: i64) -> AttemptRow<'static> {
    AttemptRow {
        time: EventTime(ms),
        started: Some(EventTime(ms - 1_500)),
        attempt_id: "a1",
        task: "pay",
        user_id: Some("u1"),
        outcome: Outcome::Success,
        inferred: false,
        duration_ms: Some(1_500),
        clicks: Some(4),
        errors: 1,
        common: [Some("shop"), None, None, None, None, Some("new")],
        attributes: &[Some("pro")],
        offset: Some(9),
    }
}

#[test]
fn an_attempt_is_filed_by_its_end_with_its_attribute_dimensions() {
    let mut tables = WorkerTables::new(&options()).unwrap();
    tables.append_attempt("product.telemetry", 5, &attempt(EIGHT + HOUR)).unwrap();
    let inferred = AttemptRow {
        started: None,
        outcome: Outcome::Abandoned,
        inferred: true,
        duration_ms: None,
        clicks: None,
        user_id: None,
        common: [None; 6],
        attributes: &[None],
        offset: None,
        ..attempt(EIGHT + HOUR)
    };
    tables.append_attempt("product.telemetry", 5, &inferred).unwrap();
    let files = files_of(tables);
    assert_eq!(partitions(&files), [("attempts", "date=2025-01-29/hour=09")]);
    let batch = read(&files[0]);
    let expected = [
        "time=2025-01-29T09:00:00Z",
        "started=2025-01-29T08:59:58.500Z",
        "attempt_id=a1",
        "task=pay",
        "user_id=u1",
        "outcome=success",
        "inferred=false",
        "duration_ms=1500",
        "clicks=4",
        "errors=1",
        "product=shop",
        "segment=new",
        "topic=product.telemetry",
        "partition=5",
        "offset=9",
        "attributes.plan=pro",
    ];
    assert_eq!(filled(&batch, 0, &[]), expected);
    let without = ["topic", "partition", "attempt_id", "task", "time"];
    assert_eq!(filled(&batch, 1, &without), ["outcome=abandoned", "inferred=true", "errors=1"]);
}

#[test]
fn a_table_that_is_not_wanted_is_not_written() {
    let options = TableOptions {
        tables: [Table::Attempts].into_iter().collect::<TableSet>(),
        ..options()
    };
    let mut tables = WorkerTables::new(&options).unwrap();
    tables.append_event(&record(0, None), &event(EIGHT, Body::SignedUp)).unwrap();
    tables
        .append_late(&record(0, None), &event(EIGHT, Body::SignedUp), EventTime(EIGHT))
        .unwrap();
    tables.append_attempt("t", 0, &attempt(EIGHT)).unwrap();
    assert_eq!(partitions(&files_of(tables)), [("attempts", "date=2025-01-29/hour=08")]);
}

#[test]
fn discarded_rows_are_gone_and_the_tables_go_on() {
    let mut tables = WorkerTables::new(&options()).unwrap();
    tables.append_event(&record(0, None), &event(EIGHT, Body::SignedUp)).unwrap();
    assert!(tables.buffered_bytes() > 0);
    tables.discard();
    assert_eq!(tables.buffered_bytes(), 0);
    tables.append_event(&record(7, None), &event(EIGHT, Body::Referred)).unwrap();
    let files = files_of(tables);
    assert_eq!(files[0].rows, 1);
    assert_eq!(cell(&read(&files[0]), "offset", 0).as_deref(), Some("7"));
}
