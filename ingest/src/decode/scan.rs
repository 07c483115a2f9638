//! One walk over the text: is it one JSON object by the contract's rules, and what is the raw text of each of its fields?

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use tidegauge_aggregate::record::{Reject, RejectReason};

use super::field::Field;
use super::fields::Fields;
use super::json::{self, MAX_DEPTH};
use super::reject;
use super::string;

/// Fills `fields` from `text`, or refuses it as `not_json`.
pub(super) fn scan<'a>(text: &'a str, fields: &mut Fields<'a>) -> Result<(), Reject> {
    let arena = fields.arena();
    let escapes = json::object(text, &mut |name, raw| match Field::parse(name) {
        Some(field) => fields.set(field, raw),
        None => {
            let name = string::unescape(name, arena);
            match Field::parse(name) {
                Some(field) => fields.set(field, raw),
                None => fields.note_unknown(name),
            }
        }
    })
    .ok_or_else(|| fault(text))?;
    fields.set_escapes(escapes);
    // By its grammar the text is JSON; one rule is left that the walk does not check.
    if escapes && string::unpaired_surrogate(text.as_bytes()).is_some() {
        return Err(fault(text));
    }
    Ok(())
}

/// What is wrong with a text that the walk refused, in the order of grammar, escapes and nesting.
#[cold]
fn fault(text: &str) -> Reject {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let why = match deserializer.deserialize_map(AnyObject).and_then(|()| deserializer.end()) {
        Err(fault) => fault.to_string(),
        Ok(()) => match (string::unpaired_surrogate(text.as_bytes()), too_deep(text.as_bytes())) {
            (Some(at), _) => format!("unpaired surrogate escape at byte {at}"),
            (None, Some(at)) => format!("nested deeper than {MAX_DEPTH} at byte {at}"),
            (None, None) => "it breaks the grammar".to_owned(),
        },
    };
    let why = if text.starts_with('\u{feff}') {
        "it starts with a byte order mark"
    } else {
        &why
    };
    reject::whole(
        RejectReason::NotJson,
        &format!("the value is not exactly one JSON object ({})", reject::printable(why, 160)),
    )
}

/// Where the nesting first exceeds the limit, in a text that is JSON by its grammar.
fn too_deep(bytes: &[u8]) -> Option<usize> {
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
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Visits an object of which nothing is kept.
struct AnyObject;

impl<'a> Visitor<'a> for AnyObject {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
