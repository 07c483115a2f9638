//! From what has come together to panes: tuples are rolled up to the groups of every grouping, and base panes to the levels above.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::accumulate::Row;
use crate::catalogue::Bits;
use crate::marks::Mark;
use crate::measure::{Sketch, combine_bits};
use crate::pane::{GroupState, Pane, PaneStore, group_hash};
use crate::plan::Plan;
use crate::row::GroupKey;
use crate::spec::Dimension;
use crate::tally::Tally;
use crate::time::EventTime;
use crate::tuple::{BaseId, Tuples};

/// Place of a row's tuple (or a mark's base) in a grouping that was not looked up yet.
const UNKNOWN: u32 = u32::MAX;

struct Group {
    grouping: usize,
    hash: u64,
    key: GroupKey,
}

/// Hashes in ascending order with their bits: a sketch to be.
#[derive(Default)]
struct Ids {
    hashes: Vec<u64>,
    bits: Vec<Bits>,
}

impl Ids {
    /// Adds an id; hashes come in ascending order, and no more than `k` are of use.
    #[inline]
    fn push(&mut self, k: usize, hash: u64, bits: Bits) {
        if self.hashes.last() == Some(&hash) {
            if let Some(last) = self.bits.last_mut() {
                *last = combine_bits(*last, bits);
            }
        } else if self.hashes.len() < k {
            self.hashes.push(hash);
            self.bits.push(combine_bits(bits, 0));
        }
    }
}

/// What one group holds of one base pane.
#[derive(Default)]
struct Cell {
    tally: Option<Tally>,
    /// Users, then sessions.
    ids: [Ids; 2],
}

impl Cell {
    fn is_empty(&self) -> bool {
        self.tally.is_none() && self.ids.iter().all(|ids| ids.hashes.is_empty())
    }
}

pub(crate) struct Rollup<'a> {
    plan: &'a Plan,
    tuples: &'a Tuples,
    groups: Vec<Group>,
    found: HashMap<(usize, Vec<Option<&'a str>>), u32>,
    /// By tuple, then grouping.
    of_tuple: Vec<u32>,
    /// By base, then grouping; only groupings that keep users.
    of_base: Vec<u32>,
    /// By base pane in order of first sight - there are few -, then by group.
    panes: Vec<(EventTime, Vec<Cell>)>,
}

impl<'a> Rollup<'a> {
    pub(crate) fn new(plan: &'a Plan, tuples: &'a Tuples) -> Rollup<'a> {
        let groupings = plan.spec.groupings.len();
        Rollup {
            plan,
            tuples,
            groups: Vec::new(),
            found: HashMap::new(),
            of_tuple: vec![UNKNOWN; tuples.tuple_limit() * groupings],
            of_base: vec![UNKNOWN; tuples.base_limit() * groupings],
            panes: Vec::new(),
        }
    }

    /// The group of a grouping that these values fall into.
    fn group(&mut self, grouping: usize, base: BaseId, task: Option<&'a str>, touchpoint: Option<&'a str>) -> u32 {
        let dims = self.tuples.dims(base);
        let values: Vec<Option<&'a str>> = self.plan.spec.groupings[grouping]
            .dimensions
            .iter()
            .zip(&self.plan.attribute_places[grouping])
            .map(|(dimension, place)| match dimension {
                Dimension::Common(common) => dims.common[*common as usize],
                Dimension::Task => task,
                Dimension::Touchpoint => touchpoint,
                Dimension::Attribute(_) => dims.attributes().get(*place).copied().flatten(),
            })
            .collect();
        let next = self.groups.len() as u32;
        let groups = &mut self.groups;
        *self.found.entry((grouping, values)).or_insert_with_key(|(_, values)| {
            let key: GroupKey = values.iter().map(|v| v.map(Arc::from)).collect();
            groups.push(Group {
                grouping,
                hash: group_hash(&key),
                key,
            });
            next
        })
    }

    fn pane(&mut self, start: EventTime) -> usize {
        match self.panes.iter().position(|(pane, _)| *pane == start) {
            Some(place) => place,
            None => {
                self.panes.push((start, Vec::new()));
                self.panes.len() - 1
            }
        }
    }

    #[inline]
    fn cell(cells: &mut Vec<Cell>, group: u32) -> &mut Cell {
        if cells.len() <= group as usize {
            cells.resize_with(group as usize + 1, Cell::default);
        }
        &mut cells[group as usize]
    }

    pub(crate) fn add_row(&mut self, row: &Row) {
        let groupings = self.plan.spec.groupings.len();
        let pane = self.pane(row.pane);
        for grouping in 0..groupings {
            if row.kinds & self.plan.carried_kinds[grouping] == 0 {
                continue;
            }
            let place = row.tuple.0 as usize * groupings + grouping;
            let mut group = self.of_tuple[place];
            if group == UNKNOWN {
                let (task, touchpoint) = self.tuples.particulars(row.tuple);
                group = self.group(grouping, self.tuples.base_of(row.tuple), task, touchpoint);
                self.of_tuple[place] = group;
            }
            let layout = &self.plan.layout;
            let tally = Self::cell(&mut self.panes[pane].1, group)
                .tally
                .get_or_insert_with(|| Tally::new(layout));
            tally.merge(&row.tally);
            if self.plan.layout.keeps_users[grouping] {
                tally.facts += row.seen;
            }
        }
    }

    /// Adds the marks of users, by ascending hash.
    pub(crate) fn add_users(&mut self, marks: &[Mark]) {
        self.add_marks::<0>(marks);
    }

    /// Adds the marks of sessions, by ascending hash.
    pub(crate) fn add_sessions(&mut self, marks: &[Mark]) {
        self.add_marks::<1>(marks);
    }

    fn add_marks<const OF: usize>(&mut self, marks: &[Mark]) {
        let groupings = self.plan.spec.groupings.len();
        // One grouping after the other, so that its few cells stay in the nearest cache.
        for grouping in (0..groupings).filter(|g| self.plan.layout.keeps_users[*g]) {
            let k = self.plan.sketch_size(grouping).max(1);
            let mut pane = 0;
            for mark in marks {
                let place = mark.base.0 as usize * groupings + grouping;
                let mut group = self.of_base[place];
                if group == UNKNOWN {
                    group = self.group(grouping, mark.base, None, None);
                    self.of_base[place] = group;
                }
                if self.panes.get(pane).is_none_or(|(start, _)| *start != mark.pane) {
                    pane = self.pane(mark.pane);
                }
                Self::cell(&mut self.panes[pane].1, group).ids[OF].push(k, mark.hash, mark.bits);
            }
        }
    }

    /// Adds all of it to the panes of every level.
    pub(crate) fn finish(mut self, into: &mut PaneStore) {
        let plan = self.plan;
        let max_groups = plan.spec.max_groups;
        if into.levels.len() < plan.levels.len() {
            into.levels.resize_with(plan.levels.len(), BTreeMap::new);
        }
        self.panes.sort_unstable_by_key(|(start, _)| *start);
        for (start, cells) in self.panes {
            for (group, cell) in self.groups.iter().zip(cells) {
                if cell.is_empty() {
                    continue;
                }
                let k = plan.sketch_size(group.grouping);
                let [users, sessions] = cell.ids.map(|ids| Sketch::from_ascending(k, ids.hashes, ids.bits));
                let state = GroupState {
                    tally: cell.tally.unwrap_or_else(|| Tally::new(&plan.layout)),
                    users,
                    sessions,
                };
                for (level, panes) in plan.levels.iter().zip(&mut into.levels) {
                    if level.groupings.contains(&group.grouping) {
                        let pane = panes
                            .entry(start.floor_to(level.slide))
                            .or_insert_with(|| Pane::with_groupings(plan.spec.groupings.len()));
                        if let Some(groups) = pane.groupings.get_mut(group.grouping) {
                            groups.add(group.hash, &group.key, &state, max_groups);
                        }
                    }
                }
            }
        }
    }
}
