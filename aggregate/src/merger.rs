//! `Merger`: committed deltas in, results of closed windows out, and the corrections of those that a quiet partition changes later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::evaluate::{Position, SpikeCounts, rows, spike_counts};
use crate::pane::PaneStore;
use crate::plan::Plan;
use crate::row::{GroupKey, MetricRow};
use crate::time::{EventTime, Millis};
use crate::window::{ends_after, positions};

/// What identifies a row across its revisions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct RowKey {
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
            metric: row.metric.to_owned(),
            stat: row.stat.to_owned(),
            label: row.label.clone(),
        }
    }
}

/// Which positions of one window a publication covers: those that end in `(after, until]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Index into [`crate::spec::Spec::windows`].
    pub window: usize,
    /// Exclusive.
    pub after: EventTime,
    /// Inclusive.
    pub until: EventTime,
}

/// The rows of a publication.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Publication {
    /// New rows, and corrected ones with their revision.
    pub rows: Vec<MetricRow>,
    /// What it covers.
    pub windows: Vec<Published>,
}

/// What a checkpoint keeps of a merger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergerState {
    committed: PaneStore,
    published: Vec<EventTime>,
    watermark: EventTime,
    revisions: Vec<(RowKey, u32)>,
    beyond_horizon: u64,
}

/// Merges everyone's deltas and publishes windows.
#[derive(Debug)]
pub struct Merger {
    plan: Arc<Plan>,
    committed: PaneStore,
    /// By window: positions that end no later have been published.
    published: Vec<EventTime>,
    /// The watermark at the last publication.
    watermark: EventTime,
    revisions: BTreeMap<RowKey, u32>,
    /// Published positions touched since, with their rows as published.
    dirty: BTreeMap<(usize, EventTime), Vec<MetricRow>>,
    memo: BTreeMap<(usize, EventTime), Arc<SpikeCounts>>,
    beyond_horizon: u64,
}

impl Merger {
    /// A merger of nothing.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Merger {
        Merger {
            committed: PaneStore::with_levels(plan.levels.len()),
            published: vec![EventTime::MIN; plan.spec.windows.len()],
            watermark: EventTime::MIN,
            revisions: BTreeMap::new(),
            dirty: BTreeMap::new(),
            memo: BTreeMap::new(),
            beyond_horizon: 0,
            plan,
        }
    }

    /// Goes on from a checkpoint of the same specification; `None` if it is of another.
    #[must_use]
    pub fn restore(plan: Arc<Plan>, state: MergerState) -> Option<Merger> {
        let fits = |store: &PaneStore| {
            store.levels.len() == plan.levels.len()
                && store
                    .levels
                    .iter()
                    .flat_map(BTreeMap::values)
                    .flat_map(|p| &p.groupings)
                    .all(|g| g.kept.values().chain(g.other.as_deref()).all(|s| s.tally.fits(&plan.layout)))
        };
        if state.published.len() != plan.spec.windows.len() || !fits(&state.committed) {
            return None;
        }
        Some(Merger {
            committed: state.committed,
            published: state.published,
            watermark: state.watermark,
            revisions: state.revisions.into_iter().collect(),
            beyond_horizon: state.beyond_horizon,
            ..Merger::new(plan)
        })
    }

    /// What a checkpoint has to keep. Only to be taken when nothing waits to be corrected.
    #[must_use]
    pub fn state(&self) -> MergerState {
        MergerState {
            committed: self.committed.clone(),
            published: self.published.clone(),
            watermark: self.watermark,
            revisions: self.revisions.iter().map(|(k, v)| (k.clone(), *v)).collect(),
            beyond_horizon: self.beyond_horizon,
        }
    }

    /// The committed panes.
    #[must_use]
    pub fn committed(&self) -> &PaneStore {
        &self.committed
    }

    /// Contributions to window positions too old to be corrected.
    #[must_use]
    pub fn beyond_horizon(&self) -> u64 {
        self.beyond_horizon
    }

    /// The watermark at the last publication.
    #[must_use]
    pub fn published_watermark(&self) -> EventTime {
        self.watermark
    }

    /// Whether published rows wait to be corrected.
    #[must_use]
    pub fn has_corrections(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Applies a committed delta.
    pub fn apply(&mut self, delta: &PaneStore) {
        self.remember_published(delta);
        self.committed.merge(delta, self.plan.spec.max_groups);
        let plan = &self.plan;
        if let Some(spike) = plan.spec.spike {
            let touched: BTreeSet<EventTime> = delta
                .levels
                .get(plan.level_of(spike.window))
                .into_iter()
                .flat_map(BTreeMap::keys)
                .copied()
                .collect();
            let size = plan.spec.windows.get(spike.window).map_or(0, |w| w.size);
            self.memo
                .retain(|(_, end), _| touched.range(end.minus(size)..*end).next().is_none());
        }
    }

    /// How far back of its end a position of a window looks: at itself, the window before it and, where spikes are looked for, the baseline.
    fn reach(&self, window: usize) -> Millis {
        let size = self.plan.spec.windows.get(window).map_or(0, |w| w.size);
        let baseline = self.plan.spec.spike.filter(|s| s.window == window).map_or(0, |s| s.baseline);
        size.saturating_add(size.max(baseline))
    }

    /// Keeps the rows of the published positions that a delta is about to change.
    fn remember_published(&mut self, delta: &PaneStore) {
        let plan = Arc::clone(&self.plan);
        let horizon = self.watermark.minus(plan.spec.revision_horizon);
        for (window, spec) in plan.spec.windows.iter().enumerate() {
            let published = self.published[window];
            let Some(panes) = delta.levels.get(plan.level_of(window)) else {
                continue;
            };
            let mut touched = BTreeSet::new();
            for (pane, content) in panes {
                if *pane >= published
                    || !spec
                        .groupings
                        .iter()
                        .any(|g| content.groupings.get(*g).is_some_and(|g| !g.is_empty()))
                {
                    continue;
                }
                touched.extend(ends_after(*pane, spec.slide, self.reach(window)).filter(|end| *end <= published));
                let direct = ends_after(*pane, spec.slide, spec.size).filter(|end| *end <= published);
                self.beyond_horizon += direct.filter(|end| *end < horizon).count() as u64;
            }
            for end in touched.into_iter().filter(|end| *end >= horizon) {
                if !self.dirty.contains_key(&(window, end)) {
                    let rows = self.rows(Position::ending(&plan, window, end));
                    self.dirty.insert((window, end), rows);
                }
            }
        }
    }

    fn rows(&mut self, position: Position) -> Vec<MetricRow> {
        let plan = Arc::clone(&self.plan);
        let sources = [&self.committed];
        let memo = &mut self.memo;
        let groupings = &plan.spec.windows[position.window].groupings;
        rows(&plan, &sources, position, groupings, &mut |grouping, end| {
            let counts = || Arc::new(spike_counts(&plan, &sources, position.window, grouping, end));
            Arc::clone(memo.entry((grouping, end)).or_insert_with(counts))
        })
    }

    /// Publishes every position that ends no later than `watermark` minus the lateness and has not been published, and what has to be
    /// corrected of those that have.
    pub fn publish(&mut self, watermark: EventTime) -> Publication {
        let plan = Arc::clone(&self.plan);
        let mut publication = self.corrections();
        let bound = watermark.minus(plan.spec.lateness);
        for (window, spec) in plan.spec.windows.iter().enumerate() {
            let after = self.published[window];
            let until = if bound == EventTime::MAX || bound == EventTime::MIN {
                bound
            } else {
                bound.floor_to(spec.slide)
            };
            if until <= after {
                continue;
            }
            for end in positions(&plan, &[&self.committed], window, after, until) {
                publication.rows.extend(self.rows(Position::ending(&plan, window, end)));
            }
            self.published[window] = until;
            publication.windows.push(Published { window, after, until });
        }
        self.watermark = self.watermark.max(watermark);
        self.forget();
        publication
    }

    /// What [`Merger::publish`] would do to the state, without computing rows: for entries of the log that have been published already.
    pub fn skip_to(&mut self, watermark: EventTime) {
        for (window, spec) in self.plan.spec.windows.iter().enumerate() {
            let bound = watermark.minus(self.plan.spec.lateness);
            let until = if bound == EventTime::MAX || bound == EventTime::MIN {
                bound
            } else {
                bound.floor_to(spec.slide)
            };
            self.published[window] = self.published[window].max(until);
        }
        // Corrections are computed all the same: they number the revisions to come.
        let _ = self.corrections();
        self.watermark = self.watermark.max(watermark);
        self.forget();
    }

    fn corrections(&mut self) -> Publication {
        let mut publication = Publication::default();
        for ((window, end), before) in std::mem::take(&mut self.dirty) {
            let position = Position::ending(&self.plan, window, end);
            let after: BTreeMap<RowKey, MetricRow> = self.rows(position).into_iter().map(|r| (RowKey::of(&r), r)).collect();
            let before: BTreeMap<RowKey, MetricRow> = before.into_iter().map(|r| (RowKey::of(&r), r)).collect();
            let keys: BTreeSet<&RowKey> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let (old, new) = (before.get(key), after.get(key));
                if old == new {
                    continue;
                }
                let known = self.revisions.get(key).copied();
                // A row that was never published before is new, whenever it appears.
                let revision = match (known, old) {
                    (Some(revision), _) => revision + 1,
                    (None, Some(_)) => 1,
                    (None, None) => 0,
                };
                self.revisions.insert(key.clone(), revision);
                let row = match (new, old) {
                    (Some(row), _) => MetricRow { revision, ..row.clone() },
                    (None, Some(row)) => MetricRow {
                        revision,
                        value: None,
                        lower: None,
                        upper: None,
                        n: 0,
                        numerator: None,
                        denominator: None,
                        ..row.clone()
                    },
                    (None, None) => continue,
                };
                publication.rows.push(row);
            }
        }
        publication
    }

    /// Drops the panes that no position to come and no correction within the horizon needs.
    fn forget(&mut self) {
        let plan = Arc::clone(&self.plan);
        let horizon = self.watermark.minus(plan.spec.revision_horizon);
        if self.watermark == EventTime::MIN || self.watermark == EventTime::MAX {
            return;
        }
        for (level, panes) in self.committed.levels.iter_mut().enumerate() {
            let windows = (0..plan.spec.windows.len()).filter(|w| plan.level_of(*w) == level);
            let oldest = windows
                .map(|w| {
                    let size = plan.spec.windows[w].size;
                    let baseline = plan.spec.spike.filter(|s| s.window == w).map_or(0, |s| s.baseline);
                    self.published[w].min(horizon).minus(size.saturating_add(size.max(baseline)))
                })
                .min();
            if let Some(oldest) = oldest {
                *panes = panes.split_off(&oldest.floor_to(plan.levels[level].slide));
            }
        }
        self.memo
            .retain(|(_, end), _| *end >= horizon.minus(plan.spec.spike.map_or(0, |s| s.baseline)));
        self.revisions.retain(|key, _| key.end >= horizon);
    }
}

/// The rows of the window positions whose last slide contains the watermark, over everything that has been contributed so far.
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
