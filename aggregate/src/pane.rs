//! Panes: what each group holds for one slide of time, and the store of panes by level. A store is at once the live state, the delta of a
//! commit and the content of a checkpoint: there is one type and one merge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::Sketch;
use crate::plan::Plan;
use crate::row::GroupKey;
use crate::spec::OTHER;
use crate::tally::Tally;
use crate::time::EventTime;

/// Hash and bits of one id in a sketch.
const BYTES_AN_ID: u64 = 10;
/// Key of a group and its share of the tree.
const BYTES_A_KEY: u64 = 96;

/// Everything that one group holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    /// Counts, moments, histograms and money.
    pub tally: Tally,
    /// Users with their marks; kept only where a grouping carries users.
    pub users: Sketch,
    /// Sessions with their marks; likewise.
    pub sessions: Sketch,
}

impl GroupState {
    pub(crate) fn merge(&mut self, other: &GroupState) {
        self.tally.merge(&other.tally);
        self.users.merge(&other.users);
        self.sessions.merge(&other.sessions);
    }

    fn fits(&self, plan: &Plan, k: usize) -> bool {
        self.tally.fits(&plan.layout) && self.users.fits(k) && self.sessions.fits(k)
    }

    fn approximate_bytes(&self) -> u64 {
        let ids = (self.users.len() + self.sessions.len()) as u64;
        size_of::<GroupState>() as u64 + self.tally.approximate_bytes() + ids * BYTES_AN_ID
    }
}

/// XXH3-64 of a group's values in order, each after its length as u32 little-endian, null as 0xFFFFFFFF.
#[must_use]
pub fn group_hash(key: &[Option<std::sync::Arc<str>>]) -> u64 {
    let mut bytes = Vec::with_capacity(64);
    for value in key {
        match value {
            Some(text) => {
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            None => bytes.extend_from_slice(&u32::MAX.to_le_bytes()),
        }
    }
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

/// The groups of one grouping in one pane or window: those with the lowest hashes under their own name, the rest as one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Groups {
    /// By hash, then by key should two keys share a hash.
    pub(crate) kept: BTreeMap<(u64, GroupKey), GroupState>,
    /// The lowest hash that was refused: no group at or above it is kept.
    pub(crate) cut: Option<u64>,
    /// What the refused groups hold together.
    pub(crate) other: Option<Box<GroupState>>,
}

impl Groups {
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.other.is_none()
    }

    fn approximate_bytes(&self) -> u64 {
        let states = self.kept.values().chain(self.other.as_deref());
        states.map(|s| s.approximate_bytes() + BYTES_A_KEY).sum()
    }

    fn fits(&self, plan: &Plan, grouping: usize) -> bool {
        let dimensions = plan.spec.groupings.get(grouping).map_or(0, |g| g.dimensions.len());
        let k = plan.sketch_size(grouping);
        let named =
            |(hash, key): &(u64, GroupKey)| key.len() == dimensions && *hash == group_hash(key) && self.cut.is_none_or(|cut| *hash < cut);
        self.kept.len() <= plan.spec.max_groups
            && self.kept.keys().all(named)
            && self.kept.values().chain(self.other.as_deref()).all(|state| state.fits(plan, k))
    }

    fn merge_other(&mut self, state: &GroupState) {
        match &mut self.other {
            Some(other) => other.merge(state),
            none => *none = Some(Box::new(state.clone())),
        }
    }

    /// Adds what a group holds, under its own name if the cut allows it.
    pub(crate) fn add(&mut self, hash: u64, key: &GroupKey, state: &GroupState, max_groups: usize) {
        // A group that calls itself like the rest is counted with the rest: there would be two rows of one name.
        let named_other = !key.is_empty() && key.iter().all(|v| v.as_deref() == Some(OTHER));
        if named_other || self.cut.is_some_and(|cut| hash >= cut) {
            self.merge_other(state);
            return;
        }
        match self.kept.get_mut(&(hash, key.clone())) {
            Some(own) => own.merge(state),
            None => {
                self.kept.insert((hash, key.clone()), state.clone());
                self.enforce(max_groups);
            }
        }
    }

    /// Merges all of another part: only groups below the lower cut stay under their own name.
    pub(crate) fn merge(&mut self, other: &Groups, max_groups: usize) {
        if let Some(cut) = other.cut {
            self.lower_cut(cut);
        }
        for ((hash, key), state) in &other.kept {
            self.add(*hash, key, state, max_groups);
        }
        if let Some(state) = &other.other {
            self.merge_other(state);
        }
    }

    fn lower_cut(&mut self, cut: u64) {
        if self.cut.is_some_and(|own| own <= cut) {
            return;
        }
        self.cut = Some(cut);
        while let Some(entry) = self.kept.last_entry() {
            if entry.key().0 < cut {
                break;
            }
            let state = entry.remove();
            self.merge_other(&state);
        }
    }

    fn enforce(&mut self, max_groups: usize) {
        while self.kept.len() > max_groups {
            let Some(((hash, _), state)) = self.kept.pop_last() else { return };
            self.merge_other(&state);
            self.lower_cut(hash);
        }
    }
}

/// The groups of each grouping; a grouping that the level does not report has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pane {
    pub(crate) groupings: Vec<Groups>,
}

impl Pane {
    pub(crate) fn with_groupings(count: usize) -> Pane {
        Pane {
            groupings: vec![Groups::default(); count],
        }
    }

    fn fits(&self, plan: &Plan) -> bool {
        self.groupings.len() == plan.spec.groupings.len()
            && self.groupings.iter().enumerate().all(|(place, groups)| groups.fits(plan, place))
    }

    pub(crate) fn merge(&mut self, other: &Pane, max_groups: usize) {
        if self.groupings.len() < other.groupings.len() {
            self.groupings.resize_with(other.groupings.len(), Groups::default);
        }
        for (own, theirs) in self.groupings.iter_mut().zip(&other.groupings) {
            own.merge(theirs, max_groups);
        }
    }
}

/// Panes by level (ascending slide) and start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PaneStore {
    pub(crate) levels: Vec<BTreeMap<EventTime, Pane>>,
}

impl PaneStore {
    pub(crate) fn with_levels(count: usize) -> PaneStore {
        PaneStore {
            levels: vec![BTreeMap::new(); count],
        }
    }

    /// Whether there is no pane at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.levels.iter().all(BTreeMap::is_empty)
    }

    /// How many panes there are on all levels.
    #[must_use]
    pub fn panes(&self) -> usize {
        self.levels.iter().map(BTreeMap::len).sum()
    }

    /// How many groups all panes hold together.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.all_groups().map(|g| g.kept.len()).sum()
    }

    /// How many groupings of panes have reached `max_groups`, so that some of their groups are counted as one.
    #[must_use]
    pub fn groups_overflowed(&self) -> usize {
        self.all_groups().filter(|g| g.cut.is_some()).count()
    }

    /// An estimate of the memory that the groups take.
    #[must_use]
    pub fn approximate_bytes(&self) -> u64 {
        self.all_groups().map(Groups::approximate_bytes).sum()
    }

    fn all_groups(&self) -> impl Iterator<Item = &Groups> {
        self.levels.iter().flat_map(BTreeMap::values).flat_map(|p| &p.groupings)
    }

    /// Whether it was made under this plan, as far as can be told of one that was read. Only such a store may be merged and evaluated.
    /// One that nothing was ever added to has no levels.
    #[must_use]
    pub fn fits(&self, plan: &Plan) -> bool {
        (self.levels.is_empty() || self.levels.len() == plan.levels.len())
            && self.levels.iter().zip(&plan.levels).all(|(panes, level)| {
                panes
                    .iter()
                    .all(|(start, pane)| start.is_moderate() && start.floor_to(level.slide) == *start && pane.fits(plan))
            })
    }

    /// Merges a store that is no longer needed by itself; what this one lacks is moved instead of copied.
    pub fn merge_owned(&mut self, mut other: PaneStore, max_groups: usize) {
        if self.is_empty() {
            *self = other;
            return;
        }
        if self.levels.len() < other.levels.len() {
            self.levels.resize_with(other.levels.len(), BTreeMap::new);
        }
        for (own, theirs) in self.levels.iter_mut().zip(&mut other.levels) {
            for (start, pane) in std::mem::take(theirs) {
                match own.get_mut(&start) {
                    Some(mine) => mine.merge(&pane, max_groups),
                    None => {
                        own.insert(start, pane);
                    }
                }
            }
        }
    }

    /// Merges another store: exactly associative and commutative.
    pub fn merge(&mut self, other: &PaneStore, max_groups: usize) {
        if self.levels.len() < other.levels.len() {
            self.levels.resize_with(other.levels.len(), BTreeMap::new);
        }
        for (own, theirs) in self.levels.iter_mut().zip(&other.levels) {
            for (start, pane) in theirs {
                match own.get_mut(start) {
                    Some(mine) => mine.merge(pane, max_groups),
                    None => {
                        own.insert(*start, pane.clone());
                    }
                }
            }
        }
    }
}
