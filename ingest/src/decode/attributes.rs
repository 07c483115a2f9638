//! The free `attributes` of an event: name to scalar.

use bumpalo::collections::Vec as ArenaVec;
use serde::de::DeserializeSeed;
use tidegauge_aggregate::event::{Attribute, AttributeValue};
use tidegauge_aggregate::record::{Reject, RejectReason};

use super::field::Field;
use super::fields::Fields;
use super::reject;
use super::value::{Members, Value};

/// Up to this many names, comparing each with each is cheaper than sorting them.
const FEW: usize = 16;

/// The attributes in order of first appearance, without nulls; of duplicate names the last value wins.
pub(super) fn read<'a>(fields: &Fields<'a>) -> Result<&'a [Attribute<'a>], Reject> {
    let arena = fields.arena();
    let members = match fields.get(Field::Attributes) {
        Value::Absent => return Ok(&[]),
        // The whole record was kept as it is written.
        Value::Other(raw) => Members(arena)
            .deserialize(&mut serde_json::Deserializer::from_str(raw))
            .unwrap_or(Value::Other(raw)),
        value => value,
    };
    let Value::Members(members) = members else {
        let expected = "an object of strings, numbers, booleans and nulls";
        return Err(reject::invalid(Field::Attributes, &members.json(), expected));
    };
    let mut kept = ArenaVec::from_iter_in(members.iter().copied(), arena);
    if has_duplicates(&kept) {
        keep_last_values(&mut kept);
    }
    let mut attributes = ArenaVec::with_capacity_in(kept.len(), arena);
    for &(name, value) in &kept {
        let value = match value {
            Value::Absent => continue,
            Value::Text(text) => AttributeValue::Text(text),
            Value::Other("true") => AttributeValue::Bool(true),
            Value::Other("false") => AttributeValue::Bool(false),
            Value::Other(raw) if !raw.starts_with(['{', '[']) => AttributeValue::Number(raw),
            nested => return Err(self::nested(name, &nested.json())),
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
fn has_duplicates<V>(pairs: &[(&str, V)]) -> bool {
    pairs.len() > FEW
        || pairs
            .iter()
            .enumerate()
            .any(|(index, pair)| pairs[..index].iter().any(|before| before.0 == pair.0))
}

/// Leaves each name once, where it first appeared, with its last value.
fn keep_last_values<'a, V: Copy>(pairs: &mut ArenaVec<'a, (&'a str, V)>) {
    let arena = pairs.bump();
    let written: &[(&str, V)] = arena.alloc_slice_copy(pairs);
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

#[cfg(test)]
mod tests {
    use super::*;
    use bumpalo::Bump;
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
