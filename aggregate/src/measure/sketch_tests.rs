//! The laws of the sketch, and how far it is off when it is full.

use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::measure::laws::Laws;

const K: usize = 8;
const ACTIVE: u16 = 1;
const CHURNED: u16 = 2;

/// Few enough hashes that parts share some, and more than K; the lowest and the greatest among them.
fn hashes() -> impl Strategy<Value = u64> {
    (0_u64..24).prop_map(|i| if i == 23 { u64::MAX } else { i * 0x0b00_0000_0000_0001 })
}

fn bits() -> impl Strategy<Value = u16> {
    (0_u16..4, 0_u16..=2).prop_map(|(flags, purchases)| flags | purchases << PURCHASES_SHIFT)
}

fn user(i: u64) -> u64 {
    xxh3_64(format!("user-{i}").as_bytes())
}

proptest! {
    #[test]
    fn merging_keeps_the_laws(items in prop::collection::vec((any::<u32>(), any::<u8>(), (hashes(), bits())), 0..60)) {
        Laws { empty: Sketch::new(K), add: |s, (hash, bits)| s.add(*hash, *bits), merge: Sketch::merge }.assert_hold(&items);
    }

    #[test]
    fn both_ways_of_merging_and_of_building_agree(
        a in prop::collection::vec((hashes(), bits()), 0..60),
        b in prop::collection::vec((hashes(), bits()), 0..60),
        k in 1_usize..30,
    ) {
        let (first, second) = (Sketch::from_unsorted(k, a.clone()), Sketch::from_unsorted(k, b.clone()));
        let (mut few, mut many) = (first.clone(), first);
        few.merge_few(&second);
        many.merge_many(&second);
        let whole = Sketch::from_unsorted(k, a.into_iter().chain(b).collect());
        prop_assert_eq!(&few, &whole);
        prop_assert_eq!(&many, &whole);
    }

    #[test]
    fn what_is_refused_would_have_changed_nothing(ids in prop::collection::vec((hashes(), bits()), 0..40), hash in hashes(), more in bits()) {
        let before = Sketch::from_unsorted(K, ids);
        let mut after = before.clone();
        after.add(hash, more);
        if before.refuses(hash) {
            prop_assert_eq!(before, after);
        } else {
            prop_assert!(after.ids().any(|(ours, _)| ours == hash));
        }
    }

    #[test]
    fn a_join_counts_what_a_search_finds(
        a in prop::collection::vec((hashes(), bits()), 0..40),
        b in prop::collection::vec((hashes(), bits()), 0..40),
    ) {
        let (a, b) = (Sketch::from_unsorted(K, a), Sketch::from_unsorted(K, b));
        let theta = a.bound().min(b.bound());
        let searched = a
            .ids()
            .filter(|(hash, bits)| Theta(u128::from(*hash)) < theta && b.ids().any(|(other, other_bits)| other == *hash && bits & other_bits & ACTIVE != 0))
            .count();
        prop_assert_eq!(a.count_joined(&b, theta, |x, y| x & y & ACTIVE != 0), searched as u64);
    }
}

#[test]
fn purchases_stop_at_two_and_flags_are_united() {
    let once = ONE_PURCHASE | ACTIVE;
    let twice = combine_bits(once, ONE_PURCHASE | CHURNED);
    assert_eq!((purchases(twice), twice & FLAGS), (2, ACTIVE | CHURNED));
    assert_eq!(combine_bits(twice, once), twice);
    assert_eq!(combine_bits(u16::MAX, 0), FLAGS | (2 * ONE_PURCHASE));
}

#[test]
fn below_k_everything_is_exact() {
    let sketch = Sketch::from_unsorted(1_000, (0..999).map(|i| (user(i), if i % 3 == 0 { ACTIVE } else { 0 })).collect());
    let theta = sketch.bound();
    assert_eq!(theta, Theta::ALL);
    assert_eq!(theta.estimate(sketch.count(theta, |_| true)), 999);
    assert_eq!(theta.estimate(sketch.count(theta, |bits| bits & ACTIVE != 0)), 333);
}

#[test]
fn a_full_sketch_counts_only_what_is_below_its_last_hash() {
    let sketch = Sketch::from_unsorted(4, vec![(1 << 62, 0), (2 << 62, 0), (3 << 60, 0), (1 << 61, 0), (3 << 62, 0)]);
    assert_eq!(sketch.bound(), Theta(2 << 62));
    assert_eq!(sketch.count(sketch.bound(), |_| true), 3);
    assert_eq!(sketch.bound().estimate(3), 6);
}

#[test]
fn above_k_counts_are_within_four_standard_errors() {
    const TRUE: u64 = 200_000;
    for k in [4_096, 65_536] {
        let mut sketch = Sketch::new(k);
        for chunk in 0..20 {
            let ids = (chunk * 10_000..(chunk + 1) * 10_000).map(|i| (user(i), if i % 4 == 0 { ACTIVE } else { 0 }));
            sketch.merge(&Sketch::from_unsorted(k, ids.collect()));
        }
        let theta = sketch.bound();
        let error = |estimate: u64, exact: u64| (estimate as f64 / exact as f64 - 1.0).abs();
        let all = theta.estimate(sketch.count(theta, |_| true));
        assert!(error(all, TRUE) < 4.0 / (k as f64).sqrt(), "{all} of {TRUE} with k = {k}");
        let active = theta.estimate(sketch.count(theta, |bits| bits & ACTIVE != 0));
        assert!(
            error(active, TRUE / 4) < 4.0 / (k as f64 / 4.0).sqrt(),
            "{active} of {} with k = {k}",
            TRUE / 4
        );
    }
}

#[test]
fn of_two_sizes_the_lesser_counts() {
    let large = Sketch::from_unsorted(100, (0..50).map(|i| (user(i), 0)).collect());
    let mut small = Sketch::from_unsorted(10, (50..60).map(|i| (user(i), 0)).collect());
    let mut other_way = large.clone();
    other_way.merge(&small);
    small.merge(&large);
    assert_eq!(small, other_way);
    assert_eq!(small, Sketch::from_unsorted(10, (0..60).map(|i| (user(i), 0)).collect()));
}

#[test]
fn an_estimate_never_overflows() {
    assert_eq!(Theta(0).estimate(0), 0);
    assert_eq!(Theta(1).estimate(u64::MAX), u64::MAX);
    assert_eq!(Theta(3 << 62).estimate(3), 4);
}
