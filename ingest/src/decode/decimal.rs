//! Exact decimal values of JSON numbers: wholeness, range and rounding to millionths without going through a double.

/// Decimal places that scores, sentiments and amounts keep.
const PLACES: i64 = 6;
/// Values of 10^16 and more exceed every bound of the contract; below, the value in millionths fits easily.
const MAX_POINT: i64 = 16;

/// The exact value of a decimal text, reduced to what the contract asks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// The magnitude in millionths, further digits cut off.
    micros: i128,
    /// Whether a digit other than 0 was cut off.
    more: bool,
    /// Whether what was cut off is half a millionth or more.
    round_up: bool,
    whole: bool,
    /// 10^16 or more; the other members then mean nothing.
    huge: bool,
}

impl Decimal {
    /// Reads a number of the JSON grammar, or digits with a point inside. `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Decimal> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.bytes().position(|byte| byte | 0x20 == b'e') {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (integer, fraction) = match mantissa.split_once('.') {
            Some((integer, fraction)) if !fraction.is_empty() => (integer, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        if integer.is_empty() || !integer.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Decimal::from_digits(negative, integer, fraction, exponent))
    }

    /// The value is 0.d1d2d3... times 10^point, with d1 and the last digit not 0.
    fn from_digits(negative: bool, integer: &str, fraction: &str, exponent: i64) -> Decimal {
        let zero = Decimal {
            negative: false,
            micros: 0,
            more: false,
            round_up: false,
            whole: true,
            huge: false,
        };
        let digits = || integer.bytes().chain(fraction.bytes());
        let Some(leading) = digits().position(|digit| digit != b'0') else {
            return zero;
        };
        let trailing = digits().rev().position(|digit| digit != b'0').unwrap_or(0);
        let count = (integer.len() + fraction.len() - leading - trailing) as i64;
        let point = (integer.len() as i64 - leading as i64).saturating_add(exponent);
        if point > MAX_POINT {
            return Decimal {
                negative,
                huge: true,
                ..zero
            };
        }
        // Digits up to the sixth place; fewer than none where the number is that small.
        let kept = point + PLACES;
        let mut significant = digits().skip(leading).take(count as usize);
        let mut micros = 0_i128;
        for _ in 0..kept {
            micros = micros * 10 + i128::from(significant.next().unwrap_or(b'0') - b'0');
        }
        Decimal {
            negative,
            micros,
            more: count > kept,
            round_up: kept >= 0 && significant.next().is_some_and(|digit| digit >= b'5'),
            whole: count <= point,
            huge: false,
        }
    }

    /// Whether the exact value has no fraction.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether the exact value lies in `[least, greatest]`, both whole numbers.
    pub(super) fn is_within(&self, least: i64, greatest: i64) -> bool {
        if self.huge {
            return false;
        }
        let (bound, other) = if self.negative {
            (-i128::from(least), -i128::from(greatest))
        } else {
            (greatest.into(), least.into())
        };
        // The magnitude is at most `bound` and at least `other`, signs turned.
        let (bound, other) = (bound * 1_000_000, other * 1_000_000);
        (self.micros < bound || self.micros == bound && !self.more) && self.micros >= other
    }

    /// The value in millionths, rounded half away from zero. Only for a value that was found within a range.
    pub(super) fn micros(&self) -> i128 {
        let magnitude = self.micros + i128::from(self.round_up);
        if self.negative { -magnitude } else { magnitude }
    }
}

/// The exponent after its `e`; far beyond every use it stops growing, since only its sign and size matter there.
fn exponent(text: &str) -> Option<i64> {
    const ENOUGH: i64 = 1 << 50;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for digit in digits.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = (value * 10 + i64::from(digit - b'0')).min(ENOUGH);
    }
    Some(if negative { -value } else { value })
}

/// The value of an integer as written in JSON (no point, no exponent), or `None`; beyond the range of i64 it stops at its end.
pub(super) fn integer(raw: &str) -> Option<i64> {
    let (negative, digits) = match raw.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, raw),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for digit in digits.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn micros(text: &str) -> i128 {
        Decimal::parse(text).unwrap().micros()
    }

    #[test]
    fn values_round_half_away_from_zero_at_the_sixth_place() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0", 0),
            ("1", 1_000_000),
            ("1e1", 10_000_000),
            ("100e-1", 10_000_000),
            ("0.0000005", 1),
            ("-0.0000005", -1),
            ("0.00000049999999999999", 0),
            ("-0.00000049999999999999", 0),
            ("0.00000005", 0),
            ("5e-7", 1),
            ("5e-8", 0),
            ("9e-7", 1),
            ("1e-999999999999999999999999", 0),
            ("0e999999999999999999999999", 0),
            ("999999999999999.9999995", 1_000_000_000_000_000_000_000),
            ("000123.456", 123_456_000),
            ("0.1234565", 123_457),
            ("0.1234564999", 123_456),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
    }

    #[test]
    fn wholeness_is_that_of_the_exact_value() {
        for text in ["9", "9.0", "90e-1", "0.9e1", "-0.0", "1e300", "0.0e-5", "9.00000000000000000000"] {
            assert!(Decimal::parse(text).unwrap().is_whole() || text == "1e300", "{text}");
        }
        for text in ["9.0000000000000000001", "9e-1", "1e-999999999999", "95e-1"] {
            assert!(!Decimal::parse(text).unwrap().is_whole(), "{text}");
        }
    }

    #[test]
    fn ranges_are_judged_before_rounding() {
        for (text, least, greatest, expected) in [
            ("1", -1, 1, true),
            ("-1", -1, 1, true),
            ("1.0000000000000000000001", -1, 1, false),
            ("-1.0000000000000000000001", -1, 1, false),
            ("0.99999999999999999", -1, 1, true),
            ("0.99999999999999999", 1, 5, false),
            ("-0", 0, 10, true),
            ("-0.0e5", 0, 10, true),
            ("-1e-400", 0, 10, false),
            ("1e15", 0, 1_000_000_000_000_000, true),
            ("1000000000000000.00000000001", 0, 1_000_000_000_000_000, false),
            ("1e16", 0, 1_000_000_000_000_000, false),
            ("1e999999999", 0, 1_000_000_000_000_000, false),
            ("-1e999999999", -1, 1, false),
            ("0.5", 1, 5, false),
            ("5.5", 1, 5, false),
        ] {
            assert_eq!(
                Decimal::parse(text).unwrap().is_within(least, greatest),
                expected,
                "{text} in {least}..={greatest}"
            );
        }
    }

    #[test]
    fn what_is_no_decimal_is_not_read() {
        for text in [
            "", "-", ".", "1.", ".5", "1..2", "1.2.3", "+1", "e1", "1e", "1e+", "1e1.5", " 1", "1 ", "1_0", "٣", "0x1", "NaN",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn integers_are_integers_as_written() {
        assert_eq!(integer("-0"), Some(0));
        assert_eq!(integer("2147483648"), Some(1 << 31));
        assert_eq!(integer("99999999999999999999999999"), Some(i64::MAX));
        assert_eq!(integer("-99999999999999999999999999"), Some(-i64::MAX));
        for text in ["5.0", "1e3", "1E3", "", "-", "true", "\"5\""] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn shifting_the_point_and_the_exponent_changes_nothing(value in 0_u64..2_000_000_000_000_000, places in 0_usize..12, negative: bool) {
            let digits = format!("{value:0>width$}", width = places + 1);
            let (integer, fraction) = digits.split_at(digits.len() - places);
            let sign = if negative { "-" } else { "" };
            let plain = if places == 0 { format!("{sign}{integer}") } else { format!("{sign}{integer}.{fraction}") };
            let plain = Decimal::parse(&plain).unwrap();
            prop_assert_eq!(plain, Decimal::parse(&format!("{sign}{value}e-{places}")).unwrap());
            prop_assert_eq!(plain, Decimal::parse(&format!("{sign}{value}.000E-0{places}")).unwrap());
            let scale = 10_i128.pow(places as u32);
            let scaled = i128::from(value) * 1_000_000;
            let rounded = (scaled * 2 + scale) / (scale * 2);
            prop_assert_eq!(plain.micros(), if negative { -rounded } else { rounded });
            prop_assert_eq!(plain.is_whole(), i128::from(value) % scale == 0);
            prop_assert_eq!(plain.is_within(0, 5), (!negative || value == 0) && i128::from(value) <= 5 * scale);
            prop_assert_eq!(plain.is_within(-5, 0), (negative || value == 0) && i128::from(value) <= 5 * scale);
        }
    }
}
