//! Event ids within the lateness: an exact memory of what has been accepted, bounded by the lateness.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::time::EventTime;

const BUCKET_BITS: u32 = 10;

/// The ids of accepted events that could still be sent again. An id is kept as its 128-bit hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventIds {
    known: HashTable<(u128, i64)>,
    buckets: BTreeMap<i64, VecDeque<(u128, i64)>>,
    /// Ids forgotten early because of the bound.
    pub(crate) forgotten: u64,
}

/// Persistent form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventIdsState(Vec<(u128, i64)>);

/// Hash of an event id.
pub(crate) fn id_hash(id: &str) -> u128 {
    xxh3_128(id.as_bytes())
}

impl EventIds {
    /// Whether an accepted event that is not before `bound` carried the id.
    #[inline]
    pub(crate) fn contains(&self, id: u128, bound: EventTime) -> bool {
        self.known
            .find(id as u64, |(known, _)| *known == id)
            .is_some_and(|(_, time)| *time >= bound.0)
    }

    /// Remembers the id of an accepted event.
    #[inline]
    pub(crate) fn insert(&mut self, id: u128, time: EventTime, limit: usize) {
        match self.known.find_mut(id as u64, |(known, _)| *known == id) {
            Some(entry) => entry.1 = time.0,
            None => {
                self.known.insert_unique(id as u64, (id, time.0), |(id, _)| *id as u64);
            }
        }
        self.buckets.entry(time.0 >> BUCKET_BITS).or_default().push_back((id, time.0));
        while self.known.len() > limit {
            let Some(mut entry) = self.buckets.first_entry() else { return };
            if let Some((id, time)) = entry.get_mut().pop_front() {
                self.forgotten += u64::from(self.forget(id, time));
            } else {
                entry.remove();
            }
        }
    }

    fn forget(&mut self, id: u128, time: i64) -> bool {
        // The id may have been accepted again since, at a later time.
        match self.known.find_entry(id as u64, |known| *known == (id, time)) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Forgets the ids of events before `bound`, by whole buckets.
    pub(crate) fn expire(&mut self, bound: EventTime) {
        while let Some(entry) = self.buckets.first_entry() {
            if *entry.key() >= bound.0 >> BUCKET_BITS {
                return;
            }
            for (id, time) in entry.remove() {
                self.forget(id, time);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn state(&self) -> EventIdsState {
        let known = |entry: &(u128, i64)| self.known.find(entry.0 as u64, |k| k == entry).is_some();
        EventIdsState(self.buckets.values().flatten().filter(|e| known(e)).copied().collect())
    }

    pub(crate) fn restore(state: &EventIdsState) -> EventIds {
        let mut ids = EventIds::default();
        for (id, time) in &state.0 {
            ids.insert(*id, EventTime(*time), usize::MAX);
        }
        ids
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
        let again = EventIds::restore(&ids.state());
        for i in 0..50u128 {
            assert_eq!(ids.contains(i, EventTime(0)), again.contains(i, EventTime(0)), "{i}");
        }
    }
}
