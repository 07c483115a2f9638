//! The rules about who may commit and what becomes of files, each by the failure that it prevents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod log_support;

use log_support::{TOPIC, below, drive, open, range, snapshot, staged, visible};
use tidegauge_sink::log::stager::load;
use tidegauge_sink::log::{BlobKind, CommitError, paths};
use tidegauge_sink::store::{Fault, MemoryStore, Store};

// Rule 1: the precondition.

#[tokio::test]
async fn a_zombie_discards_what_it_staged_and_goes_on_from_the_log() {
    let store = MemoryStore::new();
    let (mut zombie, _) = open(&store).await.unwrap();
    let mut stale = staged(&zombie, 0, 0, 10).await.unwrap();
    snapshot(&zombie.stager(), &mut stale, "state").await.unwrap();

    let (mut successor, _) = open(&store).await.unwrap();
    let draft = staged(&successor, 0, 0, 20).await.unwrap();
    successor.commit(&draft).await.unwrap();

    let error = zombie.commit(&stale).await.unwrap_err();
    assert!(
        matches!(
            error,
            CommitError::Zombie {
                partition: 0,
                from: 0,
                newest: 20,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.starts_again());
    let own = zombie.writer().to_string();
    assert!(!store.files().keys().any(|path| path.contains(&own)), "{:?}", store.files().keys());
    assert_eq!(visible(&store), [(0, 0, 20)]);

    assert_eq!(zombie.take_others().unwrap().len(), 1);
    let draft = staged(&zombie, 0, zombie.state().next_offset(TOPIC, 0).unwrap(), 30).await.unwrap();
    zombie.commit(&draft).await.unwrap();
    assert_eq!(visible(&store), [(0, 0, 20), (0, 20, 30)]);
}

#[tokio::test]
async fn a_zombie_keeps_the_older_snapshot_that_its_draft_names() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let mut first = staged(&log, 0, 0, 10).await.unwrap();
    snapshot(&log.stager(), &mut first, "state").await.unwrap();
    log.commit(&first).await.unwrap();
    let kept = first.partitions[0].snapshot.clone();

    let mut stale = staged(&log, 0, 10, 20).await.unwrap();
    stale.partitions[0].snapshot.clone_from(&kept);
    let (mut other, _) = open(&store).await.unwrap();
    let draft = staged(&other, 0, 10, 30).await.unwrap();
    other.commit(&draft).await.unwrap();
    assert!(matches!(log.commit(&stale).await, Err(CommitError::Zombie { .. })));
    assert_eq!(
        log.state().position(TOPIC, 0).unwrap().newest.snapshot,
        kept,
        "a commit without a snapshot keeps the newest one"
    );
    assert_eq!(load(&store, &kept.unwrap().file, BlobKind::Snapshot, 10).await.unwrap(), b"state");
}

#[tokio::test]
async fn another_writers_entry_for_another_partition_is_no_conflict() {
    let store = MemoryStore::new();
    let (mut one, _) = open(&store).await.unwrap();
    let (mut two, _) = open(&store).await.unwrap();
    let (first, second) = (staged(&one, 0, 0, 10).await.unwrap(), staged(&two, 1, 100, 110).await.unwrap());
    assert_eq!(one.commit(&first).await.unwrap().seq, 1);
    assert_eq!(two.commit(&second).await.unwrap().seq, 2);
    assert_eq!(two.take_others().unwrap().len(), 1, "the other's deltas have to be merged");
    assert_eq!(one.state().head.seq, 1);
}

#[tokio::test]
async fn a_position_beyond_the_log_or_of_an_unknown_topic_is_refused() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let mut draft = log.draft().unwrap();
    draft.partitions.push(range(0, 5, 10));
    let error = log.commit(&draft).await.unwrap_err().to_string();
    assert!(error.contains("would go on from 5, but the log ends at 0"), "{error}");
    draft.partitions = vec![range(0, 0, 10), range(0, 0, 10)];
    assert!(log.commit(&draft).await.unwrap_err().to_string().contains("twice"));
    draft.partitions = vec![range(0, 0, 10)];
    draft.partitions[0].topic = "unknown".to_owned();
    assert!(log.commit(&draft).await.unwrap_err().to_string().contains("--reconfigure"));
    draft.partitions = vec![range(2, 0, 10)];
    log.commit(&draft).await.expect("a later partition of a known topic starts at 0");
}

// Rule 2: an unclear answer is no answer.

/// Operations of a commit before its create: looking for a next entry, and listing checkpoints.
const BEFORE_CREATE: u64 = 2;

#[tokio::test]
async fn an_unclear_answer_is_resolved_by_reading_the_entry_back() {
    for fault in [Fault::AnswerLost, Fault::Refused, Fault::Late] {
        let store = MemoryStore::new();
        let (mut log, _) = open(&store).await.unwrap();
        let draft = staged(&log, 0, 0, 10).await.unwrap();
        store.fail(BEFORE_CREATE, fault);
        assert_eq!(log.commit(&draft).await.unwrap().seq, 1, "{fault:?}");
        assert_eq!(below(&store, paths::LOG).await.len(), 2, "{fault:?}");
        assert_eq!(visible(&store), [(0, 0, 10)], "{fault:?}");
    }
}

#[tokio::test]
async fn nothing_is_deleted_while_the_outcome_is_unknown_and_the_same_draft_commits_once() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let draft = staged(&log, 0, 0, 10).await.unwrap();
    // The entry is written, but no answer ever comes.
    for (operation, fault) in [
        (0, Fault::AnswerLost),
        (1, Fault::Refused),
        (2, Fault::Refused),
        (3, Fault::Refused),
        (4, Fault::Refused),
        (5, Fault::Refused),
    ] {
        store.fail(BEFORE_CREATE + operation, fault);
    }
    let error = log.commit(&draft).await.unwrap_err();
    assert!(
        matches!(error, CommitError::Unknown { seq: 1, .. }) && error.is_transient(),
        "{error}"
    );
    assert_eq!(log.discard(&draft).await, Ok(false));
    assert_eq!(below(&store, paths::STAGING).await, [draft.files[0].staged.clone()]);

    let committed = log.commit(&draft).await.unwrap();
    assert_eq!((committed.seq, committed.in_place), (1, true));
    assert_eq!(below(&store, paths::LOG).await.len(), 2);
    assert_eq!(visible(&store), [(0, 0, 10)]);
}

#[tokio::test]
async fn an_own_entry_that_lands_after_giving_up_counts_as_anothers_and_keeps_its_files() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let given_up = staged(&log, 0, 0, 10).await.unwrap();
    for (operation, fault) in [
        (0, Fault::AnswerLost),
        (1, Fault::Refused),
        (2, Fault::Refused),
        (3, Fault::Refused),
        (4, Fault::Refused),
        (5, Fault::Refused),
    ] {
        store.fail(BEFORE_CREATE + operation, fault);
    }
    assert!(matches!(log.commit(&given_up).await, Err(CommitError::Unknown { .. })));

    let new = staged(&log, 0, 0, 12).await.unwrap();
    assert!(matches!(log.commit(&new).await, Err(CommitError::Zombie { newest: 10, .. })));
    assert_eq!(log.take_others().unwrap()[0].nonce, given_up.nonce);
    assert_eq!(log.discard(&given_up).await, Ok(true), "its outcome is known now");
    log.finish_moves().await.unwrap();
    assert_eq!(visible(&store), [(0, 0, 10)]);
    assert!(store.files().contains_key(&given_up.delta.unwrap().path));
}

// Rule 3: the log is the truth.

#[tokio::test]
async fn a_partition_starts_from_its_newest_entry_and_a_new_one_from_genesis() {
    let store = MemoryStore::new();
    let (log, _) = open(&store).await.unwrap();
    assert_eq!([0, 1, 2].map(|p| log.state().next_offset(TOPIC, p)), [Some(0), Some(100), Some(0)]);
    assert_eq!(log.state().next_offset("other", 0), None);
    drive(&store, 1, 150, true).await.unwrap();
    let (log, _) = open(&store).await.unwrap();
    assert_eq!([0, 1].map(|p| log.state().next_offset(TOPIC, p)), [Some(0), Some(150)]);
    assert_eq!(log.state().position(TOPIC, 1).unwrap().newest.counters["records"], 150);
}

// Rule 5: staged until committed.

#[tokio::test]
async fn a_crash_between_the_entry_and_the_move_is_finished_at_start() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let draft = staged(&log, 0, 0, 10).await.unwrap();
    // The entry, the listing of checkpoints, then the move.
    store.fail(BEFORE_CREATE + 2, Fault::CrashBefore);
    let committed = log.commit(&draft).await.unwrap();
    assert!(!committed.in_place);
    store.restart();
    assert_eq!(visible(&store), []);
    let (_, recovered) = open(&store).await.unwrap();
    assert_eq!(visible(&store), [(0, 0, 10)]);
    assert_eq!(recovered.entries.len(), 2);
    assert_eq!(below(&store, paths::STAGING).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_move_that_failed_is_made_up_for_by_the_next_commit() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    let draft = staged(&log, 0, 0, 10).await.unwrap();
    store.fail(BEFORE_CREATE + 2, Fault::Refused);
    assert!(!log.commit(&draft).await.unwrap().in_place);
    let draft = staged(&log, 0, 10, 20).await.unwrap();
    assert!(log.commit(&draft).await.unwrap().in_place);
    assert_eq!(visible(&store), [(0, 0, 10), (0, 10, 20)]);
}

#[tokio::test]
async fn staged_files_of_a_dead_writer_go_only_after_a_fence() {
    let store = MemoryStore::new();
    let (mut dead, _) = open(&store).await.unwrap();
    let mut draft = staged(&dead, 0, 0, 10).await.unwrap();
    snapshot(&dead.stager(), &mut draft, "state").await.unwrap();
    let left = store
        .files()
        .keys()
        .filter(|path| path.contains(&dead.writer().to_string()))
        .count();
    assert_eq!(left, 3);

    let (mut log, _) = open(&store).await.unwrap();
    assert_eq!(
        store
            .files()
            .keys()
            .filter(|path| path.contains(&dead.writer().to_string()))
            .count(),
        3,
        "opening alone deletes nothing"
    );
    assert_eq!(log.clear_abandoned(i64::MAX).await.unwrap(), [dead.writer()]);
    assert!(!store.files().keys().any(|path| path.contains(&dead.writer().to_string())));
    assert!(log.state().fenced.contains(&dead.writer()));

    // It was not dead after all.
    let old = dead.writer();
    let error = dead.commit(&draft).await.unwrap_err();
    assert!(
        matches!(error, CommitError::Fenced { writer, renamed } if writer == old && renamed == dead.writer() && renamed != old),
        "{error}"
    );
    let draft = staged(&dead, 0, 0, 10).await.unwrap();
    dead.commit(&draft).await.unwrap();
    assert_eq!(visible(&store), [(0, 0, 10)]);
}

#[tokio::test]
async fn what_a_fenced_writer_had_committed_stays() {
    let store = MemoryStore::new();
    let (mut dead, _) = open(&store).await.unwrap();
    let mut draft = staged(&dead, 0, 0, 10).await.unwrap();
    snapshot(&dead.stager(), &mut draft, "state").await.unwrap();
    dead.commit(&draft).await.unwrap();
    staged(&dead, 0, 10, 20).await.unwrap();
    let (mut log, _) = open(&store).await.unwrap();
    log.clear_abandoned(i64::MAX).await.unwrap();
    assert_eq!(visible(&store), [(0, 0, 10)]);
    assert_eq!(
        load(&store, &draft.delta.unwrap(), BlobKind::Delta, 100).await.unwrap(),
        b"delta 0 0 10"
    );
    assert_eq!(log.clear_abandoned(i64::MAX).await.unwrap(), [], "nothing is left to clear");
}

#[tokio::test]
async fn a_committed_file_that_someone_took_away_is_reported_and_does_not_block_the_start() {
    let store = MemoryStore::new();
    let (mut log, _) = open(&store).await.unwrap();
    for from in [0, 10, 20] {
        let draft = staged(&log, 0, from, from + 10).await.unwrap();
        log.commit(&draft).await.unwrap();
    }
    let taken = store.files().keys().find(|path| path.starts_with("events/")).cloned().unwrap();
    store.delete(&taken).await.unwrap();
    let (_, recovered) = open(&store).await.unwrap();
    assert_eq!(recovered.absent.iter().map(|file| &file.path).collect::<Vec<_>>(), [&taken]);
}
