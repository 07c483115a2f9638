//! The rules of the contract that JSON's grammar leaves open: surrogate escapes have their partner, nesting is bounded.

/// Where objects and arrays are first nested deeper than `limit`, in a text that is JSON by its grammar.
pub(super) fn too_deep(bytes: &[u8], limit: usize) -> Option<usize> {
    // As many levels take as many opening and closing brackets.
    if bytes.len() < 2 * limit {
        return None;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
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

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        let nested = |depth: usize| format!("{}1{}", "{\"[[\\\"[\":[".repeat(depth / 2), "]}".repeat(depth / 2));
        assert_eq!(too_deep(nested(64).as_bytes(), 64), None);
        assert_eq!(too_deep(nested(66).as_bytes(), 64), Some(32 * 10));
        assert_eq!(too_deep("[]".repeat(1_000).as_bytes(), 64), None);
        assert_eq!(too_deep("[".repeat(1_000).as_bytes(), 64), Some(64));
    }

    proptest! {
        #[test]
        fn unpaired_surrogates_are_those_that_serde_json_refuses(units in proptest::collection::vec(
            prop_oneof!["[a-z\u{e9}]", r"\\\\", r"\\n", r"\\u[dD][89abAB][0-9]{2}", r"\\u[dD][c-fC-F][0-9]{2}", r"\\u00[0-9]{2}"], 0..8))
        {
            let text = format!("\"{}\"", units.concat());
            prop_assert_eq!(unpaired_surrogate(text.as_bytes()).is_none(), serde_json::from_str::<String>(&text).is_ok(), "{}", text);
        }
    }
}
