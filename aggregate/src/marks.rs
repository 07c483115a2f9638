//! What is known of users or sessions since the last drain: a log that is only appended to, and made a set when it has grown. A look-up for
//! every event would miss the processor's caches every time; sorting afterwards does not.

use crate::catalogue::Bits;
use crate::measure::combine_bits;
use crate::time::EventTime;
use crate::tuple::BaseId;

/// Marks of one user or session in one base pane, by the dimensions of the events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) hash: u64,
    pub(crate) pane: EventTime,
    pub(crate) base: BaseId,
    pub(crate) bits: Bits,
}

/// Marks to hold before they are made a set.
const MANY: usize = 1 << 18;
/// Parts into which a log is cut before each is sorted in the nearest cache.
const PARTS: usize = 2048;

#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    log: Vec<Mark>,
    /// Of the same size, to sort into.
    scratch: Vec<Mark>,
    full: bool,
}

impl Marks {
    #[inline]
    pub(crate) fn add(&mut self, mark: Mark) {
        if self.log.len() >= MANY {
            self.compact();
            self.full = self.log.len() > MANY / 2;
        }
        self.log.push(mark);
    }

    /// Whether there are so many that draining now saves memory.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Every mark once, by ascending hash.
    pub(crate) fn sorted(&mut self) -> &[Mark] {
        self.compact();
        &self.log
    }

    pub(crate) fn clear(&mut self) {
        self.log.clear();
        self.full = false;
    }

    /// Sorts the log and combines what is of one user, pane and base.
    fn compact(&mut self) {
        let part = |mark: &Mark| (mark.hash >> (u64::BITS - PARTS.ilog2())) as usize;
        let Some(any) = self.log.first().copied() else { return };
        let mut places = [0_usize; PARTS + 1];
        for mark in &self.log {
            places[part(mark) + 1] += 1;
        }
        for part in 0..PARTS {
            places[part + 1] += places[part];
        }
        let bounds = places;
        self.scratch.resize(self.log.len(), any);
        for mark in &self.log {
            let place = &mut places[part(mark)];
            self.scratch[*place] = *mark;
            *place += 1;
        }
        self.log.clear();
        for bound in bounds.windows(2) {
            let part = &mut self.scratch[bound[0]..bound[1]];
            part.sort_unstable_by_key(|mark| (mark.hash, mark.pane, mark.base));
            let start = self.log.len();
            for mark in part {
                match self.log[start..].last_mut() {
                    Some(last) if last.hash == mark.hash && last.pane == mark.pane && last.base == mark.base => {
                        last.bits = combine_bits(last.bits, mark.bits);
                    }
                    _ => self.log.push(*mark),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn a_log_becomes_the_set_that_a_map_would_hold() {
        let (mut marks, mut map) = (Marks::default(), BTreeMap::new());
        for n in 0..MANY as u64 + 50_000 {
            let mark = Mark {
                hash: xxh3_64(&(n % 7_001).to_le_bytes()),
                pane: EventTime((n % 3) as i64 * 60_000),
                base: BaseId((n % 5) as u32),
                bits: 1 << (n % 11),
            };
            marks.add(mark);
            map.entry((mark.hash, mark.pane, mark.base))
                .and_modify(|bits| *bits = combine_bits(*bits, mark.bits))
                .or_insert(mark.bits);
        }
        let found: Vec<_> = marks.sorted().iter().map(|m| ((m.hash, m.pane, m.base), m.bits)).collect();
        assert_eq!(found, map.into_iter().collect::<Vec<_>>());
        assert!(!marks.is_full(), "few people came often");
    }

    #[test]
    fn a_log_of_many_people_asks_to_be_drained() {
        let mut marks = Marks::default();
        for n in 0..=MANY as u64 {
            let (pane, base) = (EventTime(0), BaseId(0));
            marks.add(Mark {
                hash: xxh3_64(&n.to_le_bytes()),
                pane,
                base,
                bits: 1,
            });
        }
        assert!(marks.is_full());
        marks.clear();
        assert!(marks.is_empty() && !marks.is_full());
    }
}
