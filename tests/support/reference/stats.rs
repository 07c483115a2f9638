//! The formulas of metrics.md, section 5, from exact inputs.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Two-sided 95 %.
pub const Z: f64 = 1.959_963_984_540_054;
/// One-sided 10^-4, for spikes.
pub const Z_SPIKE: f64 = 3.719_016;

/// Wilson score interval of the share `p` of `n`.
pub fn wilson(p: f64, n: f64, z: f64) -> (f64, f64) {
    let z2 = z * z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let lower = if p == 0.0 { 0.0 } else { centre - half };
    let upper = if p == 1.0 { 1.0 } else { centre + half };
    (lower, upper)
}

/// Mean and Student t interval of integers in units of `1 / scale`; no interval of one value.
pub fn mean(values: &[i128], scale: f64) -> (f64, Option<(f64, f64)>) {
    let n = values.len() as i128;
    let sum: i128 = values.iter().sum();
    let mean = sum as f64 / n as f64 / scale;
    if n == 1 {
        return (mean, None);
    }
    // Deviations are taken as integers, n times too large, so that nothing cancels.
    let squares: f64 = values.iter().map(|x| ((n * x - sum) as f64 / n as f64).powi(2)).sum();
    let deviation = (squares / (n - 1) as f64).sqrt() / scale;
    let half = student_t((n - 1) as u64) * deviation / (n as f64).sqrt();
    (mean, Some((mean - half, mean + half)))
}

/// Student t quantile 0.975, by bisection of the finite series of the distribution (Abramowitz and Stegun 26.7.3 and 26.7.4).
pub fn student_t(df: u64) -> f64 {
    static KNOWN: Mutex<BTreeMap<u64, f64>> = Mutex::new(BTreeMap::new());
    if let Some(t) = KNOWN.lock().unwrap().get(&df) {
        return *t;
    }
    let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if central_probability(middle, df) < 0.95 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let t = (df as f64).sqrt() * f64::midpoint(low, high).tan();
    KNOWN.lock().unwrap().insert(df, t);
    t
}

/// P(|T| < sqrt(df) tan(theta)).
fn central_probability(theta: f64, df: u64) -> f64 {
    let cos2 = theta.cos().powi(2);
    if df == 1 {
        return theta / std::f64::consts::FRAC_PI_2;
    }
    if df % 2 == 1 {
        let mut term = theta.cos();
        let mut sum = term;
        for k in 1..=(df - 3) / 2 {
            term *= cos2 * (2 * k) as f64 / (2 * k + 1) as f64;
            sum += term;
        }
        return (theta + theta.sin() * sum) / std::f64::consts::FRAC_PI_2;
    }
    let mut term = 1.0;
    let mut sum = term;
    for k in 1..=(df - 2) / 2 {
        term *= cos2 * (2 * k - 1) as f64 / (2 * k) as f64;
        sum += term;
    }
    theta.sin() * sum
}

/// NPS of promoters and detractors among `n`, and its adjusted Wald interval.
pub fn nps(promoters: u64, detractors: u64, n: u64) -> (f64, f64, f64) {
    let (promoters, detractors, n) = (promoters as f64, detractors as f64, n as f64);
    let value = 100.0 * (promoters - detractors) / n;
    let p = (promoters + 0.75) / (n + 3.0);
    let d = (detractors + 0.75) / (n + 3.0);
    let half = Z * ((p + d - (p - d).powi(2)) / (n + 3.0)).sqrt();
    let lower = (100.0 * (p - d - half)).clamp(-100.0, 100.0).min(value);
    let upper = (100.0 * (p - d + half)).clamp(-100.0, 100.0).max(value);
    (value, lower, upper)
}

/// Lift of a/n1 over b/n2 with its interval.
pub fn lift(a: u64, n1: u64, b: u64, n2: u64) -> Option<(f64, f64, f64)> {
    if n1 == 0 || n2 == 0 || a + b == 0 {
        return None;
    }
    let half = |x: u64| x as f64 + 0.5;
    let (a, n1, b, n2) = (half(a), half(n1), half(b), half(n2));
    let value = (a / n1) / (b / n2);
    let spread = Z * (1.0 / a - 1.0 / n1 + 1.0 / b - 1.0 / n2).sqrt();
    Some((value, (value.ln() - spread).exp(), (value.ln() + spread).exp()))
}

/// Spike excess of `(k1, n1)` over the windows `(k, n)` of the baseline, with its interval.
pub fn spike(k1: u64, n1: u64, baseline: &[(u64, u64)]) -> Option<(f64, f64, f64)> {
    let total: u64 = baseline.iter().map(|(_, n)| n).sum();
    if n1 < 10 || total < 30 {
        return None;
    }
    let hits: u64 = baseline.iter().map(|(k, _)| k).sum();
    let (p1, p0) = (k1 as f64 / n1 as f64, hits as f64 / total as f64);
    let filled: Vec<(f64, f64)> = baseline
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(k, n)| (*k as f64, *n as f64))
        .collect();
    let phi = if filled.len() < 2 || hits == 0 || hits == total {
        1.0
    } else {
        let sum: f64 = filled.iter().map(|(k, n)| (k - n * p0).powi(2) / (n * p0 * (1.0 - p0))).sum();
        (sum / (filled.len() - 1) as f64).max(1.0)
    };
    let (l1, u1) = wilson(p1, n1 as f64 / phi, Z_SPIKE);
    let (l0, u0) = wilson(p0, total as f64 / phi, Z_SPIKE);
    let excess = p1 - p0;
    let lower = excess - ((p1 - l1).powi(2) + (u0 - p0).powi(2)).sqrt();
    let upper = excess + ((u1 - p1).powi(2) + (p0 - l0).powi(2)).sqrt();
    Some((excess, lower, upper))
}

/// Quantile of `percent` of integers in units of `1 / scale`, as the bucketing leaves it.
pub fn quantile(values: &[i64], percent: usize, scale: u64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    let unit = scale as f64;
    let (least, greatest) = (sorted[0] as f64 / unit, sorted[sorted.len() - 1] as f64 / unit);
    let value = sorted[rank - 1];
    let middle = if value == 0 {
        0.0
    } else {
        2_f64.powf((f64::from(bucket(value as u64, scale)) - 0.5) / 32.0)
    };
    middle.clamp(least, greatest)
}

/// The least `i` with `value / scale <= 2^(i/32)`, decided exactly: `value^32 <= 2^i * scale^32`.
pub fn bucket(value: u64, scale: u64) -> i32 {
    let (left, right) = (power_32(value), power_32(scale));
    let holds = |i: i32| {
        let (left, right) = if i >= 0 {
            (left.clone(), shift(&right, i))
        } else {
            (shift(&left, -i), right.clone())
        };
        less_or_equal(&left, &right)
    };
    let mut i = (32.0 * (value as f64 / scale as f64).log2()).ceil() as i32;
    while !holds(i) {
        i += 1;
    }
    while holds(i - 1) {
        i -= 1;
    }
    i
}

/// Little-endian digits in base 2^32.
type Big = Vec<u32>;

fn power_32(value: u64) -> Big {
    let mut power = trimmed(vec![value as u32, (value >> 32) as u32]);
    for _ in 0..5 {
        power = product(&power, &power);
    }
    power
}

fn product(a: &Big, b: &Big) -> Big {
    let mut out = vec![0_u32; a.len() + b.len()];
    for (i, x) in a.iter().enumerate() {
        let mut carry = 0_u64;
        for (j, y) in b.iter().enumerate() {
            let sum = u64::from(out[i + j]) + u64::from(*x) * u64::from(*y) + carry;
            out[i + j] = sum as u32;
            carry = sum >> 32;
        }
        out[i + b.len()] = carry as u32;
    }
    trimmed(out)
}

fn shift(a: &Big, bits: i32) -> Big {
    let mut out = vec![0_u32; bits as usize / 32];
    let bits = bits as u32 % 32;
    let mut carry = 0_u64;
    for digit in a {
        let wide = (u64::from(*digit) << bits) | carry;
        out.push(wide as u32);
        carry = wide >> 32;
    }
    out.push(carry as u32);
    trimmed(out)
}

fn trimmed(mut a: Big) -> Big {
    while a.last() == Some(&0) {
        a.pop();
    }
    a
}

fn less_or_equal(a: &Big, b: &Big) -> bool {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev())).is_le()
}
