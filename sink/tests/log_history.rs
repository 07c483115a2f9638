//! The rules about publication, identity and growth, each by the failure that it prevents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod log_support;

use std::sync::Arc;

use bytes::Bytes;
use log_support::{TOPIC, below, drive, genesis, open, options, publication, range, snapshot, staged, visible};
use serde_json::json;
use tidegauge_sink::log::stager::load;
use tidegauge_sink::log::{Blob, BlobKind, CommitError, CommitLog, EpochChange, Gap, Kind, LogError, PartitionStart, Topic, paths};
use tidegauge_sink::store::{Creation, Fault, LocalStore, MemoryStore, Store, StoreError};

/// Operations of a commit before its create: looking for a next entry, and listing checkpoints.
const BEFORE_CREATE: u64 = 2;

// Rule 6: publication.

#[tokio::test]
async fn of_two_publications_after_the_same_one_only_the_first_counts() {
    let store = MemoryStore::new();
    let (mut one, _) = open(&store).await.unwrap();
    let (mut two, _) = open(&store).await.unwrap();
    let mut first = one.draft().unwrap();
    (first.kind, first.publication) = (Kind::Publication, Some(publication(None, 0)));
    one.commit(&first).await.unwrap();

    let mut second = staged(&two, 1, 100, 110).await.unwrap();
    second.publication = Some(publication(None, 0));
    let error = two.commit(&second).await.unwrap_err();
    assert!(matches!(error, CommitError::StalePublication { previous: None, .. }), "{error}");
    assert_eq!(below(&store, paths::STAGING).await.len(), 1, "the records are still good");
    // Computed again, on the log as it is now.
    second.based_on = two.state().head;
    second.publication = Some(publication(Some(1), 1));
    two.commit(&second).await.unwrap();
    assert_eq!(two.state().publication.as_ref().map(|p| (p.seq, p.through)), Some((2, 1)));
}

#[tokio::test]
async fn results_that_include_the_commit_itself_are_stale_once_another_entry_came_between() {
    let store = MemoryStore::new();
    let (mut one, _) = open(&store).await.unwrap();
    let (mut two, _) = open(&store).await.unwrap();
    let mut draft = staged(&one, 0, 0, 10).await.unwrap();
    draft.publication = Some(publication(None, 1));
    let between = staged(&two, 1, 100, 110).await.unwrap();
    two.commit(&between).await.unwrap();
    assert!(matches!(
        one.commit(&draft).await,
        Err(CommitError::StalePublication { through: 1, .. })
    ));
    // Without it they are right, and what came between is left to a revision.
    draft.publication = Some(publication(None, 0));
    assert_eq!(one.commit(&draft).await.unwrap().seq, 2);
}

#[tokio::test]
async fn a_publication_without_what_a_checkpoint_already_sums_up_is_stale() {
    let store = MemoryStore::new();
    let (mut slow, _) = open(&store).await.unwrap();
    let (mut other, _) = open(&store).await.unwrap();
    let mut draft = slow.draft().unwrap();
    (draft.kind, draft.publication) = (Kind::Publication, Some(publication(None, 0)));
    // The other one reads on and sums up meanwhile. Whoever starts from its checkpoint cannot tell that entry 1 waits to be published.
    let between = staged(&other, 1, 100, 110).await.unwrap();
    other.commit(&between).await.unwrap();
    other.checkpoint(Vec::new()).await.unwrap();
    let error = slow.commit(&draft).await.unwrap_err();
    assert!(matches!(error, CommitError::StalePublication { through: 0, .. }), "{error}");
    draft.publication = Some(publication(None, 2));
    draft.based_on = slow.state().head;
    assert_eq!(slow.commit(&draft).await.unwrap().seq, 3);
}

// Rule 7: genesis and epochs.

#[tokio::test]
async fn another_cluster_or_a_topic_created_again_refuses_to_start() {
    let store = MemoryStore::new();
    open(&store).await.unwrap();
    let mut other = genesis();
    other.cluster = Some("cluster-2".to_owned());
    let error = CommitLog::open(Arc::new(store.clone()), other, options())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cluster-1") && error.contains("cluster-2") && error.contains("output.url"),
        "{error}"
    );
    let mut other = genesis();
    other.topics[0].id = Some("id-2".to_owned());
    let error = CommitLog::open(Arc::new(store.clone()), other, options()).await.unwrap_err();
    assert!(matches!(error, LogError::OtherTopic { .. }), "{error}");
}

#[tokio::test]
async fn a_configuration_that_changes_results_needs_reconfigure_and_stops_the_others() {
    let store = MemoryStore::new();
    let (mut old, _) = open(&store).await.unwrap();
    let left_behind = staged(&old, 0, 0, 10).await.unwrap();
    let mut changed = genesis();
    changed.spec = json!({"lateness": 60_000});
    changed.topics.push(Topic {
        topic: "new".to_owned(),
        id: None,
        partitions: vec![PartitionStart { partition: 0, start: 40 }],
    });
    let error = CommitLog::open(Arc::new(store.clone()), changed.clone(), options())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("lateness: 120000 -> 60000") && error.contains("the topic new joins") && error.contains("--reconfigure"),
        "{error}"
    );

    let allowed = tidegauge_sink::log::Options {
        reconfigure: true,
        ..options()
    };
    let (mut log, recovered) = CommitLog::open(Arc::new(store.clone()), changed.clone(), allowed).await.unwrap();
    assert!(recovered.differences.is_some());
    let mut draft = log.draft().unwrap();
    let change = EpochChange {
        spec: changed.spec.clone(),
        joins: vec![changed.topics[1].clone()],
        leaves: Vec::new(),
        least_reader: 1,
        least_writer: 1,
    };
    draft.kind = Kind::Epoch { change };
    log.commit(&draft).await.unwrap();
    assert_eq!((log.epoch(), log.state().next_offset("new", 0)), (1, Some(40)));
    let draft = staged(&log, 1, 100, 110).await.unwrap();
    log.commit(&draft).await.unwrap();

    let error = old.commit(&left_behind).await.unwrap_err();
    assert!(matches!(error, CommitError::NewerEpoch { ours: 0, newest: 1 }), "{error}");
    assert_eq!(visible(&store), [(1, 100, 110)]);
    assert_eq!(below(&store, paths::STAGING).await, Vec::<String>::new());
    CommitLog::open(Arc::new(store.clone()), changed, options())
        .await
        .expect("the new configuration is the log's now");
}

#[tokio::test]
async fn an_older_program_neither_reads_writes_nor_mixes_results() {
    for (path, expected) in [("least_reader", "reads version 2"), ("least_writer", "writes version 2")] {
        let store = MemoryStore::new();
        let mut newer = genesis();
        if path == "least_reader" {
            newer.least_reader = 2
        } else {
            newer.least_writer = 2
        }
        let error = CommitLog::open(Arc::new(store.clone()), newer, options())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    let store = MemoryStore::new();
    let newer = tidegauge_sink::log::Options { results: 2, ..options() };
    CommitLog::open(Arc::new(store.clone()), genesis(), newer).await.unwrap();
    let error = open(&store).await.unwrap_err().to_string();
    assert!(error.contains("computes results of version 2, this one has version 1"), "{error}");
}

// Rule 8: gaps are loud.

#[tokio::test]
async fn a_gap_is_recorded_with_what_was_lost() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let mut draft = log.draft().unwrap();
    let gap = Gap {
        topic: TOPIC.to_owned(),
        partition: 0,
        from: 0,
        to: 500,
        reason: "retention".to_owned(),
    };
    draft.kind = Kind::Gap { gap };
    draft.partitions.push(range(0, 0, 500));
    snapshot(&log.stager(), &mut draft, "fresh").await.unwrap();
    log.commit(&draft).await.unwrap();
    let (log, recovered) = open(&store).await.unwrap();
    assert_eq!((log.state().gaps, log.state().next_offset(TOPIC, 0)), (1, Some(500)));
    assert!(matches!(&recovered.entries[1].kind, Kind::Gap { gap } if (gap.from, gap.to) == (0, 500)));
}

#[tokio::test]
async fn after_the_input_was_closed_no_record_counts() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let mut draft = staged(&log, 0, 0, 10).await.unwrap();
    draft.kind = Kind::Close;
    log.commit(&draft).await.unwrap();
    let late = staged(&log, 0, 10, 20).await.unwrap();
    assert!(matches!(log.commit(&late).await, Err(CommitError::Closed { seq: 1 })));
    assert_eq!(below(&store, paths::STAGING).await, Vec::<String>::new());
    let mut results = log.draft().unwrap();
    (results.kind, results.publication) = (Kind::Publication, Some(publication(None, 1)));
    log.commit(&results)
        .await
        .expect("results of what was read before may still be published");
}

// Rule 9: growth is bounded.

#[tokio::test]
async fn a_start_from_a_checkpoint_equals_a_start_from_the_beginning() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    for from in [0, 10, 20] {
        let mut draft = staged(&log, 0, from, from + 10).await.unwrap();
        draft.publication = Some(publication(log.state().publication.as_ref().map(|p| p.seq), log.state().head.seq));
        log.commit(&draft).await.unwrap();
    }
    let from_the_beginning = CommitLog::read(&store).await.unwrap().unwrap();
    assert!(log.checkpoint_due());
    let parts = log
        .checkpoint(vec![Blob::New {
            name: "panes".to_owned(),
            payload: Bytes::from_static(b"panes"),
        }])
        .await
        .unwrap();
    assert!(!log.checkpoint_due());
    let collected = log.collect_garbage().await.unwrap();
    assert_eq!(
        (collected.entries, collected.files),
        (5, 3),
        "with the entry that announced the checkpoint"
    );
    let (mut log, recovered) = open(&store).await.unwrap();
    assert_eq!(recovered.state.announced, Some(4));
    let mut announced = from_the_beginning.state;
    (announced.head, announced.announced) = (recovered.state.head, Some(4));
    assert_eq!(recovered.state, announced);
    assert_eq!((recovered.checkpoint, recovered.entries.len()), (Some(4), 0));
    assert_eq!(recovered.blobs, parts);

    // A part that has not changed is carried over, not written again.
    let draft = staged(&log, 0, 30, 40).await.unwrap();
    log.commit(&draft).await.unwrap();
    log.checkpoint(vec![Blob::Keep(parts[0].clone())]).await.unwrap();
    assert_eq!(log.collect_garbage().await.unwrap().checkpoints, 1);
    let (_, recovered) = open(&store).await.unwrap();
    assert_eq!(load(&store, &recovered.blobs[0].file, BlobKind::State, 10).await.unwrap(), b"panes");
    assert_eq!(visible(&store).len(), 4, "data files are never deleted");
}

#[tokio::test]
async fn a_checkpoint_waits_for_what_others_committed_and_for_files_in_their_place() {
    let store = MemoryStore::new();
    let (mut one, _) = open(&store).await.unwrap();
    let (mut two, _) = open(&store).await.unwrap();
    let draft = staged(&two, 1, 100, 110).await.unwrap();
    store.fail(BEFORE_CREATE + 2, Fault::Refused);
    assert!(!two.commit(&draft).await.unwrap().in_place);
    one.catch_up().await.unwrap();
    let error = one.checkpoint(Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains("other processes"), "{error}");
    one.take_others();
    one.checkpoint(Vec::new()).await.unwrap();
    assert_eq!(visible(&store), [(1, 100, 110)]);
}

#[tokio::test]
async fn a_writer_that_slept_through_a_collection_does_not_write_into_the_hole() {
    let store = MemoryStore::new();
    let (mut sleeper, _) = open(&store).await.unwrap();
    let draft = staged(&sleeper, 1, 100, 110).await.unwrap();
    drive(&store, 0, 90, false).await.unwrap();
    assert!(!store.files().contains_key(&paths::entry(1)), "the hole is there");
    let committed = sleeper.commit(&draft).await.unwrap();
    assert!(committed.seq > 1, "{committed:?}");
    assert!(sleeper.take_others().is_none(), "it did not see all that came between");
    let (log, _) = open(&store).await.unwrap();
    assert_eq!(log.state().next_offset(TOPIC, 1), Some(110));
    assert_eq!(log.state().next_offset(TOPIC, 0), Some(90));
}

#[tokio::test]
async fn an_entry_that_landed_in_a_hole_makes_nothing_visible_through_those_who_read_it() {
    let store = MemoryStore::new();
    let (mut reader, _) = open(&store).await.unwrap();
    let (mut sleeper, _) = open(&store).await.unwrap();
    let draft = staged(&sleeper, 1, 100, 110).await.unwrap();
    sleeper.commit(&draft).await.unwrap();
    // As if its create were still under way.
    let (entry, file) = (paths::entry(1), &draft.files[0]);
    let (late, content) = (store.files()[&entry].clone(), store.files()[&file.path].clone());
    store.delete(&entry).await.unwrap();
    store.delete(&file.path).await.unwrap();
    store.stage(&file.staged, content).await.unwrap();
    drive(&store, 0, 90, false).await.unwrap();
    assert_eq!(
        store.create_if_absent(&entry, late).await.unwrap(),
        Creation::Created,
        "the hole is there"
    );

    reader.catch_up().await.unwrap();
    reader.finish_moves().await.unwrap();
    assert!(
        visible(&store).iter().all(|(partition, ..)| *partition == 0),
        "{:?}",
        visible(&store)
    );
}

// Rule 10, on a real disk.

#[tokio::test]
async fn a_local_directory_keeps_the_log_over_restarts_and_shows_only_whole_committed_files() {
    let directory = tempfile::TempDir::new().unwrap();
    let root = directory.path().join("out");
    for from in (0_i64..50).step_by(10) {
        let store = Arc::new(LocalStore::new(&root));
        let (mut log, recovered) = CommitLog::open(store.clone(), genesis(), options()).await.unwrap();
        assert_eq!(recovered.state.next_offset(TOPIC, 0), Some(from));
        staged(&log, 0, from, from + 5).await.unwrap();
        log.clear_abandoned(i64::MAX).await.unwrap();
        let draft = staged(&log, 0, from, from + 10).await.unwrap();
        assert!(log.commit(&draft).await.unwrap().in_place);
        log.take_others();
        if log.checkpoint_due() {
            log.checkpoint(vec![Blob::New {
                name: "panes".to_owned(),
                payload: Bytes::from_static(b"panes"),
            }])
            .await
            .unwrap();
            log.collect_garbage().await.unwrap();
        }
        let shown = store.list("events").await.unwrap();
        assert_eq!(shown.len() as i64, from / 10 + 1);
        assert!(
            shown
                .iter()
                .all(|file| file.path.starts_with("events/date=1970-01-01/hour=00/") && file.path.ends_with(".parquet"))
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_before_the_entry_is_transient_and_one_that_must_end_is_not() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let draft = staged(&log, 0, 0, 10).await.unwrap();
    store.fail(0, Fault::Refused);
    let error = log.commit(&draft).await.unwrap_err();
    assert!(error.is_transient() && !error.starts_again(), "{error}");
    log.commit(&draft).await.unwrap();
    let fatal = StoreError::Fatal {
        what: "syncing".to_owned(),
        why: "EIO".to_owned(),
        remedy: "check the disk".to_owned(),
    };
    assert!(!CommitError::from(fatal).is_transient());
}
