//! The files themselves: schema, statistics, compression, metadata, splicing, bounds.

use parquet::basic::{Compression as Codec, Encoding};
use parquet::schema::printer::print_schema;
use tidegauge_aggregate::event::{AttemptRow, Body, Outcome};
use tidegauge_aggregate::record::{Record, Reject, RejectReason};
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::table::{Compression, DataFile, TableOptions, WorkerTables, assemble, encode_metrics};

use crate::support::{EIGHT, cell, event, files_of, identity, metadata, options, read, record};

/// A file of every table.
fn one_file_of_each(options: &TableOptions) -> Vec<DataFile> {
    let mut tables = WorkerTables::new(options).unwrap();
    let signed_up = event(EIGHT, Body::SignedUp);
    let reject = Reject {
        reason: RejectReason::Empty,
        field: "",
        detail: "no value".to_owned(),
    };
    let attempt = AttemptRow {
        time: EventTime(EIGHT),
        started: None,
        attempt_id: "a1",
        task: "pay",
        user_id: None,
        outcome: Outcome::Failure,
        inferred: false,
        duration_ms: None,
        clicks: None,
        errors: 0,
        common: [None; 6],
        attributes: &[],
        offset: None,
    };
    tables.append_event(&record(0, None), &signed_up).unwrap();
    tables.append_late(&record(1, None), &signed_up, EventTime(EIGHT)).unwrap();
    tables.append_reject(&record(2, Some(EIGHT)), &reject, None).unwrap();
    tables.append_attempt("t", 0, &attempt).unwrap();
    let result = MetricRow {
        window: 0,
        window_start: EventTime(EIGHT - 60_000),
        window_end: EventTime(EIGHT),
        grouping: 0,
        group: [].into(),
        metric: "users",
        stat: "value",
        label: None,
        value: Some(1.0),
        lower: None,
        upper: None,
        n: 1,
        numerator: None,
        denominator: None,
        revision: 0,
    };
    let mut files = encode_metrics(&[result], options, &identity()).unwrap();
    files.extend(files_of(tables));
    files
}

#[test]
fn the_schemas_are_what_readers_rely_on() {
    let mut found = Vec::new();
    for file in one_file_of_each(&options()) {
        found.extend(format!("{}\n", file.table).into_bytes());
        print_schema(&mut found, metadata(&file).file_metadata().schema());
    }
    let found = String::from_utf8(found).unwrap();
    let expected = include_str!("schema.txt");
    assert_eq!(found, expected, "a column may be added, as nullable; none may change or go");
}

#[test]
fn every_column_says_what_it_means() {
    for file in one_file_of_each(&options()) {
        for field in read(&file).schema().fields() {
            assert!(
                field.metadata().get("meaning").is_some_and(|text| text.len() > 3),
                "{} {}",
                file.table,
                field.name()
            );
        }
    }
    let batch = read(&one_file_of_each(&options())[1]);
    assert_eq!(
        batch.schema().field_with_name("latency_ms").unwrap().metadata()["unit"],
        "milliseconds"
    );
}

#[test]
fn a_file_says_which_program_and_commit_it_is_of() {
    for file in one_file_of_each(&options()) {
        let metadata = metadata(&file);
        let metadata = metadata.file_metadata();
        assert_eq!(metadata.created_by(), Some("tidegauge version 1.2.3"));
        let pairs = metadata.key_value_metadata().unwrap();
        let value = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
        assert_eq!(value("tidegauge.nonce").as_deref(), Some("5f3a9c"));
        assert_eq!(value("tidegauge.version").as_deref(), Some("1.2.3"));
        assert_eq!(value("tidegauge.table").as_deref(), Some(file.table));
    }
}

#[test]
fn the_configured_compression_is_used_in_every_column_of_every_table() {
    let cases = [
        (Compression::Zstd(3), "ZSTD"),
        (Compression::Snappy, "SNAPPY"),
        (Compression::Lz4, "LZ4_RAW"),
        (Compression::None, "UNCOMPRESSED"),
    ];
    for (compression, expected) in cases {
        for file in one_file_of_each(&TableOptions { compression, ..options() }) {
            for column in metadata(&file).row_group(0).columns() {
                let codec: Codec = column.compression();
                assert!(
                    format!("{codec:?}").starts_with(expected),
                    "{} {}: {codec:?}",
                    file.table,
                    column.column_path()
                );
            }
            assert_eq!(read(&file).num_rows(), 1);
        }
    }
}

#[test]
fn statistics_and_dictionaries_are_there() {
    let mut tables = WorkerTables::new(&options()).unwrap();
    for i in 0..100 {
        let latency_ms = (i % 2 == 0).then_some(i);
        let body = Body::Interaction {
            action: tidegauge_aggregate::event::Action::Click,
            target: Some("buy"),
            latency_ms,
        };
        tables.append_event(&record(i, None), &event(EIGHT + i, body)).unwrap();
    }
    let files = files_of(tables);
    let metadata = metadata(&files[0]);
    let group = metadata.row_group(0);
    let column = |name: &str| group.columns().iter().find(|c| c.column_path().string() == name).unwrap();
    for column in group.columns() {
        assert!(column.statistics().is_some(), "{}", column.column_path());
    }
    let target = column("target").statistics().unwrap();
    assert_eq!(
        (target.min_bytes_opt(), target.max_bytes_opt()),
        (Some(&b"buy"[..]), Some(&b"buy"[..]))
    );
    assert_eq!(column("ticket_id").statistics().unwrap().null_count_opt(), Some(100));
    let latency = column("latency_ms").statistics().unwrap();
    assert_eq!(latency.null_count_opt(), Some(50));
    assert_eq!(
        (latency.min_bytes_opt(), latency.max_bytes_opt()),
        (Some(&0i64.to_le_bytes()[..]), Some(&98i64.to_le_bytes()[..]))
    );
    let time = column("time").statistics().unwrap();
    assert_eq!(time.min_bytes_opt(), Some(&(EIGHT * 1_000).to_le_bytes()[..]));
    for name in ["type", "target", "action", "topic"] {
        assert!(column(name).encodings().any(|e| e == Encoding::RLE_DICTIONARY), "{name}");
    }
}

#[test]
fn row_groups_of_four_workers_become_one_file() {
    let options = TableOptions {
        row_group_rows: 10,
        ..options()
    };
    let mut groups = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|partition| {
                let options = &options;
                scope.spawn(move || {
                    let mut tables = WorkerTables::new(options).unwrap();
                    for offset in 0..25 {
                        let record = Record {
                            partition,
                            ..record(offset, None)
                        };
                        tables.append_event(&record, &event(EIGHT, Body::SignedUp)).unwrap();
                    }
                    tables.flush().unwrap()
                })
            })
            .collect();
        for worker in workers {
            groups.extend(worker.join().unwrap());
        }
    });
    let files = assemble(groups, &identity()).unwrap();
    assert_eq!((files.len(), files[0].rows), (1, 100));
    assert_eq!(metadata(&files[0]).num_row_groups(), 12);
    let batch = read(&files[0]);
    let found: Vec<(String, String)> = (0..100)
        .map(|row| (cell(&batch, "partition", row).unwrap(), cell(&batch, "offset", row).unwrap()))
        .collect();
    let expected: Vec<(String, String)> = (0..4).flat_map(|p| (0..25).map(move |o| (p.to_string(), o.to_string()))).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let write = || {
        one_file_of_each(&options())
            .into_iter()
            .map(|file| (file.table, file.partition, file.bytes))
            .collect::<Vec<_>>()
    };
    assert_eq!(write(), write());
}

#[test]
fn few_hours_are_open_at_a_time_and_no_row_is_lost() {
    let options = TableOptions {
        open_hours: 3,
        ..options()
    };
    let mut tables = WorkerTables::new(&options).unwrap();
    for i in 0..200 {
        let hour = (i * 7) % 10;
        tables
            .append_event(&record(i, None), &event(EIGHT + hour * 3_600_000, Body::SignedUp))
            .unwrap();
    }
    let groups = tables.flush().unwrap();
    assert!(groups.len() > 100, "hours beyond the bound are encoded early");
    let files = assemble(groups, &identity()).unwrap();
    assert_eq!(
        files.iter().map(|file| (file.table, file.rows)).collect::<Vec<_>>(),
        [("events", 20); 10]
    );
    assert_eq!(files[0].partition, "date=2025-01-29/hour=08");
    for (hour, file) in files.iter().enumerate() {
        let batch = read(file);
        for row in 0..20 {
            let offset: usize = cell(&batch, "offset", row).unwrap().parse().unwrap();
            assert_eq!(offset * 7 % 10, hour);
        }
    }
}

#[test]
fn a_row_group_is_bounded_in_bytes_and_what_is_held_is_known() {
    let options = TableOptions {
        row_group_bytes: 10_000,
        compression: Compression::None,
        ..options()
    };
    let mut tables = WorkerTables::new(&options).unwrap();
    let value: Vec<u8> = (0..4_000u32).map(|i| (i % 251) as u8).collect();
    let reject = Reject {
        reason: RejectReason::NotJson,
        field: "",
        detail: String::new(),
    };
    let mut held = Vec::new();
    for offset in 0..6 {
        tables
            .append_reject(
                &Record {
                    value: Some(&value),
                    ..record(offset, None)
                },
                &reject,
                None,
            )
            .unwrap();
        held.push(tables.buffered_bytes());
    }
    assert!(held.is_sorted(), "{held:?}");
    assert!(
        held.iter()
            .zip(1..)
            .all(|(bytes, rows)| (rows * 4_000..rows * 5_000).contains(bytes)),
        "{held:?}"
    );
    let rows: Vec<usize> = tables.flush().unwrap().iter().map(|group| group.rows()).collect();
    assert_eq!(rows, [2, 2, 2]);
    assert_eq!(tables.buffered_bytes(), 0);
}

#[test]
fn nothing_written_makes_no_file() {
    assert!(files_of(WorkerTables::new(&options()).unwrap()).is_empty());
    assert!(encode_metrics(&[], &options(), &identity()).unwrap().is_empty());
}

#[test]
fn rows_are_held_compressed_while_their_row_group_fills() {
    let mut tables = WorkerTables::new(&options()).unwrap();
    let value = [b' '; 1_000];
    for offset in 0..60_000 {
        let record = Record {
            value: Some(&value),
            ..record(offset, None)
        };
        tables
            .append_event(&record, &event(EIGHT, Body::Converted { plan: Some("pro") }))
            .unwrap();
        let held = tables.buffered_bytes();
        assert!(held < 8 << 20, "{held} bytes at row {offset}");
    }
    let groups = tables.flush().unwrap();
    assert_eq!(groups.iter().map(|group| group.rows()).sum::<usize>(), 60_000);
    assert_eq!(groups.len(), 3, "the bound in bytes is one of records, not of compressed pages");
}
