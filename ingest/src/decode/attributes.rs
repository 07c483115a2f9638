//! The free `attributes` of an event: name to scalar.

use bumpalo::collections::Vec as ArenaVec;
use tidegauge_aggregate::event::{Attribute, AttributeValue};
use tidegauge_aggregate::record::{Reject, RejectReason};

use super::field::Field;
use super::fields::Fields;
use super::json;
use super::reject;
use super::string;

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
    let arena = fields.arena();
    let mut pairs = ArenaVec::new_in(arena);
    // The walk over the whole record has found it to be JSON, so that this one finds its end.
    let unescape = |name| if fields.escapes() { string::unescape(name, arena) } else { name };
    json::object(raw, &mut |name, value| pairs.push((unescape(name), value)));
    if has_duplicates(&pairs) {
        keep_last_values(&mut pairs);
    }
    let mut attributes = ArenaVec::with_capacity_in(pairs.len(), arena);
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
