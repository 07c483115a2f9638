//! The net promoter score with its adjusted Wald interval.

use super::{Interval, Z95};

/// 100 x (share of promoters minus share of detractors), with its 95 % interval; `None` without responses.
#[must_use]
pub fn nps(promoters: u64, detractors: u64, n: u64) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let value = 100.0 * (promoters as f64 - detractors as f64) / n as f64;
    let adjusted = n as f64 + 3.0;
    let (p, d) = ((promoters as f64 + 0.75) / adjusted, (detractors as f64 + 0.75) / adjusted);
    let half = Z95 * ((p + d - (p - d).powi(2)) / adjusted).sqrt();
    let bound = |share: f64| (100.0 * share).clamp(-100.0, 100.0);
    // The adjustment pulls the interval to the middle, away from an extreme value.
    Some(Interval {
        value,
        lower: bound(p - d - half).min(value),
        upper: bound(p - d + half).max(value),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn without_responses_it_is_absent() {
        assert_eq!(nps(0, 0, 0), None);
    }

    #[test]
    fn one_promoter_is_100_with_a_wide_interval() {
        let interval = nps(1, 0, 1).unwrap();
        assert_eq!((interval.value, interval.upper), (100.0, 100.0));
        assert!((interval.lower - -48.498_649_420_252_03).abs() < 1e-9);
    }

    #[test]
    fn the_interval_always_holds_the_value() {
        for n in 1..40 {
            for promoters in 0..=n {
                for detractors in 0..=n - promoters {
                    let Interval { value, lower, upper } = nps(promoters, detractors, n).unwrap();
                    assert!(
                        -100.0 <= lower && lower <= value && value <= upper && upper <= 100.0,
                        "{promoters} {detractors} {n}"
                    );
                }
            }
        }
    }
}
