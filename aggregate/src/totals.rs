//! Counters: what has been counted since some beginning, over all windows.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalogue::{Counter, Formula};
use crate::layout::{Compiled, Program};
use crate::pane::{GroupState, PaneStore};
use crate::plan::Plan;
use crate::row::GroupKey;
use crate::visits::{New, Visits};
use crate::window::other_key;

/// What identifies a counter: metric, what of it, grouping, group and label.
pub type TotalKey = (&'static str, Counter, usize, GroupKey, Option<Arc<str>>);

/// Counters by metric, grouping, group and label. A counter never goes away, so beyond a bound new groups count with the rest: which ones depends
/// on what came first, as with everything that starts with the process.
#[derive(Clone, Debug)]
pub struct Totals {
    counts: BTreeMap<TotalKey, u64>,
    visits: Visits,
    limit: usize,
}

/// The part of a delta that is being counted.
struct Part<'a> {
    grouping: usize,
    key: &'a GroupKey,
    other: &'a GroupKey,
    state: &'a GroupState,
    /// Those that are new in their hour.
    sessions: Option<New>,
}

impl Totals {
    /// At most about `limit` counters.
    #[must_use]
    pub fn new(limit: usize) -> Totals {
        Totals {
            counts: BTreeMap::new(),
            visits: Visits::new(limit),
            limit,
        }
    }

    /// Adds the facts of a delta to the counters of some groupings.
    pub fn add(&mut self, plan: &Plan, delta: &PaneStore, groupings: &[usize]) {
        for grouping in groupings {
            let Some(level) = plan.levels.iter().position(|l| l.groupings.contains(grouping)) else {
                continue;
            };
            let other = other_key(plan.spec.groupings.get(*grouping).map_or(0, |g| g.dimensions.len()));
            for (pane, groups) in delta.levels.get(level).into_iter().flatten() {
                let Some(groups) = groups.groupings.get(*grouping) else { continue };
                let kept = groups.kept.iter().map(|((_, key), state)| (key, state));
                for (key, state) in kept.chain(groups.other.as_deref().map(|state| (&other, state))) {
                    let part = Part {
                        grouping: *grouping,
                        key,
                        other: &other,
                        state,
                        sessions: self.visits.add(*pane, (*grouping, key, &other), &state.sessions),
                    };
                    for compiled in plan.layout.reported[*grouping].iter().filter_map(|i| plan.layout.compiled.get(*i)) {
                        self.add_metric(compiled, &part);
                    }
                }
            }
        }
    }

    fn add_metric(&mut self, compiled: &Compiled, part: &Part<'_>) {
        let name = compiled.metric.name;
        let of = |slot: &u16| part.state.tally.counts[usize::from(*slot)];
        match &compiled.program {
            Program::Count(slot) => self.some(part, name, None, of(slot)),
            Program::CountBy(entries) => entries
                .iter()
                .for_each(|(label, slot)| self.some(part, name, Some(label), of(slot))),
            Program::Ratio {
                numerator, denominator, ..
            } => self.both(part, name, None, of(numerator), of(denominator)),
            Program::RatioBy(entries) => {
                for (label, numerator, denominator, _) in entries {
                    self.both(part, name, Some(label), of(numerator), of(denominator));
                }
            }
            Program::Direct => match (compiled.metric.formula, part.sessions) {
                (Formula::Sessions, Some(new)) => self.count(part, name, Counter::All, None, new.sessions),
                (Formula::CrashFreeSessions, Some(new)) => self.count(part, name, Counter::All, None, new.crashed),
                _ => (),
            },
            _ => (),
        }
    }

    fn some(&mut self, part: &Part<'_>, metric: &'static str, label: Option<&String>, n: u64) {
        if n > 0 {
            self.count(part, metric, Counter::All, label, n);
        }
    }

    /// Both parts of a ratio begin together: a rate of something that was never seen is 0, not unknown.
    fn both(&mut self, part: &Part<'_>, metric: &'static str, label: Option<&String>, numerator: u64, denominator: u64) {
        if numerator > 0 || denominator > 0 {
            self.count(part, metric, Counter::Numerator, label, numerator);
            self.count(part, metric, Counter::Denominator, label, denominator);
        }
    }

    fn count(&mut self, part: &Part<'_>, metric: &'static str, counter: Counter, label: Option<&String>, n: u64) {
        let key = |group: &GroupKey| {
            let label = label.map(|label| Arc::from(label.as_str()));
            (metric, counter, part.grouping, group.clone(), label)
        };
        let full = self.counts.len() >= self.limit;
        match self.counts.get_mut(&key(part.key)) {
            Some(count) => *count = count.saturating_add(n),
            None => {
                let count = self.counts.entry(key(if full { part.other } else { part.key })).or_default();
                *count = count.saturating_add(n);
            }
        }
    }

    /// Every counter.
    pub fn iter(&self) -> impl Iterator<Item = (&TotalKey, u64)> {
        self.counts.iter().map(|(key, n)| (key, *n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sketch;
    use crate::spec::Spec;
    use crate::tally::Tally;

    fn empty(plan: &Plan) -> GroupState {
        GroupState {
            tally: Tally::new(&plan.layout),
            users: Sketch::new(8),
            sessions: Sketch::new(8),
        }
    }

    fn part<'a>(key: &'a GroupKey, other: &'a GroupKey, state: &'a GroupState) -> Part<'a> {
        Part {
            grouping: 1,
            key,
            other,
            state,
            sessions: None,
        }
    }

    #[test]
    fn beyond_the_bound_new_groups_count_with_the_rest() {
        let plan = Plan::new(Spec::default());
        let state = empty(&plan);
        let mut totals = Totals::new(2);
        let key = |name: &str| -> GroupKey { vec![Some(Arc::from(name))].into() };
        for name in ["a", "b", "c", "a", "d"] {
            totals.some(&part(&key(name), &other_key(1), &state), "errors", None, 1);
        }
        let counts: Vec<(GroupKey, u64)> = totals.iter().map(|(key, n)| (key.3.clone(), n)).collect();
        assert_eq!(counts.len(), 3);
        assert!(counts.contains(&(key("a"), 2)) && counts.contains(&(key("b"), 1)) && counts.contains(&(other_key(1), 2)));
    }

    #[test]
    fn a_numerator_of_which_nothing_was_seen_yet_is_there_as_0() {
        let plan = Plan::new(Spec::default());
        let state = empty(&plan);
        let mut totals = Totals::new(10);
        totals.both(&part(&other_key(1), &other_key(1), &state), "task_success_ratio", None, 0, 0);
        assert_eq!(totals.iter().count(), 0);
        totals.both(&part(&other_key(1), &other_key(1), &state), "task_success_ratio", None, 0, 7);
        let counts: Vec<(Counter, u64)> = totals.iter().map(|(key, n)| (key.1, n)).collect();
        assert_eq!(counts, [(Counter::Numerator, 0), (Counter::Denominator, 7)]);
    }
}
