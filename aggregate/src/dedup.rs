//! Event ids within the lateness: an exact memory of what has been accepted, bounded by the lateness.

use std::collections::VecDeque;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::slots::Slots;
use crate::time::EventTime;

const BUCKET_BITS: u32 = 10;

/// The ids of accepted events that could still be sent again. An id is kept as its 128-bit hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventIds {
    /// Slots of `known` by the lower half of the id: so few bytes each that an id not seen yet, as nearly all are, is told from one look.
    index: HashTable<u32>,
    known: Slots<Known>,
    /// By time, ascending: the slots of what was accepted in about a second. Each slot that is not free is in one of them.
    buckets: VecDeque<(i64, VecDeque<u32>)>,
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
    /// Takes the id of an event, unless an accepted event that is not before `bound` carried it; tells whether it took it. Of more than
    /// `limit` ids the oldest are forgotten.
    #[inline]
    pub(crate) fn admit(&mut self, id: u128, time: EventTime, bound: EventTime, limit: usize) -> bool {
        let (low, high) = halves(id);
        let known = &self.known;
        let is_it = |slot: &u32| known.get(*slot).is_some_and(|known| known.low == low && known.high == high);
        let hash = |slot: &u32| known.get(*slot).map_or(0, |known| known.low);
        let new = Known { low, high, time: time.0 };
        let slot = match self.index.entry(low, is_it, hash) {
            Entry::Occupied(entry) if self.known.get(*entry.get()).is_some_and(|known| known.time >= bound.0) => return false,
            // What is not sent again by now is forgotten with the others of its time, but then it is no longer this id's.
            Entry::Occupied(mut entry) => {
                *entry.get_mut() = self.known.add(new);
                *entry.get()
            }
            Entry::Vacant(entry) => *entry.insert(self.known.add(new)).get(),
        };
        self.bucket(time.0 >> BUCKET_BITS).push_back(slot);
        while self.index.len() > limit {
            let Some((_, bucket)) = self.buckets.front_mut() else { break };
            match bucket.pop_front() {
                Some(slot) => self.forgotten += u64::from(self.forget(slot)),
                None => drop(self.buckets.pop_front()),
            }
        }
        true
    }

    /// The bucket of that number.
    #[inline]
    fn bucket(&mut self, number: i64) -> &mut VecDeque<u32> {
        let place = self.buckets.partition_point(|(n, _)| *n < number);
        if self.buckets.get(place).is_none_or(|(n, _)| *n != number) {
            self.buckets.insert(place, (number, VecDeque::new()));
        }
        &mut self.buckets[place].1
    }

    /// Frees a slot and forgets its id, unless the id has been accepted again since.
    #[inline]
    fn forget(&mut self, slot: u32) -> bool {
        self.known.free(slot);
        let low = self.known.get(slot).map_or(0, |known| known.low);
        self.index
            .find_entry(low, |found| *found == slot)
            .map(|entry| entry.remove())
            .is_ok()
    }

    /// Forgets the ids of events before `bound`, by whole buckets.
    #[inline]
    pub(crate) fn expire(&mut self, bound: EventTime) {
        while self.buckets.front().is_some_and(|(number, _)| *number < bound.0 >> BUCKET_BITS) {
            let Some((_, bucket)) = self.buckets.pop_front() else { return };
            for slot in bucket {
                self.forget(slot);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn state(&self) -> EventIdsState {
        let whole = |slot: &u32| {
            let known = self.known.get(*slot)?;
            self.index.find(known.low, |found| found == slot)?;
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
            ids.admit(*id, EventTime(*time), EventTime::MAX, usize::MAX);
        }
        Some(ids)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const ALWAYS: EventTime = EventTime::MIN;

    #[test]
    fn an_id_counts_as_known_only_while_its_event_is_within_the_lateness() {
        let mut ids = EventIds::default();
        let id = id_hash("e-1");
        assert!(ids.admit(id, EventTime(10_000), ALWAYS, 10));
        assert!(!ids.admit(id, EventTime(10_000), EventTime(10_000), 10));
        assert!(ids.admit(id, EventTime(10_002), EventTime(10_001), 10));
        ids.expire(EventTime(20_000));
        assert_eq!((ids.len(), ids.forgotten), (0, 0));
    }

    #[test]
    fn beyond_the_bound_the_oldest_are_forgotten_and_counted() {
        let mut ids = EventIds::default();
        for i in 0..20i64 {
            ids.admit(i as u128, EventTime(i * 5_000), ALWAYS, 10);
        }
        assert_eq!((ids.len(), ids.forgotten), (10, 10));
        assert!(!ids.admit(19, EventTime(100_000), ALWAYS, 10) && ids.admit(3, EventTime(100_000), ALWAYS, 10));
    }

    proptest! {
        #[test]
        fn it_knows_what_a_map_would_know_also_after_a_restart(events in proptest::collection::vec((0_u64..40, 0_i64..4_000), 1..400)) {
            let (mut ids, mut map) = (EventIds::default(), HashMap::new());
            let mut watermark = 0;
            for (n, (id, lag)) in events.into_iter().enumerate() {
                // The lower halves of ids 0 and 8, 1 and 9, and so on are the same.
                let id = u128::from(id >> 3) << 64 | u128::from(id & 7);
                let time = (n as i64 * 100 - lag).max(watermark - 3_000);
                let bound = EventTime(watermark - 3_000);
                let new = map.get(&id).is_none_or(|known| *known < bound.0);
                if n % 50 == 49 {
                    ids = EventIds::restore(&ids.state()).unwrap();
                }
                prop_assert_eq!(ids.admit(id, EventTime(time), bound, usize::MAX), new);
                if new {
                    map.insert(id, time);
                }
                watermark = watermark.max(time);
                ids.expire(EventTime(watermark - 3_000));
                map.retain(|_, time| *time >= (watermark - 3_000) >> BUCKET_BITS << BUCKET_BITS);
                prop_assert_eq!(ids.len(), map.len());
            }
        }
    }
}
