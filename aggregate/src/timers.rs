//! Timers in event time: due when the bound that the watermark sets has passed them.

use std::collections::BTreeMap;

use crate::time::EventTime;

const BUCKET_BITS: u32 = 10;

/// Slots of a table with the time for which each was set, in buckets of about a second. A timer whose entry has moved on is stale: whoever
/// takes it compares the time with the entry's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    buckets: BTreeMap<i64, Vec<(u32, u16)>>,
}

impl Timers {
    #[inline]
    pub(crate) fn set(&mut self, at: EventTime, slot: u32) {
        let low = (at.0 & ((1 << BUCKET_BITS) - 1)) as u16;
        self.buckets.entry(at.0 >> BUCKET_BITS).or_default().push((slot, low));
    }

    /// Whether nothing is due, told from the first bucket alone.
    #[inline]
    pub(crate) fn quiet(&self, bound: EventTime) -> bool {
        self.buckets
            .first_key_value()
            .is_none_or(|(bucket, _)| *bucket > bound.0 >> BUCKET_BITS)
    }

    /// Takes every timer set for a time before `bound`, in order of time.
    pub(crate) fn take_due(&mut self, bound: EventTime, due: &mut Vec<(EventTime, u32)>) {
        due.clear();
        while let Some(mut entry) = self.buckets.first_entry() {
            let bucket = *entry.key();
            if bucket > bound.0 >> BUCKET_BITS {
                break;
            }
            let whole = bucket < bound.0 >> BUCKET_BITS;
            let time = |low: u16| EventTime((bucket << BUCKET_BITS) | i64::from(low));
            if whole {
                due.extend(entry.remove().into_iter().map(|(slot, low)| (time(low), slot)));
                continue;
            }
            entry.get_mut().retain(|(slot, low)| {
                let at = time(*low);
                if at < bound {
                    due.push((at, *slot));
                }
                at >= bound
            });
            if entry.get().is_empty() {
                entry.remove();
            }
            break;
        }
        due.sort_unstable();
        // A slot that was freed and taken again for the same time has been set twice and is one timer.
        due.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_only_when_the_bound_has_passed_it() {
        let mut timers = Timers::default();
        for at in [5_000, 1_023, 1_024, -1, 4_999] {
            timers.set(EventTime(at), at as u32);
        }
        let mut due = Vec::new();
        timers.take_due(EventTime(1_024), &mut due);
        assert_eq!(due.iter().map(|d| d.0.0).collect::<Vec<_>>(), [-1, 1_023]);
        timers.take_due(EventTime(5_000), &mut due);
        assert_eq!(due.iter().map(|d| d.0.0).collect::<Vec<_>>(), [1_024, 4_999]);
        assert!(timers.quiet(EventTime(4_000)));
        timers.take_due(EventTime::MAX, &mut due);
        assert_eq!(due.len(), 1);
    }

    #[test]
    fn a_slot_set_twice_for_the_same_time_is_due_once() {
        let mut timers = Timers::default();
        for (at, slot) in [(10, 1), (10, 2), (10, 1)] {
            timers.set(EventTime(at), slot);
        }
        let mut due = Vec::new();
        timers.take_due(EventTime::MAX, &mut due);
        assert_eq!(due, [(EventTime(10), 1), (EventTime(10), 2)]);
    }
}
