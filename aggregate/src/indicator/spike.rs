//! Whether a ratio rose above its own recent past: Newcombe's hybrid score interval, widened by the dispersion of the baseline.

use super::{Interval, wilson_at};

/// One-sided 10^-4.
const Z: f64 = 3.719_016;
/// Least denominator of the window.
const LEAST_N: u64 = 10;
/// Least sum of denominators of the baseline.
const LEAST_BASELINE: u64 = 30;
/// Least numerator of the window for a spike.
const LEAST_COUNT: u64 = 5;
/// Least excess of a spike.
const LEAST_EXCESS: f64 = 0.02;

/// The excess of a window's ratio over its baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike {
    /// The excess with its interval.
    pub excess: Interval,
    /// Denominator of the window, which is its sample size too.
    pub n: u64,
    /// Numerator of the window.
    pub numerator: u64,
    /// Denominator of the window.
    pub denominator: u64,
    /// Whether the excess is beyond chance and large enough to matter.
    pub is_spike: bool,
}

/// Compares `k1` of `n1` with the numerators and denominators of the baseline's windows; `None` where there is too little of either.
#[must_use]
pub fn spike(k1: u64, n1: u64, baseline: &[(u64, u64)]) -> Option<Spike> {
    let (k, n) = baseline.iter().fold((0, 0), |(k, n), (k_i, n_i)| (k + k_i, n + n_i));
    if n1 < LEAST_N || n < LEAST_BASELINE {
        return None;
    }
    let (p1, p0) = (k1 as f64 / n1 as f64, k as f64 / n as f64);
    let phi = dispersion(p0, baseline);
    let (l1, u1) = wilson_at(p1, n1 as f64 / phi, Z);
    let (l0, u0) = wilson_at(p0, n as f64 / phi, Z);
    let value = p1 - p0;
    let lower = value - (p1 - l1).hypot(u0 - p0);
    let upper = value + (u1 - p1).hypot(p0 - l0);
    Some(Spike {
        excess: Interval { value, lower, upper },
        n: n1,
        numerator: k1,
        denominator: n1,
        is_spike: lower > 0.0 && value >= LEAST_EXCESS.max(p0 / 2.0) && k1 >= LEAST_COUNT,
    })
}

/// How many times more the windows vary than chance alone would make them; at least 1.
fn dispersion(p0: f64, baseline: &[(u64, u64)]) -> f64 {
    let variance = p0 * (1.0 - p0);
    let windows = baseline.iter().filter(|(_, n)| *n > 0).count();
    if windows < 2 || variance <= 0.0 {
        return 1.0;
    }
    let squares: f64 = baseline
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(k, n)| (*k as f64 - *n as f64 * p0).powi(2) / (*n as f64 * variance))
        .sum();
    (squares / (windows - 1) as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn too_little_of_either_is_absent() {
        assert_eq!(spike(5, 9, &[(1, 100)]), None);
        assert_eq!(spike(5, 10, &[(1, 29)]), None);
        assert_eq!(spike(5, 10, &[]), None);
        assert!(spike(5, 10, &[(1, 15), (0, 0), (1, 15)]).is_some());
    }

    #[test]
    fn a_burst_over_a_quiet_baseline_is_a_spike() {
        assert!(spike(60, 100, &[(5, 100); 12]).unwrap().is_spike);
        assert!(!spike(6, 100, &[(5, 100); 12]).unwrap().is_spike);
    }

    #[test]
    fn a_baseline_that_varies_widens_the_interval() {
        let (calm, restless) = (
            spike(30, 100, &[(10, 100); 12]).unwrap(),
            spike(30, 100, &[(0, 100), (20, 100)].repeat(6)).unwrap(),
        );
        assert_eq!(calm.excess.value, restless.excess.value);
        assert!(calm.excess.lower > restless.excess.lower && calm.excess.upper < restless.excess.upper);
        assert!(calm.is_spike && !restless.is_spike);
    }

    #[test]
    fn less_than_five_is_no_spike_however_unlikely() {
        let few = spike(4, 10, &[(0, 1_000_000)]).unwrap();
        assert!(few.excess.lower > 0.0 && !few.is_spike);
    }

    #[test]
    fn an_excess_below_two_hundredths_or_half_the_baseline_is_no_spike() {
        let slight = spike(15_000, 1_000_000, &[(0, 1_000_000)]).unwrap();
        assert!(slight.excess.lower > 0.0 && !slight.is_spike);
        let relative = spike(550_000, 1_000_000, &[(400_000, 1_000_000)]).unwrap();
        assert!(relative.excess.lower > 0.0 && !relative.is_spike);
    }

    #[test]
    fn a_baseline_of_none_or_all_has_no_dispersion() {
        assert_eq!(dispersion(0.0, &[(0, 10), (0, 20)]), 1.0);
        assert_eq!(dispersion(1.0, &[(10, 10), (20, 20)]), 1.0);
        assert_eq!(dispersion(0.1, &[(1, 10), (0, 0)]), 1.0);
        assert!((dispersion(0.5, &[(0, 10), (10, 10)]) - 20.0).abs() < 1e-12);
    }
}
