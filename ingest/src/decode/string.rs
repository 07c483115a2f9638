//! JSON strings as written: unescaping into the arena, and surrogate escapes that have no partner.

use bumpalo::Bump;
use bumpalo::collections::String as ArenaString;

/// The text that the inner part of a JSON string (without its quotes) stands for. Borrowed where it has no escape.
pub(super) fn unescape<'a>(inner: &'a str, arena: &'a Bump) -> &'a str {
    let Some(first) = inner.bytes().position(|byte| byte == b'\\') else {
        return inner;
    };
    // Unescaping never makes a string longer.
    let mut text = ArenaString::with_capacity_in(inner.len(), arena);
    let (plain, mut rest) = inner.split_at(first);
    text.push_str(plain);
    while let Some(escape) = rest.strip_prefix('\\') {
        let (character, after) = one_escape(escape);
        text.push(character);
        let end = after.bytes().position(|byte| byte == b'\\').unwrap_or(after.len());
        let (plain, next) = after.split_at(end);
        text.push_str(plain);
        rest = next;
    }
    text.into_bump_str()
}

/// Reads one escape after its backslash. The walk has checked the grammar; what could not be read would become U+FFFD.
fn one_escape(escape: &str) -> (char, &str) {
    let mut rest = escape.chars();
    let character = match rest.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unicode_escape(rest.as_str()),
        Some(itself) => itself,
        None => char::REPLACEMENT_CHARACTER,
    };
    (character, rest.as_str())
}

fn unicode_escape(digits: &str) -> (char, &str) {
    let unreadable = (char::REPLACEMENT_CHARACTER, "");
    let Some((unit, rest)) = hex4(digits) else { return unreadable };
    if !is_high_surrogate(unit) {
        return (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), rest);
    }
    let Some((low, rest)) = rest.strip_prefix("\\u").and_then(hex4) else {
        return unreadable;
    };
    let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), rest)
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

fn is_high_surrogate(unit: u32) -> bool {
    (0xD800..0xDC00).contains(&unit)
}

fn is_low_surrogate(unit: u32) -> bool {
    (0xDC00..0xE000).contains(&unit)
}

/// Where a `\u` escape of a surrogate without its partner stands, in a text that is JSON by its grammar (so that backslashes stand in
/// strings only).
pub(super) fn unpaired_surrogate(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(skip) = bytes.get(at..)?.iter().position(|&byte| byte == b'\\') {
        at += skip;
        match unit_at(bytes, at) {
            Some(unit) if is_low_surrogate(unit) => return Some(at),
            Some(unit) if is_high_surrogate(unit) => {
                if !unit_at(bytes, at + 6).is_some_and(is_low_surrogate) {
                    return Some(at);
                }
                at += 12;
            }
            Some(_) => at += 6,
            None => at += 2,
        }
    }
    None
}

/// The UTF-16 unit of the `\uXXXX` escape at `at`, if there is one.
fn unit_at(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits
        .iter()
        .try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_escape_is_read() {
        let arena = Bump::new();
        let inner = r#"a\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\ude00é😀z"#;
        assert_eq!(unescape(inner, &arena), "a\"\\/\u{8}\u{c}\n\r\t\0\u{e9}\u{1f600}é😀z");
        assert_eq!(unescape("plain", &arena), "plain");
    }

    #[test]
    fn surrogates_need_their_partner_right_behind_them() {
        for fine in [
            r"\ud83d\ude00",
            r"\\ud83d",
            r"\\\ud83d\ude00\n",
            r"\u0041",
            r"\uDBFF\uDFFF",
            "plain",
        ] {
            assert_eq!(unpaired_surrogate(fine.as_bytes()), None, "{fine}");
        }
        for (bad, at) in [
            (r"\ud83d", 0),
            (r"\ud83d\n\ude00", 0),
            (r"x\ude00", 1),
            (r"\ud83d\ud83d\ude00", 0),
            (r"\\\ud83d", 2),
            (r"\ud83d\\ude00", 0),
        ] {
            assert_eq!(unpaired_surrogate(bad.as_bytes()), Some(at), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn unescaping_agrees_with_serde_json(text in any::<String>(), ascii in any::<bool>()) {
            let mut written = serde_json::to_string(&text).unwrap_or_default();
            if ascii {
                written = written.chars().map(|c| if c.is_ascii() { c.to_string() } else {
                    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect()
                }).collect();
            }
            let arena = Bump::new();
            prop_assert_eq!(unpaired_surrogate(written.as_bytes()), None);
            prop_assert_eq!(unescape(&written[1..written.len() - 1], &arena), text);
        }

        #[test]
        fn no_text_at_all_makes_unescaping_panic(text in "[\\\\ud8cDC0-9a\"é]{0,40}") {
            let arena = Bump::new();
            unescape(&text, &arena);
            unpaired_surrogate(text.as_bytes());
        }
    }
}
