//! The gauges: committed panes plus everything that has been drained since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegauge_aggregate::catalogue;
use tidegauge_aggregate::live::{group_facts, held_groups};
use tidegauge_aggregate::merger::live_rows;
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::row::{GroupKey, MetricRow};
use tidegauge_aggregate::time::EventTime;
use tidegauge_aggregate::totals::Totals;
use tidegauge_sink::gauges::{CounterMeta, FamilyMeta, GroupFacts, LiveSnapshot, Total};

/// A series that has been on the page.
type Shown = (usize, usize, GroupKey, &'static str, &'static str, Option<Arc<str>>);

/// What is exported, and what has been so far.
pub(crate) struct Live {
    plan: Arc<Plan>,
    windows: Vec<usize>,
    groupings: Vec<usize>,
    totals: Totals,
    shown: BTreeSet<Shown>,
}

/// The catalogue as the page wants it.
pub(crate) fn families() -> Vec<FamilyMeta> {
    catalogue::metrics()
        .map(|metric| FamilyMeta {
            name: metric.name,
            help: metric.help.to_owned(),
            labels: metric.label_names(),
            has_stats: metric.stats().len() > 1,
            counters: metric
                .counters()
                .iter()
                .map(|counter| CounterMeta {
                    counter: *counter,
                    name: metric.counter_name(*counter),
                    help: metric.counter_help(*counter),
                })
                .collect(),
        })
        .collect()
}

impl Live {
    /// Exports these windows (tumbling ones only where they were named) and groupings.
    pub(crate) fn new(plan: Arc<Plan>, windows: &[usize], named: bool, groupings: &[usize], max_series: usize) -> Live {
        let rolling = |w: &&usize| named || plan.spec.windows.get(**w).is_some_and(|w| w.slide < w.size);
        let windows = windows.iter().filter(rolling).copied().collect();
        Live {
            windows,
            groupings: groupings.to_vec(),
            totals: Totals::new(max_series),
            shown: BTreeSet::new(),
            plan,
        }
    }

    /// Counts what was just drained.
    pub(crate) fn count(&mut self, delta: &PaneStore) {
        self.totals.add(&self.plan, delta, &self.groupings);
    }

    /// The page's business part as of now.
    pub(crate) fn snapshot(&mut self, sources: &[&PaneStore], watermark: EventTime) -> LiveSnapshot {
        let plan = Arc::clone(&self.plan);
        let mut rows = live_rows(&plan, sources, watermark, &self.windows, &self.groupings);
        rows.extend(self.absent(sources, watermark, &rows));
        let longest = self
            .windows
            .iter()
            .copied()
            .max_by_key(|w| plan.spec.windows.get(*w).map_or(0, |w| w.size));
        let facts = longest
            .map(|window| group_facts(&plan, sources, watermark, window, &self.groupings))
            .unwrap_or_default();
        LiveSnapshot {
            rows,
            totals: self
                .totals
                .iter()
                .map(|((metric, counter, grouping, group, label), value)| Total {
                    metric,
                    counter: *counter,
                    grouping: *grouping,
                    group: group.clone(),
                    label: label.clone(),
                    value,
                })
                .collect(),
            facts: facts
                .into_iter()
                .map(|((grouping, group), facts)| GroupFacts { grouping, group, facts })
                .collect(),
        }
    }

    /// Rows without a value for series that were shown before and whose group is still held: their `_samples` go to 0 instead of vanishing.
    fn absent(&mut self, sources: &[&PaneStore], watermark: EventTime, rows: &[MetricRow]) -> Vec<MetricRow> {
        let present: BTreeSet<Shown> = rows
            .iter()
            .map(|r| (r.window, r.grouping, r.group.clone(), r.metric, r.stat, r.label.clone()))
            .collect();
        let held: BTreeMap<usize, BTreeSet<(usize, GroupKey)>> = self
            .windows
            .iter()
            .map(|w| (*w, held_groups(&self.plan, sources, *w, &self.groupings)))
            .collect();
        self.shown
            .retain(|(window, grouping, group, ..)| held.get(window).is_some_and(|h| h.contains(&(*grouping, group.clone()))));
        let absent = self
            .shown
            .difference(&present)
            .map(|(window, grouping, group, metric, stat, label)| {
                let spec = &self.plan.spec.windows[*window];
                let end = watermark.floor_to(spec.slide).plus(spec.slide);
                MetricRow {
                    window: *window,
                    window_start: end.minus(spec.size),
                    window_end: end,
                    grouping: *grouping,
                    group: group.clone(),
                    metric,
                    stat,
                    label: label.clone(),
                    value: None,
                    lower: None,
                    upper: None,
                    n: 0,
                    numerator: None,
                    denominator: None,
                    revision: 0,
                }
            });
        let absent = absent.collect();
        self.shown.extend(present);
        absent
    }
}
