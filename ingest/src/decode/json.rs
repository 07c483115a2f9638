//! A walk over JSON text that checks its grammar and keeps the members of an object as they are written.
//!
//! `serde_json` does the same in twice the time, because what it skips and what it keeps pass through several of its layers. It stays the
//! judge of a text that fails here, and the tests hold the two against each other.

/// Greatest nesting of objects and arrays, the outermost object included.
pub(super) const MAX_DEPTH: usize = 64;

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// A place in a text. Each method steps over what it is named for; `None` says that it is not there.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Whether a backslash was met.
    pub(super) escapes: bool,
}

/// The walk of a text that is one object: gives each member's name (what stands between its quotes) and the text of its value to `member`,
/// and tells whether there are escapes. `None` if the text is anything else, or nested too deeply.
#[inline]
pub(super) fn object<'a>(text: &'a str, member: &mut impl FnMut(&'a str, &'a str)) -> Option<bool> {
    let mut cursor = Cursor {
        text,
        at: 0,
        escapes: false,
    };
    cursor.space();
    cursor.object(1, member)?;
    cursor.space();
    (cursor.at == text.len()).then_some(cursor.escapes)
}

impl<'a> Cursor<'a> {
    /// The byte here; at the end NUL, which no grammar asks for.
    #[inline]
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn next(&mut self, byte: u8) -> Option<()> {
        if self.peek() != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    #[inline]
    fn object(&mut self, depth: usize, member: &mut impl FnMut(&'a str, &'a str)) -> Option<()> {
        self.next(b'{')?;
        self.space();
        if self.next(b'}').is_some() {
            return Some(());
        }
        loop {
            let start = self.at + 1;
            self.string()?;
            let name = self.text.get(start..self.at - 1)?;
            self.space();
            self.next(b':')?;
            self.space();
            let start = self.at;
            self.value(depth)?;
            member(name, self.text.get(start..self.at)?);
            self.space();
            if self.next(b',').is_none() {
                return self.next(b'}');
            }
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.next(b'[')?;
        self.space();
        if self.next(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            self.space();
            if self.next(b',').is_none() {
                return self.next(b']');
            }
            self.space();
        }
    }

    /// A value within `depth` objects and arrays.
    #[inline]
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek() {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'{' | b'[' => self.nested(depth),
            _ => None,
        }
    }

    #[inline(never)]
    fn nested(&mut self, depth: usize) -> Option<()> {
        match self.peek() {
            _ if depth >= MAX_DEPTH => None,
            b'{' => self.object(depth + 1, &mut |_, _| ()),
            _ => self.array(depth + 1),
        }
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(literal).then(|| self.at += literal.len())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.next(b'-');
        if self.next(b'0').is_none() {
            self.digits()?;
        }
        if self.next(b'.').is_some() {
            self.digits()?;
        }
        if self.next(b'e').or_else(|| self.next(b'E')).is_some() {
            let _ = self.next(b'+').or_else(|| self.next(b'-'));
            self.digits()?;
        }
        Some(())
    }

    /// A string with its quotes.
    #[inline]
    fn string(&mut self) -> Option<()> {
        self.next(b'"')?;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
                Some(chunk) => match special(u64::from_le_bytes(*chunk)) {
                    None => {
                        self.at += 8;
                        continue;
                    }
                    Some(ahead) => self.at += ahead,
                },
                None => {
                    while self.at < bytes.len() && !matches!(self.peek(), b'"' | b'\\' | 0..0x20) {
                        self.at += 1;
                    }
                }
            }
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Option<()> {
        self.escapes = true;
        self.at += 1;
        let bytes = self.text.as_bytes();
        let length = match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 1,
            b'u' if bytes.get(self.at + 1..self.at + 5)?.iter().all(u8::is_ascii_hexdigit) => 5,
            _ => return None,
        };
        self.at += length;
        Some(())
    }
}

/// Which of eight bytes is the first that a string does not simply hold: a quote, a backslash or a control character. A byte behind the
/// first may be taken for one by the carry, the first never.
#[inline]
fn special(bytes: u64) -> Option<usize> {
    let below = |bytes: u64, bound: u8| bytes.wrapping_sub(ONES * u64::from(bound)) & !bytes;
    let equal = |byte: u8| below(bytes ^ (ONES * u64::from(byte)), 1);
    let found = (below(bytes, 0x20) | equal(b'"') | equal(b'\\')) & HIGH;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::value::RawValue;

    fn members(text: &str) -> Option<Vec<(&str, &str)>> {
        let mut members = Vec::new();
        object(text, &mut |name, value| members.push((name, value)))?;
        Some(members)
    }

    /// Whether `serde_json` takes the text for one object.
    fn is_object(text: &str) -> bool {
        text.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn members_come_as_they_are_written() {
        let text = " {\"a\" : \"x\\\"y\" ,\n\"b\":-1.50e+3,\"c\":[ 1, {\"d\":[]} ],\"\\u0061\":null, \"\": {} } ";
        assert_eq!(
            members(text).unwrap(),
            [
                ("a", "\"x\\\"y\""),
                ("b", "-1.50e+3"),
                ("c", "[ 1, {\"d\":[]} ]"),
                ("\\u0061", "null"),
                ("", "{}")
            ]
        );
        assert_eq!(object(text, &mut |_, _| ()), Some(true));
        assert_eq!(object("{\"a\": \"x\"}", &mut |_, _| ()), Some(false));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(members(&nested(MAX_DEPTH)).is_some());
        assert_eq!(members(&nested(MAX_DEPTH + 1)), None);
        assert_eq!(members(&nested(1_000_000)), None);
    }

    proptest! {
        #[test]
        fn whatever_the_text_serde_json_judges_it_alike(text in "[{}\\[\\],:\"\\\\0-2.eE+\\-tun \n\u{1}é]{0,24}") {
            let text = format!("{{\"a\":{text}}}");
            prop_assert_eq!(members(&text).is_some(), is_object(&text), "{}", text);
            prop_assert_eq!(members(&text[4..]).is_some(), is_object(&text[4..]), "{}", text);
        }

        #[test]
        fn a_change_of_one_byte_is_judged_alike(
            value in "\"[a-z\"é]{0,20}\"|-?[0-9]{1,3}(\\.[0-9]{1,2})?([eE][+-]?[0-9])?|true|false|null|\\[1, *\\{\\} *,\"x\"\\]",
            name in "[a-z]{0,20}",
            at: proptest::sample::Index,
            byte in 0_u8..0x80,
        ) {
            let mut bytes = format!("{{\"{name}\": {value}, \"other\": {value}}}").into_bytes();
            let at = at.index(bytes.len());
            if bytes[at].is_ascii() {
                bytes[at] = byte;
            }
            let text = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(members(&text).is_some(), is_object(&text), "{:?}", text);
        }

        #[test]
        fn members_are_those_that_serde_json_finds(
            map in proptest::collection::btree_map("[a-zé]{0,20}", any::<String>(), 0..6),
            numbers in proptest::collection::btree_map("[A-Z]{0,9}", any::<f64>(), 0..3),
        ) {
            let mut object: serde_json::Map<String, serde_json::Value> = map.into_iter().map(|(k, v)| (k, v.into())).collect();
            object.extend(numbers.into_iter().map(|(k, v)| (k, v.into())));
            for text in [serde_json::to_string(&object).unwrap(), serde_json::to_string_pretty(&object).unwrap()] {
                let expected: BTreeMap<&str, &RawValue> = serde_json::from_str(&text).unwrap();
                let found: BTreeMap<&str, &str> = members(&text).unwrap().into_iter().collect();
                prop_assert_eq!(found, expected.into_iter().map(|(name, value)| (name, value.get())).collect::<BTreeMap<_, _>>());
            }
        }
    }
}
