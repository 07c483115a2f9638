//! Counts in buckets of constant relative width, from which quantiles are read.

use serde::{Deserialize, Serialize};

use super::bucket::{Scale, midpoint};
use super::{MOST_COUNTED, insert_all};

/// What the integers of a histogram stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds, bucketed and reported in seconds.
    Seconds,
    /// Counts, bucketed as they are and reported as whole numbers.
    Count,
}

impl Unit {
    #[inline]
    fn scale(self) -> &'static Scale {
        static SECONDS: Scale = Scale::THOUSANDTHS;
        static COUNT: Scale = Scale::WHOLE;
        match self {
            Unit::Seconds => &SECONDS,
            Unit::Count => &COUNT,
        }
    }

    fn value(self, integer: i64) -> f64 {
        match self {
            Unit::Seconds => integer as f64 / 1_000.0,
            Unit::Count => integer as f64,
        }
    }
}

/// A histogram of non-negative integers; every call must name the same unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    zeros: u64,
    min: i64,
    max: i64,
    /// Indices of the buckets that are not empty, ascending.
    indices: Vec<i16>,
    /// Of the bucket at the same place.
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            zeros: 0,
            min: i64::MAX,
            max: 0,
            indices: Vec::new(),
            counts: Vec::new(),
        }
    }
}

impl Histogram {
    /// Adds one value: milliseconds for [`Unit::Seconds`]. A negative one counts as 0.
    #[inline]
    pub fn add(&mut self, unit: Unit, value: i64) {
        let value = value.max(0);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if value == 0 {
            self.zeros += 1;
            return;
        }
        let index = unit.scale().bucket(value.unsigned_abs());
        match self.place(index) {
            Ok(at) => self.add_at(at, 1),
            Err(at) => {
                self.indices.insert(at, index);
                self.counts.insert(at, 1);
            }
        }
    }

    /// Where the bucket is, or where it belongs.
    #[inline]
    fn place(&self, index: i16) -> Result<usize, usize> {
        let (Some(first), Some(last)) = (self.indices.first(), self.indices.last()) else {
            return Err(0);
        };
        if index < *first {
            return Err(0);
        }
        if index > *last {
            return Err(self.indices.len());
        }
        // Indices are whole and ascending, so only as many places are left to search as there are empty buckets in between.
        let most = usize::from(index.abs_diff(*first));
        let least = (self.indices.len() - 1).saturating_sub(usize::from(last.abs_diff(index)));
        let end = self.indices.len().min(most + 1);
        match self.indices[least..end].binary_search(&index) {
            Ok(at) => Ok(least + at),
            Err(at) => Err(least + at),
        }
    }

    fn add_at(&mut self, at: usize, count: u64) {
        if let Some(ours) = self.counts.get_mut(at) {
            *ours += count;
        }
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.zeros += other.zeros;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        // Panes of one group mostly fill the same buckets, so try in place first and remember what has no place yet.
        let mut fresh: Vec<(usize, i16, u64)> = Vec::new();
        let mut at = 0;
        for (index, count) in other.buckets() {
            while self.indices.get(at).is_some_and(|ours| *ours < index) {
                at += 1;
            }
            if self.indices.get(at) == Some(&index) {
                self.add_at(at, count);
            } else {
                fresh.push((at, index, count));
            }
        }
        insert_all(&mut self.indices, fresh.iter().map(|(at, index, _)| (*at, *index)));
        insert_all(&mut self.counts, fresh.iter().map(|(at, _, count)| (*at, *count)));
    }

    fn buckets(&self) -> impl Iterator<Item = (i16, u64)> {
        self.indices.iter().copied().zip(self.counts.iter().copied())
    }

    /// Empties it and keeps the memory.
    pub fn clear(&mut self) {
        self.zeros = 0;
        self.min = i64::MAX;
        self.max = 0;
        self.indices.clear();
        self.counts.clear();
    }

    /// Whether values were added to make it, as far as can be told of one that was read.
    pub(crate) fn is_sound(&self) -> bool {
        let mut counts = std::iter::once(&self.zeros).chain(&self.counts);
        self.indices.len() == self.counts.len()
            && self.indices.is_sorted_by(|a, b| a < b)
            && counts
                .try_fold(0, |sum: u64, n| sum.checked_add(*n))
                .is_some_and(|n| n <= MOST_COUNTED)
            && (self.is_empty() || self.min <= self.max)
    }

    /// Number of buckets that are not empty.
    pub(crate) fn buckets_held(&self) -> usize {
        self.indices.len()
    }

    /// Number of values.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.zeros + self.counts.iter().sum::<u64>()
    }

    /// Whether it holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zeros == 0 && self.indices.is_empty()
    }

    /// The least value as it was added, milliseconds for [`Unit::Seconds`].
    #[must_use]
    pub fn min(&self) -> Option<i64> {
        (!self.is_empty()).then_some(self.min)
    }

    /// The greatest value as it was added.
    #[must_use]
    pub fn max(&self) -> Option<i64> {
        (!self.is_empty()).then_some(self.max)
    }

    /// The quantile in the unit (seconds, or a whole count), within 1.09 % of the value at rank `max(1, ceil(n * percent / 100))`.
    #[must_use]
    pub fn quantile(&self, unit: Unit, percent: u32) -> Option<f64> {
        let n = self.n();
        if n == 0 {
            return None;
        }
        let rank = (u128::from(n) * u128::from(percent)).div_ceil(100).max(1);
        let (min, max) = (unit.value(self.min), unit.value(self.max));
        let mut seen = u128::from(self.zeros);
        let mut estimate = if rank <= seen { 0.0 } else { max };
        for (index, count) in self.buckets() {
            if rank <= seen {
                break;
            }
            seen += u128::from(count);
            if rank <= seen {
                estimate = midpoint(index);
            }
        }
        let estimate = estimate.max(min).min(max);
        Some(match unit {
            Unit::Seconds => estimate,
            Unit::Count => estimate.round(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::measure::laws::Laws;

    fn histogram(unit: Unit, values: &[i64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.add(unit, *value);
        }
        histogram
    }

    /// Values of all magnitudes that the contract lets through.
    fn values() -> impl Strategy<Value = i64> {
        (0_u32..44, 0_i64..1 << 43).prop_map(|(bits, value)| value >> bits)
    }

    proptest! {
        #[test]
        fn merging_keeps_the_laws(items in prop::collection::vec((any::<u32>(), any::<u8>(), values()), 0..60)) {
            Laws { empty: Histogram::default(), add: |h, v| h.add(Unit::Seconds, *v), merge: Histogram::merge }.assert_hold(&items);
            Laws { empty: Histogram::default(), add: |h, v| h.add(Unit::Count, *v), merge: Histogram::merge }.assert_hold(&items);
        }

        #[test]
        fn a_quantile_is_within_its_relative_error(mut sample in prop::collection::vec(values(), 1..80), percent in 0_u32..=100) {
            let (seconds, count) = (histogram(Unit::Seconds, &sample), histogram(Unit::Count, &sample));
            sample.sort_unstable();
            let rank = (sample.len() * percent as usize).div_ceil(100).max(1);
            let exact = sample[rank - 1] as f64;
            let estimate = seconds.quantile(Unit::Seconds, percent).unwrap() * 1_000.0;
            prop_assert!((estimate - exact).abs() <= 0.0109 * exact, "{} for {}", estimate, exact);
            let estimate = count.quantile(Unit::Count, percent).unwrap();
            prop_assert!((estimate - exact).abs() <= 0.0109 * exact + 0.5, "{} for {}", estimate, exact);
        }
    }

    #[test]
    fn a_sum_of_counts_beyond_all_that_can_be_counted_is_not_sound() {
        let mut histogram = histogram(Unit::Count, &[1, 2, 3]);
        assert!(histogram.is_sound());
        histogram.counts.fill(MOST_COUNTED / 2);
        assert!(!histogram.is_sound());
        histogram.counts.fill(u64::MAX);
        assert!(!histogram.is_sound());
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(Unit::Seconds, 50), None);
        assert_eq!(Histogram::default().min(), None);
    }

    #[test]
    fn a_single_value_is_every_quantile_exactly() {
        let histogram = histogram(Unit::Seconds, &[12_345]);
        for percent in [0, 1, 50, 99, 100] {
            assert_eq!(histogram.quantile(Unit::Seconds, percent), Some(12.345));
        }
    }

    #[test]
    fn the_rank_rounds_up_and_is_at_least_one() {
        let histogram = histogram(Unit::Count, &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        let quantile = |percent| histogram.quantile(Unit::Count, percent).unwrap();
        assert_eq!(quantile(0), 1.0);
        assert_eq!(quantile(10), 1.0);
        assert_eq!(quantile(11), 2.0);
        assert_eq!(quantile(50), 16.0);
        assert_eq!(quantile(51), 32.0);
        // 256 is the upper bound of its bucket, so the estimate is the midpoint below it.
        assert_eq!(quantile(90), (256.0 * (-1.0_f64 / 64.0).exp2()).round());
        assert_eq!(quantile(95), 506.0);
    }

    #[test]
    fn zeros_have_a_bucket_of_their_own() {
        let histogram = histogram(Unit::Seconds, &[0, 0, 0, 1_000]);
        assert_eq!(histogram.quantile(Unit::Seconds, 75), Some(0.0));
        assert!(histogram.quantile(Unit::Seconds, 76).unwrap() > 0.98);
        assert_eq!((histogram.n(), histogram.min(), histogram.max()), (4, Some(0), Some(1_000)));
    }
}
