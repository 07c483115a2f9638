//! The rules of the commit log as a model: every interleaving of the operations of a few processes, on a store that loses answers and delays
//! creates. It follows `sink/src/log`; what lies between two operations of the store is one step there. A few operations are taken as one, to
//! keep the worlds small: listing the directories of staged files, deleting the files of one draft, listing checkpoints and reading the newest,
//! and what a process does for itself together with the operation before or after it. `docs/commit-log.md` says what follows from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod commit;
mod model;
mod open;
mod process;
mod properties;
mod setups;
mod sum;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Path};

use model::{Action, Setup, State};
use properties::{
    ALWAYS, CHAIN, COLLECTED, FENCED, FILES, FORESTALLED, LATE, NEEDED, OVERTAKEN, PUBLICATIONS, RANGES, READABLE, RECOGNISED, REVISED,
    STALE, SUM, TWO_WRITERS, VISIBLE, WENT_ON, WON, ZOMBIE,
};
use world::Break;

/// Searches everything. What holds must hold in at least as many states as given, and what may happen must have happened.
fn holds(setup: Setup, states: usize, happens: &[&str]) {
    let checker = setup.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    for property in ALWAYS {
        if let Some(path) = found.get(property) {
            panic!("not so: {property}\n{}", told(path.clone()));
        }
    }
    for event in happens {
        assert!(found.contains_key(event), "never seen: {event}");
    }
    let unique = checker.unique_state_count();
    assert!(
        unique >= states,
        "{unique} states are fewer than {states}: does the model still do what it did?"
    );
}

/// What was done, and where each process stands before it.
fn told(path: Path<State, Action>) -> String {
    let steps = path.into_vec().into_iter().map(|(state, action)| {
        let stand: Vec<_> = state.processes.iter().map(|p| (p.at, p.view.seq)).collect();
        action.map_or(format!("{state:#?}"), |action| format!("{action:?} where they are at {stand:?}\n"))
    });
    steps.collect()
}

/// Leaves one rule out, and expects to be shown how that breaks a property.
fn notices(rule: Break, mut setup: Setup, property: &str) {
    setup.breaks = Box::leak(Box::new([rule]));
    let checker = setup.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found: BTreeSet<&str> = checker.discoveries().into_keys().filter(|found| ALWAYS.contains(found)).collect();
    assert!(
        found.contains(property),
        "{rule:?} is not noticed by {property:?}, only by {found:?}"
    );
}

#[test]
fn two_writers_of_one_partition_lose_and_repeat_nothing() {
    holds(setups::zombie(), 250_000, &[TWO_WRITERS, ZOMBIE, RECOGNISED, LATE]);
}

#[test]
fn a_fence_voids_what_was_staged_and_nothing_that_was_committed() {
    holds(setups::fence(), 500_000, &[TWO_WRITERS, ZOMBIE, RECOGNISED, LATE, FENCED]);
}

#[test]
fn a_writer_that_sleeps_through_a_collection_recovers() {
    let happens = &[TWO_WRITERS, ZOMBIE, RECOGNISED, LATE, OVERTAKEN, WENT_ON, COLLECTED];
    holds(setups::collection(), 200_000, happens);
    holds(setups::two_collections(), 250_000, happens);
    holds(setups::hole(), 130_000, &[TWO_WRITERS, LATE, OVERTAKEN, WENT_ON, COLLECTED]);
}

#[test]
fn two_reporters_publish_one_history() {
    holds(setups::publishers(), 150_000, &[TWO_WRITERS, RECOGNISED, LATE, REVISED, STALE]);
    holds(
        setups::reporters(),
        1_000_000,
        &[TWO_WRITERS, OVERTAKEN, WENT_ON, COLLECTED, REVISED, STALE, FORESTALLED],
    );
}

#[test]
fn several_processes_write_checkpoints() {
    let happens = &[TWO_WRITERS, OVERTAKEN, WENT_ON, FENCED, COLLECTED, FORESTALLED];
    holds(setups::keeping(), 120_000, happens);
    holds(setups::clearing(), 150_000, happens);
    holds(setups::announcements(), 150_000, &[TWO_WRITERS, OVERTAKEN]);
}

#[test]
fn a_process_may_start_while_another_is_at_work() {
    holds(
        setups::takeover(),
        140_000,
        &[TWO_WRITERS, ZOMBIE, FENCED, OVERTAKEN, WENT_ON, COLLECTED],
    );
    holds(setups::three(), 600_000, &[TWO_WRITERS, FENCED, OVERTAKEN, WENT_ON, COLLECTED]);
}

#[test]
fn a_process_that_crashes_goes_on_from_the_log() {
    holds(setups::alone(), 600_000, &[RECOGNISED, REVISED, COLLECTED]);
}

#[test]
fn rule_1_left_out_shows() {
    notices(Break::NoPrecondition, setups::zombie(), RANGES);
}

#[test]
fn rule_2_left_out_shows() {
    notices(Break::ExistsIsSuccess, setups::zombie(), WON);
    notices(Break::DeletedWhileUnknown, setups::zombie(), FILES);
    notices(Break::PendingForgotten, setups::pending(), FILES);
}

#[test]
fn rule_5_left_out_shows() {
    notices(Break::NoFence, setups::fence(), FILES);
    notices(Break::FenceIgnored, setups::fence(), CHAIN);
    notices(Break::FenceIgnored, setups::takeover(), READABLE);
    notices(Break::CheckpointBeforeMoves, setups::three(), FILES);
    notices(Break::MovedUnconfirmed, setups::hole(), VISIBLE);
    notices(Break::PartsClearedEarly, setups::clearing(), NEEDED);
    notices(Break::NewestNotNamed, setups::clearing(), NEEDED);
    notices(Break::ClearedInSpiteOfAnnouncement, setups::clearing(), NEEDED);
}

#[test]
fn rule_6_left_out_shows() {
    notices(Break::PublicationWithoutPrevious, setups::publishers(), PUBLICATIONS);
    notices(Break::OwnThroughKept, setups::publishers(), PUBLICATIONS);
    notices(Break::PublicationBelowCheckpoint, setups::reporters(), SUM);
    notices(Break::OthersNotMerged, setups::publishers(), PUBLICATIONS);
    notices(Break::SkippedNotMerged, setups::reporters(), PUBLICATIONS);
    notices(Break::DueForgotten, setups::reporters(), SUM);
}

#[test]
fn rule_9_left_out_shows() {
    notices(Break::OthersNotSummed, setups::three(), SUM);
    notices(Break::NoListAfterCreate, setups::three(), WON);
    notices(Break::NoListAfterReading, setups::three(), READABLE);
    notices(Break::NoListAfterOpening, setups::three(), VISIBLE);
    notices(Break::DraftTrustedAfterReload, setups::collection(), RANGES);
    notices(Break::MovesRemembered, setups::hole(), VISIBLE);
    notices(Break::CollectionKeepsNothing, setups::three(), NEEDED);
    notices(Break::CollectionTrustsPlaces, setups::two_collections(), NEEDED);
}

#[test]
fn checkpoints_without_announcement_show() {
    notices(Break::NoAnnouncement, setups::keeping(), NEEDED);
    notices(Break::BaseNotCheckedAfter, setups::keeping(), NEEDED);
    notices(Break::CollectedInSpiteOfAnnouncement, setups::keeping(), NEEDED);
    notices(Break::CollectionListsLate, setups::announcements(), NEEDED);
}

/// Nothing rests on these two: whoever is stopped later, by the second look at its base or by entries of others, has announced in vain.
#[test]
fn what_is_checked_before_an_announcement_only_saves_it() {
    let breaks = &[Break::AnnouncedAfterAny, Break::BaseNotCheckedBefore];
    holds(
        Setup {
            breaks,
            ..setups::clearing()
        },
        80_000,
        &[],
    );
    holds(
        Setup {
            breaks,
            ..setups::announcements()
        },
        200_000,
        &[],
    );
}
