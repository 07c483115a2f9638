//! One walk over the text: is it one JSON object by the contract's rules, and what is the raw text of each of its fields?

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tidegauge_aggregate::record::{Reject, RejectReason};

use super::field::Field;
use super::fields::Fields;
use super::reject;
use super::string;

/// Greatest nesting of objects and arrays, the record's own object included.
const MAX_DEPTH: usize = 64;

/// Fills `fields` from `text`, or refuses it as `not_json`.
pub(super) fn scan<'a>(text: &'a str, fields: &mut Fields<'a>) -> Result<(), Reject> {
    let Marks { opening, escapes } = marks(text.as_bytes());
    fields.set_escapes(escapes);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer
        .deserialize_map(Object { fields })
        .and_then(|()| deserializer.end())
        .map_err(|fault| not_json(text, &fault.to_string()))?;
    // From here on the text is JSON by its grammar; two rules are left that the walk does not check inside skipped values.
    if escapes && let Some(at) = string::unpaired_surrogate(text.as_bytes()) {
        return Err(not_json(text, &format!("unpaired surrogate escape at byte {at}")));
    }
    if opening > MAX_DEPTH
        && let Some(at) = too_deep(text.as_bytes())
    {
        return Err(not_json(text, &format!("nested deeper than {MAX_DEPTH} at byte {at}")));
    }
    Ok(())
}

#[cold]
fn not_json(text: &str, why: &str) -> Reject {
    let why = if text.starts_with('\u{feff}') {
        "it starts with a byte order mark"
    } else {
        why
    };
    reject::whole(
        RejectReason::NotJson,
        &format!("the value is not exactly one JSON object ({})", reject::printable(why, 160)),
    )
}

/// What decides whether the slower checks are needed at all.
struct Marks {
    /// Number of opening brackets and braces, those in strings included.
    opening: usize,
    /// Whether there is a backslash.
    escapes: bool,
}

/// Written so that the compiler makes vector instructions of it: a byte counter per block of fewer than 256 bytes.
fn marks(bytes: &[u8]) -> Marks {
    let (mut opening, mut backslash) = (0, false);
    for block in bytes.chunks(128) {
        let mut count = 0_u8;
        for &byte in block {
            // `[` and `{` differ in this one bit.
            count += u8::from(byte | 0x20 == b'{');
            backslash |= byte == b'\\';
        }
        opening += usize::from(count);
    }
    Marks {
        opening,
        escapes: backslash,
    }
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

/// Visits the record's object.
struct Object<'s, 'a> {
    fields: &'s mut Fields<'a>,
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key { fields: self.fields })? {
            match key {
                Some(field) => self.fields.set(field, map.next_value::<&'a RawValue>()?.get()),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Recognises a key; one that the contract does not know is noted and becomes `None`.
struct Key<'s, 'a> {
    fields: &'s mut Fields<'a>,
}

impl<'a> DeserializeSeed<'a> for Key<'_, 'a> {
    type Value = Option<Field>;

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<Option<Field>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key<'_, 'a> {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'a str) -> Result<Option<Field>, E> {
        let field = Field::parse(name);
        if field.is_none() {
            self.fields.note_unknown(name);
        }
        Ok(field)
    }

    /// A name that was spelled with escapes.
    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Option<Field>, E> {
        let field = Field::parse(name);
        if field.is_none() {
            let name = self.fields.arena().alloc_str(name);
            self.fields.note_unknown(name);
        }
        Ok(field)
    }
}
