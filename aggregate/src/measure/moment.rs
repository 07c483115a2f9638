//! Count, sum and sum of squares of whole numbers: milliseconds, counts, or millionths of scores.

use serde::{Deserialize, Serialize};

/// Exact first and second moment. The sums wrap instead of failing, which keeps merging associative whatever comes in; values of the
/// event contract stay below 2^44, so no real input comes near that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Number of values.
    pub n: u64,
    /// Their sum.
    pub sum: i128,
    /// The sum of their squares.
    pub sum_squares: i128,
}

impl Moment {
    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: i64) {
        let value = i128::from(value);
        self.n += 1;
        self.sum = self.sum.wrapping_add(value);
        self.sum_squares = self.sum_squares.wrapping_add(value * value);
    }

    /// Adds what `other` holds.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum = self.sum.wrapping_add(other.sum);
        self.sum_squares = self.sum_squares.wrapping_add(other.sum_squares);
    }

    /// Whether it holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::laws::Laws;

    proptest! {
        #[test]
        fn merging_keeps_the_laws(items in prop::collection::vec((any::<u32>(), any::<u8>(), any::<i64>()), 0..40)) {
            Laws { empty: Moment::default(), add: |m, v| m.add(*v), merge: Moment::merge }.assert_hold(&items);
        }
    }

    #[test]
    fn the_sums_are_exact() {
        let mut moment = Moment::default();
        for value in [3, -4, 1 << 43] {
            moment.add(value);
        }
        assert_eq!(
            moment,
            Moment {
                n: 3,
                sum: (1 << 43) - 1,
                sum_squares: (1 << 86) + 25
            }
        );
    }
}
