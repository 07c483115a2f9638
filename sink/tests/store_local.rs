//! What is particular to a store in a local directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use tempfile::TempDir;
use tidegauge_sink::store::{LocalStore, Move, Store, StoreError};

const STAGED: &str = "_tidegauge/staging/w/a.staged";
const FINAL: &str = "events/date=2026-07-01/hour=00/a.parquet";

fn one_move(staged: &str, path: &str) -> Vec<Move> {
    vec![Move {
        staged: staged.to_owned(),
        path: path.to_owned(),
    }]
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
