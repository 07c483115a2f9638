//! Targets: what the product owner wants of a metric.

use tidegauge_aggregate::catalogue::{self, Metric};
use tidegauge_aggregate::spec::{Dimension, Spec};

use super::error::Problem;
use super::groupings::{Configured, not_configured};
use super::keys;
use super::model::{Bound, Prometheus, Target};
use super::nearest::{nearest, one_of};
use super::reader::{Item, Reader, item};
use super::schema::Key;
use super::tree::{Node, Origin, Table, Value, quote};
use super::value;
use super::windows::origin_of;

/// What targets may name; `whole` unless some windows or groupings were wrong.
pub(super) struct Known<'a> {
    pub(super) spec: &'a Spec,
    pub(super) prometheus: &'a Prometheus,
    pub(super) windows: Configured,
    pub(super) groupings: Configured,
}

pub(super) fn targets(reader: &mut Reader<'_>, known: &Known<'_>) -> Vec<Target> {
    let tables = reader.tables(&keys::TARGET).unwrap_or_default();
    tables
        .items
        .into_iter()
        .filter_map(|(table, origin)| target(reader, table, origin, known))
        .collect()
}

fn target(reader: &mut Reader<'_>, table: &Table, origin: &Origin, known: &Known<'_>) -> Option<Target> {
    for key in [&keys::TARGET_METRIC, &keys::TARGET_WINDOW] {
        if table.get(key.name).is_none() {
            reader.missing(key, origin);
        }
    }
    let bound = bound(reader, table, origin);
    let window = named(reader, table, &keys::TARGET_WINDOW, &known.windows);
    let grouping = named(reader, table, &keys::TARGET_GROUPING, &known.groupings);
    let filter = grouping.map(|grouping| filter(reader, table, grouping, known.spec));
    let metric = item(table, &keys::TARGET_METRIC, value::text)?;
    let stat = item(table, &keys::TARGET_STAT, value::text);
    let (window, grouping, filter) = (window?, grouping?, filter?);
    check_exported(reader, table, origin, (window, grouping), known);
    if let Some(metric) = catalogue::find(&metric) {
        check_stat(reader, table, origin, metric, stat.as_deref());
        check_carried(reader, table, origin, metric, grouping, known);
    }
    Some(Target {
        metric,
        stat,
        window,
        grouping,
        filter,
        bound: bound?,
    })
}

fn bound(reader: &mut Reader<'_>, table: &Table, origin: &Origin) -> Option<Bound> {
    let (least, most) = (table.get(keys::TARGET_AT_LEAST.name), table.get(keys::TARGET_AT_MOST.name));
    match (least, most) {
        (Some(_), None) => item(table, &keys::TARGET_AT_LEAST, value::number).map(Bound::AtLeast),
        (None, Some(_)) => item(table, &keys::TARGET_AT_MOST, value::number).map(Bound::AtMost),
        (None, None) => {
            let problem = Problem::new("a target without a bound").expected("exactly one of `at_least` and `at_most`");
            reader.report(origin, problem);
            None
        }
        (Some(_), Some(second)) => {
            let problem = Problem::new("a target with two bounds").expected("exactly one of `at_least` and `at_most`");
            reader.report(&second.origin, problem);
            None
        }
    }
}

/// The index of what a key of the target names.
fn named(reader: &mut Reader<'_>, table: &Table, key: &Key, configured: &Configured) -> Option<usize> {
    let name = item(table, key, value::text)?;
    let index = configured.names.iter().position(|known| *known == name);
    if index.is_none()
        && configured.whole
        && let Some(entry) = table.get(key.name)
    {
        not_configured(reader, key, &Item::at(name, &entry.node), &entry.node.origin, configured);
    }
    index
}

/// The values that `where` asks for, in the order of the grouping's dimensions.
fn filter(reader: &mut Reader<'_>, table: &Table, grouping: usize, spec: &Spec) -> Vec<(String, String)> {
    let Some(entry) = table.get(keys::TARGET_WHERE.name) else {
        return Vec::new();
    };
    let Value::Table(conditions) = &entry.node.value else {
        return Vec::new();
    };
    let dimensions = spec
        .groupings
        .get(grouping)
        .map(|g| g.dimensions.iter().map(Dimension::name).collect::<Vec<_>>())
        .unwrap_or_default();
    let mut filter = Vec::new();
    for (name, origin, node) in leaves(conditions) {
        let Some(position) = dimensions.iter().position(|dimension| *dimension == name) else {
            let names = || dimensions.iter().map(String::as_str);
            let problem = Problem::new(format!(
                "`target[].where` names {}, which is no dimension of the grouping",
                quote(&name)
            ));
            reader.report(origin, problem.expected(one_of(names())).suggest(nearest(&name, names())));
            continue;
        };
        match &node.value {
            Value::Text(text) => filter.push((position, (name, text.clone()))),
            Value::Broken => {}
            _ => {
                let problem = Problem::new(format!("`target[].where.{name}` is of the wrong type")).found(node.describe(false));
                reader.report(&node.origin, problem.expected("a string"));
            }
        }
    }
    filter.sort();
    filter.into_iter().map(|(_, condition)| condition).collect()
}

/// A target lives on gauges: one that is not exported would never be watched.
fn check_exported(reader: &mut Reader<'_>, table: &Table, origin: &Origin, (window, grouping): (usize, usize), known: &Known<'_>) {
    let mut report = |names: &[&str], what: &str, to_do: &str| {
        let problem = Problem::new(format!("a target that nothing can watch: {what}")).expected(to_do);
        reader.report(&origin_of(table, names, origin), problem);
    };
    let rolling = known.spec.windows.get(window).is_some_and(|w| w.slide < w.size);
    if known.windows.whole && !known.prometheus.windows_named && !rolling {
        report(
            &["window"],
            "its window is tumbling, and such ones are exported only if they are named",
            "a rolling window, or `prometheus.windows` with this one",
        );
    } else if known.windows.whole && !known.prometheus.windows.contains(&window) {
        report(
            &["window"],
            "its window is not exported to Prometheus",
            "a window of `prometheus.windows`",
        );
    }
    if known.groupings.whole && !known.prometheus.groupings.contains(&grouping) {
        report(
            &["grouping"],
            "its grouping is not exported to Prometheus",
            "a grouping of `prometheus.groupings`",
        );
    }
    let reported = known.spec.windows.get(window).is_some_and(|w| w.groupings.contains(&grouping));
    if known.groupings.whole && !reported {
        report(
            &["grouping", "window"],
            "its window is not reported for its grouping",
            "a grouping of the window",
        );
    }
}

/// Which number of the metric it is about: said where there are several, and nothing else.
fn check_stat(reader: &mut Reader<'_>, table: &Table, origin: &Origin, metric: &Metric, stat: Option<&str>) {
    let stats = metric.stats();
    let problem = match stat {
        Some(stat) if !stats.contains(&stat) => Problem::new(format!("`{}` has no statistic `{stat}`", metric.name)),
        None if stats.len() > 1 => Problem::new(format!("`{}` has several statistics, and the target names none", metric.name)),
        _ => return,
    };
    let place = origin_of(table, &[keys::TARGET_STAT.name, keys::TARGET_METRIC.name], origin);
    reader.report(&place, problem.expected(format!("`stat`: {}", one_of(stats.iter().copied()))));
}

/// A grouping by something that the metric's facts lack has no value of it.
fn check_carried(reader: &mut Reader<'_>, table: &Table, origin: &Origin, metric: &Metric, grouping: usize, known: &Known<'_>) {
    let facts = metric.facts();
    let lacking = known
        .spec
        .groupings
        .get(grouping)
        .and_then(|grouping| grouping.dimensions.iter().find(|d| facts.iter().any(|fact| !fact.carries(d))));
    if let Some(dimension) = lacking {
        let problem = Problem::new(format!(
            "a target that nothing can watch: `{}` is not reported by {}",
            metric.name,
            dimension.name()
        ));
        let place = origin_of(table, &[keys::TARGET_GROUPING.name], origin);
        reader.report(
            &place,
            problem.expected("a grouping that the metric is reported for (see `tidegauge metrics`)"),
        );
    }
}

/// The entries of a map with dotted names, each with the place of its key.
pub(super) fn leaves(table: &Table) -> Vec<(String, &Origin, &Node)> {
    let mut found = Vec::new();
    for entry in &table.entries {
        match &entry.node.value {
            Value::Table(below) => {
                found.extend(
                    leaves(below)
                        .into_iter()
                        .map(|(name, origin, node)| (format!("{}.{name}", entry.name), origin, node)),
                );
            }
            _ => found.push((entry.name.clone(), &entry.origin, &entry.node)),
        }
    }
    found
}
