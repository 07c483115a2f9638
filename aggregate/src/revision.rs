//! Corrections: which published rows a late contribution changes, and how often each has been corrected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalogue;
use crate::evaluate::{Position, SpikeCounts, rows, spike_counts};
use crate::pane::PaneStore;
use crate::plan::Plan;
use crate::row::{GroupKey, MetricRow};
use crate::time::EventTime;
use crate::window::{Sources, ends_after};

/// What spikes are compared with, by grouping and end of a position.
pub(crate) type Memo = BTreeMap<(usize, EventTime), Arc<SpikeCounts>>;

/// What identifies a row across its revisions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    window: usize,
    pub(crate) end: EventTime,
    grouping: usize,
    group: GroupKey,
    metric: &'static str,
    stat: &'static str,
    label: Option<Arc<str>>,
}

/// A [`RowKey`] with names of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowKeyState {
    window: usize,
    end: EventTime,
    grouping: usize,
    group: GroupKey,
    metric: String,
    stat: String,
    label: Option<Arc<str>>,
}

impl RowKey {
    fn of(row: &MetricRow) -> RowKey {
        RowKey {
            window: row.window,
            end: row.window_end,
            grouping: row.grouping,
            group: row.group.clone(),
            metric: row.metric,
            stat: row.stat,
            label: row.label.clone(),
        }
    }

    pub(crate) fn state(&self) -> RowKeyState {
        RowKeyState {
            window: self.window,
            end: self.end,
            grouping: self.grouping,
            group: self.group.clone(),
            metric: self.metric.to_owned(),
            stat: self.stat.to_owned(),
            label: self.label.clone(),
        }
    }

    /// The key, or `None` where this version has no such metric or statistic.
    pub(crate) fn restore(state: RowKeyState) -> Option<RowKey> {
        let metric = catalogue::find(&state.metric)?;
        Some(RowKey {
            window: state.window,
            end: state.end,
            grouping: state.grouping,
            group: state.group,
            metric: metric.name,
            stat: metric.stats().into_iter().find(|s| *s == state.stat)?,
            label: state.label,
        })
    }
}

/// The rows of one position over some stores, with a memo of what spikes are compared with.
pub(crate) fn position_rows(plan: &Plan, sources: &Sources<'_>, memo: &mut Memo, window: usize, end: EventTime) -> Vec<MetricRow> {
    let position = Position::ending(plan, window, end);
    let groupings = plan.spec.windows.get(window).map(|w| w.groupings.as_slice()).unwrap_or_default();
    rows(plan, sources, position, groupings, &mut |grouping, end| {
        let counts = || Arc::new(spike_counts(plan, sources, window, grouping, end));
        Arc::clone(memo.entry((grouping, end)).or_insert_with(counts))
    })
}

/// Forgets the memos of positions that hold a pane of a delta.
pub(crate) fn invalidate(plan: &Plan, memo: &mut Memo, delta: &PaneStore) {
    let Some(spike) = plan.spec.spike else { return };
    let Some(panes) = delta.levels.get(plan.level_of(spike.window)) else {
        return;
    };
    let size = plan.spec.windows.get(spike.window).map_or(0, |w| w.size);
    memo.retain(|(_, end), _| panes.range(end.minus(size)..*end).next().is_none());
}

/// Published positions that a delta changes.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// By window and end: those within the horizon.
    pub(crate) positions: BTreeSet<(usize, EventTime)>,
    /// How many of those that hold a contribution are beyond it.
    pub(crate) beyond_horizon: u64,
}

/// Which published positions a delta changes. A pane changes the positions that hold it, and those that compare themselves with these.
pub(crate) fn touched(plan: &Plan, published: &[EventTime], horizon: EventTime, delta: &PaneStore) -> Touched {
    let mut touched = Touched::default();
    for (window, (spec, published)) in plan.spec.windows.iter().zip(published).enumerate() {
        let Some(panes) = delta.levels.get(plan.level_of(window)) else {
            continue;
        };
        // A pane at or after the end of what is published is in none of it.
        for (pane, content) in panes.range(..*published) {
            let reported = |g: &usize| content.groupings.get(*g).is_some_and(|g| !g.is_empty());
            if !spec.groupings.iter().any(reported) {
                continue;
            }
            let changed = ends_after(*pane, spec.slide, plan.reach(window)).take_while(|end| end <= published);
            touched
                .positions
                .extend(changed.filter(|end| *end >= horizon).map(|end| (window, end)));
            let direct = ends_after(*pane, spec.slide, spec.size).take_while(|end| end <= published);
            touched.beyond_horizon += direct.filter(|end| *end < horizon).count() as u64;
        }
    }
    touched
}

/// How often each row has been corrected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revisions {
    pub(crate) counts: BTreeMap<RowKey, u32>,
}

impl Revisions {
    /// The rows that differ, each with its next revision; one that is gone without a value.
    pub(crate) fn correct(&mut self, before: Vec<MetricRow>, after: Vec<MetricRow>) -> Vec<MetricRow> {
        let mut before: BTreeMap<RowKey, MetricRow> = before.into_iter().map(|r| (RowKey::of(&r), r)).collect();
        let mut corrected: BTreeMap<RowKey, MetricRow> = BTreeMap::new();
        for row in after {
            let key = RowKey::of(&row);
            let old = before.remove(&key);
            if old.as_ref() != Some(&row) {
                let revision = self.next(&key, old.is_some());
                corrected.insert(key, MetricRow { revision, ..row });
            }
        }
        for (key, row) in before {
            let row = MetricRow {
                revision: self.next(&key, true),
                value: None,
                lower: None,
                upper: None,
                n: 0,
                numerator: None,
                denominator: None,
                ..row
            };
            corrected.insert(key, row);
        }
        corrected.into_values().collect()
    }

    fn next(&mut self, key: &RowKey, published: bool) -> u32 {
        let revision = match self.counts.get(key) {
            Some(revision) => revision.saturating_add(1),
            None => u32::from(published),
        };
        self.counts.insert(key.clone(), revision);
        revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64) -> MetricRow {
        MetricRow {
            window: 0,
            window_start: EventTime(0),
            window_end: EventTime(60_000),
            grouping: 0,
            group: Arc::from([]),
            metric: "users",
            stat: "value",
            label: None,
            value: Some(value),
            lower: None,
            upper: None,
            n: 1,
            numerator: Some(1),
            denominator: Some(1),
            revision: 0,
        }
    }

    fn revisions(rows: &[MetricRow]) -> Vec<(Option<f64>, u32)> {
        rows.iter().map(|r| (r.value, r.revision)).collect()
    }

    #[test]
    fn a_row_that_vanished_goes_on_counting_when_it_returns() {
        let mut counts = Revisions::default();
        assert_eq!(revisions(&counts.correct(vec![row(1.0)], vec![])), [(None, 1)]);
        assert_eq!(revisions(&counts.correct(vec![], vec![])), []);
        assert_eq!(revisions(&counts.correct(vec![], vec![row(1.0)])), [(Some(1.0), 2)]);
        assert_eq!(revisions(&counts.correct(vec![row(1.0)], vec![row(1.0)])), []);
        assert_eq!(revisions(&counts.correct(vec![row(1.0)], vec![row(3.0)])), [(Some(3.0), 3)]);
    }

    #[test]
    fn a_row_that_was_never_published_is_new_and_then_counts() {
        let mut counts = Revisions::default();
        assert_eq!(revisions(&counts.correct(vec![], vec![row(1.0)])), [(Some(1.0), 0)]);
        assert_eq!(revisions(&counts.correct(vec![row(1.0)], vec![row(2.0)])), [(Some(2.0), 1)]);
    }

    #[test]
    fn keys_are_restored_only_where_their_names_are_known() {
        let key = RowKey::of(&row(1.0));
        assert_eq!(RowKey::restore(key.state()), Some(key.clone()));
        let stat = "p50".to_owned();
        assert_eq!(RowKey::restore(RowKeyState { stat, ..key.state() }), None);
    }
}
