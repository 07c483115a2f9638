//! What the gauges show between commits: rows of the window positions that hold the watermark, and how busy groups are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::evaluate::{Position, rows, spike_counts};
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
