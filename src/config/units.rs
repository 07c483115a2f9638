//! Durations and sizes: a whole number with its unit, so that nobody has to guess what `5` means.

use tidegauge_aggregate::time::Millis;

use super::error::Problem;

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

pub(super) const DURATION_SHAPE: &str = "a whole number with a unit (ms, s, m, h or d, like \"2m\")";
pub(super) const SIZE_SHAPE: &str = "a whole number with a unit (B, KiB, MiB, GiB, TiB, kB, MB or GB, like \"128MiB\")";

/// Reads `250ms`, `60s`, `2m`, `1h`, `30d`.
pub(super) fn parse_duration(text: &str) -> Result<Millis, Problem> {
    let problem = |message: &str| Problem::new(message).expected(DURATION_SHAPE);
    let (number, unit) = split(text).map_err(|message| problem(message).suggest(spelled_duration(text)))?;
    let Some((_, factor)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
        let message = if unit.is_empty() {
            "a duration without a unit"
        } else {
            "a duration with an unknown unit"
        };
        return Err(problem(message).suggest(spelled_duration(text)));
    };
    let millis = number.checked_mul(*factor).and_then(|ms| Millis::try_from(ms).ok());
    millis.ok_or_else(|| problem("a duration too long to be represented"))
}

/// Reads `512B`, `6KiB`, `128MiB`, `1GB`.
pub(super) fn parse_size(text: &str) -> Result<u64, Problem> {
    let problem = |message: &str| Problem::new(message).expected(SIZE_SHAPE);
    let (number, unit) = split(text).map_err(problem)?;
    let Some((_, factor)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        let message = if unit.is_empty() {
            "a size without a unit"
        } else {
            "a size with an unknown unit"
        };
        return Err(problem(message).suggest(spelled_size(number, unit)));
    };
    number
        .checked_mul(*factor)
        .ok_or_else(|| problem("a size too large to be represented"))
}

/// The shortest exact form: `2m`, `90s`.
pub(super) fn format_duration(millis: Millis) -> String {
    let millis = u64::try_from(millis).unwrap_or(0);
    format_unit(millis, &DURATION_UNITS)
}

/// The shortest exact form in binary units: `1MiB`.
pub(super) fn format_size(bytes: u64) -> String {
    format_unit(bytes, &SIZE_UNITS[..5])
}

fn format_unit(value: u64, units: &[(&str, u64)]) -> String {
    let fitting = units
        .iter()
        .rev()
        .find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    let (unit, factor) = fitting.or(units.first()).copied().unwrap_or(("", 1));
    format!("{}{unit}", value / factor)
}

fn split(text: &str) -> Result<(u64, &str), &'static str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("no whole number with a unit");
    }
    if unit.starts_with(['.', ',']) {
        return Err("no whole number");
    }
    if unit.contains(|c: char| c.is_ascii_digit()) {
        return Err("more than one number");
    }
    let number = number.parse().map_err(|_| "a number too large to be represented")?;
    Ok((number, unit))
}

/// What `5`, `5 min`, `5M`, `2 weeks`, `1.5h` and `1h30m` were probably meant to be.
fn spelled_duration(text: &str) -> Option<String> {
    let mut millis: u64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let factor: u64 = match unit.trim().to_lowercase().as_str() {
            "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => 1,
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            "w" | "week" | "weeks" => 7 * 86_400_000,
            _ => return None,
        };
        let scaled = number.parse::<f64>().ok()? * factor as f64;
        if scaled.fract() != 0.0 || !(0.0..=1e15).contains(&scaled) {
            return None;
        }
        millis = millis.checked_add(scaled as u64)?;
        rest = after.trim_start();
    }
    (millis > 0).then(|| format_unit(millis, &DURATION_UNITS))
}

fn spelled_size(number: u64, unit: &str) -> Option<String> {
    let right = match unit.trim().to_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => "B",
        "k" | "kb" | "kib" => "KiB",
        "m" | "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        "t" | "tb" | "tib" => "TiB",
        _ => return None,
    };
    Some(format!("{number}{right}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn durations_are_a_whole_number_and_a_unit() {
        let read = ["0ms", "250ms", "60s", "2m", "1h", "30d"].map(|text| parse_duration(text).unwrap());
        assert_eq!(read, [0, 250, 60_000, 120_000, 3_600_000, 2_592_000_000]);
    }

    #[test]
    fn a_wrong_duration_says_which_units_exist_and_what_was_probably_meant() {
        let meant = [
            ("5", Some("5s")),
            ("5 min", Some("5m")),
            ("5M", Some("5m")),
            ("2weeks", Some("14d")),
            ("1.5h", Some("90m")),
            ("1h30m", Some("90m")),
            ("", None),
            ("soon", None),
            ("-5s", None),
            ("99999999999999999999s", None),
            ("9999999999999999d", None),
        ];
        for (text, suggestion) in meant {
            let problem = parse_duration(text).unwrap_err();
            assert_eq!(problem.suggestion.as_deref(), suggestion, "{text}");
            assert!(problem.expected.unwrap().contains("ms, s, m, h or d"));
        }
    }

    #[test]
    fn sizes_are_binary_or_decimal_as_written() {
        let read = ["0B", "6KiB", "1MiB", "2GiB", "6kB", "1MB"].map(|text| parse_size(text).unwrap());
        assert_eq!(read, [0, 6_144, 1 << 20, 2 << 30, 6_000, 1_000_000]);
    }

    #[test]
    fn a_wrong_size_says_what_was_probably_meant() {
        for (text, suggestion) in [
            ("5", Some("5B")),
            ("5M", Some("5MiB")),
            ("5 kib", Some("5KiB")),
            ("5 apples", None),
            ("", None),
        ] {
            assert_eq!(parse_size(text).unwrap_err().suggestion.as_deref(), suggestion, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, 1, 999, 1_000, 90_000, 3_600_000, 86_400_000, 86_400_001] {
            assert_eq!(parse_duration(&format_duration(millis)).unwrap(), millis);
        }
        assert_eq!(format_duration(120_000), "2m");
        assert_eq!(format_size(128 << 20), "128MiB");
        assert_eq!(format_size(1_000_000), "1000000B");
    }
}
