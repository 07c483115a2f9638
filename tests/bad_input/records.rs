//! A record one byte longer than is allowed: refused by name, and kept.

use std::fs;
use std::path::Path;

use arrow::array::AsArray;
use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kafka;
use crate::output_files::{batches, files};
use crate::producing::{Message, produce, producer};
use crate::service::{configuration, run};

const MIB: usize = 1 << 20;
const TIME: i64 = 1_700_000_000_000;

/// An event of exactly this many bytes, padded with a character of two bytes.
fn event(bytes: usize) -> Vec<u8> {
    let frame = |text: &str| format!(r#"{{"type":"feedback","time":{TIME},"text":"{text}"}}"#);
    let room = bytes - frame("").len();
    let event = frame(&("é".repeat(room / 2) + &"x".repeat(room % 2)));
    assert_eq!(event.len(), bytes);
    event.into_bytes()
}

fn check(said: &Value, output: &Path, refused: &[u8]) {
    let counters = &said["counters"];
    assert_eq!(
        (&counters["records"], &counters["accepted"], &counters["rejected"]),
        (&json!(2), &json!(1), &json!({"too_large": 1}))
    );
    let kept: Vec<_> = files(output, "rejects").iter().flat_map(|file| batches(file)).collect();
    assert_eq!(kept.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 1);
    let text = |name: &str| {
        let column = arrow::compute::cast(kept[0].column_by_name(name).unwrap(), &arrow::datatypes::DataType::Utf8);
        column.unwrap().as_string::<i32>().value(0).to_owned()
    };
    assert_eq!((text("reason"), text("offset")), ("too_large".to_owned(), "1".to_owned()));
    let detail = text("detail");
    assert!(detail.contains("1048577") && detail.contains("1048576"), "{detail}");
    let value = kept[0].column_by_name("value").unwrap().as_binary::<i32>().value(0);
    assert!(value == refused, "the bytes are not those that came");
}

#[test]
fn a_record_of_a_mebibyte_and_a_byte_is_refused_and_kept_whole_by_a_replay() {
    let directory = TempDir::new().unwrap();
    let (records, output) = (directory.path().join("records"), directory.path().join("output"));
    fs::create_dir_all(records.join("t")).unwrap();
    let line = |value: &[u8]| {
        let value = base64::engine::general_purpose::STANDARD.encode(value);
        json!({"timestamp": TIME, "key": null, "value_base64": value}).to_string() + "\n"
    };
    fs::write(records.join("t/0.jsonl"), line(&event(MIB)) + &line(&event(MIB + 1))).unwrap();
    let arguments = ["replay", records.to_str().unwrap(), "--output", output.to_str().unwrap(), "--json"];
    let said = run(&arguments);
    said.assert(0, &[]);
    check(&said.json(), &output, &event(MIB + 1));
}

#[test]
fn a_record_of_a_mebibyte_and_a_byte_is_refused_and_kept_whole_from_kafka() {
    let broker = kafka::shared();
    broker.create_topic("large", 1, &[("max.message.bytes", "3000000")]);
    let message = |value: Vec<u8>| Message {
        value: Some(value),
        timestamp: Some(TIME),
        ..Message::default()
    };
    let producer = producer(&broker.bootstrap(), &[("message.max.bytes", "3000000")]);
    produce(&producer, "large", 0, &[message(event(MIB)), message(event(MIB + 1))]);
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("output");
    let file = configuration(
        directory.path(),
        &broker.bootstrap(),
        &["large"],
        &output,
        "kafka.group_id = \"large\"\n",
    );
    let said = run(&["run", "--until-end", "--close", "--json", "-c", file.to_str().unwrap()]);
    said.assert(0, &[]);
    check(&said.json(), &output, &event(MIB + 1));
}
