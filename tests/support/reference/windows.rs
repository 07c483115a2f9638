//! Windows by enumeration: which facts each position and group holds, and the rows of each.

use std::collections::{BTreeMap, BTreeSet};

use tidegauge_aggregate::spec::{Dimension, OTHER, Spec};

use super::fact::Fact;
use super::indicators::{self, Rows};
use super::ratios::{ATTEMPT_RATIOS, SPIKES};
use super::users::Users;
use super::{RefRow, stats};

/// The values of a grouping's dimensions.
pub type Key = Vec<Option<String>>;
/// Window, start, grouping.
type Place = (usize, i64, usize);
type Groups<'f> = BTreeMap<Key, Vec<&'f Fact>>;

/// The starts of the positions of a window that hold a time.
fn starts(time: i64, size: i64, slide: i64) -> Vec<i64> {
    let last = time.div_euclid(slide) * slide;
    (0..).map(|i| last - i * slide).take_while(|start| time < start + size).collect()
}

/// All rows of a closing run over these facts.
pub fn rows(spec: &Spec, facts: &[Fact]) -> Vec<RefRow> {
    let mut places: BTreeMap<Place, Groups<'_>> = BTreeMap::new();
    for fact in facts {
        for (w, window) in spec.windows.iter().enumerate() {
            for &grouping in &window.groupings {
                let Some(key) = fact.group(&spec.groupings[grouping].dimensions) else {
                    continue;
                };
                for start in starts(fact.time, window.size, window.slide) {
                    places
                        .entry((w, start, grouping))
                        .or_default()
                        .entry(key.clone())
                        .or_default()
                        .push(fact);
                }
            }
        }
    }
    let mut all = Vec::new();
    for (&(w, start, grouping), groups) in &places {
        let window = &spec.windows[w];
        for (key, facts) in groups {
            let mut rows = Rows::new(spec, w, start, grouping, key);
            let before = |i: i64| -> &[&Fact] {
                let place = (w, start - i * window.size, grouping);
                places.get(&place).and_then(|groups| groups.get(key)).map_or(&[], Vec::as_slice)
            };
            let users = Users::of(facts);
            indicators::ux(&mut rows, facts);
            indicators::cx(&mut rows, facts);
            indicators::over_users(&mut rows, facts, &users);
            indicators::retention(&mut rows, &users, &Users::of(before(1)));
            if let Some(spike) = spec.spike.filter(|spike| spike.window == w) {
                for (name, counts) in SPIKES {
                    let baseline: Vec<(u64, u64)> = (1..=spike.baseline / window.size).map(|i| counts(before(i))).collect();
                    let (k1, n1) = counts(facts);
                    if let Some((value, lower, upper)) = stats::spike(k1, n1, &baseline) {
                        rows.push("spike_excess", "value", Some(name), value, Some((lower, upper)), n1, Some((k1, n1)));
                    }
                }
            }
            for dimension in ["platform", "channel"] {
                consistency_gap(&mut rows, spec, &places, (w, start, grouping), key, dimension);
            }
            all.extend(rows.rows);
        }
    }
    all
}

/// `consistency_gap` of one group over one dimension, where the window reports the grouping with that dimension too.
fn consistency_gap(
    rows: &mut Rows<'_>,
    spec: &Spec,
    places: &BTreeMap<Place, Groups<'_>>,
    (w, start, grouping): Place,
    key: &Key,
    dimension: &str,
) {
    let own = &spec.groupings[grouping].dimensions;
    let Some(added) = Dimension::parse(dimension).filter(|added| !own.contains(added)) else {
        return;
    };
    let wanted: BTreeSet<&Dimension> = own.iter().chain([&added]).collect();
    let finer = spec.windows[w].groupings.iter().find(|&&g| {
        let dimensions = &spec.groupings[g].dimensions;
        dimensions.len() == wanted.len() && dimensions.iter().collect::<BTreeSet<_>>() == wanted
    });
    let Some(groups) = finer.and_then(|&g| places.get(&(w, start, g)).map(|groups| (g, groups))) else {
        return;
    };
    let (finer, groups) = (&spec.groupings[groups.0].dimensions, groups.1);
    for (name, counts) in ATTEMPT_RATIOS {
        let mut values = Vec::new();
        let mut total = 0;
        for (finer_key, facts) in groups {
            let of = |d: &Dimension| finer.iter().position(|f| f == d).and_then(|at| finer_key[at].clone());
            let Some(value) = of(&added) else { continue };
            if value == OTHER || own.iter().zip(key).any(|(d, v)| of(d) != *v) {
                continue;
            }
            let (k, n) = counts(facts);
            if n >= 30 {
                values.push(k as f64 / n as f64);
                total += n;
            }
        }
        if values.len() >= 2 {
            let gap = values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min);
            rows.push(
                "consistency_gap",
                "value",
                Some(&format!("{dimension}/{name}")),
                gap,
                None,
                total,
                None,
            );
        }
    }
}
