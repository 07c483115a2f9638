//! Count, sum and sum of squares of logarithms of milliseconds, in whole billionths so that adding is exact.

use serde::{Deserialize, Serialize};

/// Exact first and second moment of `ln(ms)`, each logarithm rounded to 10^-9 before it is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMoment {
    /// Number of values.
    pub n: u64,
    /// Sum of the rounded logarithms in 10^-9.
    pub sum: i128,
    /// Sum of their squares in 10^-18.
    pub sum_squares: i128,
}

impl LogMoment {
    /// Adds one duration; what is below 1 ms counts as 1 ms.
    pub fn add(&mut self, ms: i64) {
        let log = i128::from(ln_billionths(ms.max(1).unsigned_abs()));
        self.n += 1;
        self.sum = self.sum.wrapping_add(log);
        self.sum_squares = self.sum_squares.wrapping_add(log * log);
    }

    /// Adds what `other` holds.
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

/// `ln(value)` rounded to 10^-9. The logarithm of a whole number above 1 is irrational, so there are no ties to break.
fn ln_billionths(value: u64) -> u64 {
    // `f64::ln` may differ by an ulp or so between platforms; at 44 * 10^9 an ulp is 8 * 10^-6, so only what is this near to a half
    // could round differently.
    const TOO_CLOSE: f64 = 1e-4;
    let billionths = (value as f64).ln() * 1e9;
    let below = billionths.floor();
    let rest = billionths - below;
    if (rest - 0.5).abs() < TOO_CLOSE {
        return ln_billionths_in_integers(value);
    }
    below as u64 + u64::from(rest > 0.5)
}

/// The same in integer arithmetic, good to about 10^-35.
fn ln_billionths_in_integers(value: u64) -> u64 {
    const FRACTION: u32 = 122;
    const LN_2: u128 = 0x02c5_c85f_df47_3de6_af27_8ece_600f_cbda;
    let Some(exponent) = value.checked_ilog2() else { return 0 };
    // value = 2^exponent * (1 + s) / (1 - s), and ln((1 + s) / (1 - s)) = 2 (s + s^3/3 + s^5/5 + ...) with s <= 1/3.
    let power = 1_u128 << exponent;
    let (above, both) = (u128::from(value) - power, u128::from(value) + power);
    let (high, rest) = ((above << 63) / both, (above << 63) % both);
    let s = (high << 63) | ((rest << 63) / both);
    let s = s << 2;
    let square = high_half(s, s);
    let (mut power_of_s, mut sum, mut odd) = (s, 0_u128, 1_u128);
    while power_of_s > 0 {
        sum += power_of_s / odd;
        power_of_s = high_half(power_of_s, square);
        odd += 2;
    }
    let log = u128::from(exponent) * LN_2 + (sum >> (128 - 1 - FRACTION));
    let whole = (log >> FRACTION) as u64;
    // Below the billions only 2^-92 of the fraction can matter, which leaves room to multiply.
    let fraction = (log & ((1 << FRACTION) - 1)) >> 30;
    let scaled = fraction * 1_000_000_000 + (1 << (FRACTION - 30 - 1));
    whole * 1_000_000_000 + (scaled >> (FRACTION - 30)) as u64
}

/// The upper 128 bits of a product: the product of two fractions of 2^128.
fn high_half(a: u128, b: u128) -> u128 {
    a.carrying_mul(b, 0).1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::laws::Laws;

    proptest! {
        #[test]
        fn merging_keeps_the_laws(items in prop::collection::vec((any::<u32>(), any::<u8>(), 0_i64..1 << 43), 0..40)) {
            Laws { empty: LogMoment::default(), add: |m, v| m.add(*v), merge: LogMoment::merge }.assert_hold(&items);
        }

        #[test]
        fn the_fast_and_the_exact_logarithm_agree(value in 1_u64..1 << 43) {
            prop_assert_eq!(ln_billionths(value), ln_billionths_in_integers(value));
        }
    }

    #[test]
    fn logarithms_are_rounded_to_billionths() {
        // Computed with mpmath at 60 digits.
        for (value, expected) in REFERENCE {
            assert_eq!(ln_billionths(value), expected, "ln {value}");
            assert_eq!(ln_billionths_in_integers(value), expected, "ln {value} in integers");
        }
    }

    #[test]
    fn less_than_a_millisecond_counts_as_one() {
        let mut moment = LogMoment::default();
        moment.add(0);
        moment.add(-5);
        moment.add(1);
        assert_eq!(
            moment,
            LogMoment {
                n: 3,
                sum: 0,
                sum_squares: 0
            }
        );
    }

    const REFERENCE: [(u64, u64); 23] = [
        (1, 0),
        (2, 693_147_181),
        (3, 1_098_612_289),
        (7, 1_945_910_149),
        (999, 6_906_754_779),
        (1_000, 6_907_755_279),
        (1_001, 6_908_754_779),
        (60_000, 11_002_099_841),
        (3_600_000, 15_096_444_403),
        (1_099_511_627_776, 27_725_887_222),
        (1_099_511_627_775, 27_725_887_222),
        (8_796_093_034_553, 29_805_328_765),
        (9_223_372_036_854_775_807, 43_668_272_375),
        (5_497_290, 15_519_765_801),
        (5_886_390, 15_588_153_464),
        (2_892_621, 14_877_673_569),
        (5_267_378, 15_477_043_263),
        (3_539_512, 15_079_499_422),
        (4_398_048_261_449, 29_112_181_981),
        (4_398_052_285_665, 29_112_182_896),
        (4_398_051_608_365, 29_112_182_742),
        (4_398_048_534_128, 29_112_182_043),
        (4_398_047_619_334, 29_112_181_835),
    ];
}
