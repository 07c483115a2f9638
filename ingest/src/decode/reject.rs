//! The words of a reject: which field, what was found, what was expected; bounded and printable whatever the record holds.

use tidegauge_aggregate::record::{Reject, RejectReason};

use super::field::Field;

/// How many characters of what was found a detail shows.
const SHOWN_CHARS: usize = 64;
/// How many characters of a detail that holds words of others (a parser's message) are kept.
const MAX_DETAIL_CHARS: usize = 256;

/// The record as a whole is at fault.
#[cold]
pub(super) fn whole(reason: RejectReason, detail: &str) -> Reject {
    Reject {
        reason,
        field: "",
        detail: printable(detail, MAX_DETAIL_CHARS),
    }
}

/// A required field is absent or null.
#[cold]
pub(super) fn missing(field: Field, why: &str) -> Reject {
    Reject {
        reason: RejectReason::MissingField,
        field: field.as_str(),
        detail: format!("`{}` is absent or null; {why}", field.as_str()),
    }
}

/// A field holds `raw`, a JSON text, where something else was expected.
#[cold]
pub(super) fn found(reason: RejectReason, field: Field, raw: &str, expected: &str) -> Reject {
    let detail = format!("`{}` is {}; expected {expected}", field.as_str(), printable(raw, SHOWN_CHARS));
    Reject {
        reason,
        field: field.as_str(),
        detail,
    }
}

/// A field holds `raw`, a JSON text, that is not valid for it.
#[cold]
pub(super) fn invalid(field: Field, raw: &str, expected: &str) -> Reject {
    found(RejectReason::InvalidField, field, raw, expected)
}

/// A string field is longer or shorter than it may be.
#[cold]
pub(super) fn length(field: Field, bytes: usize, expected: &str) -> Reject {
    let detail = format!("`{}` is {bytes} bytes long; expected {expected}", field.as_str());
    Reject {
        reason: RejectReason::InvalidField,
        field: field.as_str(),
        detail,
    }
}

/// `text` without anything that a terminal or a log could take as more than text, cut after `max` characters.
pub(super) fn printable(text: &str, max: usize) -> String {
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == max {
            shown.push_str("...");
            break;
        }
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_shown_printable_and_bounded() {
        let reject = invalid(Field::Task, "\"a\u{1b}[31m\nb\u{202e}\"", "an id");
        assert_eq!(reject.detail, "`task` is \"a\\u{1b}[31m\\nb\\u{202e}\"; expected an id");
        let long = "\u{1f600}".repeat(100_000);
        assert_eq!(printable(&long, SHOWN_CHARS), format!("{}...", "\u{1f600}".repeat(SHOWN_CHARS)));
        assert!(whole(RejectReason::NotJson, &"\u{7}".repeat(10_000)).detail.len() < 4_000);
    }
}
