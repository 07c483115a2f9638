//! The free `attributes` of an event: name to scalar.

use std::fmt;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use serde::de::{DeserializeSeed, Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use tidegauge_aggregate::event::{Attribute, AttributeValue};
use tidegauge_aggregate::record::{Reject, RejectReason};

use super::field::Field;
use super::fields::Fields;
use super::reject;

/// Up to this many names, comparing each with each is cheaper than sorting them.
const FEW: usize = 16;

/// The attributes in order of first appearance, without nulls; of duplicate names the last value wins.
pub(super) fn read<'a>(fields: &Fields<'a>) -> Result<&'a [Attribute<'a>], Reject> {
    const EXPECTED: &str = "an object of strings, numbers, booleans and nulls";
    let raw = fields.raw(Field::Attributes);
    if raw.is_empty() {
        return Ok(&[]);
    }
    if !raw.starts_with('{') {
        return Err(reject::invalid(Field::Attributes, raw, EXPECTED));
    }
    let mut pairs = ArenaVec::new_in(fields.arena());
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    deserializer
        .deserialize_map(Pairs {
            pairs: &mut pairs,
            arena: fields.arena(),
        })
        .map_err(|fault| reject::invalid(Field::Attributes, &fault.to_string(), EXPECTED))?;
    if has_duplicates(&pairs) {
        keep_last_values(&mut pairs);
    }
    let mut attributes = ArenaVec::with_capacity_in(pairs.len(), fields.arena());
    for &(name, raw) in &pairs {
        let value = match raw.as_bytes().first() {
            Some(b'"') => AttributeValue::Text(fields.unquote(raw).unwrap_or_default()),
            Some(b't') => AttributeValue::Bool(true),
            Some(b'f') => AttributeValue::Bool(false),
            Some(b'n') => continue,
            Some(b'-' | b'0'..=b'9') => AttributeValue::Number(raw),
            _ => return Err(nested(name, raw)),
        };
        attributes.push(Attribute { name, value });
    }
    Ok(attributes.into_bump_slice())
}

#[cold]
fn nested(name: &str, raw: &str) -> Reject {
    let (name, raw) = (reject::printable(name, 64), reject::printable(raw, 64));
    let detail = format!("`attributes` holds {raw} under \"{name}\"; expected a string, number, boolean or null");
    Reject {
        reason: RejectReason::InvalidField,
        field: Field::Attributes.as_str(),
        detail,
    }
}

/// Whether a name appears twice; above [`FEW`] names it is taken for granted, so that many names never cost their square.
fn has_duplicates(pairs: &[(&str, &str)]) -> bool {
    pairs.len() > FEW
        || pairs
            .iter()
            .enumerate()
            .any(|(index, pair)| pairs[..index].iter().any(|before| before.0 == pair.0))
}

/// Leaves each name once, where it first appeared, with its last value.
fn keep_last_values<'a>(pairs: &mut ArenaVec<'a, (&'a str, &'a str)>) {
    let arena = pairs.bump();
    let written: &[(&str, &str)] = arena.alloc_slice_copy(pairs);
    let mut order = ArenaVec::from_iter_in(0..written.len(), arena);
    order.sort_unstable_by_key(|&index| (written[index].0, index));
    let mut first = ArenaVec::from_iter_in(std::iter::repeat_n(true, written.len()), arena);
    for same in order.chunk_by(|&left, &right| written[left].0 == written[right].0) {
        let [head, others @ ..] = same else { continue };
        let Some(last) = others.last() else { continue };
        pairs[*head].1 = written[*last].1;
        for &other in others {
            first[other] = false;
        }
    }
    let mut keep = first.iter();
    pairs.retain(|_| keep.next().is_some_and(|&keep| keep));
}

/// Visits the object and keeps each name with the raw text of its value.
struct Pairs<'s, 'a> {
    pairs: &'s mut ArenaVec<'a, (&'a str, &'a str)>,
    arena: &'a Bump,
}

impl<'a> Visitor<'a> for Pairs<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name(self.arena))? {
            self.pairs.push((name, map.next_value::<&'a RawValue>()?.get()));
        }
        Ok(())
    }
}

/// A name, borrowed where it was spelled without escapes.
struct Name<'a>(&'a Bump);

impl<'a> DeserializeSeed<'a> for Name<'a> {
    type Value = &'a str;

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<&'a str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name<'a> {
    type Value = &'a str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'a str) -> Result<&'a str, E> {
        Ok(name)
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<&'a str, E> {
        Ok(self.0.alloc_str(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_value_stays_where_the_name_first_appeared(names in proptest::collection::vec("[a-e]{1,2}", 0..40)) {
            let values: Vec<String> = (0..names.len()).map(|index| index.to_string()).collect();
            let arena = Bump::new();
            let mut pairs = ArenaVec::from_iter_in(names.iter().map(String::as_str).zip(values.iter().map(String::as_str)), &arena);
            let mut expected: Vec<(&str, &str)> = Vec::new();
            for &(name, value) in &pairs {
                match expected.iter_mut().find(|pair| pair.0 == name) {
                    Some(pair) => pair.1 = value,
                    None => expected.push((name, value)),
                }
            }
            if pairs.len() <= FEW {
                prop_assert_eq!(has_duplicates(&pairs), pairs.len() > expected.len());
            }
            keep_last_values(&mut pairs);
            prop_assert_eq!(&pairs[..], &expected[..]);
        }
    }
}
