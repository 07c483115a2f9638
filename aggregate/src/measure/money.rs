//! Purchases and their amounts by currency, with a bound on the number of currencies.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::MOST_COUNTED;
use crate::spec::OTHER;

/// Most currencies that are told apart in a group.
pub const MAX_CURRENCIES: usize = 32;

/// Purchases in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revenue {
    /// Number of purchases.
    pub purchases: u64,
    /// Their amounts, in millionths.
    pub amount_micros: i128,
}

impl Revenue {
    fn add(&mut self, other: Revenue) {
        self.purchases += other.purchases;
        self.amount_micros = self.amount_micros.wrapping_add(other.amount_micros);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    hash: u64,
    currency: Box<str>,
    revenue: Revenue,
}

/// Revenue by currency. The 32 currencies of the lowest hashes count under their own names and the rest under `__other__`. Which those
/// are does not depend on order, and a named currency is complete, since one at or above the lowest hash ever dropped is never named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Purchases without a currency.
    unnamed: Revenue,
    /// By hash, then by name; all below `cut`.
    named: Vec<Named>,
    other: Revenue,
    /// The lowest hash ever dropped.
    cut: Option<u64>,
}

impl Money {
    /// Adds one purchase.
    pub fn add(&mut self, currency: Option<&str>, amount_micros: i128) {
        let revenue = Revenue {
            purchases: 1,
            amount_micros,
        };
        match currency {
            None => self.unnamed.add(revenue),
            // The name of the rest cannot stand for a currency of its own: there would be two rows of one name.
            Some(OTHER) => self.other.add(revenue),
            Some(currency) => {
                self.add_named(xxh3_64(currency.as_bytes()), currency, revenue);
                self.drop_beyond_bound();
            }
        }
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.unnamed.add(other.unnamed);
        self.other.add(other.other);
        self.cut = match (self.cut, other.cut) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for named in &other.named {
            self.add_named(named.hash, &named.currency, named.revenue);
        }
        self.drop_beyond_bound();
    }

    /// Revenue by currency: first of purchases without one, then by hash, then of `__other__`. None without a purchase is listed.
    pub fn currencies(&self) -> impl Iterator<Item = (Option<&str>, Revenue)> {
        let named = self.named.iter().map(|named| (Some(&*named.currency), named.revenue));
        std::iter::once((None, self.unnamed))
            .chain(named)
            .chain(std::iter::once((Some(OTHER), self.other)))
            .filter(|(_, revenue)| revenue.purchases > 0)
    }

    /// Whether it holds no purchase.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.currencies().next().is_none()
    }

    /// Whether some currency was not told apart.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.cut.is_some()
    }

    /// Whether purchases were added to make it, as far as can be told of one that was read.
    pub(crate) fn is_sound(&self) -> bool {
        let named = |n: &Named| {
            n.revenue.purchases <= MOST_COUNTED
                && n.hash == xxh3_64(n.currency.as_bytes())
                && *n.currency != *OTHER
                && self.cut.is_none_or(|cut| n.hash < cut)
        };
        self.named.len() <= MAX_CURRENCIES
            && self.named.is_sorted_by(|a, b| (a.hash, &a.currency) < (b.hash, &b.currency))
            && self.named.iter().all(named)
            && self.unnamed.purchases.max(self.other.purchases) <= MOST_COUNTED
    }

    fn add_named(&mut self, hash: u64, currency: &str, revenue: Revenue) {
        match self
            .named
            .binary_search_by(|named| named.hash.cmp(&hash).then_with(|| (*named.currency).cmp(currency)))
        {
            Ok(at) => self.named[at].revenue.add(revenue),
            Err(_) if self.cut.is_some_and(|cut| hash >= cut) => self.other.add(revenue),
            Err(at) => self.named.insert(
                at,
                Named {
                    hash,
                    currency: currency.into(),
                    revenue,
                },
            ),
        }
    }

    fn drop_beyond_bound(&mut self) {
        if let Some(first_dropped) = self.named.get(MAX_CURRENCIES) {
            let hash = first_dropped.hash;
            self.cut = Some(self.cut.map_or(hash, |cut| cut.min(hash)));
        }
        if let Some(cut) = self.cut {
            let kept = self.named.partition_point(|named| named.hash < cut);
            for dropped in self.named.drain(kept..) {
                self.other.add(dropped.revenue);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::measure::laws::Laws;

    /// More currencies than are kept, none, and the name of the rest.
    fn currencies() -> impl Strategy<Value = Option<String>> {
        prop_oneof![
            1 => Just(None),
            1 => Just(Some(OTHER.to_owned())),
            40 => (0..60).prop_map(|i| Some(format!("C{i}"))),
        ]
    }

    proptest! {
        #[test]
        fn merging_keeps_the_laws(
            items in prop::collection::vec((any::<u32>(), any::<u8>(), (currencies(), 0_i128..10_i128.pow(21))), 0..300),
        ) {
            let add = |money: &mut Money, (currency, amount): &(Option<String>, i128)| money.add(currency.as_deref(), *amount);
            Laws { empty: Money::default(), add, merge: Money::merge }.assert_hold(&items);
        }

        #[test]
        fn the_lowest_hashes_are_kept_and_complete(names in prop::collection::vec(0..60, 0..300)) {
            let names: Vec<String> = names.into_iter().map(|i| format!("C{i}")).collect();
            let mut money = Money::default();
            for name in &names {
                money.add(Some(name), 1);
            }
            let mut by_hash = names.clone();
            by_hash.sort_by_key(|name| xxh3_64(name.as_bytes()));
            by_hash.dedup();
            by_hash.truncate(MAX_CURRENCIES);
            for name in &by_hash {
                let exact = names.iter().filter(|other| *other == name).count() as u64;
                let revenue = money.currencies().find(|(currency, _)| *currency == Some(name)).unwrap().1;
                prop_assert_eq!(revenue, Revenue { purchases: exact, amount_micros: exact.into() });
            }
            let named = money.currencies().filter(|(currency, _)| *currency != Some(OTHER)).count();
            prop_assert_eq!(named, by_hash.len());
            prop_assert_eq!(money.currencies().map(|(_, revenue)| revenue.purchases).sum::<u64>(), names.len() as u64);
        }
    }

    #[test]
    fn exactly_the_bound_drops_nothing_and_no_currency_is_not_counted() {
        let mut money = Money::default();
        money.add(None, 5);
        for i in 0..MAX_CURRENCIES {
            money.add(Some(&format!("C{i}")), 1);
        }
        assert!(!money.is_bounded());
        assert_eq!(money.currencies().count(), MAX_CURRENCIES + 1);
        money.add(Some("one more"), 1);
        assert!(money.is_bounded());
        assert_eq!(
            money.currencies().last().unwrap(),
            (
                Some(OTHER),
                Revenue {
                    purchases: 1,
                    amount_micros: 1
                }
            )
        );
        assert_eq!(
            money.currencies().next().unwrap(),
            (
                None,
                Revenue {
                    purchases: 1,
                    amount_micros: 5
                }
            )
        );
    }
}
