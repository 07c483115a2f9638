//! The bucket index against arithmetic on integers of any length.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

/// A whole number in base 2^32, least digit first, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Big(Vec<u32>);

impl Big {
    fn times(&self, factor: u32) -> Big {
        let mut carry = 0_u64;
        let mut digits: Vec<u32> = Vec::with_capacity(self.0.len() + 1);
        for digit in &self.0 {
            carry += u64::from(*digit) * u64::from(factor);
            digits.push(carry as u32);
            carry >>= 32;
        }
        digits.push(carry as u32);
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Big(digits)
    }

    fn squared(&self) -> Big {
        let mut digits = vec![0_u32; 2 * self.0.len()];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0_u64;
            for (j, b) in self.0.iter().enumerate() {
                carry += u64::from(digits[i + j]) + u64::from(*a) * u64::from(*b);
                digits[i + j] = carry as u32;
                carry >>= 32;
            }
            digits[i + self.0.len()] = carry as u32;
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Big(digits)
    }

    fn to_the_32nd(value: u128) -> Big {
        let mut digits: Vec<u32> = (0..4).map(|i| (value >> (32 * i)) as u32).collect();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        (0..5).fold(Big(digits), |power, _| power.squared())
    }

    fn doubled(self, times: u32) -> Big {
        (0..times).fold(self, |big, _| big.times(2))
    }

    fn cmp(&self, other: &Big) -> Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

/// `value` against `unit * 2^(i/32)`, by comparing 32nd powers.
fn against_bound(value: u128, unit: u128, i: i16) -> Ordering {
    let (left, right) = (Big::to_the_32nd(value), Big::to_the_32nd(unit));
    let shift = u32::from(i.unsigned_abs());
    if i < 0 {
        left.doubled(shift).cmp(&right)
    } else {
        left.cmp(&right.doubled(shift))
    }
}

fn assert_exact(scale: &Scale, unit: u128, value: u64) {
    let i = scale.bucket(value);
    assert_ne!(
        against_bound(value.into(), unit, i),
        Ordering::Greater,
        "{value} in units of {unit} is above bucket {i}"
    );
    assert_eq!(
        against_bound(value.into(), unit, i - 1),
        Ordering::Greater,
        "{value} in units of {unit} is below bucket {i}"
    );
}

/// The greatest integer that is not above `unit * 2^(i/32)`, with an error that the callers step over.
fn near_bound(unit: u64, i: i16) -> u64 {
    (unit as f64 * f64::from(i).mul_add(1.0 / 32.0, 0.0).exp2()) as u64
}

#[test]
fn the_roots_are_rounded_down_from_the_exact_powers() {
    for (j, root) in (0..).zip(ROOTS) {
        let exact = Big(vec![1]).doubled(32 * ROOT_FRACTION + j);
        assert_ne!(Big::to_the_32nd(root).cmp(&exact), Ordering::Greater, "root {j}");
        assert_eq!(Big::to_the_32nd(root + 1).cmp(&exact), Ordering::Greater, "root {j} + 1");
    }
}

#[test]
fn the_bounds_of_both_scales_are_rounded_down_from_the_exact_ones() {
    for (scale, unit) in [(&Scale::WHOLE, 1_u128), (&Scale::THOUSANDTHS, 1_000)] {
        for (step, bound) in (0..).zip(scale.bounds) {
            if bound == u64::MAX {
                continue;
            }
            // bound = floor(2^63 * unit * 2^(i/32))
            let i = scale.first + step + 63 * 32;
            assert_ne!(
                against_bound(bound.into(), unit, i),
                Ordering::Greater,
                "bound {step} of unit {unit}"
            );
            assert_eq!(
                against_bound(u128::from(bound) + 1, unit, i),
                Ordering::Greater,
                "bound {step} of unit {unit}, plus 1"
            );
        }
    }
}

#[test]
fn the_bucket_is_exact_at_and_around_every_bound() {
    for (scale, unit) in [(&Scale::WHOLE, 1), (&Scale::THOUSANDTHS, 1_000)] {
        for i in -318..44 * 32 {
            let bound = near_bound(unit, i);
            for value in bound.saturating_sub(1)..=bound + 2 {
                if value > 0 {
                    assert_exact(scale, unit.into(), value);
                }
            }
        }
    }
}

#[test]
fn powers_of_two_of_the_unit_are_the_upper_end_of_their_bucket() {
    assert_eq!(Scale::WHOLE.bucket(1), 0);
    assert_eq!(Scale::WHOLE.bucket(2), 32);
    assert_eq!(Scale::WHOLE.bucket(3), 51);
    assert_eq!(Scale::THOUSANDTHS.bucket(1_000), 0);
    assert_eq!(Scale::THOUSANDTHS.bucket(1_001), 1);
    assert_eq!(Scale::THOUSANDTHS.bucket(125), -96);
    assert_eq!(Scale::THOUSANDTHS.bucket(8_000), 96);
    assert_eq!(Scale::THOUSANDTHS.bucket(8_001), 97);
}

#[test]
fn the_midpoint_is_half_a_bucket_below_the_bound() {
    for i in -400_i16..2_100 {
        let expected = (f64::from(2 * i - 1) / 64.0).exp2();
        assert!((midpoint(i) / expected - 1.0).abs() < 1e-14, "bucket {i}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_bucket_of_any_value_is_exact(bits in 0_u32..64, value: u64) {
        let value = (value >> bits).max(1);
        assert_exact(&Scale::WHOLE, 1, value);
        assert_exact(&Scale::THOUSANDTHS, 1_000, value);
    }
}
