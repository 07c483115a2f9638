//! What the page is built from.

use std::sync::Arc;

use tidegauge_aggregate::catalogue::Counter;
use tidegauge_aggregate::row::{GroupKey, MetricRow};

/// What the page has to know of one metric of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyMeta {
    /// Name in the catalogue: `task_success_ratio`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: String,
    /// Label names for what stands in braces after the name: none, one (`severity`) or two (`journey`, `step`).
    pub labels: &'static [&'static str],
    /// Whether it has more than one stat, and so a label `stat`.
    pub has_stats: bool,
    /// Its counters.
    pub counters: Vec<CounterMeta>,
}

/// What the page has to know of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterMeta {
    /// What of the metric it counts.
    pub counter: Counter,
    /// Its name without `tidegauge_`: `task_attempts_total`.
    pub name: String,
    /// What it is, in a sentence.
    pub help: String,
}

/// Live values of the exported windows and groupings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveSnapshot {
    /// The value so far of each exported window position. A row without a value stands for a group that is still held although the indicator
    /// is absent: only its `_samples` appear.
    pub rows: Vec<MetricRow>,
    /// What has been counted since the process started.
    pub totals: Vec<Total>,
    /// Facts of each group in the longest exported window: who stays when there are too many series.
    pub facts: Vec<GroupFacts>,
}

/// One counter.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    /// Name of the metric, as in the catalogue.
    pub metric: &'static str,
    /// What of it.
    pub counter: Counter,
    /// Index into [`tidegauge_aggregate::spec::Spec::groupings`].
    pub grouping: usize,
    /// The group.
    pub group: GroupKey,
    /// What stands in braces after the metric's name.
    pub label: Option<Arc<str>>,
    /// How many.
    pub value: u64,
}

/// How busy a group is.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupFacts {
    /// Index into [`tidegauge_aggregate::spec::Spec::groupings`].
    pub grouping: usize,
    /// The group.
    pub group: GroupKey,
    /// Its facts in the longest exported window.
    pub facts: u64,
}
