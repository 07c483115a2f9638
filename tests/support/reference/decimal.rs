//! Exact decimals: what a JSON number says, not the nearest double.

use std::cmp::Ordering;

/// `0.DIGITS * 10^point`, negative or not; no leading or trailing zeros, no digits at all for 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    point: i128,
}

impl Decimal {
    /// Reads a JSON number, or digits with a point.
    pub fn parse(text: &str) -> Decimal {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], exponent(&text[at + 1..])),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
        let leading = all.iter().take_while(|d| **d == 0).count();
        let trailing = all.iter().rev().take_while(|d| **d == 0).count();
        if leading == all.len() {
            return Decimal {
                negative: false,
                digits: Vec::new(),
                point: 0,
            };
        }
        let point = whole.len() as i128 - leading as i128 + exponent;
        Decimal {
            negative,
            digits: all[leading..all.len() - trailing].to_vec(),
            point,
        }
    }

    /// The decimal of an integer.
    pub fn of(integer: i64) -> Decimal {
        Decimal::parse(&integer.to_string())
    }

    /// Whether it is a whole number.
    pub fn is_whole(&self) -> bool {
        self.digits.len() as i128 <= self.point || self.digits.is_empty()
    }

    /// Whether it lies in `[low, high]`.
    pub fn within(&self, low: i64, high: i64) -> bool {
        self.compare(&Decimal::of(low)) != Ordering::Less && self.compare(&Decimal::of(high)) != Ordering::Greater
    }

    fn compare(&self, other: &Decimal) -> Ordering {
        let sign = |d: &Decimal| match (d.digits.is_empty(), d.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        if sign(self) != sign(other) || sign(self) == 0 {
            return sign(self).cmp(&sign(other));
        }
        let size = self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        if self.negative { size.reverse() } else { size }
    }

    /// In millionths, rounded half away from zero; for values that are known to be small enough.
    pub fn micros(&self) -> i128 {
        let kept = self.point + 6;
        let digit = |at: i128| {
            if at < 0 {
                0
            } else {
                i128::from(self.digits.get(at as usize).copied().unwrap_or(0))
            }
        };
        if kept < 0 || self.digits.is_empty() {
            return 0;
        }
        let mut micros = 0;
        for at in 0..kept {
            micros = micros * 10 + digit(at);
        }
        if digit(kept) >= 5 {
            micros += 1;
        }
        if self.negative { -micros } else { micros }
    }
}

/// The exponent, held within what no digits of a record could make up for.
fn exponent(text: &str) -> i128 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = digits.trim_start_matches('0');
    let size = if size.len() > 20 {
        10_i128.pow(20)
    } else {
        size.parse().unwrap_or(0)
    };
    if negative { -size } else { size }
}
