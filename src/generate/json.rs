//! JSON written straight into a reused buffer.

use super::world::TimeStyle;

/// `,"name":`, as bytes.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(super) use key;

/// Writes one object; the keys come from [`key!`].
pub(super) struct Json<'a>(pub(super) &'a mut Vec<u8>);

impl Json<'_> {
    /// Text that needs no escaping.
    pub(super) fn plain(&mut self, key: &'static str, value: &str) {
        self.raw(key, "\"");
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }

    /// Any text.
    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.raw(key, "");
        escape(self.0, value);
    }

    /// JSON as it stands.
    pub(super) fn raw(&mut self, key: &'static str, value: &str) {
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(super) fn integer(&mut self, key: &'static str, value: i64) {
        self.raw(key, "");
        decimal(self.0, value);
    }

    /// A number of hundredths, with as many digits after the point as it needs.
    pub(super) fn hundredths(&mut self, key: &'static str, value: i64) {
        self.raw(key, "");
        fixed(self.0, value);
    }

    /// A prefix and that many hexadecimal digits, as text.
    pub(super) fn hex(&mut self, key: &'static str, prefix: &str, value: u64, digits: usize) {
        self.raw(key, "\"");
        self.0.extend_from_slice(prefix.as_bytes());
        hex(self.0, value, digits);
        self.0.push(b'"');
    }
}

/// A JSON string with its quotes.
pub(super) fn escape(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u");
                hex(out, u64::from(byte), 4);
            }
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

pub(super) fn hex(out: &mut Vec<u8>, value: u64, digits: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; 16];
    let digits = digits.min(16);
    for (place, digit) in text[..digits].iter_mut().enumerate() {
        *digit = DIGITS[(value >> (4 * (digits - 1 - place)) & 15) as usize];
    }
    out.extend_from_slice(&text[..digits]);
}

pub(super) fn decimal(out: &mut Vec<u8>, value: i64) {
    let mut text = [0; 20];
    let mut at = text.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&text[at..]);
}

/// Hundredths as a decimal number.
pub(super) fn fixed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let value = value.abs();
    decimal(out, value / 100);
    let (tenths, hundredths) = ((value / 10 % 10) as u8, (value % 10) as u8);
    if tenths + hundredths > 0 {
        out.extend_from_slice(&[b'.', b'0' + tenths]);
        if hundredths > 0 {
            out.push(b'0' + hundredths);
        }
    }
}

/// Writes times; remembers the date, which hardly ever changes.
#[derive(Default)]
pub(super) struct Clock {
    day: i64,
    date: [u8; 10],
}

impl Clock {
    pub(super) fn write(&mut self, out: &mut Vec<u8>, time: i64, style: TimeStyle, offset_minutes: i32) {
        match style {
            TimeStyle::Millis => decimal(out, time),
            TimeStyle::Utc => {
                out.push(b'"');
                self.local(out, time);
                out.extend_from_slice(b"Z\"");
            }
            TimeStyle::Offset => {
                out.push(b'"');
                self.local(out, time + i64::from(offset_minutes) * 60_000);
                out.push(if offset_minutes < 0 { b'-' } else { b'+' });
                let minutes = offset_minutes.unsigned_abs();
                out.extend_from_slice(&pair(minutes / 60));
                out.push(b':');
                out.extend_from_slice(&pair(minutes % 60));
                out.push(b'"');
            }
        }
    }

    fn local(&mut self, out: &mut Vec<u8>, time: i64) {
        let day = time.div_euclid(86_400_000);
        if self.date[0] == 0 || self.day != day {
            self.day = day;
            self.date = date(day);
        }
        let milli = time.rem_euclid(86_400_000) as u32;
        let [h1, h2] = pair(milli / 3_600_000);
        let [m1, m2] = pair(milli / 60_000 % 60);
        let [s1, s2] = pair(milli / 1000 % 60);
        let [f2, f3] = pair(milli % 100);
        let f1 = b'0' + (milli % 1000 / 100) as u8;
        out.extend_from_slice(&self.date);
        out.extend_from_slice(&[b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'.', f1, f2, f3]);
    }
}

fn pair(value: u32) -> [u8; 2] {
    [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]
}

/// Proleptic Gregorian date of a day since the epoch (Howard Hinnant's `civil_from_days`).
fn date(day: i64) -> [u8; 10] {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    let y = yoe + era * 400 + i64::from(m <= 2);
    let ([y1, y2], [y3, y4]) = (pair((y / 100) as u32), pair((y % 100) as u32));
    let ([m1, m2], [d1, d2]) = (pair(m as u32), pair(d as u32));
    [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(time: i64, style: TimeStyle, offset: i32) -> String {
        let mut out = Vec::new();
        Clock::default().write(&mut out, time, style, offset);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_in_every_style() {
        assert_eq!(written(1_709_164_799_007, TimeStyle::Utc, 0), "\"2024-02-28T23:59:59.007Z\"");
        assert_eq!(
            written(1_709_164_800_000, TimeStyle::Offset, 330),
            "\"2024-02-29T05:30:00.000+05:30\""
        );
        assert_eq!(
            written(1_709_164_800_000, TimeStyle::Offset, -300),
            "\"2024-02-28T19:00:00.000-05:00\""
        );
        assert_eq!(written(0, TimeStyle::Utc, 0), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(written(12, TimeStyle::Millis, 0), "12");
    }

    #[test]
    fn numbers_have_no_needless_digits() {
        let mut out = Vec::new();
        for value in [0, 5, -5, 50, 1999, -130, 100] {
            fixed(&mut out, value);
            out.push(b' ');
        }
        decimal(&mut out, i64::MIN);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "0 0.05 -0.05 0.5 19.99 -1.3 1 -9223372036854775808"
        );
    }

    #[test]
    fn text_is_escaped() {
        let mut out = Vec::new();
        escape(&mut out, "a\"b\\c\n\t\u{1}ü");
        assert_eq!(String::from_utf8(out).unwrap(), r#""a\"b\\c\n\t\u0001ü""#);
    }
}
