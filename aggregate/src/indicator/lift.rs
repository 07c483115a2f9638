//! How much likelier something is in one group than in another.

use super::{Interval, Z95};

/// The lift of `a` of `n1` over `b` of `n2`, with its 95 % interval; `None` when a group is empty or nothing happened in either.
///
/// A half is added to each count (Pettigrew, Gart and Thomas 1986), so that `b` = 0 still shows.
#[must_use]
pub fn lift(a: u64, n1: u64, b: u64, n2: u64) -> Option<Interval> {
    if n1 == 0 || n2 == 0 || a + b == 0 {
        return None;
    }
    let [a, n1, b, n2] = [a, n1, b, n2].map(|count| count as f64 + 0.5);
    let value = (a / n1) / (b / n2);
    // Where everything happened, rounding may leave less than nothing.
    let error = (1.0 / a - 1.0 / n1 + 1.0 / b - 1.0 / n2).max(0.0).sqrt();
    let (log, half) = (value.ln(), Z95 * error);
    Some(Interval {
        value,
        lower: (log - half).exp(),
        upper: (log + half).exp(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn it_is_absent_where_nothing_can_be_compared() {
        assert_eq!(lift(0, 0, 1, 2), None);
        assert_eq!(lift(1, 2, 0, 0), None);
        assert_eq!(lift(0, 5, 0, 5), None);
    }

    #[test]
    fn an_event_in_one_group_alone_still_shows() {
        let interval = lift(3, 10, 0, 20).unwrap();
        assert!((interval.value - (3.5 / 10.5) / (0.5 / 20.5)).abs() < 1e-12);
        assert!(interval.lower > 0.5 && interval.upper.is_finite());
    }

    #[test]
    fn swapping_the_groups_inverts_it() {
        let (one, other) = (lift(3, 10, 2, 20).unwrap(), lift(2, 20, 3, 10).unwrap());
        assert!((one.value * other.value - 1.0).abs() < 1e-12);
        assert!((one.lower * other.upper - 1.0).abs() < 1e-12);
    }

    #[test]
    fn all_in_both_groups_is_a_lift_of_one() {
        let interval = lift(7, 7, 7, 7).unwrap();
        assert!((interval.value - 1.0).abs() < 1e-12);
        assert!(interval.lower <= 1.0 && interval.upper >= 1.0);
    }
}
