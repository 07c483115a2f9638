//! Who does something next.
//!
//! A timing wheel: one slot per tick, drained in the order in which it was filled. That order depends on nothing but the traffic itself,
//! costs no comparison, and is as far from the order of event times as that of a real log.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Length of a tick in milliseconds.
pub(super) const TICK: i64 = 64;
/// Slots of the wheel, 17 minutes; what is further away waits in a heap.
const SLOTS: u64 = 16_384;

/// What waits in the agenda, by its place in the slab of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Visit(u32),
    Ticket(u32),
    Echo(u32),
}

pub(super) struct Agenda {
    start: i64,
    tick: u64,
    slots: Vec<Vec<Item>>,
    /// How much of the current slot is drained.
    taken: usize,
    far: BinaryHeap<Reverse<(u64, u64, Item)>>,
    /// Keeps the heap in order of arrival within a tick.
    arrivals: u64,
}

impl Agenda {
    pub(super) fn new(start: i64) -> Agenda {
        Agenda {
            start,
            tick: 0,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            taken: 0,
            far: BinaryHeap::new(),
            arrivals: 0,
        }
    }

    /// Start of the current tick.
    pub(super) fn now(&self) -> i64 {
        self.start + self.tick as i64 * TICK
    }

    /// Notes the item for a time; for one that has passed, for now.
    pub(super) fn push(&mut self, due: i64, item: Item) {
        let tick = (due.saturating_sub(self.start).max(0) / TICK) as u64;
        let tick = tick.max(self.tick);
        if tick - self.tick < SLOTS {
            self.slots[(tick % SLOTS) as usize].push(item);
        } else {
            self.arrivals += 1;
            self.far.push(Reverse((tick, self.arrivals, item)));
        }
    }

    /// The next item of the current tick.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.slots[(self.tick % SLOTS) as usize].get(self.taken).copied();
        self.taken += usize::from(item.is_some());
        item
    }

    /// Goes on to the next tick; the current one must be drained.
    pub(super) fn advance(&mut self) {
        self.slots[(self.tick % SLOTS) as usize].clear();
        self.taken = 0;
        self.tick += 1;
        while let Some(&Reverse((tick, _, item))) = self.far.peek() {
            if tick > self.tick {
                break;
            }
            self.far.pop();
            self.slots[(self.tick % SLOTS) as usize].push(item);
        }
    }
}

/// Values by a small number that is used again.
pub(super) struct Slab<T> {
    values: Vec<T>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Slab<T> {
        Slab {
            values: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            self.values[index as usize] = value;
            return index;
        }
        self.values.push(value);
        (self.values.len() - 1) as u32
    }

    pub(super) fn get(&mut self, index: u32) -> &mut T {
        &mut self.values[index as usize]
    }

    /// The place may be used again; the value stays until then, so that its buffers can be.
    pub(super) fn release(&mut self, index: u32) {
        self.free.push(index);
    }

    /// A place whose old value may be overwritten, if there is one.
    pub(super) fn reuse(&mut self) -> Option<u32> {
        self.free.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far_items_come_at_their_tick() {
        let mut agenda = Agenda::new(1000);
        let far = SLOTS as i64 * TICK * 3;
        agenda.push(1000 + far, Item::Ticket(1));
        agenda.push(1000 + far, Item::Ticket(2));
        agenda.push(1000 + 200, Item::Visit(3));
        agenda.push(0, Item::Echo(4));
        let mut seen = Vec::new();
        while seen.len() < 4 {
            while let Some(item) = agenda.pop() {
                seen.push((agenda.now() - 1000, item));
            }
            agenda.advance();
        }
        assert_eq!(
            seen,
            [
                (0, Item::Echo(4)),
                (192, Item::Visit(3)),
                (far, Item::Ticket(1)),
                (far, Item::Ticket(2))
            ]
        );
    }

    #[test]
    fn a_place_is_used_again() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        slab.insert('b');
        slab.release(first);
        assert_eq!(slab.insert('c'), first);
        assert_eq!(*slab.get(first), 'c');
    }
}
