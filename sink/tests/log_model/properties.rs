//! What has to hold in every state, and what has to happen in some.

use stateright::Property;

use crate::model::{Setup, State};
use crate::process::{At, Outcome, Process};
use crate::world::{Entry, PARTITIONS, Panes, Set, View};

pub(crate) const RANGES: &str = "the ranges of a partition follow one another: no offset twice, none left out";
pub(crate) const CHAIN: &str = "each entry names its predecessor, and none is of a writer fenced before";
pub(crate) const FILES: &str = "each data file that the chain names is in place, or staged with its entry after the newest checkpoint";
pub(crate) const VISIBLE: &str = "no file is visible that no entry of the chain names";
pub(crate) const PUBLICATIONS: &str = "a publication follows the one before and holds the entries up to its through, no others";
pub(crate) const SUM: &str = "the newest checkpoint and the entries after it add up to the chain";
pub(crate) const NEEDED: &str = "the newest checkpoint's parts, the deltas after it and the newest snapshots are there";
pub(crate) const WON: &str = "what a writer takes for its success is in the chain";
pub(crate) const READABLE: &str = "nobody meets a log that no checkpoint explains";

pub(crate) const ALWAYS: [&str; 9] = [RANGES, CHAIN, FILES, VISIBLE, PUBLICATIONS, SUM, NEEDED, WON, READABLE];

pub(crate) const TWO_WRITERS: &str = "two writers both commit";
pub(crate) const ZOMBIE: &str = "a zombie is refused";
pub(crate) const RECOGNISED: &str = "a lost reply is recognised as success";
pub(crate) const LATE: &str = "an entry that lands after it was given up counts as another writer's";
pub(crate) const OVERTAKEN: &str = "a writer that a checkpoint overtook recovers";
pub(crate) const WENT_ON: &str = "a writer that slept through a checkpoint commits its draft";
pub(crate) const FORESTALLED: &str = "of two that announce a checkpoint, the second begins again";
pub(crate) const FENCED: &str = "a fence voids what was staged, and its live writer notices";
pub(crate) const COLLECTED: &str = "a collection leaves an entry's place empty, and another entry lands there";
pub(crate) const REVISED: &str = "a window is published again";
pub(crate) const STALE: &str = "a publication is stale and computed again";

pub(crate) fn all() -> Vec<Property<Setup>> {
    vec![
        Property::always(RANGES, |_, s: &State| ranges_follow(s)),
        Property::always(CHAIN, |_, s: &State| chained(s)),
        Property::always(FILES, |_, s: &State| data_is_safe(s)),
        Property::always(VISIBLE, |_, s: &State| {
            let named = s.world.chain.iter().filter(|e| e.has_data()).map(|e| e.nonce).collect();
            s.world.placed.without(named).is_empty()
        }),
        Property::always(PUBLICATIONS, |_, s: &State| publications_are_whole(s)),
        Property::always(SUM, |_, s: &State| adds_up(s)),
        Property::always(NEEDED, |_, s: &State| needed_is_there(s)),
        Property::always(WON, |_, s: &State| {
            let chain: Set = s.world.chain.iter().map(|entry| entry.nonce).collect();
            s.won.without(chain).is_empty()
        }),
        Property::always(READABLE, |_, s: &State| !s.broken),
        Property::sometimes(TWO_WRITERS, |_, s: &State| {
            let processes: Set = s.won.names().map(|nonce| nonce.writer() / crate::world::LIVES).collect();
            processes.members().count() > 1
        }),
        Property::sometimes(ZOMBIE, |_, s: &State| any(s, |p| p.at == At::Discard && p.last == Outcome::Zombie)),
        Property::sometimes(RECOGNISED, |_, s: &State| any(s, |p| p.last == Outcome::RecognisedAfterwards)),
        Property::sometimes(LATE, |_, s: &State| any(s, |p| p.last == Outcome::LandedLate)),
        Property::sometimes(OVERTAKEN, |_, s: &State| {
            any(s, |p| p.at == At::Idle && p.last == Outcome::Overtaken)
        }),
        Property::sometimes(WENT_ON, |_, s: &State| any(s, |p| p.last == Outcome::WentOn)),
        Property::sometimes(FORESTALLED, |_, s: &State| any(s, |p| p.last == Outcome::Forestalled)),
        Property::sometimes(FENCED, |_, s: &State| any(s, |p| p.at == At::Discard && p.last == Outcome::Fenced)),
        Property::sometimes(COLLECTED, |_, s: &State| {
            s.world
                .log
                .iter()
                .flatten()
                .any(|e| s.world.chain.get(usize::from(e.seq)).is_some_and(|c| c != e))
        }),
        Property::sometimes(REVISED, |_, s: &State| {
            s.world.chain.iter().filter_map(|e| e.publication).any(|p| p.revision > 0)
        }),
        Property::sometimes(STALE, |_, s: &State| any(s, |p| p.last == Outcome::Stale)),
    ]
}

fn any(state: &State, of: impl Fn(&Process) -> bool) -> bool {
    state.processes.iter().any(of)
}

fn newest(state: &State) -> u8 {
    state.world.newest_checkpoint().unwrap_or(0)
}

fn ranges_follow(state: &State) -> bool {
    let mut next = [0; PARTITIONS];
    state.world.chain.iter().filter_map(|entry| entry.range).all(|range| {
        let from = std::mem::replace(&mut next[usize::from(range.partition)], range.to);
        range.from == from && range.to > from
    })
}

fn chained(state: &State) -> bool {
    let mut fenced = Set::default();
    state.world.chain.windows(2).all(|pair| {
        let [before, entry] = pair else { return false };
        fenced = fenced.and(before.fenced.into_iter().collect());
        entry.previous == Some(before.nonce) && !fenced.has(entry.writer)
    })
}

fn data_is_safe(state: &State) -> bool {
    let world = &state.world;
    world.chain.iter().filter(|entry| entry.has_data()).all(|entry| {
        let waits = world.staged.has(entry.nonce) && entry.seq > newest(state) && world.log[usize::from(entry.seq)] == Some(*entry);
        world.placed.has(entry.nonce) || waits
    })
}

fn publications_are_whole(state: &State) -> bool {
    let chain = &state.world.chain;
    let mut previous: Option<(u8, u8)> = None;
    chain
        .iter()
        .filter_map(|entry| entry.publication.map(|p| (entry, p)))
        .all(|(entry, publication)| {
            let contents = chain
                .iter()
                .filter(|e| e.range.is_some() && e.seq <= publication.through)
                .map(|e| e.nonce)
                .collect();
            let follows =
                publication.previous == previous.map(|(seq, _)| seq) && publication.revision == previous.map_or(0, |(_, r)| r + 1);
            previous = Some((entry.seq, publication.revision));
            follows && publication.through <= entry.seq && publication.contents == contents
        })
}

/// What the entries of the chain up to one add up to, told as simply as possible.
fn sum(chain: &[Entry]) -> (View, Panes) {
    let (mut view, mut panes) = (View::GENESIS, Panes::default());
    for entry in chain {
        (view.seq, view.nonce) = (entry.seq, entry.nonce);
        panes.add(entry);
        if let Some(range) = entry.range {
            view.next[usize::from(range.partition)] = range.to;
            view.snapshots[usize::from(range.partition)] = entry.snapshot;
        }
        view.fenced = view.fenced.and(entry.fenced.into_iter().collect());
        view.announced = entry.announces.map(|_| entry.seq).or(view.announced);
        if let Some(publication) = entry.publication {
            view.published = Some((entry.seq, publication.through, publication.revision));
        }
    }
    panes.published(view.published.map_or(0, |(_, through, _)| through));
    (view, panes)
}

fn adds_up(state: &State) -> bool {
    let world = &state.world;
    let summed = match world.newest_checkpoint() {
        Some(seq) => {
            let (upto, after) = world.chain.split_at_checked(usize::from(seq) + 1).unwrap_or_default();
            world.checkpoints[usize::from(seq)].is_some_and(|c| {
                let mut panes = Panes { base: seq, ..c.panes };
                for entry in after {
                    panes.add(entry);
                    if let Some(publication) = entry.publication {
                        panes.published(publication.through);
                    }
                }
                let whole = sum(&world.chain).1;
                (c.view, c.panes) == sum(upto) && (panes.merged, panes.due) == (whole.merged, whole.due)
            })
        }
        None => world.log[0] == world.chain.first().copied(),
    };
    summed
        && world
            .chain
            .iter()
            .filter(|e| e.seq > newest(state))
            .all(|e| world.log[usize::from(e.seq)] == Some(*e))
}

/// A snapshot that a later one took the place of is not read by any start, though the checkpoint may still name it.
fn needed_is_there(state: &State) -> bool {
    let files = &state.world.files;
    let parts =
        state.world.checkpoints[usize::from(newest(state))].is_none_or(|checkpoint| checkpoint.parts.without(files.parts).is_empty());
    let after = state
        .world
        .chain
        .iter()
        .filter(|entry| entry.seq > newest(state) && entry.range.is_some());
    let snapshots = sum(&state.world.chain).0.named_snapshots();
    parts && after.map(|entry| entry.nonce).all(|delta| files.deltas.has(delta)) && snapshots.without(files.snapshots).is_empty()
}
