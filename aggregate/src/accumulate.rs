//! The hot side of aggregation: one row of measures per (base pane, tuple) and one set of marks per (base pane, user, base). Only when they
//! are drained are tuples rolled up to groupings and base panes to the levels above.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::catalogue::Bits;
use crate::fact::{Fact, FactKind};
use crate::layout::Layout;
use crate::measure::{Sketch, combine_bits};
use crate::pane::{GroupState, Pane, PaneStore, group_hash};
use crate::plan::Plan;
use crate::row::GroupKey;
use crate::spec::Dimension;
use crate::tally::Tally;
use crate::time::EventTime;
use crate::tuple::{BaseId, TupleId, Tuples};

#[derive(Clone, Debug)]
struct Row {
    pane: EventTime,
    tuple: TupleId,
    class: Class,
    /// Which kinds of fact the row holds, by bit.
    kinds: u32,
    /// `seen` facts, which measure nothing but themselves.
    seen: u64,
    tally: Tally,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    hash: u64,
    pane: EventTime,
    base: BaseId,
    bits: Bits,
}

impl Mark {
    fn key(hash: u64, pane: EventTime, base: BaseId) -> u64 {
        // The id hash is already well mixed; pane and base only need to spread it.
        hash ^ (pane.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(base.0).wrapping_mul(0xD6E8_FEB8_6659_FD93)
    }
}

#[derive(Clone, Debug, Default)]
struct Marks {
    table: HashTable<Mark>,
}

impl Marks {
    #[inline]
    fn add(&mut self, hash: u64, pane: EventTime, base: BaseId, bits: Bits) {
        let key = Mark::key(hash, pane, base);
        if let Some(mark) = self.table.find_mut(key, |m| m.hash == hash && m.base == base && m.pane == pane) {
            mark.bits = combine_bits(mark.bits, bits);
            return;
        }
        self.table
            .insert_unique(key, Mark { hash, pane, base, bits }, |m| Mark::key(m.hash, m.pane, m.base));
    }
}

/// Kinds of fact that the same groupings carry. Facts of two classes never share a row: a grouping takes a row as a whole or not at all, or
/// what it takes would depend on which facts were drained together.
type Class = u8;
const CLASSES: usize = 4;

#[inline]
fn class(kind: FactKind) -> Class {
    u8::from(kind.carries(&Dimension::Task)) | u8::from(kind.carries(&Dimension::Touchpoint)) << 1
}

/// Facts since the last drain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accumulator {
    rows: Vec<Row>,
    index: HashTable<u32>,
    /// By tuple and class: the row it went to last, which is nearly always the row it goes to next.
    latest: Vec<Option<(EventTime, u32)>>,
    users: Marks,
    sessions: Marks,
    /// Tallies of drained rows, to be used again.
    spare: Vec<Tally>,
}

/// Rows that are worth draining early for.
const MANY_ROWS: usize = 1 << 14;
/// Marks that are worth draining early for.
const MANY_MARKS: usize = 1 << 18;

impl Accumulator {
    /// Whether so much has come together that draining now saves memory.
    pub(crate) fn is_large(&self) -> bool {
        self.rows.len() >= MANY_ROWS || self.users.table.len() >= MANY_MARKS || self.sessions.table.len() >= MANY_MARKS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.users.table.is_empty() && self.sessions.table.is_empty()
    }

    fn row_hash(pane: EventTime, tuple: TupleId, class: Class) -> u64 {
        let place = u64::from(tuple.0) << 2 | u64::from(class);
        (pane.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) ^ place.wrapping_mul(0xD6E8_FEB8_6659_FD93)
    }

    #[inline]
    fn row(&mut self, layout: &Layout, pane: EventTime, tuple: TupleId, class: Class) -> Option<&mut Row> {
        let place = tuple.0 as usize * CLASSES + class as usize;
        if let Some(Some((latest, row))) = self.latest.get(place)
            && *latest == pane
        {
            return self.rows.get_mut(*row as usize);
        }
        let hash = Self::row_hash(pane, tuple, class);
        let rows = &self.rows;
        let is_it = |row: &u32| {
            rows.get(*row as usize)
                .is_some_and(|r| r.pane == pane && r.tuple == tuple && r.class == class)
        };
        let row = match self.index.find(hash, is_it) {
            Some(row) => *row,
            None => {
                let row = self.rows.len() as u32;
                let tally = self.spare.pop().unwrap_or_else(|| Tally::new(layout));
                self.rows.push(Row {
                    pane,
                    tuple,
                    class,
                    kinds: 0,
                    seen: 0,
                    tally,
                });
                let rows = &self.rows;
                self.index.insert_unique(hash, row, |row| {
                    rows.get(*row as usize).map_or(0, |r| Self::row_hash(r.pane, r.tuple, r.class))
                });
                row
            }
        };
        if self.latest.len() <= place {
            self.latest.resize(place + 1, None);
        }
        self.latest[place] = Some((pane, row));
        self.rows.get_mut(row as usize)
    }

    #[inline]
    pub(crate) fn add(&mut self, layout: &Layout, pane: EventTime, tuple: TupleId, fact: &Fact, currency: Option<&str>) {
        if let Some(row) = self.row(layout, pane, tuple, class(fact.kind)) {
            row.kinds |= 1 << fact.kind as u32;
            row.tally.add(layout, fact, currency);
        }
    }

    #[inline]
    pub(crate) fn seen(&mut self, layout: &Layout, pane: EventTime, tuple: TupleId) {
        if let Some(row) = self.row(layout, pane, tuple, class(FactKind::Seen)) {
            row.kinds |= 1 << FactKind::Seen as u32;
            row.seen += 1;
        }
    }

    #[inline]
    pub(crate) fn user(&mut self, hash: u64, pane: EventTime, base: BaseId, bits: Bits) {
        self.users.add(hash, pane, base, bits);
    }

    #[inline]
    pub(crate) fn session(&mut self, hash: u64, pane: EventTime, base: BaseId, bits: Bits) {
        self.sessions.add(hash, pane, base, bits);
    }

    /// Rolls everything up into panes of all levels and adds it to `into`.
    pub(crate) fn drain(&mut self, plan: &Plan, tuples: &Tuples, into: &mut PaneStore) {
        if self.is_empty() {
            return;
        }
        let mut rollup = Rollup::new(plan, tuples);
        for row in &self.rows {
            rollup.add_row(row);
        }
        for mark in &self.users.table {
            rollup.add_mark(mark, true);
        }
        for mark in &self.sessions.table {
            rollup.add_mark(mark, false);
        }
        rollup.finish(into);
        for row in self.rows.drain(..) {
            let mut tally = row.tally;
            if self.spare.len() < MANY_ROWS / 4 {
                tally.clear();
                self.spare.push(tally);
            }
        }
        self.index.clear();
        self.latest.clear();
        self.users.table.clear();
        self.sessions.table.clear();
    }
}

/// Places of a row's tuple (or a mark's base) in the groupings; `u32::MAX` is "not looked up yet".
const UNKNOWN: u32 = u32::MAX;

struct Group {
    grouping: usize,
    hash: u64,
    key: GroupKey,
}

#[derive(Default)]
struct Cell {
    tally: Option<Tally>,
    users: Vec<(u64, Bits)>,
    sessions: Vec<(u64, Bits)>,
}

struct Rollup<'a> {
    plan: &'a Plan,
    tuples: &'a Tuples,
    groups: Vec<Group>,
    found: HashMap<(usize, Vec<Option<&'a str>>), u32>,
    /// By tuple, then grouping.
    of_tuple: Vec<u32>,
    /// By base, then grouping; only groupings that keep users.
    of_base: Vec<u32>,
    panes: BTreeMap<EventTime, Vec<Cell>>,
}

impl<'a> Rollup<'a> {
    fn new(plan: &'a Plan, tuples: &'a Tuples) -> Rollup<'a> {
        let groupings = plan.spec.groupings.len();
        Rollup {
            plan,
            tuples,
            groups: Vec::new(),
            found: HashMap::new(),
            of_tuple: vec![UNKNOWN; tuples.tuple_limit() * groupings],
            of_base: vec![UNKNOWN; tuples.base_limit() * groupings],
            panes: BTreeMap::new(),
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

    fn cell(panes: &mut BTreeMap<EventTime, Vec<Cell>>, pane: EventTime, group: u32) -> &mut Cell {
        let cells = panes.entry(pane).or_default();
        if cells.len() <= group as usize {
            cells.resize_with(group as usize + 1, Cell::default);
        }
        &mut cells[group as usize]
    }

    fn add_row(&mut self, row: &Row) {
        let groupings = self.plan.spec.groupings.len();
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
            let tally = Self::cell(&mut self.panes, row.pane, group)
                .tally
                .get_or_insert_with(|| Tally::new(layout));
            tally.merge(&row.tally);
            if self.plan.layout.keeps_users[grouping] {
                tally.facts += row.seen;
            }
        }
    }

    fn add_mark(&mut self, mark: &Mark, user: bool) {
        let groupings = self.plan.spec.groupings.len();
        for grouping in 0..groupings {
            if !self.plan.layout.keeps_users[grouping] {
                continue;
            }
            let place = mark.base.0 as usize * groupings + grouping;
            let mut group = self.of_base[place];
            if group == UNKNOWN {
                group = self.group(grouping, mark.base, None, None);
                self.of_base[place] = group;
            }
            let cell = Self::cell(&mut self.panes, mark.pane, group);
            if user { &mut cell.users } else { &mut cell.sessions }.push((mark.hash, mark.bits));
        }
    }

    fn finish(self, into: &mut PaneStore) {
        let plan = self.plan;
        let max_groups = plan.spec.max_groups;
        if into.levels.len() < plan.levels.len() {
            into.levels.resize_with(plan.levels.len(), BTreeMap::new);
        }
        for (start, cells) in self.panes {
            for (group, cell) in self.groups.iter().zip(cells) {
                if cell.tally.is_none() && cell.users.is_empty() && cell.sessions.is_empty() {
                    continue;
                }
                let k = plan.sketch_size(group.grouping);
                let state = GroupState {
                    tally: cell.tally.unwrap_or_else(|| Tally::new(&plan.layout)),
                    users: Sketch::from_unsorted(k, cell.users),
                    sessions: Sketch::from_unsorted(k, cell.sessions),
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
