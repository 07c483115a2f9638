//! `Merger`: committed deltas in, results of closed windows out, and the corrections of those that a quiet partition changes later.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cold::{ColdKey, ColdSet};
pub use crate::live::live_rows;
use crate::measure::MOST_COUNTED;
use crate::pane::PaneStore;
use crate::plan::Plan;
use crate::revision::{Memo, Revisions, RowKey, RowKeyState, Touched, invalidate, position_rows, touched};
use crate::row::MetricRow;
use crate::time::EventTime;
use crate::window::positions;

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

/// What a checkpoint keeps of a merger, but for what was taken out as cold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergerState<'a> {
    committed: Cow<'a, PaneStore>,
    pending: Cow<'a, PaneStore>,
    published: Cow<'a, [EventTime]>,
    watermark: EventTime,
    revisions: Vec<(RowKeyState, u32)>,
    cold: Vec<ColdKey>,
    beyond_horizon: u64,
}

/// Merges everyone's deltas and publishes windows.
#[derive(Debug)]
pub struct Merger {
    pub(crate) plan: Arc<Plan>,
    pub(crate) committed: PaneStore,
    /// Deltas that change published positions, kept apart until the next publication corrects them.
    pending: PaneStore,
    /// By window: positions that end no later have been published.
    published: Vec<EventTime>,
    /// The watermark at the last publication.
    pub(crate) watermark: EventTime,
    revisions: Revisions,
    memo: Memo,
    pub(crate) cold: ColdSet,
    beyond_horizon: u64,
}

impl Merger {
    /// A merger of nothing.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Merger {
        Merger {
            committed: PaneStore::with_levels(plan.levels.len()),
            pending: PaneStore::with_levels(plan.levels.len()),
            published: vec![EventTime::MIN; plan.spec.windows.len()],
            watermark: EventTime::MIN,
            revisions: Revisions::default(),
            memo: Memo::new(),
            cold: ColdSet::default(),
            beyond_horizon: 0,
            plan,
        }
    }

    /// Goes on from a checkpoint of the same specification; `None` if it is of another.
    #[must_use]
    pub fn restore(plan: Arc<Plan>, state: MergerState<'_>) -> Option<Merger> {
        let fits = state.published.len() == plan.spec.windows.len()
            && state.committed.fits(&plan)
            && state.pending.fits(&plan)
            && state.beyond_horizon <= MOST_COUNTED;
        if !fits {
            return None;
        }
        let revisions = state.revisions.into_iter().map(|(key, n)| Some((RowKey::restore(key)?, n)));
        Some(Merger {
            committed: state.committed.into_owned(),
            pending: state.pending.into_owned(),
            published: state.published.into_owned(),
            watermark: state.watermark,
            revisions: Revisions {
                counts: revisions.collect::<Option<_>>()?,
            },
            cold: ColdSet::restore(state.cold),
            beyond_horizon: state.beyond_horizon,
            ..Merger::new(plan)
        })
    }

    /// The plan it computes under.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What a checkpoint has to keep, besides what [`Merger::cold`] names.
    #[must_use]
    pub fn state(&self) -> MergerState<'_> {
        MergerState {
            committed: Cow::Borrowed(&self.committed),
            pending: Cow::Borrowed(&self.pending),
            published: Cow::Borrowed(&self.published),
            watermark: self.watermark,
            revisions: self.revisions.counts.iter().map(|(key, n)| (key.state(), *n)).collect(),
            cold: self.cold().collect(),
            beyond_horizon: self.beyond_horizon,
        }
    }

    /// The committed panes but for those that wait for a correction: all of them right after a publication.
    #[must_use]
    pub fn committed(&self) -> &PaneStore {
        &self.committed
    }

    /// The stores that together hold every committed pane that is in memory.
    #[must_use]
    pub fn stores(&self) -> [&PaneStore; 2] {
        [&self.committed, &self.pending]
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
        !self.pending.is_empty()
    }

    /// An estimate of the memory that the panes and the revisions take.
    #[must_use]
    pub fn approximate_bytes(&self) -> u64 {
        let stores = self.stores().map(PaneStore::approximate_bytes);
        let revision = size_of::<(RowKey, u32)>() as u64 + 64;
        stores.iter().sum::<u64>() + self.revisions.counts.len() as u64 * revision
    }

    /// Applies a committed delta. What [`Merger::cold_needed`] names for it has to be given back before.
    pub fn apply(&mut self, delta: &PaneStore) {
        let touched = self.touched(delta);
        self.beyond_horizon += touched.beyond_horizon;
        let max_groups = self.plan.spec.max_groups;
        if touched.positions.is_empty() {
            self.cold.note_change(delta);
            invalidate(&self.plan, &mut self.memo, delta);
            self.committed.merge(delta, max_groups);
        } else {
            self.pending.merge(delta, max_groups);
        }
    }

    pub(crate) fn touched(&self, delta: &PaneStore) -> Touched {
        touched(&self.plan, &self.published, self.horizon(), delta)
    }

    /// Positions that end before this are not corrected any more.
    fn horizon(&self) -> EventTime {
        self.watermark.minus(self.plan.spec.revision_horizon)
    }

    /// Up to where a watermark closes the positions of a window.
    fn closed_by(&self, window: usize, watermark: EventTime) -> EventTime {
        let bound = watermark.minus(self.plan.spec.lateness);
        match self.plan.spec.windows.get(window) {
            Some(spec) if bound != EventTime::MAX && bound != EventTime::MIN => bound.floor_to(spec.slide),
            _ => bound,
        }
    }

    /// Publishes every position that ends no later than `watermark` minus the lateness and has not been published, and what has to be
    /// corrected of those that have.
    pub fn publish(&mut self, watermark: EventTime) -> Publication {
        let plan = Arc::clone(&self.plan);
        let mut publication = Publication {
            rows: self.corrections(),
            windows: Vec::new(),
        };
        for window in 0..plan.spec.windows.len() {
            let (after, until) = (self.published[window], self.closed_by(window, watermark));
            if until <= after {
                continue;
            }
            for end in positions(&plan, &[&self.committed], window, after, until) {
                let rows = position_rows(&plan, &[&self.committed], &mut self.memo, window, end);
                publication.rows.extend(rows);
            }
            self.published[window] = until;
            publication.windows.push(Published { window, after, until });
        }
        self.watermark = self.watermark.max(watermark);
        self.forget();
        publication
    }

    /// What [`Merger::publish`] would do to the state, without the rows: for entries of the log that have been published already.
    pub fn skip_to(&mut self, watermark: EventTime) {
        // Corrections are computed all the same: they number the revisions to come.
        self.corrections();
        for window in 0..self.published.len() {
            self.published[window] = self.published[window].max(self.closed_by(window, watermark));
        }
        self.watermark = self.watermark.max(watermark);
        self.forget();
    }

    /// Merges what is pending, and gives the rows that change by it.
    fn corrections(&mut self) -> Vec<MetricRow> {
        let plan = Arc::clone(&self.plan);
        let pending = std::mem::replace(&mut self.pending, PaneStore::with_levels(plan.levels.len()));
        let mut corrected = Vec::new();
        if pending.is_empty() {
            return corrected;
        }
        let mut memo = self.memo.clone();
        invalidate(&plan, &mut memo, &pending);
        for (window, end) in self.touched(&pending).positions {
            let before = position_rows(&plan, &[&self.committed], &mut self.memo, window, end);
            let after = position_rows(&plan, &[&self.committed, &pending], &mut memo, window, end);
            corrected.extend(self.revisions.correct(before, after));
        }
        self.memo = memo;
        self.cold.note_change(&pending);
        self.committed.merge_owned(pending, plan.spec.max_groups);
        corrected
    }

    /// The first pane of a level that positions need which end after what is published, or after a time if that is less.
    pub(crate) fn oldest(&self, level: usize, after: EventTime) -> Option<EventTime> {
        let windows = self.published.iter().enumerate().filter(|(w, _)| self.plan.level_of(*w) == level);
        let needed = windows.map(|(w, published)| (*published).min(after).minus(self.plan.reach(w)));
        Some(needed.min()?.floor_to(self.plan.levels.get(level)?.slide))
    }

    /// Drops what no position to come and no correction within the horizon needs.
    fn forget(&mut self) {
        let horizon = self.horizon();
        if self.watermark == EventTime::MIN || self.watermark == EventTime::MAX {
            return;
        }
        for level in 0..self.committed.levels.len() {
            let Some(oldest) = self.oldest(level, horizon) else { continue };
            if let Some(panes) = self.committed.levels.get_mut(level) {
                *panes = panes.split_off(&oldest);
            }
            self.cold.forget(level, oldest);
        }
        if let Some(spike) = self.plan.spec.spike {
            // Only the baselines of positions to come are worth remembering; a correction computes what it needs.
            let first = self.published.get(spike.window).map(|published| published.minus(spike.baseline));
            self.memo.retain(|(_, end), _| first.is_some_and(|first| *end > first));
        }
        self.revisions.counts.retain(|key, _| key.end >= horizon);
    }
}
