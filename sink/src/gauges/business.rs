//! Business metrics: from a snapshot of live results to families.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use prometheus::proto::{self, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use tidegauge_aggregate::catalogue::Counter;
use tidegauge_aggregate::row::{GroupKey, MetricRow};
use tidegauge_aggregate::spec::Spec;

use super::labels::{label_name, pair};
use super::snapshot::{FamilyMeta, LiveSnapshot, Total};

/// What the names of a specification look like on the page, and the families there can be.
pub(super) struct Catalogue {
    families: Vec<FamilyMeta>,
    by_name: HashMap<&'static str, usize>,
    windows: Vec<String>,
    groupings: Vec<GroupingLabels>,
    max_series: usize,
}

struct GroupingLabels {
    name: String,
    dimensions: Vec<String>,
}

/// A grouping and one of its groups.
type GroupRef<'a> = (usize, &'a GroupKey);

/// The families of a scrape, and how many series did not fit.
pub(super) struct Business {
    pub(super) families: Vec<MetricFamily>,
    pub(super) series: usize,
    pub(super) dropped: usize,
}

/// The series of one metric, under way.
#[derive(Default)]
struct Series {
    value: Vec<Metric>,
    samples: Vec<Metric>,
    lower: Vec<Metric>,
    upper: Vec<Metric>,
    totals: BTreeMap<Counter, Vec<Metric>>,
}

impl Catalogue {
    pub(super) fn new(spec: &Spec, families: Vec<FamilyMeta>, max_series: usize) -> Catalogue {
        let by_name = families.iter().enumerate().map(|(i, f)| (f.name, i)).collect();
        let windows = spec.windows.iter().map(|w| w.name.clone()).collect();
        let groupings = spec
            .groupings
            .iter()
            .map(|g| GroupingLabels {
                name: g.name(),
                dimensions: g.dimensions.iter().map(label_name).collect(),
            })
            .collect();
        Catalogue {
            families,
            by_name,
            windows,
            groupings,
            max_series,
        }
    }

    pub(super) fn families(&self) -> &[FamilyMeta] {
        &self.families
    }

    /// Builds the families of a snapshot. Rows of metrics, windows or groupings that were not declared are left out.
    pub(super) fn collect(&self, snapshot: &LiveSnapshot) -> Business {
        let rows: Vec<(usize, &MetricRow)> = snapshot
            .rows
            .iter()
            .filter_map(|row| Some((*self.by_name.get(row.metric)?, row)))
            .collect();
        let totals: Vec<(usize, &Total)> = snapshot
            .totals
            .iter()
            .filter_map(|total| Some((*self.by_name.get(total.metric)?, total)))
            .filter(|(family, total)| self.families[*family].counters.iter().any(|meta| meta.counter == total.counter))
            .collect();
        let kept = Kept::choose(self.max_series, &rows, &totals, snapshot);
        let mut series: Vec<Series> = std::iter::repeat_with(Series::default).take(self.families.len()).collect();
        let mut sampled: HashSet<(usize, usize, GroupRef<'_>, Option<&str>)> = HashSet::new();
        for (family, row) in rows {
            if !kept.groups.contains(&(row.grouping, &row.group)) {
                continue;
            }
            let Some(labels) = self.labels(family, Some(row.window), row.grouping, &row.group, row.label.as_deref()) else {
                continue;
            };
            let series = &mut series[family];
            if sampled.insert((family, row.window, (row.grouping, &row.group), row.label.as_deref())) {
                series.samples.push(gauge(labels.clone(), row.n as f64));
            }
            let stat = self.families[family].has_stats.then(|| pair("stat", Some(row.stat)));
            let with_stat = || labels.iter().cloned().chain(stat.clone()).collect();
            for (into, value) in [
                (&mut series.value, row.value),
                (&mut series.lower, row.lower),
                (&mut series.upper, row.upper),
            ] {
                if let Some(value) = shown(row, value) {
                    into.push(gauge(with_stat(), value));
                }
            }
        }
        for (family, total) in totals {
            if kept.groups.contains(&(total.grouping, &total.group))
                && let Some(labels) = self.labels(family, None, total.grouping, &total.group, total.label.as_deref())
            {
                let counters = series[family].totals.entry(total.counter).or_default();
                counters.push(counter(labels, total.value as f64));
            }
        }
        let families = self
            .families
            .iter()
            .zip(series)
            .flat_map(|(meta, series)| series.into_families(meta))
            .collect();
        Business {
            families,
            series: kept.series,
            dropped: kept.dropped,
        }
    }

    fn labels(
        &self,
        family: usize,
        window: Option<usize>,
        grouping: usize,
        group: &GroupKey,
        label: Option<&str>,
    ) -> Option<Vec<LabelPair>> {
        let grouping = self.groupings.get(grouping)?;
        let mut labels = Vec::with_capacity(5 + grouping.dimensions.len());
        if let Some(window) = window {
            labels.push(pair("window", Some(self.windows.get(window)?)));
        }
        labels.push(pair("grouping", Some(&grouping.name)));
        for (name, value) in grouping.dimensions.iter().zip(group.iter()) {
            labels.push(pair(name, value.as_deref()));
        }
        match *self.families.get(family)?.labels {
            [] => {}
            [name] => labels.push(pair(name, label)),
            // A journey's name may have a slash in it, a step or an indicator has none.
            [first, second, ..] => {
                let (left, right) = label.and_then(|label| label.rsplit_once('/')).unzip();
                labels.push(pair(first, left.or(label)));
                labels.push(pair(second, right));
            }
        }
        Some(labels)
    }
}

/// A bound of a row whose value is absent is not shown, nor is a number that is none.
fn shown(row: &MetricRow, value: Option<f64>) -> Option<f64> {
    row.value.and(value).filter(|value| value.is_finite())
}

/// The groups whose series are shown.
struct Kept<'a> {
    groups: HashSet<GroupRef<'a>>,
    series: usize,
    dropped: usize,
}

impl<'a> Kept<'a> {
    /// Takes groups in the order of their facts until the next one would be too much. Ties go by grouping, then by the group's values, so that
    /// two scrapes of the same state agree.
    fn choose(max: usize, rows: &[(usize, &'a MetricRow)], totals: &[(usize, &'a Total)], snapshot: &'a LiveSnapshot) -> Kept<'a> {
        let mut sizes: BTreeMap<GroupRef<'a>, usize> = BTreeMap::new();
        let mut sampled: HashSet<(usize, usize, GroupRef<'a>, Option<&str>)> = HashSet::new();
        for (family, row) in rows {
            let group = (row.grouping, &row.group);
            let values = [row.value, row.lower, row.upper]
                .into_iter()
                .filter(|value| shown(row, *value).is_some())
                .count();
            let samples = usize::from(sampled.insert((*family, row.window, group, row.label.as_deref())));
            *sizes.entry(group).or_default() += values + samples;
        }
        for (_, total) in totals {
            *sizes.entry((total.grouping, &total.group)).or_default() += 1;
        }
        let facts: HashMap<GroupRef<'a>, u64> = snapshot.facts.iter().map(|g| ((g.grouping, &g.group), g.facts)).collect();
        let mut ranked: Vec<(GroupRef<'a>, usize)> = sizes.into_iter().collect();
        ranked.sort_by_key(|(group, _)| Reverse(facts.get(group).copied().unwrap_or(0)));
        let mut kept = Kept {
            groups: HashSet::with_capacity(ranked.len()),
            series: 0,
            dropped: 0,
        };
        let mut full = false;
        for (group, size) in ranked {
            full |= kept.series + size > max;
            if full {
                kept.dropped += size;
            } else {
                kept.series += size;
                kept.groups.insert(group);
            }
        }
        kept
    }
}

impl Series {
    fn into_families(mut self, meta: &FamilyMeta) -> impl Iterator<Item = MetricFamily> {
        let name = format!("tidegauge_{}", meta.name);
        let beside = |what: &str| format!("{what} of {name}");
        [
            family(format!("{name}_samples"), beside("Sample size"), MetricType::GAUGE, self.samples),
            family(
                format!("{name}_lower"),
                beside("Lower end of the interval"),
                MetricType::GAUGE,
                self.lower,
            ),
            family(
                format!("{name}_upper"),
                beside("Upper end of the interval"),
                MetricType::GAUGE,
                self.upper,
            ),
            family(name.clone(), meta.help.clone(), MetricType::GAUGE, self.value),
        ]
        .into_iter()
        .chain(meta.counters.iter().map(move |counter| {
            let metrics = self.totals.remove(&counter.counter).unwrap_or_default();
            family(
                format!("tidegauge_{}", counter.name),
                counter.help.clone(),
                MetricType::COUNTER,
                metrics,
            )
        }))
        .filter(|family| !family.get_metric().is_empty())
    }
}

pub(super) fn family(name: String, help: String, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name);
    family.set_help(help);
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

pub(super) fn gauge(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_gauge(gauge);
    metric
}

pub(super) fn counter(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}
