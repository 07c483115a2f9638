//! Event ids within the lateness: an exact memory of what has been accepted, bounded by the lateness.

use std::collections::VecDeque;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::time::EventTime;

const BUCKET_BITS: u32 = 10;

/// The ids of accepted events that could still be sent again. An id is kept as its 128-bit hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventIds {
    known: HashTable<Known>,
    /// By time, ascending: what was accepted in about a second, as the lower half of the id and the time. An id is told from all others by
    /// both halves; to find what to forget, one half and the time will do, since two that share them are forgotten together.
    buckets: VecDeque<(i64, VecDeque<(u64, i64)>)>,
    /// Ids forgotten early because of the bound.
    pub(crate) forgotten: u64,
}

/// An id with the time of its event, in halves, since a whole one would be padded to twice the size.
#[derive(Clone, Copy, Debug)]
struct Known {
    low: u64,
    high: u64,
    time: i64,
}

/// Persistent form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventIdsState(Vec<(u128, i64)>);

/// Hash of an event id.
pub(crate) fn id_hash(id: &str) -> u128 {
    xxh3_128(id.as_bytes())
}

#[inline]
fn halves(id: u128) -> (u64, u64) {
    (id as u64, (id >> 64) as u64)
}

impl EventIds {
    /// Whether an accepted event that is not before `bound` carried the id.
    #[inline]
    pub(crate) fn contains(&self, id: u128, bound: EventTime) -> bool {
        let (low, high) = halves(id);
        self.known
            .find(low, |known| known.low == low && known.high == high)
            .is_some_and(|known| known.time >= bound.0)
    }

    /// Remembers the id of an accepted event.
    #[inline]
    pub(crate) fn insert(&mut self, id: u128, time: EventTime, limit: usize) {
        let (low, high) = halves(id);
        let time = time.0;
        match self.known.find_mut(low, |known| known.low == low && known.high == high) {
            Some(known) => known.time = time,
            None => {
                self.known.insert_unique(low, Known { low, high, time }, |known| known.low);
            }
        }
        self.bucket(time >> BUCKET_BITS).push_back((low, time));
        while self.known.len() > limit {
            let Some((_, bucket)) = self.buckets.front_mut() else { return };
            if let Some((low, time)) = bucket.pop_front() {
                self.forgotten += u64::from(self.forget(low, time));
            } else {
                self.buckets.pop_front();
            }
        }
    }

    /// The bucket of that number; nearly always one of the newest.
    #[inline]
    fn bucket(&mut self, number: i64) -> &mut VecDeque<(u64, i64)> {
        let newer = self.buckets.iter().rev().take_while(|(n, _)| *n > number).count();
        let place = self.buckets.len() - newer;
        if place == 0 || self.buckets[place - 1].0 != number {
            self.buckets.insert(place, (number, VecDeque::new()));
            return &mut self.buckets[place].1;
        }
        &mut self.buckets[place - 1].1
    }

    fn forget(&mut self, low: u64, time: i64) -> bool {
        // The id may have been accepted again since, at a later time.
        match self.known.find_entry(low, |known| known.low == low && known.time == time) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Forgets the ids of events before `bound`, by whole buckets.
    #[inline]
    pub(crate) fn expire(&mut self, bound: EventTime) {
        while self.buckets.front().is_some_and(|(number, _)| *number < bound.0 >> BUCKET_BITS) {
            let Some((_, bucket)) = self.buckets.pop_front() else { return };
            for (low, time) in bucket {
                self.forget(low, time);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn state(&self) -> EventIdsState {
        let whole = |(low, time): &(u64, i64)| {
            let known = self.known.find(*low, |known| known.low == *low && known.time == *time)?;
            Some((u128::from(known.high) << 64 | u128::from(known.low), known.time))
        };
        EventIdsState(self.buckets.iter().flat_map(|(_, bucket)| bucket).filter_map(whole).collect())
    }

    /// The memory that a state was made of; `None` where it was made otherwise.
    pub(crate) fn restore(state: &EventIdsState) -> Option<EventIds> {
        let mut ids = EventIds::default();
        if !state.0.is_sorted_by_key(|(_, time)| time >> BUCKET_BITS) {
            return None;
        }
        for (id, time) in &state.0 {
            ids.insert(*id, EventTime(*time), usize::MAX);
        }
        Some(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_as_known_only_while_its_event_is_within_the_lateness() {
        let mut ids = EventIds::default();
        let id = id_hash("e-1");
        ids.insert(id, EventTime(10_000), 10);
        assert!(ids.contains(id, EventTime(10_000)));
        assert!(!ids.contains(id, EventTime(10_001)));
        ids.expire(EventTime(20_000));
        assert_eq!(ids.len(), 0);
    }

    #[test]
    fn beyond_the_bound_the_oldest_are_forgotten_and_counted() {
        let mut ids = EventIds::default();
        for i in 0..20i64 {
            ids.insert(i as u128, EventTime(i * 5_000), 10);
        }
        assert_eq!((ids.len(), ids.forgotten), (10, 10));
        assert!(ids.contains(19, EventTime(0)) && !ids.contains(3, EventTime(0)));
    }

    #[test]
    fn a_restored_memory_knows_the_same() {
        let mut ids = EventIds::default();
        for i in 0..50i64 {
            ids.insert(i as u128, EventTime(i * 700), 40);
        }
        let again = EventIds::restore(&ids.state()).unwrap();
        for i in 0..50u128 {
            assert_eq!(ids.contains(i, EventTime(0)), again.contains(i, EventTime(0)), "{i}");
        }
    }
}
