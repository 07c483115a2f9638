//! The seeds of the fuzz targets: what the program writes itself, small.

use std::collections::BTreeMap;

use serde::Serialize;
use tidegauge_aggregate::merger::Merger;
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::log::checkpoint::Checkpoint;
use tidegauge_sink::log::id::Crc;
use tidegauge_sink::log::{
    BlobKind, BlobRef, DataFile, Entry, EpochChange, FileRef, Gap, Kind, LastRecord, LogState, Nonce, PartitionEntry, Publication,
    Revision, SnapshotRef, WindowRange, WriterId, blob, codec,
};

use crate::support::{HOUR, MINUTE, Random, START, events, feed};
use crate::uses::{Share, genesis, plan};

/// A seed: the kind of file, its own name, and the bytes.
pub(crate) type Seed = (&'static str, String, Vec<u8>);

fn file(path: &str) -> FileRef {
    FileRef {
        path: format!("_tidegauge/{path}"),
        bytes: 1_234,
        crc: Crc(0x1234_abcd),
    }
}

fn moved(from: i64, to: i64) -> PartitionEntry {
    PartitionEntry {
        topic: "t".to_owned(),
        partition: 0,
        from,
        to,
        watermark: Some(START),
        idle: false,
        last: Some(LastRecord {
            offset: to - 1,
            timestamp: Some(START),
            crc: Crc(5),
        }),
        counters: BTreeMap::from([("records".to_owned(), to.unsigned_abs()), ("late".to_owned(), 2)]),
        snapshot: Some(SnapshotRef {
            file: file("state/0000000000000009/a.snapshot"),
            offset: to,
            epoch: 0,
            results: 1,
        }),
    }
}

/// A chain with an entry of every kind, and the state after it.
fn chain() -> (Vec<Entry>, LogState) {
    let publication = Publication {
        previous: None,
        through: 1,
        watermark: Some(START),
        windows: vec![WindowRange {
            window: "1m".to_owned(),
            from_end: None,
            to_end: START,
        }],
        revisions: vec![Revision {
            window: "5m".to_owned(),
            end: START,
            revision: 2,
        }],
    };
    let gap = Gap {
        topic: "t".to_owned(),
        partition: 0,
        from: 10,
        to: 15,
        reason: "retention".to_owned(),
    };
    let change = EpochChange {
        spec: serde_json::json!({"lateness": 60_000}),
        joins: Vec::new(),
        leaves: vec!["u".to_owned()],
        least_reader: 1,
        least_writer: 1,
    };
    let kinds = [
        Kind::Commit,
        Kind::Publication,
        Kind::Fence { fenced: WriterId(3) },
        Kind::Gap { gap },
        Kind::Checkpoint { after: None },
        Kind::Epoch { change },
        Kind::Close,
    ];
    let mut entries = vec![genesis()];
    let mut state = LogState::begin(&entries[0]).unwrap();
    for kind in kinds {
        let mut entry = Entry {
            seq: state.head.seq + 1,
            nonce: Nonce(state.head.seq + 2),
            previous: state.head.nonce,
            epoch: state.epoch + u64::from(matches!(kind, Kind::Epoch { .. })),
            kind,
            ..genesis()
        };
        match &entry.kind {
            Kind::Commit => {
                entry.partitions = vec![moved(0, 10)];
                entry.delta = Some(file("delta/0000000000000009/a.delta"));
                entry.files = vec![DataFile {
                    table: "events".to_owned(),
                    staged: "_tidegauge/staging/0000000000000009/a.staged".to_owned(),
                    path: "events/date=2026-02-16/hour=00/a.parquet".to_owned(),
                    rows: 8,
                    bytes: 4_321,
                }];
            }
            Kind::Publication => entry.publication = Some(publication.clone()),
            Kind::Gap { .. } => entry.partitions = vec![moved(10, 15)],
            _ => {}
        }
        state.apply(&entry).unwrap();
        entries.push(entry);
    }
    (entries, state)
}

fn json<T: Serialize>(of: &'static str, name: &str, content: &T, seeds: &mut Vec<Seed>) {
    seeds.push((of, name.to_owned(), serde_json::to_vec(content).unwrap()));
}

/// A payload, and for the first of each kind the file around it.
fn payload<T: Serialize>(of: &'static str, kind: BlobKind, name: &str, content: &T, seeds: &mut Vec<Seed>) {
    let bytes = postcard::to_allocvec(content).unwrap();
    if seeds.iter().all(|(known, _, _)| *known != of) {
        seeds.push((of, "file".to_owned(), blob::encode(kind, &bytes).unwrap().to_vec()));
    }
    seeds.push((of, name.to_owned(), bytes));
}

/// A partition that has handled some events.
fn partition(seed: u64, count: usize) -> PartitionState {
    let mut state = PartitionState::new(plan());
    feed(&mut state, &events(&mut Random(seed), seed, count));
    state
}

/// A merger that has published, corrected, taken panes out, and waits to correct again.
fn merger() -> Merger {
    let mut merger = Merger::new(plan());
    merger.apply(&partition(1, 5).take_delta());
    merger.publish(EventTime(START + 30 * MINUTE));
    merger.apply(&partition(2, 3).take_delta());
    merger.publish(EventTime(START + 5 * HOUR));
    merger.take_cold();
    merger.apply(&partition(3, 2).take_delta());
    merger
}

/// All of them.
pub(crate) fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let (entries, state) = chain();
    for entry in &entries {
        json("entry", entry.kind.name(), entry, &mut seeds);
    }
    seeds.push(("entry", "file".to_owned(), codec::encode(&entries[1], "entry").unwrap().to_vec()));
    let checkpoint = Checkpoint {
        writer: WriterId(9),
        written_at: START,
        state,
        blobs: vec![BlobRef {
            name: "merger".to_owned(),
            file: file("state/0000000000000009/b.state"),
        }],
    };
    json("checkpoint", "whole", &checkpoint, &mut seeds);
    seeds.push((
        "checkpoint",
        "file".to_owned(),
        codec::encode(&checkpoint, "checkpoint").unwrap().to_vec(),
    ));
    for (name, count) in [("empty", 0), ("few", 12), ("some", 60), ("many", 150)] {
        let snapshot = partition(1, count).snapshot();
        payload("snapshot", BlobKind::Snapshot, name, &snapshot, &mut seeds);
    }
    for (name, count) in [("one", 1), ("few", 4)] {
        let delta = partition(2, count).take_delta();
        payload("delta", BlobKind::Delta, name, &delta, &mut seeds);
        let lanes = vec![("t".to_owned(), 0, 10, EventTime(START), false)];
        let share: Share = (0, lanes, delta);
        payload("share", BlobKind::Live, name, &share, &mut seeds);
    }
    let nothing: Share = (0, Vec::new(), PaneStore::default());
    payload("share", BlobKind::Live, "nothing", &nothing, &mut seeds);
    payload("merger", BlobKind::State, "fresh", &Merger::new(plan()).state(), &mut seeds);
    payload("merger", BlobKind::State, "corrected", &merger().state(), &mut seeds);
    seeds
}
