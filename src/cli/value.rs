//! How option values are read.

use std::time::Duration;

/// A duration with its unit: `250ms`, `90s`, `2m`, `1h`, `1d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let millis = number
        .parse::<u64>()
        .ok()
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    match millis {
        Some(0) => Err("it must be more than 0".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err("write a whole number and a unit, as in 250ms, 90s, 2m, 1h or 1d".to_owned()),
    }
}

/// A point in time in milliseconds since the epoch: an RFC 3339 time, or `now`.
pub(super) fn start(text: &str) -> Result<i64, String> {
    if text == "now" {
        return Ok(jiff::Timestamp::now().as_millisecond());
    }
    let time = text.parse::<jiff::Timestamp>();
    time.map(jiff::Timestamp::as_millisecond)
        .map_err(|_| "write a time such as 2026-01-01T00:00:00Z, or now".to_owned())
}

/// A number that is neither negative nor infinite.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("write a number of records per second, 0 or more".to_owned()),
    }
}

/// A number from 0 to less than 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("write a share from 0 to less than 1, as in 0.001".to_owned()),
    }
}

/// `KEY=VALUE`.
pub(super) fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, as in security.protocol=ssl".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_unit() {
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "m", "1.5h", "-1s", "0s", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_and_rates_have_bounds() {
        assert_eq!(share("0.5"), Ok(0.5));
        assert!(share("1").is_err() && share("-0.1").is_err() && share("nan").is_err());
        assert_eq!(rate("0"), Ok(0.0));
        assert!(rate("-1").is_err() && rate("inf").is_err());
    }

    #[test]
    fn a_start_is_a_time_with_its_zone() {
        assert_eq!(start("1970-01-01T00:00:01Z"), Ok(1000));
        assert!(start("2026-01-01").is_err());
    }
}
