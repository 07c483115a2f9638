//! Times as the contract writes them: RFC 3339 with its small liberties, or integer milliseconds.

use tidegauge_aggregate::time::EventTime;

const DAY: i64 = 24 * 60 * 60;
/// The first second that is out of range: 2262-01-01T00:00:00Z.
const END: i64 = days_from_civil(2262, 1, 1) * DAY;

/// Why a time is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not written as RFC 3339 asks.
    Unreadable,
    /// It lies before 1970 or not before 2262.
    OutOfRange,
}

/// Integer milliseconds since the epoch.
pub(super) fn from_millis(millis: i64) -> Result<EventTime, Fault> {
    if (0..END * 1000).contains(&millis) {
        Ok(EventTime(millis))
    } else {
        Err(Fault::OutOfRange)
    }
}

/// RFC 3339 with an offset or `Z`; digits beyond the milliseconds are cut off.
pub(super) fn from_rfc3339(text: &str) -> Result<EventTime, Fault> {
    let millis = read(text.as_bytes()).ok_or(Fault::Unreadable)?;
    from_millis(millis)
}

fn read(text: &[u8]) -> Option<i64> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b't' | b' ',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
    ] = *date_time
    else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(n1, n2)?, two(s1, s2)?);
    // Second 60 needs no care of its own: added up it is the second that follows.
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (millis, zone) = fraction(rest)?;
    let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some(seconds * 1000 + millis)
}

/// The milliseconds of a fraction, if there is one, and what stands behind it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let (digits, rest) = digits.split_at(count);
    let millis = digits
        .iter()
        .chain(b"00")
        .take(3)
        .fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'));
    Some((millis, rest))
}

/// Seconds that local time is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant's algorithm: years begin in March, so that the leap day is last).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Result<i64, Fault> {
        from_rfc3339(text).map(|time| time.0)
    }

    #[test]
    fn every_form_of_the_contract_is_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2025-01-29T08:00:23Z", 1_738_137_623_000),
            ("2025-01-29t08:00:23z", 1_738_137_623_000),
            ("2025-01-29 08:00:23Z", 1_738_137_623_000),
            ("2025-01-29T08:00:23.5Z", 1_738_137_623_500),
            ("2025-01-29T08:00:23.58Z", 1_738_137_623_580),
            ("2025-01-29T08:00:23.586Z", 1_738_137_623_586),
            ("2025-01-29T08:00:23.586999999999999Z", 1_738_137_623_586),
            ("2025-01-29T09:30:23+01:30", 1_738_137_623_000),
            ("2025-01-28T20:00:23-12:00", 1_738_137_623_000),
            ("2025-01-29T08:00:23+00:00", 1_738_137_623_000),
            ("2025-01-29T08:00:23-00:00", 1_738_137_623_000),
            ("2025-01-30T07:59:23+23:59", 1_738_137_623_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("2016-12-31T23:59:60.25Z", 1_483_228_800_250),
            ("2025-01-29T08:00:60Z", 1_738_137_660_000),
            ("1969-12-31T23:59:60Z", 0),
            ("1969-12-31T23:59:59-00:01", 59_000),
            ("2261-12-31T23:59:59.999Z", END * 1000 - 1),
            ("2262-01-01T00:59:59+01:00", END * 1000 - 1_000),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_lies_before_1970_or_after_2261_is_out_of_range() {
        for text in [
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00+00:01",
            "2262-01-01T00:00:00Z",
            "2261-12-31T23:59:60Z",
            "2261-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(millis(text), Err(Fault::OutOfRange), "{text}");
        }
        assert_eq!(from_millis(-1), Err(Fault::OutOfRange));
        assert_eq!(from_millis(0), Ok(EventTime(0)));
        assert_eq!(from_millis(9_214_646_399_999), Ok(EventTime(9_214_646_399_999)));
        assert_eq!(from_millis(9_214_646_400_000), Err(Fault::OutOfRange));
    }

    #[test]
    fn no_other_form_is_read() {
        for text in [
            "",
            "now",
            "2025-01-29",
            "2025-01-29T08:00:23",
            "2025-01-29T08:00Z",
            "2025-01-29T08:00:23+01",
            "2025-01-29T08:00:23+0100",
            "2025-01-29T08:00:23+24:00",
            "2025-01-29T08:00:23+01:60",
            "2025-01-29T08:00:23 +01:00",
            "2025-01-29T08:00:23,5Z",
            "2025-01-29T08:00:23.Z",
            "2025-01-29T08:00:23ZZ",
            "2025-01-29T08:00:23Z[UTC]",
            " 2025-01-29T08:00:23Z",
            "2025-01-29T08:00:23Z ",
            "2025-01-29_08:00:23Z",
            "2025-01-29T24:00:00Z",
            "2025-01-29T08:60:00Z",
            "2025-01-29T08:00:61Z",
            "2025-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2025-04-31T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-01-00T00:00:00Z",
            "2025-01-32T00:00:00Z",
            "25-01-29T08:00:23Z",
            "+2025-01-29T08:00:23Z",
            "2025-1-29T08:00:23Z",
            "20250129T080023Z",
            "２０２５-01-29T08:00:23Z",
            "1738137623000",
        ] {
            assert_eq!(millis(text), Err(Fault::Unreadable), "{text:?}");
        }
    }

    #[test]
    fn days_count_on_without_gap_through_the_whole_range() {
        let mut expected = days_from_civil(1969, 1, 1);
        assert_eq!(expected, -365);
        for year in 1969..=2262 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(days_from_civil(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
    }
}
