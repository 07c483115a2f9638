//! Seeded randomness that gives the same numbers on every platform.
//!
//! `f64::exp` and `f64::ln` differ between platforms in the last digit, which would be enough to make two machines disagree on a
//! traffic of the same seed. The ones here use only operations that IEEE 754 defines exactly.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One stream of random numbers.
#[derive(Clone)]
pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// Streams of one seed are independent, so that drawing more from one never changes another.
    pub(super) fn new(seed: u64, stream: u64) -> Random {
        let mut key = [0; 32];
        for (index, word) in key.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&mix(seed.wrapping_add(index as u64)).to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Random(rng)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..n`; 0 for `n` = 0.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(n)) >> 32) as u32
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// Close enough to a standard normal: the sum of eight uniforms, within 4.9 standard deviations.
    pub(super) fn normal(&mut self) -> f64 {
        let mut sum = 0;
        for _ in 0..2 {
            let bits = self.bits();
            sum += (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        }
        (sum as f64 - 4.0 * 65_535.0) / 53_509.92
    }

    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp(sigma * self.normal())
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * ln(1.0 - self.unit())
    }

    /// A count with that mean: the whole part, and one more with the probability of the rest, spread by one either way.
    pub(super) fn count(&mut self, mean: f64) -> u16 {
        let whole = (mean * (0.5 + self.unit())).max(0.0);
        whole as u16 + u16::from(self.chance(whole.fract()))
    }
}

/// Uniform in `[0, 1)` from 64 random bits.
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A bijection of 64 bits that leaves no trace of order (the finalizer of SplitMix64).
pub(super) fn mix(value: u64) -> u64 {
    let mut x = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A bijection of 48 bits, for ids that stay short and never collide.
pub(super) fn mix48(value: u64) -> u64 {
    const MASK: u64 = (1 << 48) - 1;
    let mut x = value & MASK;
    for factor in [0x9E37_79B9_7F4B_u64, 0xC2B2_AE3D_27D5] {
        x = x.wrapping_mul(factor) & MASK;
        x ^= x >> 24;
    }
    x
}

/// The index that a number in `[0, 1)` selects among weights.
pub(super) fn weighted(at: f64, weights: impl Iterator<Item = u32> + Clone) -> usize {
    let total: u32 = weights.clone().sum();
    let mut left = (at * f64::from(total)) as u32;
    let mut last = 0;
    for (index, weight) in weights.enumerate() {
        last = index;
        if left < weight {
            return index;
        }
        left -= weight;
    }
    last
}

fn exp(x: f64) -> f64 {
    let x = x.clamp(-60.0, 60.0);
    let power = (x / std::f64::consts::LN_2).round();
    let rest = x - power * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for n in (1..=11).rev() {
        sum = 1.0 + sum * rest / f64::from(n);
    }
    sum * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

fn ln(x: f64) -> f64 {
    let bits = x.max(f64::MIN_POSITIVE).to_bits();
    let power = (bits >> 52) as i64 - 1023;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let mut sum = 0.0;
    for n in (0..12).rev() {
        sum = sum * s * s + 1.0 / f64::from(2 * n + 1);
    }
    2.0 * s * sum + power as f64 * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_exponential_and_logarithm_agree_with_the_platforms() {
        for step in -400..400 {
            let x = f64::from(step) / 40.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-12, "exp({x})");
            let y = x.exp();
            assert!((ln(y) - x).abs() < 1e-9, "ln({y})");
        }
    }

    #[test]
    fn moments_are_those_of_the_named_distributions() {
        let mut random = Random::new(7, 0);
        let n = 200_000;
        let (mut sum, mut squares, mut waits) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let z = random.normal();
            sum += z;
            squares += z * z;
            waits += random.exponential(3.0);
        }
        let n = f64::from(n);
        assert!((sum / n).abs() < 0.01);
        assert!((squares / n - 1.0).abs() < 0.02);
        assert!((waits / n - 3.0).abs() < 0.05);
    }

    #[test]
    fn short_ids_do_not_collide() {
        let mut ids: Vec<u64> = (0..100_000).map(mix48).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 100_000);
    }
}
