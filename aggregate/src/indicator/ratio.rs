//! Ratios with the Wilson score interval.

use super::{Interval, Z95};

/// The ratio with its 95 % interval; `None` when the denominator is 0. The numerator must not exceed the denominator.
#[must_use]
pub fn wilson(numerator: u64, denominator: u64) -> Option<Interval> {
    let value = ratio(numerator, denominator)?;
    let (lower, upper) = wilson_at(value, denominator as f64, Z95);
    Some(Interval { value, lower, upper })
}

/// The ratio without an interval, for one that may exceed 1; `None` when the denominator is 0.
#[must_use]
pub fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// The bounds of a share `p` of `n` trials, which need not be whole, at `z` standard errors.
///
/// Bounds near 0 and near 1 come from the product of the roots instead of a difference, which would cancel.
#[must_use]
pub fn wilson_at(p: f64, n: f64, z: f64) -> (f64, f64) {
    let q = 1.0 - p;
    let unit = z * z / n;
    let center = p + unit / 2.0;
    let half = (unit * (p * q + unit / 4.0)).sqrt();
    let upper = (center + half) / (1.0 + unit);
    let lower = p * p / (center + half);
    // The same seen from the other end.
    let upper = if p > 0.5 { 1.0 - q * q / (q + unit / 2.0 + half) } else { upper };
    (if p <= 0.0 { 0.0 } else { lower }, if p >= 1.0 { 1.0 } else { upper })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_interval_holds_the_value_and_stays_within_0_and_1(n in 1_u64..1 << 40, share in 0.0_f64..=1.0) {
            let k = ((n as f64 * share) as u64).min(n);
            let Interval { value, lower, upper } = wilson(k, n).unwrap();
            prop_assert!(0.0 <= lower && lower <= value && value <= upper && upper <= 1.0);
        }

        #[test]
        fn the_bounds_solve_the_score_equation(n in 1_u64..1_000_000, share in 0.0_f64..=1.0) {
            let k = ((n as f64 * share) as u64).min(n);
            let Interval { value, lower, upper } = wilson(k, n).unwrap();
            for bound in [lower, upper] {
                if bound > 0.0 && bound < 1.0 {
                    let score = (value - bound).abs() / (bound * (1.0 - bound) / n as f64).sqrt();
                    prop_assert!((score / Z95 - 1.0).abs() < 1e-6, "{} at {}", score, bound);
                }
            }
        }

        #[test]
        fn the_interval_of_the_opposite_is_mirrored(n in 1_u64..1_000_000, share in 0.0_f64..=1.0) {
            let k = ((n as f64 * share) as u64).min(n);
            let (one, other) = (wilson(k, n).unwrap(), wilson(n - k, n).unwrap());
            prop_assert!((one.lower - (1.0 - other.upper)).abs() < 1e-14);
            prop_assert!((one.upper - (1.0 - other.lower)).abs() < 1e-14);
        }
    }

    #[test]
    fn nothing_of_nothing_is_absent() {
        assert_eq!(wilson(0, 0), None);
        assert_eq!(ratio(3, 0), None);
    }

    #[test]
    fn none_and_all_have_exact_ends() {
        for n in [1, 2, 7, 1_000_003] {
            assert_eq!(wilson(0, n).unwrap().lower, 0.0);
            assert_eq!(wilson(n, n).unwrap().upper, 1.0);
        }
    }

    #[test]
    fn a_tiny_share_keeps_its_lower_bound() {
        // mpmath, 60 digits.
        let interval = wilson(1, 1_000_000_000_000).unwrap();
        assert!((interval.lower / TINY_LOWER - 1.0).abs() < 1e-13);
        assert!((interval.upper / TINY_UPPER - 1.0).abs() < 1e-13);
    }

    const TINY_LOWER: f64 = 1.7652455493517475e-13;
    const TINY_UPPER: f64 = 5.664934265736511e-12;
}
