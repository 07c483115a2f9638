//! The hot side of aggregation: one row of measures per (base pane, tuple) and one set of marks per (base pane, user, base). Only when they
//! are drained are they rolled up.

use hashbrown::HashTable;

use crate::catalogue::Bits;
use crate::fact::{Fact, FactKind};
use crate::layout::Layout;
use crate::marks::{Mark, Marks};
use crate::pane::PaneStore;
use crate::plan::Plan;
use crate::rollup::Rollup;
use crate::spec::Dimension;
use crate::tally::Tally;
use crate::time::EventTime;
use crate::tuple::{BaseId, TupleId, Tuples};

/// The facts of one tuple in one base pane.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) pane: EventTime,
    pub(crate) tuple: TupleId,
    class: Class,
    /// Which kinds of fact the row holds, by bit.
    pub(crate) kinds: u32,
    /// `seen` facts, which measure nothing but themselves.
    pub(crate) seen: u64,
    pub(crate) tally: Tally,
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

impl Accumulator {
    /// Whether so much has come together that draining now saves memory.
    pub(crate) fn is_large(&self) -> bool {
        self.rows.len() >= MANY_ROWS || self.users.is_full() || self.sessions.is_full()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.users.is_empty() && self.sessions.is_empty()
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
        self.users.add(Mark { hash, pane, base, bits });
    }

    #[inline]
    pub(crate) fn session(&mut self, hash: u64, pane: EventTime, base: BaseId, bits: Bits) {
        self.sessions.add(Mark { hash, pane, base, bits });
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
        rollup.add_users(self.users.sorted());
        rollup.add_sessions(self.sessions.sorted());
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
        self.users.clear();
        self.sessions.clear();
    }
}
