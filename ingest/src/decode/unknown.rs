//! Counts of the top-level names that the contract does not know: a hint at a misspelt field, never an error.

use std::collections::BTreeMap;

/// How many different names are counted one by one.
const MAX_NAMES: usize = 256;
/// Longest name that is counted by itself, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Occurrences of unknown top-level names in accepted events, bounded in memory: names beyond the first 256, and names of more than
/// 128 bytes, are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownFields {
    names: BTreeMap<Box<str>, u64>,
    other: u64,
}

impl UnknownFields {
    /// The names and how often each was seen, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(|(name, count)| (&**name, *count))
    }

    /// Occurrences of names that are not listed by themselves.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.other
    }

    /// All occurrences.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.names.values().sum::<u64>() + self.other
    }

    pub(super) fn count(&mut self, names: &[&str]) {
        for &name in names {
            if let Some(count) = self.names.get_mut(name) {
                *count += 1;
            } else if name.len() <= MAX_NAME_BYTES && self.names.len() < MAX_NAMES {
                self.names.insert(name.into(), 1);
            } else {
                self.other += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let mut unknown = UnknownFields::default();
        for round in 0..2 {
            for number in 0..300 {
                unknown.count(&[&format!("name {number}")]);
            }
            assert_eq!(unknown.iter().count(), MAX_NAMES);
            assert_eq!(unknown.other(), 44 * (round + 1));
        }
        assert!(unknown.iter().all(|(_, count)| count == 2));
        assert_eq!(unknown.total(), 600);
    }

    #[test]
    fn a_long_name_is_not_kept() {
        let mut unknown = UnknownFields::default();
        unknown.count(&[&"x".repeat(MAX_NAME_BYTES), &"x".repeat(MAX_NAME_BYTES + 1)]);
        assert_eq!((unknown.iter().count(), unknown.other()), (1, 1));
    }
}
