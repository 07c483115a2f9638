//! One suite that every store has to pass: what the trait promises. What is particular to one is in files of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/support/moto.rs"]
mod moto;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tempfile::TempDir;
use tidegauge_sink::store::{BucketStore, Creation, LocalStore, MemoryStore, Move, Provider, Store, StoreError};

/// Enough for every file of these tests.
const LIMIT: u64 = 1 << 20;

/// One output, as two processes see it.
struct Pair {
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
    _guard: Option<TempDir>,
}

fn bucket(prefix: &str) -> BucketStore {
    BucketStore::open(Provider::S3, moto::BUCKET, prefix, moto::shared().variables()).unwrap()
}

/// Every implementation, each empty and ready.
async fn pairs() -> Vec<Pair> {
    static PREFIX: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("conformance/{}", PREFIX.fetch_add(1, Ordering::Relaxed));
    let (memory, directory) = (MemoryStore::new(), TempDir::new().unwrap());
    let root = directory.path().join("out");
    let pairs = vec![
        Pair {
            store: Arc::new(memory.clone()),
            other: Arc::new(memory),
            _guard: None,
        },
        Pair {
            store: Arc::new(LocalStore::new(&root)),
            other: Arc::new(LocalStore::new(&root)),
            _guard: Some(directory),
        },
        Pair {
            store: Arc::new(bucket(&prefix)),
            other: Arc::new(bucket(&prefix)),
            _guard: None,
        },
    ];
    for pair in &pairs {
        pair.store.probe().await.unwrap();
    }
    pairs
}

/// The stores of [`pairs`].
async fn stores() -> Vec<(Arc<dyn Store>, Pair)> {
    pairs().await.into_iter().map(|pair| (Arc::clone(&pair.store), pair)).collect()
}

fn one_move(staged: &str, path: &str) -> Vec<Move> {
    vec![Move {
        staged: staged.to_owned(),
        path: path.to_owned(),
    }]
}

const STAGED: &str = "_tidegauge/staging/w/a.staged";
const FINAL: &str = "events/date=2026-07-01/hour=00/a.parquet";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_concurrent_creates_one_wins_and_its_content_stays() {
    for (store, _guard) in stores().await {
        for round in 0..20 {
            let path = format!("_tidegauge/log/{round}.json");
            let create = |who: u8| {
                let (store, path) = (Arc::clone(&store), path.clone());
                tokio::spawn(async move { (who, store.create_if_absent(&path, Bytes::from(vec![who; 5_000])).await.unwrap()) })
            };
            let mut winners = Vec::new();
            for task in (0..8).map(create).collect::<Vec<_>>() {
                let (who, creation) = task.await.unwrap();
                if creation == Creation::Created {
                    winners.push(who);
                }
                let listed = store.list("_tidegauge/log").await.unwrap();
                assert!(
                    listed.iter().any(|file| file.path == path && file.bytes == 5_000),
                    "an answered create is listed at once"
                );
            }
            assert_eq!(winners.len(), 1, "{store:?}");
            assert_eq!(store.get(&path, LIMIT).await.unwrap(), vec![winners[0]; 5_000]);
        }
    }
}

#[tokio::test]
async fn a_second_create_changes_nothing() {
    for (store, _guard) in stores().await {
        assert_eq!(
            store.create_if_absent("a/b", Bytes::from_static(b"first")).await,
            Ok(Creation::Created)
        );
        assert_eq!(
            store.create_if_absent("a/b", Bytes::from_static(b"second")).await,
            Ok(Creation::Exists)
        );
        assert_eq!(store.get("a/b", LIMIT).await.unwrap(), "first");
    }
}

#[tokio::test]
async fn a_staged_file_is_invisible_until_it_is_published() {
    for (store, _guard) in stores().await {
        store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
        assert_eq!(store.list("events").await.unwrap(), []);
        store.publish(&one_move(STAGED, FINAL)).await.unwrap();
        assert_eq!(store.list("_tidegauge/staging").await.unwrap(), []);
        let listed = store.list("events").await.unwrap();
        assert_eq!((listed.len(), listed[0].path.as_str(), listed[0].bytes), (1, FINAL, 4));
        assert_eq!(store.get(FINAL, LIMIT).await.unwrap(), "rows");
    }
}

#[tokio::test]
async fn publishing_twice_is_publishing_once() {
    for (store, _guard) in stores().await {
        store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
        store.publish(&one_move(STAGED, FINAL)).await.unwrap();
        store.publish(&one_move(STAGED, FINAL)).await.unwrap();
        // As after a crash between a copy and the deletion of its source.
        store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
        store.publish(&one_move(STAGED, FINAL)).await.unwrap();
        assert_eq!(store.list("_tidegauge/staging").await.unwrap(), []);
        assert_eq!(store.get(FINAL, LIMIT).await.unwrap(), "rows");
    }
}

#[tokio::test]
async fn a_visible_file_is_never_replaced() {
    for (store, _guard) in stores().await {
        store.stage(FINAL, Bytes::from_static(b"visible")).await.unwrap();
        store.stage(STAGED, Bytes::from_static(b"other rows")).await.unwrap();
        let error = store.publish(&one_move(STAGED, FINAL)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Conflict { path, .. } if path == FINAL), "{error}");
        assert_eq!(store.get(FINAL, LIMIT).await.unwrap(), "visible");
        assert_eq!(store.get(STAGED, LIMIT).await.unwrap(), "other rows");
    }
}

#[tokio::test]
async fn what_is_in_neither_place_is_named_and_the_files_before_it_are_moved() {
    for (store, _guard) in stores().await {
        store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
        let mut moves = one_move(STAGED, FINAL);
        moves.extend(one_move("_tidegauge/staging/w/gone", "events/gone.parquet"));
        let error = store.publish(&moves).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Missing { path, .. } if path == "events/gone.parquet"),
            "{error}"
        );
        assert_eq!(store.get(FINAL, LIMIT).await.unwrap(), "rows");
    }
}

#[tokio::test]
async fn staging_again_replaces_what_was_staged() {
    for (store, _guard) in stores().await {
        store.stage(STAGED, Bytes::from_static(b"a longer first attempt")).await.unwrap();
        store.stage(STAGED, Bytes::from_static(b"second")).await.unwrap();
        assert_eq!(store.get(STAGED, LIMIT).await.unwrap(), "second");
    }
}

#[tokio::test]
async fn reading_is_bounded_and_says_what_is_missing() {
    for (store, _guard) in stores().await {
        store.stage("a/b", Bytes::from(vec![0; 100])).await.unwrap();
        assert_eq!(store.get("a/b", 100).await.unwrap().len(), 100);
        let error = store.get("a/b", 99).await.unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { path, .. } if path == "a/b"), "{error}");
        for path in ["a/c", "a/b/c"] {
            let error = store.get(path, 99).await.unwrap_err();
            assert!(
                matches!(&error, StoreError::Missing { path: missing, .. } if missing == path),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn deleting_is_idempotent_and_a_directory_that_never_was_is_empty() {
    for (store, _guard) in stores().await {
        assert_eq!(store.list("never/was").await.unwrap(), []);
        store.stage("a/b", Bytes::new()).await.unwrap();
        store.stage("a/c/d", Bytes::new()).await.unwrap();
        store.delete("a/b").await.unwrap();
        store.delete("a/b").await.unwrap();
        let paths: Vec<String> = store.list("a").await.unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["a/c/d"]);
        store.sync("a").await.unwrap();
    }
}

#[tokio::test]
async fn a_path_out_of_the_output_is_refused() {
    for (store, _guard) in stores().await {
        for path in ["../x", "/etc/x", "a/../../x"] {
            assert!(matches!(store.get(path, 1).await, Err(StoreError::Corrupt { .. })));
            assert!(matches!(store.stage(path, Bytes::new()).await, Err(StoreError::Corrupt { .. })));
            assert!(matches!(
                store.create_if_absent(path, Bytes::new()).await,
                Err(StoreError::Corrupt { .. })
            ));
            assert!(matches!(
                store.publish(&one_move(path, path)).await,
                Err(StoreError::Corrupt { .. })
            ));
            assert!(matches!(store.replace(path, Bytes::new()).await, Err(StoreError::Corrupt { .. })));
            assert!(matches!(store.delete(path).await, Err(StoreError::Corrupt { .. })));
            assert!(matches!(store.list(path).await, Err(StoreError::Corrupt { .. })));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_that_finish_the_same_moves_both_succeed() {
    for Pair { store, other, _guard } in pairs().await {
        let mut moves = Vec::new();
        for number in 0..30 {
            let (staged, path) = (format!("_tidegauge/staging/w/{number}"), format!("events/{number}.parquet"));
            store.stage(&staged, Bytes::from(format!("rows {number}"))).await.unwrap();
            moves.extend(one_move(&staged, &path));
        }
        let publish = |store: &Arc<dyn Store>| {
            let (store, moves) = (Arc::clone(store), moves.clone());
            tokio::spawn(async move { store.publish(&moves).await })
        };
        for task in [publish(&store), publish(&other), publish(&store), publish(&other)] {
            task.await.unwrap().unwrap();
        }
        assert_eq!(store.list("_tidegauge/staging").await.unwrap(), [], "{store:?}");
        for number in 0..30 {
            let found = other.get(&format!("events/{number}.parquet"), LIMIT).await.unwrap();
            assert_eq!(found, format!("rows {number}"), "{store:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_that_is_replaced_is_read_whole() {
    for Pair { store, other, _guard } in pairs().await {
        store.replace("_tidegauge/live/w", Bytes::from(vec![0; 70_000])).await.unwrap();
        let writer = tokio::spawn(async move {
            for content in 1..=40_u8 {
                // Lengths differ, so that a mixture of two shows.
                store
                    .replace("_tidegauge/live/w", Bytes::from(vec![content; 70_000 + usize::from(content)]))
                    .await
                    .unwrap();
            }
        });
        let mut last = 0;
        while last < 40 {
            let found = other.get("_tidegauge/live/w", LIMIT).await.unwrap();
            assert!(found.iter().all(|byte| *byte == found[0]), "{other:?}");
            assert!(found[0] >= last, "{other:?} went back from {last} to {}", found[0]);
            last = found[0];
            assert_eq!(found.len(), 70_000 + usize::from(last), "{other:?}");
        }
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_written_in_parts_is_one_file() {
    for (store, _guard) in stores().await {
        let rows: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
        store.stage(STAGED, Bytes::from(rows.clone())).await.unwrap();
        store.publish(&one_move(STAGED, FINAL)).await.unwrap();
        assert!(store.get(FINAL, 20_000_000).await.unwrap() == rows, "{store:?}");
    }
}

#[tokio::test]
async fn a_listing_is_in_ascending_order_and_says_when_files_were_written() {
    for (store, _guard) in stores().await {
        for path in ["d/b/c", "d/b-c", "d/a", "d/b/a/z", "dd/x", "d/b=1/x"] {
            store.stage(path, Bytes::from_static(b"123")).await.unwrap();
        }
        let listed = store.list("d").await.unwrap();
        let paths: Vec<&str> = listed.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["d/a", "d/b-c", "d/b/a/z", "d/b/c", "d/b=1/x"], "{store:?}");
        // Seconds are as fine as some stores get, and the store in memory has a clock of its own, which stands still.
        store.replace("d/a", Bytes::from_static(b"4")).await.unwrap();
        let again = store.list("d").await.unwrap();
        assert!(again[0].modified >= listed[0].modified && again[0].bytes == 1, "{store:?}");
        let oldest = if store.location() == "memory" { 0 } else { 1_700_000_000_000 };
        assert!(listed.iter().all(|file| file.modified >= oldest), "{listed:?}");
    }
}
