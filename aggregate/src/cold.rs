//! Cold panes: those that no position to come needs, but a revision within the horizon might. They can be taken out by hour, kept elsewhere,
//! and have to be given back before a delta that needs them is applied.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::merger::Merger;
use crate::pane::PaneStore;
use crate::time::{EventTime, Millis};

const HOUR: Millis = 3_600_000;
/// As much event time ready to be taken out is worth a checkpoint of its own.
const WORTH_A_CHECKPOINT: Millis = 4 * HOUR;

/// Which panes a cold part holds: those of one level that start in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColdKey {
    /// Index into the slides of the specification in ascending order.
    pub level: usize,
    /// Start of the hour.
    pub hour: EventTime,
}

impl ColdKey {
    fn of(level: usize, pane: EventTime) -> ColdKey {
        let hour = pane.floor_to(HOUR);
        ColdKey { level, hour }
    }

    fn end(self) -> EventTime {
        self.hour.plus(HOUR)
    }
}

/// Panes that have been taken out.
#[derive(Clone, Debug, PartialEq)]
pub struct ColdPart {
    /// Which.
    pub key: ColdKey,
    /// The panes.
    pub panes: PaneStore,
    /// Whether they differ from what was given back under the same key, or nothing ever was.
    pub changed: bool,
}

/// Which panes are where.
#[derive(Debug, Default)]
pub(crate) struct ColdSet {
    /// Taken out.
    away: BTreeSet<ColdKey>,
    /// Given back, and as they were.
    unchanged: BTreeSet<ColdKey>,
}

impl ColdSet {
    pub(crate) fn restore(away: impl IntoIterator<Item = ColdKey>) -> ColdSet {
        ColdSet {
            away: away.into_iter().collect(),
            unchanged: BTreeSet::new(),
        }
    }

    fn keys(delta: &PaneStore) -> BTreeSet<ColdKey> {
        let levels = delta.levels.iter().enumerate();
        levels
            .flat_map(|(level, panes)| panes.keys().map(move |pane| ColdKey::of(level, *pane)))
            .collect()
    }

    pub(crate) fn note_change(&mut self, delta: &PaneStore) {
        if !self.unchanged.is_empty() {
            for key in Self::keys(delta) {
                self.unchanged.remove(&key);
            }
        }
    }

    /// Forgets the parts of a level of which every pane starts before a time.
    pub(crate) fn forget(&mut self, level: usize, oldest: EventTime) {
        let held = |key: &ColdKey| key.level != level || key.end() > oldest;
        self.away.retain(held);
        self.unchanged.retain(held);
    }
}

impl Merger {
    /// The parts that have been taken out and may be needed again. All others are no longer of use.
    pub fn cold(&self) -> impl Iterator<Item = ColdKey> + '_ {
        self.cold.away.iter().copied()
    }

    /// Whether so much can be taken out that it is worth a checkpoint.
    #[must_use]
    pub fn cold_ready(&self) -> bool {
        !self.has_corrections()
            && self.committed.levels.iter().enumerate().any(|(level, panes)| {
                let first = panes.first_key_value().map(|(start, _)| *start);
                let hot = self.hot_from(level);
                first.is_some_and(|first| hot.is_some_and(|hot| first.plus(WORTH_A_CHECKPOINT) <= hot))
            })
    }

    /// Takes out every whole hour of panes that no position to come needs. None while corrections wait, since they need some.
    pub fn take_cold(&mut self) -> Vec<ColdPart> {
        let mut parts: Vec<ColdPart> = Vec::new();
        if self.has_corrections() {
            return parts;
        }
        let levels = self.committed.levels.len();
        for level in 0..levels {
            let Some(hot) = self.hot_from(level) else { continue };
            let Some(panes) = self.committed.levels.get_mut(level) else {
                continue;
            };
            let mut kept = panes.split_off(&hot.floor_to(HOUR));
            for (start, pane) in std::mem::take(panes) {
                let key = ColdKey::of(level, start);
                if self.cold.away.contains(&key) && parts.last().is_none_or(|p| p.key != key) {
                    // The rest of this hour was not given back before it was added to: to take this out would be to lose one of the two.
                    kept.insert(start, pane);
                    continue;
                }
                if parts.last().is_none_or(|p| p.key != key) {
                    self.cold.away.insert(key);
                    parts.push(ColdPart {
                        key,
                        panes: PaneStore::with_levels(levels),
                        changed: !self.cold.unchanged.remove(&key),
                    });
                }
                if let Some(into) = parts.last_mut().and_then(|p| p.panes.levels.get_mut(level)) {
                    into.insert(start, pane);
                }
            }
            *panes = kept;
        }
        parts
    }

    /// Which of the parts that were taken out have to be given back before this delta is applied: those that it adds to, and those that the
    /// positions it changes are computed from.
    #[must_use]
    pub fn cold_needed(&self, delta: &PaneStore) -> Vec<ColdKey> {
        if self.cold.away.is_empty() {
            return Vec::new();
        }
        let mut needed: BTreeSet<ColdKey> = ColdSet::keys(delta).intersection(&self.cold.away).copied().collect();
        for (window, end) in self.touched(delta).positions {
            let level = self.plan.level_of(window);
            let first = ColdKey::of(level, end.minus(self.plan.reach(window)));
            needed.extend(self.cold.away.range(first..ColdKey { level, hour: end }));
        }
        needed.into_iter().collect()
    }

    /// Gives back what was taken out under a key.
    pub fn give_back(&mut self, key: ColdKey, panes: PaneStore) {
        if self.cold.away.remove(&key) {
            self.cold.unchanged.insert(key);
            self.committed.merge_owned(panes, self.plan.spec.max_groups);
        }
    }

    /// Puts back what was just taken out: it could not be kept elsewhere.
    pub fn put_back(&mut self, part: ColdPart) {
        self.give_back(part.key, part.panes);
        if part.changed {
            self.cold.unchanged.remove(&part.key);
        }
    }

    /// Where the panes of a level begin that positions to come need.
    fn hot_from(&self, level: usize) -> Option<EventTime> {
        if self.watermark == EventTime::MIN || self.watermark == EventTime::MAX {
            return None;
        }
        self.oldest(level, EventTime::MAX)
    }
}
