//! Means with Student's t interval, arithmetic and geometric.

use std::ops::RangeInclusive;

use super::{Estimate, t_quantile};
use crate::measure::{LogMoment, Moment};

/// The mean of the values divided by `scale`, with its 95 % interval (none of a single value) clamped to what is possible; `None` of no
/// values.
#[must_use]
pub fn mean(moment: &Moment, scale: f64, possible: RangeInclusive<f64>) -> Option<Estimate> {
    let (center, half) = center_and_half(moment.n, moment.sum, moment.sum_squares, scale)?;
    let clamp = |bound: f64| bound.max(*possible.start()).min(*possible.end());
    Some(Estimate {
        value: center,
        lower: half.map(|half| clamp(center - half)),
        upper: half.map(|half| clamp(center + half)),
    })
}

/// The geometric mean in seconds, with the 95 % interval of the mean logarithm, exponentiated (none of a single value); `None` of no
/// values.
#[must_use]
pub fn geomean(moment: &LogMoment) -> Option<Estimate> {
    let (center, half) = center_and_half(moment.n, moment.sum, moment.sum_squares, 1e9)?;
    let seconds = |log: f64| log.exp() / 1_000.0;
    Some(Estimate {
        value: seconds(center),
        lower: half.map(|half| seconds(center - half)),
        upper: half.map(|half| seconds(center + half)),
    })
}

/// The mean and half the width of its interval.
fn center_and_half(n: u64, sum: i128, sum_squares: i128, scale: f64) -> Option<(f64, Option<f64>)> {
    if n == 0 {
        return None;
    }
    let count = n as f64;
    let center = sum as f64 / (count * scale);
    if n == 1 {
        return Some((center, None));
    }
    // Sample variance / n = (n * sum of squares - sum^2) / (n^2 * (n - 1)).
    let error = (spread(n, sum, sum_squares) / (count - 1.0)).sqrt() / (count * scale);
    Some((center, Some(t_quantile(n - 1) * error)))
}

/// `n * sum_squares - sum^2`, exactly in 256 bits before it is rounded: as floats the two would cancel where values are large and alike.
fn spread(n: u64, sum: i128, sum_squares: i128) -> f64 {
    const HIGH_DIGIT: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
    let (low_a, high_a) = sum_squares.max(0).unsigned_abs().carrying_mul(u128::from(n), 0);
    let (low_b, high_b) = sum.unsigned_abs().carrying_mul(sum.unsigned_abs(), 0);
    if (high_a, low_a) <= (high_b, low_b) {
        return 0.0;
    }
    let (low, borrow) = low_a.overflowing_sub(low_b);
    let high = high_a - high_b - u128::from(borrow);
    high as f64 * HIGH_DIGIT + low as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const ANY: RangeInclusive<f64> = f64::NEG_INFINITY..=f64::INFINITY;

    fn moment(values: &[i64]) -> Moment {
        let mut moment = Moment::default();
        for value in values {
            moment.add(*value);
        }
        moment
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs().max(1e-3)
    }

    #[test]
    fn the_mean_of_nothing_is_absent_and_that_of_one_value_has_no_interval() {
        assert_eq!(mean(&Moment::default(), 1.0, ANY), None);
        assert_eq!(mean(&moment(&[4_000_000]), 1e6, 1.0..=5.0), Some(4.0.into()));
        assert_eq!(geomean(&LogMoment::default()), None);
        let mut one = LogMoment::default();
        one.add(1);
        assert_eq!(geomean(&one), Some(0.001.into()));
    }

    #[test]
    fn the_interval_is_that_of_the_t_distribution() {
        // Mean 4, sample variance 2.5, standard error sqrt(0.5), t = 2.776 445 105 197 79 for 4 degrees of freedom.
        let estimate = mean(&moment(&[2, 3, 4, 5, 6]), 1.0, ANY).unwrap();
        assert!(near(estimate.value, 4.0));
        assert!(near(estimate.lower.unwrap(), 4.0 - 2.776_445_105_197_793 * 0.5_f64.sqrt()));
        assert!(near(estimate.upper.unwrap(), 4.0 + 2.776_445_105_197_793 * 0.5_f64.sqrt()));
    }

    #[test]
    fn the_interval_is_clamped_to_what_is_possible() {
        let estimate = mean(&moment(&[1_000_000, 5_000_000]), 1e6, 1.0..=5.0).unwrap();
        assert_eq!(
            estimate,
            Estimate {
                value: 3.0,
                lower: Some(1.0),
                upper: Some(5.0)
            }
        );
    }

    #[test]
    fn equal_values_have_an_interval_of_no_width() {
        let estimate = mean(&moment(&[1 << 43; 5]), 1_000.0, ANY).unwrap();
        assert_eq!((estimate.lower, estimate.upper), (Some(estimate.value), Some(estimate.value)));
    }

    #[test]
    fn large_values_that_differ_little_do_not_cancel() {
        let base = 1 << 62;
        let large = moment(&[base, base + 2, base + 4]);
        assert_eq!(spread(large.n, large.sum, large.sum_squares), 24.0);
        let long = mean(&moment(&[1 << 40, (1 << 40) + 2, (1 << 40) + 4]), 1.0, ANY).unwrap();
        let half = 4.302_652_729_749_464 * 2.0 / 3_f64.sqrt();
        assert!((long.upper.unwrap() - long.value - half).abs() < 1e-3);
    }

    #[test]
    fn the_geometric_mean_is_that_of_the_logarithms() {
        let mut moment = LogMoment::default();
        for ms in [1_000, 10_000, 100_000] {
            moment.add(ms);
        }
        let estimate = geomean(&moment).unwrap();
        let half = 4.302_652_729_749_464 * 10_f64.ln() / 3_f64.sqrt();
        assert!((estimate.value / 10.0 - 1.0).abs() < 2e-9);
        assert!((estimate.lower.unwrap() / (10.0 * (-half).exp()) - 1.0).abs() < 1e-8);
        assert!((estimate.upper.unwrap() / (10.0 * half.exp()) - 1.0).abs() < 1e-8);
    }

    proptest! {
        #[test]
        fn the_spread_is_that_of_the_deviations(values in prop::collection::vec(-1_000_000_i64..1_000_000, 2..50), base in 0_i64..1 << 43) {
            let shifted: Vec<i64> = values.iter().map(|value| base + value).collect();
            let (plain, moved) = (moment(&values), moment(&shifted));
            let n = values.len() as f64;
            let average = values.iter().sum::<i64>() as f64 / n;
            let deviations: f64 = values.iter().map(|value| (*value as f64 - average).powi(2)).sum();
            let exact = spread(plain.n, plain.sum, plain.sum_squares);
            prop_assert_eq!(exact, spread(moved.n, moved.sum, moved.sum_squares));
            prop_assert!((exact - n * deviations).abs() <= 1e-9 * exact.max(1.0));
        }
    }
}
