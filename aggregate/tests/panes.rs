//! The laws of panes, and state that is persisted and restored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use support::{Draft, Key, MINUTE, Random, START, Step, events, feed, history, key, spec};
use tidegauge_aggregate::live::live_rows;
use tidegauge_aggregate::merger::{Merger, MergerState};
use tidegauge_aggregate::pane::{PaneStore, group_hash};
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::snapshot::PartitionSnapshot;
use tidegauge_aggregate::time::{EventTime, Millis};

const FOR_EVER: Millis = 1 << 50;

fn plan(max_groups: usize, k: usize) -> Arc<Plan> {
    Arc::new(Plan::new(spec(FOR_EVER, max_groups, k)))
}

fn store(plan: &Arc<Plan>, events: &[Draft]) -> PaneStore {
    let mut state = PartitionState::new(Arc::clone(plan));
    feed(&mut state, events);
    state.close(&mut |_| ());
    state.take_delta()
}

fn merged(stores: &[&PaneStore], max_groups: usize) -> PaneStore {
    let mut whole = PaneStore::default();
    for store in stores {
        whole.merge(store, max_groups);
    }
    whole
}

fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    postcard::from_bytes(&postcard::to_stdvec(value).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_associative_and_commutative_and_has_an_identity(seed: u64, max_groups in 1..5_usize) {
        let mut random = Random(seed);
        let plan = plan(max_groups, random.pick(&[4, 65_536]));
        let [a, b, c] = [0, 1, 2].map(|p| store(&plan, &events(&mut random, p, 60)));
        let whole = merged(&[&a, &b, &c], max_groups);
        prop_assert!(whole.groups_overflowed() > 0);
        for order in [[&a, &c, &b], [&b, &a, &c], [&b, &c, &a], [&c, &a, &b], [&c, &b, &a]] {
            prop_assert_eq!(&merged(&order, max_groups), &whole);
        }
        prop_assert_eq!(&merged(&[&a, &merged(&[&b, &c], max_groups)], max_groups), &whole);
        let mut owned = a.clone();
        owned.merge_owned(merged(&[&b, &c], max_groups), max_groups);
        prop_assert_eq!(&owned, &whole);
        let mut identity = whole.clone();
        identity.merge(&PaneStore::default(), max_groups);
        prop_assert_eq!(&identity, &whole);
        prop_assert_eq!(&again(&whole), &whole);

        // What is computed over parts is what is computed over the whole.
        let watermark = EventTime(START + random.between(30, 240) * MINUTE);
        let all: Vec<usize> = (0..plan.spec.groupings.len()).collect();
        let rows = live_rows(&plan, &[&whole], watermark, &[0, 1, 2, 3], &all);
        prop_assert_eq!(live_rows(&plan, &[&c, &a, &b], watermark, &[0, 1, 2, 3], &all), rows);
    }

    /// Whenever deltas are taken, whatever order they are merged in, and wherever the partition is restored from a snapshot in between.
    #[test]
    fn any_split_into_deltas_gives_the_same_panes(seed: u64, max_groups in 1..5_usize) {
        let mut random = Random(seed);
        let plan = plan(max_groups, 65_536);
        let input = events(&mut random, 0, 200);
        let whole = store(&plan, &input);
        let mut state = PartitionState::new(Arc::clone(&plan));
        let mut deltas = Vec::new();
        for event in &input {
            feed(&mut state, std::slice::from_ref(event));
            if random.chance(5) {
                deltas.push(state.take_delta());
                if random.chance(50) {
                    let snapshot: PartitionSnapshot = again(&state.snapshot());
                    prop_assert_eq!(&snapshot, &state.snapshot());
                    state = PartitionState::restore(Arc::clone(&plan), &snapshot).unwrap();
                    prop_assert_eq!(state.snapshot(), snapshot);
                }
            }
        }
        state.close(&mut |_| ());
        deltas.push(state.take_delta());
        deltas.sort_by_cached_key(|_| random.next());
        prop_assert_eq!(merged(&deltas.iter().collect::<Vec<_>>(), max_groups), whole);
    }

    /// A group within the bound has the very rows that it would have without a bound.
    #[test]
    fn kept_groups_are_those_of_the_lowest_hashes_and_complete(seed: u64, max_groups in 1..4_usize) {
        let mut random = Random(seed);
        let input = events(&mut random, 0, 200);
        let rows = |max_groups: usize| -> BTreeMap<Key, MetricRow> {
            let plan = plan(max_groups, 65_536);
            let mut merger = Merger::new(Arc::clone(&plan));
            merger.apply(&store(&plan, &input));
            let rows = merger.publish(EventTime::MAX).rows.into_iter();
            // These look at other windows or groupings, in which a group may be beyond the bound.
            let alone = |r: &MetricRow| !["retention_ratio", "spike_excess", "consistency_gap"].contains(&r.metric);
            rows.filter(alone).map(|r| (key(&r), r)).collect()
        };
        let (bounded, free) = (rows(max_groups), rows(1_000));
        let mut kept: BTreeMap<(usize, EventTime, usize), BTreeSet<u64>> = BTreeMap::new();
        for (window, end, grouping, group, ..) in free.keys() {
            kept.entry((*window, *end, *grouping)).or_default().insert(group_hash(group));
        }
        let is_kept = |(window, end, grouping, group, ..): &&Key| {
            kept.get(&(*window, *end, *grouping)).is_some_and(|hashes| hashes.iter().take(max_groups).any(|h| *h == group_hash(group)))
        };
        let expected: BTreeMap<_, _> = free.iter().filter(|(k, _)| is_kept(k)).collect();
        let named: BTreeMap<_, _> = bounded.iter().filter(|(k, _)| k.3.is_empty() || k.3.iter().any(|v| v.as_deref() != Some("__other__"))).collect();
        prop_assert!(named.len() < bounded.len() && expected.len() < free.len());
        prop_assert_eq!(named, expected);
    }

    #[test]
    fn the_state_of_a_merger_survives_being_persisted(seed: u64) {
        let mut random = Random(seed);
        let plan = Arc::new(Plan::new(spec(2 * support::HOUR, 3, 65_536)));
        let mut merger = Merger::new(Arc::clone(&plan));
        let mut waiting = 0;
        for step in history(&plan, &mut random) {
            match step {
                Step::Apply(delta) => merger.apply(&delta),
                Step::Publish(watermark) => merger.skip_to(watermark),
            }
            waiting += usize::from(merger.has_corrections());
            if !random.chance(30) {
                continue;
            }
            let bytes = postcard::to_stdvec(&merger.state()).unwrap();
            let state: MergerState<'_> = postcard::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&state, &merger.state());
            let restored = Merger::restore(Arc::clone(&plan), state).unwrap();
            prop_assert_eq!(restored.state(), merger.state());
        }
        prop_assert!(waiting > 0 || merger.beyond_horizon() > 0);
    }
}

#[test]
fn the_state_of_another_specification_is_refused() {
    let mut merger = Merger::new(plan(3, 16));
    let events = events(&mut Random(1), 0, 20);
    merger.apply(&store(&plan(3, 16), &events));
    let mut other = spec(FOR_EVER, 3, 16);
    other.journeys.clear();
    assert!(Merger::restore(Arc::new(Plan::new(other.clone())), merger.state()).is_none());
    other = spec(FOR_EVER, 3, 16);
    other.windows.pop();
    assert!(Merger::restore(Arc::new(Plan::new(other)), merger.state()).is_none());
    assert!(Merger::restore(plan(3, 16), merger.state()).is_some());
}

#[test]
fn a_store_of_other_levels_does_not_fit_even_without_panes() {
    let plan = plan(3, 16);
    let levels = |count: usize| -> PaneStore { postcard::from_bytes(&[&[count as u8][..], &vec![0; count]].concat()).unwrap() };
    assert!(levels(plan.levels.len()).fits(&plan) && PaneStore::default().fits(&plan));
    assert!(!levels(plan.levels.len() + 1).fits(&plan) && !levels(1).fits(&plan));
}

/// Above `k` users a distinct count has a relative standard error of 1/sqrt(k), and a ratio is one of a sample of k.
#[test]
fn above_k_users_counts_and_ratios_stay_within_their_error() {
    const K: usize = 1_024;
    let plan = plan(1_000, K);
    let mut inside = 0;
    for seed in 0..8 {
        let mut random = Random(seed);
        let (users, frustrated) = (20_000_u64, 2_000 + random.below(3_000));
        let mut state = PartitionState::new(Arc::clone(&plan));
        // Spread over the panes of one half hour, several times a user.
        for time in [0, 7, 20] {
            for user in 0..users {
                let event = Draft::click(
                    &mut random,
                    EventTime(START + time * MINUTE + user as i64 % 60_000),
                    seed * users + user,
                    user < frustrated,
                );
                state.apply(None, 0, &event.event(), &mut |_| ());
            }
        }
        let mut merger = Merger::new(Arc::clone(&plan));
        merger.apply(&state.take_delta());
        let rows = merger.publish(EventTime::MAX).rows;
        let row = |metric: &str| {
            let wanted = |r: &&MetricRow| r.metric == metric && r.window == 2 && r.grouping == 0 && r.window_start == EventTime(START);
            rows.iter().find(wanted).unwrap()
        };
        let active = row("active_users").value.unwrap();
        assert!((active / users as f64 - 1.0).abs() < 4.0 / (K as f64).sqrt(), "{active} of {users}");
        let ratio = row("frustrated_user_ratio");
        let p = frustrated as f64 / users as f64;
        let error = (p * (1.0 - p) / K as f64).sqrt();
        assert!((ratio.value.unwrap() - p).abs() < 4.0 * error, "{ratio:?} of {p}");
        inside += usize::from((ratio.lower.unwrap()..=ratio.upper.unwrap()).contains(&p));
        let n = ratio.denominator.unwrap() as f64;
        assert!(
            (n - active).abs() < 1.0 && ratio.n as f64 == n,
            "counts are of users, not of the sample: {ratio:?}"
        );
    }
    assert!(inside >= 6, "{inside} of 8 intervals at 95 % hold the truth");
}

#[test]
fn the_estimate_of_bytes_grows_with_what_is_held() {
    let plan = plan(1_000, 65_536);
    let mut random = Random(3);
    let input = events(&mut random, 0, 200);
    let (few, many) = (store(&plan, &input[..20]), store(&plan, &input));
    assert_eq!(PaneStore::default().approximate_bytes(), 0);
    assert!(few.approximate_bytes() > few.groups() as u64 * 500);
    assert!(many.approximate_bytes() > 2 * few.approximate_bytes());
    let mut merger = Merger::new(Arc::clone(&plan));
    merger.apply(&many);
    assert_eq!(merger.approximate_bytes(), many.approximate_bytes());
}
