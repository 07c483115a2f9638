//! The rules of the commit log as a model: every interleaving of the operations of a few processes, on a store that loses answers and delays
//! creates. It follows `sink/src/log`; what lies between two operations of the store is one step there. A few operations are taken as one, to
//! keep the worlds small: listing the three directories of staged files, deleting the files of one draft, listing checkpoints and reading the
//! newest. `docs/commit-log.md` says what follows from it.
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
    ALWAYS, CHAIN, COLLECTED, FENCED, FILES, LATE, NEEDED, OVERTAKEN, PUBLICATIONS, RANGES, READABLE, RECOGNISED, REVISED, STALE, SUM,
    TWO_WRITERS, VISIBLE, WON, ZOMBIE,
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
    holds(setups::zombie(), 300_000, &[TWO_WRITERS, ZOMBIE, RECOGNISED, LATE]);
}

#[test]
fn a_fence_voids_what_was_staged_and_nothing_that_was_committed() {
    holds(setups::fence(), 500_000, &[TWO_WRITERS, ZOMBIE, RECOGNISED, LATE, FENCED]);
}

#[test]
fn a_writer_that_sleeps_through_a_collection_recovers() {
    holds(
        setups::collection(),
        75_000,
        &[TWO_WRITERS, ZOMBIE, RECOGNISED, LATE, OVERTAKEN, COLLECTED],
    );
    holds(setups::two_collections(), 90_000, &[TWO_WRITERS, RECOGNISED, OVERTAKEN, COLLECTED]);
}

#[test]
fn two_reporters_publish_one_history() {
    holds(setups::reporters(), 850_000, &[TWO_WRITERS, OVERTAKEN, COLLECTED, REVISED, STALE]);
}

#[test]
fn a_process_may_start_while_another_is_at_work() {
    holds(setups::takeover(), 115_000, &[TWO_WRITERS, ZOMBIE, FENCED, OVERTAKEN, COLLECTED]);
    holds(setups::three(), 190_000, &[TWO_WRITERS, FENCED, OVERTAKEN, COLLECTED]);
}

#[test]
fn a_process_that_crashes_goes_on_from_the_log() {
    holds(setups::alone(), 300_000, &[RECOGNISED, REVISED, COLLECTED]);
}

#[test]
fn rule_1_left_out_shows() {
    notices(Break::NoPrecondition, setups::zombie(), RANGES);
}

#[test]
fn rule_2_left_out_shows() {
    notices(Break::ExistsIsSuccess, setups::zombie(), WON);
    notices(Break::DeletedWhileUnknown, setups::zombie(), FILES);
}

#[test]
fn rule_5_left_out_shows() {
    notices(Break::NoFence, setups::fence(), FILES);
    notices(Break::FenceIgnored, setups::fence(), CHAIN);
    notices(Break::FenceIgnored, setups::takeover(), READABLE);
    notices(Break::CheckpointBeforeMoves, setups::three(), FILES);
}

#[test]
fn rule_6_left_out_shows() {
    notices(Break::PublicationWithoutPrevious, setups::reporters(), PUBLICATIONS);
    notices(Break::OwnThroughKept, setups::reporters(), PUBLICATIONS);
    notices(Break::DueForgotten, setups::reporters(), SUM);
}

#[test]
fn rule_9_left_out_shows() {
    notices(Break::OthersNotSummed, setups::three(), SUM);
    notices(Break::NoListAfterCreate, setups::three(), WON);
    notices(Break::NoListAfterReading, setups::three(), CHAIN);
    notices(Break::CollectionKeepsNothing, setups::three(), NEEDED);
}

/// What the model does and `sink/src/log` and `src/pipeline` do not, yet.
const NOT_DONE: &[Break] = &[
    Break::NoListAfterOpening,
    Break::PartsClearedEarly,
    Break::CollectionTrustsPlaces,
    Break::PartsKept,
    Break::OthersNotMerged,
];

#[test]
fn what_the_program_leaves_out_shows_with_several_processes() {
    notices(Break::NoListAfterOpening, setups::three(), VISIBLE);
    notices(Break::PartsClearedEarly, setups::three(), NEEDED);
    notices(Break::CollectionTrustsPlaces, setups::two_collections(), NEEDED);
    notices(Break::PartsKept, setups::reporters(), NEEDED);
    notices(Break::OthersNotMerged, setups::reporters(), PUBLICATIONS);
}

#[test]
fn where_a_create_outlives_its_process_two_of_it_show_with_one_process() {
    notices(Break::PartsClearedEarly, setups::alone(), NEEDED);
    notices(Break::OthersNotMerged, setups::alone(), PUBLICATIONS);
    let others = &[Break::NoListAfterOpening, Break::CollectionTrustsPlaces, Break::PartsKept];
    holds(
        Setup {
            breaks: others,
            ..setups::alone()
        },
        280_000,
        &[],
    );
}

#[test]
fn one_process_on_a_store_that_delays_nothing_does_without_it() {
    let setup = Setup {
        late: false,
        breaks: NOT_DONE,
        ..setups::alone()
    };
    holds(setup, 100_000, &[RECOGNISED, REVISED]);
}
