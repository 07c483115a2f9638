//! What the gauges show between commits: rows of the window positions that hold the watermark, counters, and how busy groups are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::evaluate::{Position, rows, spike_counts};
use crate::layout::Program;
use crate::pane::PaneStore;
use crate::plan::Plan;
use crate::row::{GroupKey, MetricRow};
use crate::time::EventTime;
use crate::window::other_key;

/// The rows of the window positions whose last slide contains the watermark, over everything that has been contributed so far. Panes that a
/// merger has handed out as cold are none of it as long as the watermark is not less than the published one.
#[must_use]
pub fn live_rows(plan: &Plan, sources: &[&PaneStore], watermark: EventTime, windows: &[usize], groupings: &[usize]) -> Vec<MetricRow> {
    let mut live = Vec::new();
    if watermark == EventTime::MIN || watermark == EventTime::MAX {
        return live;
    }
    for window in windows {
        let Some(spec) = plan.spec.windows.get(*window) else { continue };
        let end = watermark.floor_to(spec.slide).plus(spec.slide);
        let exported: Vec<usize> = spec.groupings.iter().copied().filter(|g| groupings.contains(g)).collect();
        let position = Position::ending(plan, *window, end);
        live.extend(rows(plan, sources, position, &exported, &mut |grouping, end| {
            Arc::new(spike_counts(plan, sources, *window, grouping, end))
        }));
    }
    live
}

/// What identifies a counter: metric, grouping, group and label.
pub type TotalKey = (&'static str, usize, GroupKey, Option<Arc<str>>);

/// Counts of facts since some beginning, by metric, grouping, group and label. A counter never goes away, so beyond a bound new groups count with
/// the rest: which ones depends on what came first, as with everything that starts with the process.
#[derive(Clone, Debug)]
pub struct Totals {
    counts: BTreeMap<TotalKey, u64>,
    limit: usize,
}

impl Totals {
    /// At most about `limit` counters.
    #[must_use]
    pub fn new(limit: usize) -> Totals {
        Totals {
            counts: BTreeMap::new(),
            limit,
        }
    }

    /// Adds the facts of a delta to the counters of some groupings.
    pub fn add(&mut self, plan: &Plan, delta: &PaneStore, groupings: &[usize]) {
        for grouping in groupings {
            let Some(level) = plan.levels.iter().position(|l| l.groupings.contains(grouping)) else {
                continue;
            };
            let other = other_key(plan.spec.groupings.get(*grouping).map_or(0, |g| g.dimensions.len()));
            let panes = delta.levels.get(level).into_iter().flat_map(BTreeMap::values);
            for groups in panes.filter_map(|pane| pane.groupings.get(*grouping)) {
                let kept = groups.kept.iter().map(|((_, key), state)| (key, state));
                for (key, state) in kept.chain(groups.other.as_deref().map(|state| (&other, state))) {
                    for compiled in plan.layout.reported[*grouping].iter().filter_map(|i| plan.layout.compiled.get(*i)) {
                        let mut count = |label: Option<&str>, slot: u16| {
                            let n = state.tally.counts[slot as usize];
                            let of = |key: &GroupKey| (compiled.metric.name, *grouping, key.clone(), label.map(Arc::from));
                            if n > 0 {
                                self.count(of(key), of(&other), n);
                            }
                        };
                        match &compiled.program {
                            Program::Count(slot) => count(None, *slot),
                            Program::CountBy(entries) => entries.iter().for_each(|(label, slot)| count(Some(label), *slot)),
                            _ => (),
                        }
                    }
                }
            }
        }
    }

    fn count(&mut self, key: TotalKey, other: TotalKey, n: u64) {
        let full = self.counts.len() >= self.limit;
        match self.counts.get_mut(&key) {
            Some(count) => *count += n,
            None => *self.counts.entry(if full { other } else { key }).or_default() += n,
        }
    }

    /// Every counter.
    pub fn iter(&self) -> impl Iterator<Item = (&TotalKey, u64)> {
        self.counts.iter().map(|(key, n)| (key, *n))
    }
}

/// Facts of each group of some groupings in the position of a window that holds the watermark.
#[must_use]
pub fn group_facts(
    plan: &Plan,
    sources: &[&PaneStore],
    watermark: EventTime,
    window: usize,
    groupings: &[usize],
) -> BTreeMap<(usize, GroupKey), u64> {
    let mut facts: BTreeMap<(usize, GroupKey), u64> = BTreeMap::new();
    let Some(spec) = plan.spec.windows.get(window) else { return facts };
    let end = watermark.floor_to(spec.slide).plus(spec.slide);
    let level = plan.level_of(window);
    for panes in sources.iter().filter_map(|s| s.levels.get(level)) {
        for (_, pane) in panes.range(end.minus(spec.size)..end) {
            for grouping in groupings {
                let Some(groups) = pane.groupings.get(*grouping) else { continue };
                let dimensions = plan.spec.groupings.get(*grouping).map_or(0, |g| g.dimensions.len());
                for ((_, key), state) in &groups.kept {
                    *facts.entry((*grouping, key.clone())).or_default() += state.tally.facts;
                }
                if let Some(other) = &groups.other {
                    *facts.entry((*grouping, other_key(dimensions))).or_default() += other.tally.facts;
                }
            }
        }
    }
    facts
}

/// The groups that some held pane of a window's level knows.
#[must_use]
pub fn held_groups(plan: &Plan, sources: &[&PaneStore], window: usize, groupings: &[usize]) -> BTreeSet<(usize, GroupKey)> {
    let mut held = BTreeSet::new();
    for panes in sources.iter().filter_map(|s| s.levels.get(plan.level_of(window))) {
        for pane in panes.values() {
            for grouping in groupings {
                if let Some(groups) = pane.groupings.get(*grouping) {
                    held.extend(groups.kept.keys().map(|(_, key)| (*grouping, key.clone())));
                }
            }
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_new_groups_count_with_the_rest() {
        let mut totals = Totals::new(2);
        let key = |name: &str| -> TotalKey { ("errors", 1, vec![Some(Arc::from(name))].into(), None) };
        for name in ["a", "b", "c", "a", "d"] {
            totals.count(key(name), ("errors", 1, other_key(1), None), 1);
        }
        let counts: Vec<u64> = totals.iter().map(|(_, n)| n).collect();
        assert_eq!((counts.len(), counts.iter().sum::<u64>()), (3, 5));
        assert_eq!(totals.iter().find(|(k, _)| **k == key("a")).map(|(_, n)| n), Some(2));
    }
}
