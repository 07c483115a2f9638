//! Reading event times.

/// 2262-01-01T00:00:00Z, the first time out of range.
const END: i128 = 9_214_646_400_000;

/// Milliseconds of an integer as written or of an RFC 3339 time, if it can be read and is in range.
pub fn in_range(ms: i128) -> Option<i64> {
    (0..END).contains(&ms).then_some(ms as i64)
}

/// Reads an RFC 3339 time; digits beyond milliseconds are cut off.
pub fn rfc3339(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i128> {
        let digits = bytes.get(from..to)?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |n, d| n * 10 + i128::from(d - b'0')))
    };
    let sign = |at: usize, allowed: &[u8]| -> Option<()> { bytes.get(at).filter(|b| allowed.contains(b)).map(|_| ()) };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    sign(4, b"-")?;
    sign(7, b"-")?;
    sign(10, b"Tt ")?;
    sign(13, b":")?;
    sign(16, b":")?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut millis = 0;
    if bytes.get(at) == Some(&b'.') {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..3 {
            millis = millis * 10
                + if place < digits {
                    i128::from(bytes[at + 1 + place] - b'0')
                } else {
                    0
                };
        }
        at += 1 + digits;
    }
    let offset_minutes = match bytes.get(at..)? {
        b"Z" | b"z" => 0,
        [b'+' | b'-', _, _, b':', _, _] => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let size = hours * 60 + minutes;
            if bytes[at] == b'-' { -size } else { size }
        }
        _ => return None,
    };
    let minutes = (days_before(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + millis)
}

fn is_leap(year: i128) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i128, month: i128) -> i128 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by counting.
fn days_before(year: i128, month: i128, day: i128) -> i128 {
    let length = |y: i128| if is_leap(y) { 366 } else { 365 };
    let years: i128 = if year >= 1970 {
        (1970..year).map(length).sum()
    } else {
        -(year..1970).map(length).sum::<i128>()
    };
    years + (1..month).map(|m| days_in(year, m)).sum::<i128>() + day - 1
}
