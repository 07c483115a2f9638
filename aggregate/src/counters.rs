//! What became of a partition's records, counted since its first one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::MOST_COUNTED;
use crate::record::RejectReason;

/// Cumulative counters of one partition. They are part of every commit, so that they tell of the output and not of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of the summary, documented in docs/commands.md")]
pub struct Counters {
    pub records: u64,
    pub accepted: u64,
    pub late: u64,
    pub duplicate: u64,
    /// By [`RejectReason`], in the order of [`RejectReason::ALL`].
    pub rejected: [u64; 8],
    pub late_end: u64,
    pub repeated_end: u64,
    pub start_after_end: u64,
    pub repeated_start: u64,
    pub orphan_end: u64,
    pub repeated_open: u64,
    pub negative_wait: u64,
    /// Attempts, tickets and journey runs that a bound kept from being tracked.
    pub untracked: u64,
    /// Event ids that a bound made the pipeline forget early.
    pub forgotten_event_ids: u64,
}

impl Counters {
    /// Counts one refused record.
    pub fn reject(&mut self, reason: RejectReason) {
        self.records += 1;
        self.rejected[reason as usize] += 1;
    }

    /// The count of one reason.
    #[must_use]
    pub fn rejected(&self, reason: RejectReason) -> u64 {
        self.rejected[reason as usize]
    }

    /// Adds another partition's.
    pub fn merge(&mut self, other: &Counters) {
        for ((_, own), (_, theirs)) in self.fields_mut().into_iter().zip(other.fields()) {
            *own += theirs;
        }
        for (own, theirs) in self.rejected.iter_mut().zip(other.rejected) {
            *own += theirs;
        }
    }

    /// What has been counted since an earlier state of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Counters) -> Counters {
        let mut difference = self.clone();
        for ((_, own), (_, before)) in difference.fields_mut().into_iter().zip(earlier.fields()) {
            *own = own.saturating_sub(before);
        }
        for (own, before) in difference.rejected.iter_mut().zip(earlier.rejected) {
            *own = own.saturating_sub(before);
        }
        difference
    }

    /// Whether records were counted to make it, as far as can be told of one that was read.
    pub(crate) fn is_sound(&self) -> bool {
        let mut counted = self.fields().into_iter().map(|(_, n)| n).chain(self.rejected);
        counted.all(|n| n <= MOST_COUNTED)
    }

    /// Name and value of every counter but the rejects.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, u64); 13] {
        let mut copy = self.clone();
        copy.fields_mut().map(|(name, value)| (name, *value))
    }

    fn fields_mut(&mut self) -> [(&'static str, &mut u64); 13] {
        [
            ("records", &mut self.records),
            ("accepted", &mut self.accepted),
            ("late", &mut self.late),
            ("duplicate", &mut self.duplicate),
            ("late_end", &mut self.late_end),
            ("repeated_end", &mut self.repeated_end),
            ("start_after_end", &mut self.start_after_end),
            ("repeated_start", &mut self.repeated_start),
            ("orphan_end", &mut self.orphan_end),
            ("repeated_open", &mut self.repeated_open),
            ("negative_wait", &mut self.negative_wait),
            ("untracked", &mut self.untracked),
            ("forgotten_event_ids", &mut self.forgotten_event_ids),
        ]
    }

    /// As a flat map, rejects as `rejected.<reason>`: the form in which a commit keeps them.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, u64> {
        let mut map: BTreeMap<String, u64> = self.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for reason in RejectReason::ALL {
            map.insert(format!("rejected.{reason}"), self.rejected(reason));
        }
        map
    }

    /// Reads what [`Counters::to_map`] wrote; a counter that is missing is 0.
    #[must_use]
    pub fn from_map(map: &BTreeMap<String, u64>) -> Counters {
        let mut counters = Counters::default();
        for (name, value) in counters.fields_mut() {
            *value = map.get(name).copied().unwrap_or(0);
        }
        for reason in RejectReason::ALL {
            counters.rejected[reason as usize] = map.get(&format!("rejected.{reason}")).copied().unwrap_or(0);
        }
        counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_survive_a_commit() {
        let mut counters = Counters {
            accepted: 3,
            late_end: 1,
            ..Counters::default()
        };
        counters.reject(RejectReason::BadTime);
        assert_eq!(Counters::from_map(&counters.to_map()), counters);
    }
}
