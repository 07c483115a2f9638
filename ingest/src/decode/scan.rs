//! One walk of `serde_json` over the text: is it one JSON object by the contract's rules, and what does each of its fields hold?

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tidegauge_aggregate::record::{Reject, RejectReason};

use super::field::Field;
use super::fields::Fields;
use super::reject;
use super::rules;
use super::value::{MAX_DEPTH, Members, Plain, Text, Written, is_sound};

/// Fills `fields` from `text`, or refuses it as `not_json`.
#[inline]
pub(super) fn scan<'a>(text: &'a str, fields: &mut Fields<'a>) -> Result<(), Reject> {
    let object = Object { fields, as_written: false };
    match walk(text, object) {
        Ok(()) => Ok(()),
        Err(_) => scan_as_written(text, fields),
    }
}

/// The walk stops at what it does not expect: a fault, or a value of another type than the field's. What the latter means depends on
/// the event's type, which may come later, and needs its text.
#[cold]
fn scan_as_written<'a>(text: &'a str, fields: &mut Fields<'a>) -> Result<(), Reject> {
    walk(text, AnyObject).map_err(|fault| not_json(text, &fault.to_string()))?;
    if let Some(at) = rules::unpaired_surrogate(text.as_bytes()) {
        return Err(not_json(text, &format!("unpaired surrogate escape at byte {at}")));
    }
    if let Some(at) = rules::too_deep(text.as_bytes(), MAX_DEPTH) {
        return Err(not_json(text, &format!("nested deeper than {MAX_DEPTH} at byte {at}")));
    }
    *fields = Fields::new(fields.arena());
    let object = Object { fields, as_written: true };
    walk(text, object).map_err(|fault| not_json(text, &fault.to_string()))
}

#[inline]
fn walk<'a>(text: &'a str, object: impl Visitor<'a, Value = ()>) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(object)?;
    deserializer.end()
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

/// Visits the record's object.
struct Object<'s, 'a> {
    fields: &'s mut Fields<'a>,
    /// Whether every value is kept as it is written.
    as_written: bool,
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let arena = self.fields.arena();
        while let Some(name) = map.next_key_seed(Text(arena))? {
            match Field::parse(name) {
                // The contract asks for the exact value of these numbers.
                Some(field @ (Field::Score | Field::Sentiment | Field::Amount | Field::Answers)) => {
                    self.fields.set(field, map.next_value_seed(Written { arena, depth: 1 })?);
                }
                Some(field) if self.as_written => self.fields.set(field, map.next_value_seed(Written { arena, depth: 1 })?),
                Some(Field::Attributes) => self.fields.set(Field::Attributes, map.next_value_seed(Members(arena))?),
                Some(field) => self.fields.set(field, map.next_value_seed(Plain(arena))?),
                None => {
                    self.fields.note_unknown(name);
                    if !is_sound(map.next_value::<&RawValue>()?.get(), 1) {
                        return Err(A::Error::custom("not JSON by the contract's rules"));
                    }
                }
            }
        }
        Ok(())
    }
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
