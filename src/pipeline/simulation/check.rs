//! Whether the log is one chain that moves every offset once, whether exactly what it names is visible, and whether two outputs have the same rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tidegauge_sink::log::{Entry, Kind, Nonce, codec, paths};

use super::world::World;

/// What the simulation has to have come to in an ordinary run.
pub(super) const EXPECTED: [&str; 18] = [
    "kills",
    "clock jumps",
    "stalls",
    "refusals",
    "lost answers",
    "late effects",
    "deaths before an effect",
    "deaths after an effect",
    "torn files",
    "own success told as exists",
    "fences",
    "hand-overs",
    "reporters",
    "revised rows",
    "discarded for the log",
    "sessions that began again",
    "shares read",
    "checkpoints",
];

/// The rows of every table as text, in order; of `metrics`, the row that was published last under each key.
#[derive(Debug, PartialEq)]
pub(super) struct Tables(BTreeMap<String, Vec<String>>);

/// The chain of entries, of all that were ever created.
fn chain(world: &World) -> Vec<Entry> {
    let created: Vec<Entry> = world
        .entries
        .lock()
        .unwrap()
        .iter()
        .map(|bytes| codec::decode::<Entry>(bytes, "an entry").unwrap())
        .collect();
    let mut chain: Vec<Entry> = Vec::new();
    loop {
        let previous = chain.last().map_or(Nonce::NONE, |entry| entry.nonce);
        // One that landed later, in the hole that a collection left, counts for nobody.
        let Some(entry) = created.iter().find(|e| e.seq == chain.len() as u64 && e.previous == previous) else {
            break;
        };
        chain.push(entry.clone());
    }
    world.see("entries in a hole of the log", (created.len() - chain.len()) as u64);
    chain
}

/// Checks the log and reads the tables.
pub(super) fn tables(world: &World) -> Tables {
    let chain = chain(world);
    let files = world.files.files();
    let head = files
        .keys()
        .filter_map(|path| path.starts_with(paths::LOG).then(|| paths::seq(path)).flatten())
        .max();
    assert!(
        head.is_none_or(|head| head < chain.len() as u64),
        "the chain has {} entries, the log ends at {head:?}",
        chain.len()
    );
    let mut ends: BTreeMap<(&str, i32), i64> = BTreeMap::new();
    for p in chain.iter().flat_map(|entry| &entry.partitions) {
        let end = ends.entry((&p.topic, p.partition)).or_default();
        assert_eq!(
            p.from, *end,
            "{}[{}] was moved on from elsewhere than where it was",
            p.topic, p.partition
        );
        *end = p.to;
    }
    world.see(
        "fences",
        chain.iter().filter(|entry| matches!(entry.kind, Kind::Fence { .. })).count() as u64,
    );
    let checkpoints = files.keys().filter(|path| path.starts_with(paths::CHECKPOINT)).count();
    world.see("checkpoints", checkpoints as u64);
    let named: Vec<&str> = chain.iter().flat_map(|entry| &entry.files).map(|file| file.path.as_str()).collect();
    let visible: BTreeSet<&str> = files.keys().filter(|path| !paths::is_private(path)).map(String::as_str).collect();
    assert_eq!(
        named.iter().copied().collect::<BTreeSet<_>>(),
        visible,
        "what is visible is what the log names"
    );
    assert_eq!(named.len(), visible.len(), "a file was named twice");
    let staged: Vec<&String> = files.keys().filter(|path| paths::is_staged(path)).collect();
    assert!(staged.is_empty(), "left in staging: {staged:?}");
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut metrics: BTreeMap<String, String> = BTreeMap::new();
    for file in chain.iter().flat_map(|entry| &entry.files) {
        let rows = rows(&files[&file.path]);
        if file.table == "metrics" {
            metrics.extend(rows);
        } else {
            tables
                .entry(file.table.clone())
                .or_default()
                .extend(rows.into_iter().map(|(key, rest)| format!("{key} {rest}")));
        }
    }
    let standing = metrics.into_iter().filter(|(_, rest)| !rest.contains("|value=|"));
    tables.insert("metrics".to_owned(), standing.map(|(key, rest)| format!("{key} {rest}")).collect());
    for rows in tables.values_mut() {
        rows.sort_unstable();
    }
    Tables(tables)
}

/// The rows of a file: of `metrics`, what identifies one and the rest but its revision.
fn rows(file: &Bytes) -> Vec<(String, String)> {
    const REST: [&str; 6] = ["value", "lower", "upper", "n", "numerator", "denominator"];
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let schema = batch.schema();
        let plain = |column: &ArrayRef| match column.data_type() {
            DataType::Timestamp(..) => cast(column, &DataType::Int64).unwrap(),
            _ => Arc::clone(column),
        };
        let values: Vec<ArrayRef> = batch.columns().iter().map(plain).collect();
        let format = |column| ArrayFormatter::try_new(column, &options).unwrap();
        let columns: Vec<(&str, ArrayFormatter<'_>)> = schema
            .fields()
            .iter()
            .zip(&values)
            .map(|(field, column): (_, &ArrayRef)| (field.name().as_str(), format(column)))
            .collect();
        for row in 0..batch.num_rows() {
            let (mut key, mut rest) = (String::new(), String::from("|"));
            for (name, column) in &columns {
                let text = format!("{name}={}|", column.value(row));
                if REST.contains(name) {
                    rest += &text;
                } else if *name != "revision" {
                    key += &text;
                }
            }
            rows.push((key, rest));
        }
    }
    rows
}

/// Fails with the first rows that differ.
pub(super) fn same(seed: u64, expected: &Tables, found: &Tables) {
    for (table, expected) in &expected.0 {
        let found = found.0.get(table).map_or(&[][..], Vec::as_slice);
        let missing: Vec<&String> = expected.iter().filter(|row| found.binary_search(row).is_err()).take(3).collect();
        let added: Vec<&String> = found.iter().filter(|row| expected.binary_search(row).is_err()).take(3).collect();
        assert!(
            missing.is_empty() && added.is_empty() && expected.len() == found.len(),
            "seed {seed}: {table} has {} rows instead of {}; missing {missing:#?}, added {added:#?}",
            found.len(),
            expected.len()
        );
    }
}
