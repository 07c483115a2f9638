//! Crashes and failures at every step, and processes that meet: each offset is visible exactly once in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod log_support;

use log_support::{TOPIC, below, drive, open, visible};
use proptest::prelude::*;
use tidegauge_sink::log::stager::load;
use tidegauge_sink::log::{BlobKind, CommitLog};
use tidegauge_sink::store::{Fault, MemoryStore, Store};

const TARGET: i64 = 90;

fn tiles(partition: i32, from: i64, to: i64) -> Vec<(i32, i64, i64)> {
    (from..to).step_by(10).map(|from| (partition, from, from + 10)).collect()
}

/// All that a reader relies on, whatever happened before.
async fn assert_sound(store: &MemoryStore, context: &str) {
    let (mut log, recovered) = open(store).await.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(recovered.absent, [], "{context}");
    let reached = log.state().next_offset(TOPIC, 0).unwrap();
    assert_eq!(
        visible(store),
        tiles(0, 0, reached),
        "{context}: what is visible is what is committed"
    );
    for entry in &recovered.entries {
        if let Some(delta) = &entry.delta {
            let p = &entry.partitions[0];
            let payload = load(store, delta, BlobKind::Delta, 100)
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(payload, format!("delta 0 {} {}", p.from, p.to).as_bytes(), "{context}");
        }
    }
    if let Some(position) = log.state().position(TOPIC, 0) {
        let snapshot = position
            .newest
            .snapshot
            .as_ref()
            .unwrap_or_else(|| panic!("{context}: no snapshot"));
        let payload = load(store, &snapshot.file, BlobKind::Snapshot, 100)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(payload, format!("state before {}", snapshot.offset).as_bytes(), "{context}");
    }
    for blob in &recovered.blobs {
        let payload = load(store, &blob.file, BlobKind::State, 100)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(
            payload,
            format!("panes before {}", recovered.checkpoint.unwrap()).as_bytes(),
            "{context}"
        );
    }
    log.clear_abandoned(i64::MAX)
        .await
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(below(store, "_tidegauge/staging").await, Vec::<String>::new(), "{context}");
}

/// Starts processes one after the other until one reaches the target.
async fn drive_to_the_end(store: &MemoryStore, context: &str) {
    for _ in 0..20 {
        if drive(store, 0, TARGET, true).await.is_ok() {
            return;
        }
        store.restart();
    }
    panic!("{context}: the target is never reached");
}

async fn operations_of_a_run() -> u64 {
    let store = MemoryStore::new();
    drive(&store, 0, TARGET, true).await.unwrap();
    assert_eq!(visible(&store), tiles(0, 0, TARGET));
    store.operations()
}

#[tokio::test]
async fn after_a_crash_at_any_step_every_offset_is_visible_exactly_once() {
    for at in 0..operations_of_a_run().await {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let context = format!("{fault:?} at operation {at}");
            let store = MemoryStore::new();
            store.fail(at, fault);
            assert!(
                drive(&store, 0, TARGET, true).await.is_err() || fault == Fault::CrashAfter,
                "{context}: nothing failed"
            );
            store.restart();
            assert_sound(&store, &context).await;
            drive_to_the_end(&store, &context).await;
            assert_sound(&store, &context).await;
            assert_eq!(visible(&store), tiles(0, 0, TARGET), "{context}");
        }
    }
}

#[tokio::test]
async fn after_an_error_at_any_step_every_offset_is_visible_exactly_once() {
    for at in 0..operations_of_a_run().await {
        for fault in [Fault::Refused, Fault::AnswerLost, Fault::Late] {
            let context = format!("{fault:?} at operation {at}");
            let store = MemoryStore::new();
            store.fail(at, fault);
            drive_to_the_end(&store, &context).await;
            store.restart();
            assert_sound(&store, &context).await;
            assert_eq!(visible(&store), tiles(0, 0, TARGET), "{context}");
        }
    }
}

#[tokio::test]
async fn a_crash_during_the_recovery_from_a_crash_loses_nothing() {
    let run = operations_of_a_run().await;
    for first in (0..run).step_by(3) {
        for second in (0..30).step_by(2) {
            let context = format!("crashes at operation {first} and {second} after the restart");
            let store = MemoryStore::new();
            store.fail(first, Fault::CrashAfter);
            let _ = drive(&store, 0, TARGET, true).await;
            store.restart();
            store.fail(second, Fault::CrashBefore);
            let _ = drive(&store, 0, TARGET, true).await;
            store.restart();
            drive_to_the_end(&store, &context).await;
            assert_sound(&store, &context).await;
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Refused),
        Just(Fault::AnswerLost),
        Just(Fault::Late),
        Just(Fault::CrashBefore),
        Just(Fault::CrashAfter)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mixture_of_failures_loses_and_repeats_nothing(faults in prop::collection::vec((0_u64..150, fault()), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = MemoryStore::new();
            for (at, fault) in &faults {
                store.fail(*at, *fault);
            }
            let context = format!("{faults:?}");
            drive_to_the_end(&store, &context).await;
            // Failures that are still to come are not for the inspection.
            store.restart();
            assert_sound(&store, &context).await;
            assert_eq!(visible(&store), tiles(0, 0, TARGET), "{}", context);
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_on_different_partitions_share_one_chain() {
    for _ in 0..20 {
        let store = MemoryStore::new();
        let run = |partition, target| {
            let store = store.clone();
            tokio::spawn(async move {
                // A checkpoint of the other process may overtake this one: then it opens the log again.
                while let Err(error) = drive(&store, partition, target, false).await {
                    assert!(error.starts_again() || error.is_transient(), "{error}");
                }
            })
        };
        let (one, two) = (run(0, 150), run(1, 250));
        one.await.unwrap();
        two.await.unwrap();
        let expected = [tiles(0, 0, 150), tiles(1, 100, 250)].concat();
        open(&store).await.unwrap();
        assert_eq!(visible(&store), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_that_both_believe_to_own_a_partition_repeat_nothing() {
    for _ in 0..20 {
        let store = MemoryStore::new();
        let run = || {
            let store = store.clone();
            tokio::spawn(async move {
                while let Err(error) = drive(&store, 0, 150, false).await {
                    assert!(error.starts_again() || error.is_transient(), "{error}");
                }
            })
        };
        let (one, two) = (run(), run());
        one.await.unwrap();
        two.await.unwrap();
        open(&store).await.unwrap();
        assert_eq!(visible(&store), tiles(0, 0, 150));
    }
}

#[tokio::test]
async fn the_log_does_not_grow_with_what_was_committed() {
    let store = MemoryStore::new();
    let mut sizes = Vec::new();
    for target in [90, 900, 1_800] {
        drive(&store, 0, target, true).await.unwrap();
        sizes.push(store.list("_tidegauge").await.unwrap().len());
    }
    assert!(sizes[2] <= sizes[0] + 3, "{sizes:?}");
    let recovered = CommitLog::read(&store).await.unwrap().unwrap();
    assert_eq!(recovered.state.tables["events"].rows, 1_800);
}
