//! The files of the log: what they look like, and that damage is named and never read as data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod log_support;

use std::collections::BTreeMap;

use log_support::{drive, open, range};
use proptest::prelude::*;
use serde_json::json;
use tidegauge_sink::log::id::Crc;
use tidegauge_sink::log::{
    CommitLog, DataFile, Entry, FileRef, Gap, Kind, LastRecord, LogError, Nonce, PartitionEntry, Publication, Revision, SnapshotRef,
    WindowRange, WriterId, codec, paths,
};
use tidegauge_sink::store::{MemoryStore, Store, StoreError};

async fn three_commits() -> MemoryStore {
    let store = MemoryStore::new();
    drive(&store, 0, 20, true).await.unwrap();
    store
}

fn assert_named(error: &LogError, path: &str) {
    assert!(
        matches!(error, LogError::Store(StoreError::Corrupt { path: found, .. }) if found == path),
        "{error}"
    );
    assert!(error.to_string().contains(path), "{error}");
}

#[tokio::test]
async fn a_torn_entry_is_named_and_never_read() {
    let store = three_commits().await;
    let path = paths::entry(2);
    let whole = store.get(&path, 1 << 20).await.unwrap();
    for length in 0..whole.len() - 1 {
        store.overwrite(&path, whole.slice(..length));
        assert_named(&open(&store).await.unwrap_err(), &path);
    }
    store.overwrite(&path, whole);
    open(&store).await.unwrap();
}

#[tokio::test]
async fn a_flipped_bit_in_an_entry_or_checkpoint_is_named_and_never_read() {
    let store = three_commits().await;
    let before = CommitLog::read(&store).await.unwrap().unwrap();
    drive(&store, 0, 30, true).await.unwrap();
    let checkpointed = CommitLog::read(&store).await.unwrap().unwrap();
    assert_eq!((before.checkpoint, checkpointed.checkpoint), (None, Some(4)));
    let path = paths::checkpoint(4);
    let whole = store.get(&path, 1 << 20).await.unwrap();
    for at in 0..whole.len() - 1 {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 1;
        store.overwrite(&path, damaged);
        match open(&store).await {
            // The checksum protects the content; the names around it have no other reading.
            Err(error) => assert!(error.to_string().contains(&path), "{at}: {error}"),
            Ok(_) => panic!("byte {at} of {} was changed and not noticed", String::from_utf8_lossy(&whole)),
        }
    }
}

#[tokio::test]
async fn a_missing_entry_in_the_middle_is_named() {
    let store = three_commits().await;
    store.delete(&paths::entry(1)).await.unwrap();
    let error = open(&store).await.unwrap_err();
    assert!(
        matches!(&error, LogError::Broken { path, .. } if *path == paths::entry(1)),
        "{error}"
    );
}

#[tokio::test]
async fn an_output_whose_log_is_gone_is_not_begun_anew() {
    let store = three_commits().await;
    for path in store.files().into_keys().filter(|path| path.starts_with(paths::LOG)) {
        store.delete(&path).await.unwrap();
    }
    let error = open(&store).await.unwrap_err();
    assert!(
        matches!(&error, LogError::Broken { path, .. } if path.starts_with(paths::DELTA)),
        "{error}"
    );
}

#[tokio::test]
async fn an_entry_of_another_log_does_not_continue_this_one() {
    let (store, other) = (three_commits().await, three_commits().await);
    let path = paths::entry(2);
    store.overwrite(&path, other.get(&path, 1 << 20).await.unwrap());
    let error = open(&store).await.unwrap_err();
    assert!(matches!(&error, LogError::Broken { path: found, .. } if *found == path), "{error}");
    store.overwrite(&path, other.get(&paths::entry(1), 1 << 20).await.unwrap());
    assert_named(&open(&store).await.unwrap_err(), &path);
}

#[tokio::test]
async fn a_damaged_delta_or_snapshot_is_named_and_never_read() {
    use tidegauge_sink::log::BlobKind;
    use tidegauge_sink::log::stager::load;
    let store = three_commits().await;
    let recovered = CommitLog::read(&store).await.unwrap().unwrap();
    let file = recovered.entries[1].delta.clone().unwrap();
    let whole = store.get(&file.path, 1 << 20).await.unwrap();
    store.overwrite(&file.path, whole.slice(..whole.len() - 1));
    assert_named(&load(&store, &file, BlobKind::Delta, 100).await.unwrap_err(), &file.path);
    let other = recovered.entries[2].delta.clone().unwrap();
    store.overwrite(&file.path, store.get(&other.path, 1 << 20).await.unwrap());
    assert_named(&load(&store, &file, BlobKind::Delta, 100).await.unwrap_err(), &file.path);
    store.delete(&file.path).await.unwrap();
    let error = load(&store, &file, BlobKind::Delta, 100).await.unwrap_err();
    assert!(matches!(error, LogError::Store(StoreError::Missing { .. })), "{error}");
}

#[tokio::test]
async fn a_newer_format_is_refused_with_a_message() {
    let store = three_commits().await;
    let path = paths::entry(2);
    store.overwrite(&path, r#"{"format": 2, "whatever": ["it", "holds"]}"#);
    let error = open(&store).await.unwrap_err();
    assert!(matches!(error, LogError::Newer { found: 2, known: 1, .. }));
    assert!(error.to_string().contains(&path) && error.to_string().contains("later"), "{error}");
}

#[test]
fn a_field_that_this_version_does_not_know_is_harmless_but_protected() {
    let entry = sample(Kind::Commit);
    let mut body = serde_json::to_value(&entry).unwrap();
    body["later"] = json!({"more": 1});
    let bytes = codec::encode(&body, "x").unwrap();
    assert_eq!(codec::decode::<Entry>(&bytes, "x").unwrap(), entry);
    let text = String::from_utf8(bytes.to_vec()).unwrap().replace(r#""more":1"#, r#""more":2"#);
    assert!(codec::decode::<Entry>(text.as_bytes(), "x").is_err());
}

#[test]
fn an_entry_that_would_move_files_about_the_output_is_refused() {
    let place = |staged: &str, path: &str| {
        let mut entry = sample(Kind::Commit);
        entry.files[0].staged = staged.to_owned();
        entry.files[0].path = path.to_owned();
        entry.check("x")
    };
    let staged = "_tidegauge/staging/w/x";
    assert_eq!(place(staged, "events/x.parquet"), Ok(()));
    for (staged, path) in [
        (staged, "../x"),
        (staged, "_tidegauge/log/x"),
        ("events/x", "late/x"),
        ("_tidegauge/stagingx/a", "late/x"),
        ("/etc/passwd", "x"),
    ] {
        assert!(place(staged, path).is_err(), "{staged} to {path}");
    }
}

/// Names of fields are the format: this entry must be readable for ever.
const GOLDEN: &str = r#"{"format":1,"crc":"c8b31861","body":{"results":1,"epoch":0,"seq":5,"nonce":"00000000000000ab","previous":"00000000000000aa","writer":"00000000000000ff","written_at":1783036799999,"kind":"commit","partitions":[{"topic":"t","partition":0,"from":0,"to":10,"watermark":null,"idle":false,"last":{"offset":9,"timestamp":5,"crc":"00000001"},"counters":{"accepted":9},"snapshot":{"path":"_tidegauge/state/w/s","bytes":7,"crc":"00000002","offset":10,"epoch":0,"results":1}}],"files":[{"table":"events","staged":"_tidegauge/staging/w/x","path":"events/x.parquet","rows":9,"bytes":900}],"delta":{"path":"_tidegauge/delta/w/d","bytes":8,"crc":"00000003"},"publication":{"previous":null,"through":4,"watermark":-1,"windows":[{"window":"1m","from_end":null,"to_end":60000}],"revisions":[{"window":"1m","end":60000,"revision":2}]}}}
"#;

fn sample(kind: Kind) -> Entry {
    let file = |path: &str, bytes, crc| FileRef {
        path: path.to_owned(),
        bytes,
        crc: Crc(crc),
    };
    let mut partition = range(0, 0, 10);
    partition.topic = "t".to_owned();
    partition.watermark = None;
    partition.last = Some(LastRecord {
        offset: 9,
        timestamp: Some(5),
        crc: Crc(1),
    });
    partition.counters = BTreeMap::from([("accepted".to_owned(), 9)]);
    partition.snapshot = Some(SnapshotRef {
        file: file("_tidegauge/state/w/s", 7, 2),
        offset: 10,
        epoch: 0,
        results: 1,
    });
    Entry {
        results: 1,
        epoch: 0,
        seq: 5,
        nonce: Nonce(0xab),
        previous: Nonce(0xaa),
        writer: WriterId(0xff),
        written_at: 1_783_036_799_999,
        kind,
        partitions: vec![partition],
        files: vec![DataFile {
            table: "events".to_owned(),
            staged: "_tidegauge/staging/w/x".to_owned(),
            path: "events/x.parquet".to_owned(),
            rows: 9,
            bytes: 900,
        }],
        delta: Some(file("_tidegauge/delta/w/d", 8, 3)),
        publication: Some(Publication {
            previous: None,
            through: 4,
            watermark: Some(-1),
            windows: vec![WindowRange {
                window: "1m".to_owned(),
                from_end: None,
                to_end: 60_000,
            }],
            revisions: vec![Revision {
                window: "1m".to_owned(),
                end: 60_000,
                revision: 2,
            }],
        }),
    }
}

#[test]
fn an_entry_looks_as_the_specification_shows_it() {
    let written = String::from_utf8(codec::encode(&sample(Kind::Commit), "x").unwrap().to_vec()).unwrap();
    assert_eq!(written, GOLDEN);
    assert_eq!(codec::decode::<Entry>(written.as_bytes(), "x").unwrap(), sample(Kind::Commit));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.]{1,12}", any::<String>()]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Commit),
        Just(Kind::Publication),
        Just(Kind::Close),
        any::<u64>().prop_map(|id| Kind::Fence { fenced: WriterId(id) }),
        Just(Kind::Genesis {
            genesis: log_support::genesis()
        }),
        (name(), any::<i32>(), any::<(i64, i64)>(), name()).prop_map(|(topic, partition, (from, to), reason)| Kind::Gap {
            gap: Gap {
                topic,
                partition,
                from,
                to,
                reason
            }
        }),
    ]
}

fn partition() -> impl Strategy<Value = PartitionEntry> {
    let counters = prop::collection::btree_map(name(), any::<u64>(), 0..4);
    let last = prop::option::of(any::<(i64, Option<i64>, u32)>());
    (
        name(),
        any::<(i32, i64, i64, Option<i64>, bool)>(),
        last,
        counters,
        any::<Option<(u64, u32, i64, u64, u32)>>(),
    )
        .prop_map(
            |(topic, (partition, from, to, watermark, idle), last, counters, snapshot)| PartitionEntry {
                snapshot: snapshot.map(|(bytes, crc, offset, epoch, results)| SnapshotRef {
                    file: FileRef {
                        path: topic.clone(),
                        bytes,
                        crc: Crc(crc),
                    },
                    offset,
                    epoch,
                    results,
                }),
                topic,
                partition,
                from,
                to,
                watermark,
                idle,
                last: last.map(|(offset, timestamp, crc)| LastRecord {
                    offset,
                    timestamp,
                    crc: Crc(crc),
                }),
                counters,
            },
        )
}

proptest! {
    #[test]
    fn an_entry_comes_back_as_it_was(
        kind in kind(),
        partitions in prop::collection::vec(partition(), 0..4),
        numbers in any::<(u32, u64, u64, u64, u64, u64, i64)>(),
        delta in any::<Option<(String, u64, u32)>>(),
    ) {
        let (results, epoch, seq, nonce, previous, writer, written_at) = numbers;
        let mut entry = sample(kind);
        (entry.results, entry.epoch, entry.seq, entry.written_at, entry.partitions) = (results, epoch, seq, written_at, partitions);
        (entry.nonce, entry.previous, entry.writer) = (Nonce(nonce), Nonce(previous), WriterId(writer));
        entry.delta = delta.map(|(path, bytes, crc)| FileRef { path, bytes, crc: Crc(crc) });
        let bytes = codec::encode(&entry, "x").unwrap();
        prop_assert_eq!(codec::decode::<Entry>(&bytes, "x").unwrap(), entry);
    }

    #[test]
    fn arbitrary_bytes_are_no_entry_and_never_panic(bytes: Vec<u8>, text: String) {
        prop_assert!(codec::decode::<Entry>(&bytes, "x").is_err());
        prop_assert!(codec::decode::<Entry>(text.as_bytes(), "x").is_err());
        let wrapped = format!(r#"{{"format":1,"crc":"{:08x}","body":{{}}}}"#, crc32fast::hash(b"{}"));
        prop_assert!(codec::decode::<Entry>(wrapped.as_bytes(), "x").unwrap_err().to_string().contains("not understood"));
    }
}
