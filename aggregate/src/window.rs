//! Windows out of panes: which positions there are, and what the panes of one hold together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::pane::{GroupState, Groups, PaneStore};
use crate::plan::Plan;
use crate::row::GroupKey;
use crate::spec::OTHER;
use crate::time::{EventTime, Millis};

/// One or more stores that together hold what has been contributed.
pub(crate) type Sources<'a> = [&'a PaneStore];

/// What the groups of one grouping hold in one window position.
#[derive(Clone, Debug)]
pub(crate) struct Folded<T> {
    pub(crate) kept: BTreeMap<(u64, GroupKey), T>,
    pub(crate) other: Option<T>,
}

impl<T> Default for Folded<T> {
    fn default() -> Self {
        Folded {
            kept: BTreeMap::new(),
            other: None,
        }
    }
}

/// The key of the group of all that is beyond the bound.
pub(crate) fn other_key(dimensions: usize) -> GroupKey {
    let other: Arc<str> = Arc::from(OTHER);
    vec![Some(other); dimensions].into()
}

impl<T> Folded<T> {
    /// Every group with its key, the one of the rest last.
    pub(crate) fn groups(&self, dimensions: usize) -> impl Iterator<Item = (GroupKey, u64, &T)> {
        let kept = self.kept.iter().map(|((hash, key), value)| (key.clone(), *hash, value));
        kept.chain(self.other.iter().map(move |value| (other_key(dimensions), u64::MAX, value)))
    }

    /// The group of that key.
    pub(crate) fn get(&self, hash: u64, key: &GroupKey) -> Option<&T> {
        if hash == u64::MAX && self.other.is_some() && key.iter().all(|v| v.as_deref() == Some(OTHER)) {
            return self.other.as_ref();
        }
        self.kept.get(&(hash, key.clone()))
    }
}

/// Folds the groups of one grouping over the panes of `[start, end)`. The result is the same whatever the order of panes: a group stays
/// under its own name when its hash is below every pane's cut and among the `max_groups` lowest.
#[allow(clippy::too_many_arguments, reason = "a range of panes and what to do with them")]
pub(crate) fn fold<T>(
    sources: &Sources<'_>,
    level: usize,
    start: EventTime,
    end: EventTime,
    grouping: usize,
    max_groups: usize,
    first: impl Fn(&GroupState) -> T,
    add: impl Fn(&mut T, &GroupState),
) -> Folded<T> {
    let panes: Vec<&Groups> = sources
        .iter()
        .filter_map(|store| store.levels.get(level))
        .flat_map(|panes| panes.range(start..end))
        .filter_map(|(_, pane)| pane.groupings.get(grouping))
        .collect();
    let mut cut = panes.iter().filter_map(|g| g.cut).min();
    let hashes: BTreeSet<(u64, &GroupKey)> = panes.iter().flat_map(|g| g.kept.keys()).map(|(hash, key)| (*hash, key)).collect();
    if let Some((hash, _)) = hashes.iter().nth(max_groups) {
        cut = Some(cut.map_or(*hash, |c| c.min(*hash)));
    }
    let mut folded = Folded::default();
    let put_other = |other: &mut Option<T>, state: &GroupState| match other {
        Some(other) => add(other, state),
        none => *none = Some(first(state)),
    };
    for groups in panes {
        for ((hash, key), state) in &groups.kept {
            if cut.is_some_and(|cut| *hash >= cut) {
                put_other(&mut folded.other, state);
                continue;
            }
            match folded.kept.get_mut(&(*hash, key.clone())) {
                Some(own) => add(own, state),
                None => {
                    folded.kept.insert((*hash, key.clone()), first(state));
                }
            }
        }
        if let Some(state) = &groups.other {
            put_other(&mut folded.other, state);
        }
    }
    folded
}

/// The ends of the positions of a window that hold at least one pane and lie in `(after, until]`, in ascending order.
pub(crate) fn positions(plan: &Plan, sources: &Sources<'_>, window: usize, after: EventTime, until: EventTime) -> BTreeSet<EventTime> {
    let mut ends = BTreeSet::new();
    let Some(spec) = plan.spec.windows.get(window) else { return ends };
    let level = plan.level_of(window);
    // A pane at p is in the positions that end in (p, p + size].
    let from = after.minus(spec.size);
    for panes in sources.iter().filter_map(|store| store.levels.get(level)) {
        for pane in panes.range(from..).map(|(start, _)| *start) {
            ends.extend(ends_after(pane, spec.slide, spec.size).filter(|end| *end > after && *end <= until));
        }
    }
    ends
}

/// The ends in `(pane, pane + reach]`, one every slide.
pub(crate) fn ends_after(pane: EventTime, slide: Millis, reach: Millis) -> impl Iterator<Item = EventTime> {
    (1..=reach / slide).map(move |i| pane.plus(i * slide))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::Sketch;
    use crate::pane::{Pane, group_hash};
    use crate::spec::Spec;
    use crate::tally::Tally;

    fn key(name: u8) -> GroupKey {
        vec![Some(Arc::from(format!("g{name}")))].into()
    }

    /// One fact of one user, put into a pane of one of three stores.
    #[derive(Clone, Debug)]
    struct Put {
        source: usize,
        pane: i64,
        group: u8,
        user: u64,
    }

    fn puts() -> impl Strategy<Value = Vec<Put>> {
        let put = (0..3_usize, 0..6_i64, 0..9_u8, 0..20_u64);
        let put = put.prop_map(|(source, pane, group, user)| Put { source, pane, group, user });
        prop::collection::vec(put, 0..60)
    }

    fn state(plan: &Plan, user: u64) -> GroupState {
        let mut tally = Tally::new(&plan.layout);
        tally.facts = 1;
        GroupState {
            tally,
            users: Sketch::from_unsorted(8, vec![(user << 56, 1)]),
            sessions: Sketch::new(8),
        }
    }

    proptest! {
        #[test]
        fn folding_panes_gives_what_merging_them_gives(puts in puts(), max_groups in 1..5_usize, from in 0..3_i64, to in 3..7_i64) {
            let plan = Plan::new(Spec::default());
            let mut sources = vec![PaneStore::with_levels(1); 3];
            let mut whole = Groups::default();
            for put in &puts {
                let (group, state) = (key(put.group), state(&plan, put.user));
                let panes = &mut sources[put.source].levels[0];
                let pane = panes.entry(EventTime(put.pane)).or_insert_with(|| Pane::with_groupings(1));
                pane.groupings[0].add(group_hash(&group), &group, &state, max_groups);
                if (from..to).contains(&put.pane) {
                    whole.add(group_hash(&group), &group, &state, max_groups);
                }
            }
            let sources: Vec<&PaneStore> = sources.iter().collect();
            let folded = fold(&sources, 0, EventTime(from), EventTime(to), 0, max_groups, Clone::clone, GroupState::merge);
            prop_assert_eq!(&folded.kept, &whole.kept);
            prop_assert_eq!(folded.other.as_ref(), whole.other.as_deref());

            let mut merged = Groups::default();
            for source in sources.iter().rev() {
                for (_, pane) in source.levels[0].range(EventTime(from)..EventTime(to)).rev() {
                    merged.merge(&pane.groupings[0], max_groups);
                }
            }
            prop_assert_eq!(&merged, &whole);

            // Kept are the groups of the lowest hashes, with all of their facts.
            let mut facts: BTreeMap<u64, u64> = BTreeMap::new();
            for put in puts.iter().filter(|p| (from..to).contains(&p.pane)) {
                *facts.entry(group_hash(&key(put.group))).or_default() += 1;
            }
            let expected: Vec<(u64, u64)> = facts.iter().take(max_groups).map(|(hash, n)| (*hash, *n)).collect();
            let kept: Vec<(u64, u64)> = folded.kept.iter().map(|((hash, _), state)| (*hash, state.tally.facts)).collect();
            prop_assert_eq!(kept, expected);
            let rest: u64 = facts.values().skip(max_groups).sum();
            prop_assert_eq!(folded.other.map_or(0, |o| o.tally.facts), rest);
        }
    }

    #[test]
    fn a_pane_is_in_the_positions_that_end_after_it() {
        let ends: Vec<EventTime> = ends_after(EventTime(120), 60, 180).collect();
        assert_eq!(ends, [EventTime(180), EventTime(240), EventTime(300)]);
    }
}
