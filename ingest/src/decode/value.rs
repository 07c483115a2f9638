//! The values of a record as `serde_json` finds them: texts without their escapes, integers, and whatever else as it is written.

use std::borrow::Cow;
use std::fmt;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::rules;

/// Greatest nesting of objects and arrays, the record's own object included.
pub(super) const MAX_DEPTH: usize = 64;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing, or null, which is the same.
    Absent,
    /// A string without its quotes and escapes; borrowed from the record where it has none.
    Text(&'a str),
    /// An integer as written, without point and exponent.
    Integer(i64),
    /// The members of an object in their order.
    Members(&'a [(&'a str, Value<'a>)]),
    /// The JSON text of anything else.
    Other(&'a str),
}

impl<'a> Value<'a> {
    /// As JSON text, for the words of a reject.
    pub(super) fn json(&self) -> Cow<'a, str> {
        match *self {
            Value::Absent => Cow::Borrowed("null"),
            Value::Text(text) => Cow::Owned(serde_json::to_string(text).unwrap_or_default()),
            Value::Integer(number) => Cow::Owned(number.to_string()),
            Value::Members(_) => Cow::Borrowed("an object"),
            Value::Other(raw) => Cow::Borrowed(raw),
        }
    }

    /// The value of a JSON text that stands within `depth` objects; `None` if it breaks one of the rules that the grammar leaves open: paired surrogates, bounded nesting.
    fn of(raw: &'a str, depth: usize, arena: &'a Bump) -> Option<Value<'a>> {
        match raw.as_bytes() {
            [b'n', ..] => Some(Value::Absent),
            [b'"', inner @ .., b'"'] => match inner.contains(&b'\\') {
                false => raw.get(1..raw.len() - 1).map(Value::Text),
                true => serde_json::Deserializer::from_str(raw)
                    .deserialize_str(Text(arena))
                    .ok()
                    .map(Value::Text),
            },
            _ => is_sound(raw, depth).then_some(Value::Other(raw)),
        }
    }
}

/// Whether a JSON value within `depth` objects keeps the rules that the grammar leaves open.
pub(super) fn is_sound(raw: &str, depth: usize) -> bool {
    match raw.as_bytes().first() {
        Some(b'{' | b'[') => {
            rules::too_deep(raw.as_bytes(), MAX_DEPTH - depth).is_none() && rules::unpaired_surrogate(raw.as_bytes()).is_none()
        }
        Some(b'"') => rules::unpaired_surrogate(raw.as_bytes()).is_none(),
        _ => true,
    }
}

/// Why a value has to be read as it is written: `serde_json` gives no exact value of it.
const AS_WRITTEN: &str = "to be read as written";

/// Reads a string, an integer or null.
pub(super) struct Plain<'a>(pub(super) &'a Bump);

impl<'a> DeserializeSeed<'a> for Plain<'a> {
    type Value = Value<'a>;

    #[inline]
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Plain<'a> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an integer")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
        Ok(Value::Text(self.0.alloc_str(text)))
    }

    #[inline]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Value<'a>, E> {
        i64::try_from(number).map(Value::Integer).map_err(|_| E::custom(AS_WRITTEN))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'a>, E> {
        Ok(Value::Integer(number))
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Absent)
    }
}

/// Reads any value as it is written.
pub(super) struct Written<'a> {
    pub(super) arena: &'a Bump,
    /// How many objects it stands within.
    pub(super) depth: usize,
}

impl<'a> DeserializeSeed<'a> for Written<'a> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
        Value::of(raw, self.depth, self.arena).ok_or_else(|| D::Error::custom(AS_WRITTEN))
    }
}

/// Reads an object of values as they are written.
pub(super) struct Members<'a>(pub(super) &'a Bump);

impl<'a> DeserializeSeed<'a> for Members<'a> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Members<'a> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
        let arena = self.0;
        let mut members = ArenaVec::new_in(arena);
        while let Some(name) = map.next_key_seed(Text(arena))? {
            members.push((name, map.next_value_seed(Written { arena, depth: 2 })?));
        }
        Ok(Value::Members(members.into_bump_slice()))
    }
}

/// Reads a string, or the name of a member.
pub(super) struct Text<'a>(pub(super) &'a Bump);

impl<'a> DeserializeSeed<'a> for Text<'a> {
    type Value = &'a str;

    #[inline]
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<&'a str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Text<'a> {
    type Value = &'a str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<&'a str, E> {
        Ok(text)
    }

    fn visit_str<E>(self, text: &str) -> Result<&'a str, E> {
        Ok(self.0.alloc_str(text))
    }
}
