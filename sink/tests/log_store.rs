//! One suite that every store has to pass, and what is particular to a local directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;
use tidegauge_sink::store::{Creation, LocalStore, MemoryStore, Move, Store, StoreError};

/// Enough for every file of these tests.
const LIMIT: u64 = 1 << 20;

/// Every implementation, each empty and ready.
async fn stores() -> Vec<(Arc<dyn Store>, Option<TempDir>)> {
    let directory = TempDir::new().unwrap();
    let stores: Vec<(Arc<dyn Store>, Option<TempDir>)> = vec![
        (Arc::new(MemoryStore::new()), None),
        (Arc::new(LocalStore::new(directory.path().join("out"))), Some(directory)),
    ];
    for (store, _) in &stores {
        store.probe().await.unwrap();
    }
    stores
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
        }
    }
}

#[tokio::test]
async fn others_can_neither_read_files_nor_enter_directories() {
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("deep/out");
    let store = LocalStore::new(&root);
    store.probe().await.unwrap();
    store.stage(STAGED, Bytes::from_static(b"x")).await.unwrap();
    store.publish(&one_move(STAGED, FINAL)).await.unwrap();
    store
        .create_if_absent("_tidegauge/log/0.json", Bytes::from_static(b"x"))
        .await
        .unwrap();
    for path in ["", "events", "events/date=2026-07-01", FINAL, "_tidegauge", "_tidegauge/log/0.json"] {
        let mode = root.join(path).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o027, 0, "{path:?} has mode {mode:o}");
    }
}

#[tokio::test]
async fn temporary_files_of_a_crash_are_removed_at_start_and_those_of_live_processes_are_not() {
    let directory = TempDir::new().unwrap();
    let store = LocalStore::new(directory.path());
    store
        .create_if_absent("_tidegauge/log/0.json", Bytes::from_static(b"x"))
        .await
        .unwrap();
    let left = directory.path().join("_tidegauge/tmp/left");
    std::fs::write(&left, b"torn").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    std::fs::File::options()
        .write(true)
        .open(&left)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    std::fs::write(directory.path().join("_tidegauge/tmp/another"), b"half").unwrap();
    std::fs::create_dir_all(directory.path().join("_tidegauge/staging/old-writer")).unwrap();
    store.probe().await.unwrap();
    let remain: Vec<String> = store
        .list("_tidegauge/tmp")
        .await
        .unwrap()
        .into_iter()
        .map(|file| file.path)
        .collect();
    assert_eq!(remain, ["_tidegauge/tmp/another"]);
    assert!(!directory.path().join("_tidegauge/staging/old-writer").exists());
    assert_eq!(store.get("_tidegauge/log/0.json", 1).await.unwrap(), "x");
}

#[tokio::test]
async fn an_output_that_is_a_file_is_refused_with_the_path_and_a_remedy() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"").unwrap();
    for root in [path.clone(), path.join("below")] {
        let error = LocalStore::new(&root).probe().await.unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, StoreError::Fatal { .. }), "{message}");
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains("choose another") || message.contains("move it away"), "{message}");
    }
}

#[tokio::test]
async fn an_output_that_cannot_be_written_to_is_refused_at_start() {
    // The kernel's own file system takes no files from anyone, the superuser included.
    let error = LocalStore::new("/proc/tidegauge").probe().await.unwrap_err();
    assert!(matches!(error, StoreError::Fatal { .. }), "{error}");
    assert!(error.to_string().contains("/proc/tidegauge"), "{error}");
}
