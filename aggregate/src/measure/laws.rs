//! The laws that every measure keeps, as functions that property tests call.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How a measure is made from items of type `T`, and merged.
pub(super) struct Laws<M, T> {
    pub(super) empty: M,
    pub(super) add: fn(&mut M, &T),
    pub(super) merge: fn(&mut M, &M),
}

impl<M: Clone + Debug + PartialEq + Serialize + DeserializeOwned, T> Laws<M, T> {
    fn of<'a>(&self, items: impl IntoIterator<Item = &'a T>) -> M
    where
        T: 'a,
    {
        let mut measure = self.empty.clone();
        for item in items {
            (self.add)(&mut measure, item);
        }
        measure
    }

    fn merged(&self, a: &M, b: &M) -> M {
        let mut merged = a.clone();
        (self.merge)(&mut merged, b);
        merged
    }

    /// Merging is associative and commutative with the empty measure as identity, any permutation and split of the items gives one
    /// state, and the state survives being persisted. Each item carries its rank in the permutation and the part it goes to.
    pub(super) fn assert_hold(&self, items: &[(u32, u8, T)]) {
        let whole = self.of(items.iter().map(|(_, _, item)| item));
        let mut order: Vec<&(u32, u8, T)> = items.iter().collect();
        order.sort_by_key(|(rank, _, _)| *rank);
        assert_eq!(self.of(order.iter().map(|(_, _, item)| item)), whole, "order of adding");

        let part = |wanted: u8| self.of(order.iter().filter(|(_, part, _)| part % 3 == wanted).map(|(_, _, item)| item));
        let (a, b, c) = (part(0), part(1), part(2));
        assert_eq!(self.merged(&a, &b), self.merged(&b, &a), "commutative");
        let left = self.merged(&self.merged(&a, &b), &c);
        assert_eq!(left, self.merged(&a, &self.merged(&b, &c)), "associative");
        assert_eq!(left, whole, "split and merged again");
        assert_eq!(self.merged(&whole, &self.empty), whole, "identity on the right");
        assert_eq!(self.merged(&self.empty, &whole), whole, "identity on the left");

        let bytes = postcard::to_stdvec(&whole).unwrap();
        assert_eq!(postcard::from_bytes::<M>(&bytes).unwrap(), whole, "persisted and restored");
    }
}
