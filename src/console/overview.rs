//! The answer of `/api/v1/overview`: is it going well, what got worse, where, since when, and how sure is that.

use serde_json::{Map, Value, json};
use tidegauge_aggregate::catalogue;
use tidegauge_aggregate::row::{GroupKey, MetricRow};
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;

use super::history::{History, Point, SeriesKey};
use super::judge::{self, LEAST_SAMPLES, Verdict};
use crate::config::{Bound, Target};
use crate::http::time;

/// Changes in one answer at most, the largest first.
const CHANGES: usize = 20;
/// Changes are looked for in the window whose size is nearest to this and that has something to compare.
const LOOKED_AT: i64 = 3_600_000;

/// What is judged.
pub(crate) struct Material<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) targets: &'a [Target],
    /// Live results.
    pub(crate) rows: &'a [MetricRow],
    pub(crate) history: &'a History,
}

impl Material<'_> {
    /// `{"targets": [...], "spikes": [...], "changes": {...}}`.
    pub(crate) fn json(&self) -> Value {
        json!({
            "targets": self.targets.iter().map(|target| self.target(target)).collect::<Vec<_>>(),
            "spikes": self.spikes(),
            "changes": self.changes(),
        })
    }

    fn place(&self, grouping: usize, group: &GroupKey) -> Map<String, Value> {
        let dimensions = self
            .spec
            .groupings
            .get(grouping)
            .map(|g| g.dimensions.as_slice())
            .unwrap_or_default();
        let values = dimensions.iter().zip(group.iter());
        values
            .map(|(dimension, value)| (dimension.name(), json!(value.as_deref())))
            .collect()
    }

    fn grouping(&self, grouping: usize) -> String {
        self.spec.groupings.get(grouping).map(|g| g.name()).unwrap_or_default()
    }

    fn window(&self, window: usize) -> &str {
        self.spec.windows.get(window).map_or("", |w| w.name.as_str())
    }

    /// A target with the groups that it is about, the worst first.
    fn target(&self, target: &Target) -> Value {
        let metric = catalogue::find(&target.metric);
        let stat = target
            .stat
            .as_deref()
            .or_else(|| metric?.stats().first().copied())
            .unwrap_or_default();
        let dimensions: Vec<String> = self
            .spec
            .groupings
            .get(target.grouping)
            .map(|g| g.dimensions.iter().map(|d| d.name()).collect())
            .unwrap_or_default();
        let wanted = |row: &&MetricRow| {
            let has = |name: &String| {
                let at = dimensions.iter().position(|dimension| dimension == name);
                at.and_then(|at| row.group.get(at)).map(|value| value.as_deref())
            };
            let is = |(name, value): &(String, String)| has(name) == Some(Some(value.as_str()).filter(|value| !value.is_empty()));
            (row.window, row.grouping) == (target.window, target.grouping)
                && row.metric == target.metric
                && row.stat == stat
                && target.filter.iter().all(is)
        };
        let mut groups: Vec<(Verdict, Value)> = Vec::new();
        for row in self.rows.iter().filter(wanted) {
            let (Some(metric), Some(value)) = (metric, row.value) else {
                continue;
            };
            let verdict = judge::verdict(metric, target.bound, value, row.lower.zip(row.upper), row.n);
            let bad = |point: &Point| {
                let verdict = |value| judge::verdict(metric, target.bound, value, point.interval(), point.n);
                matches!(point.value().map(verdict), Some(Verdict::Missed | Verdict::LikelyMissed))
            };
            let missed = matches!(verdict, Verdict::Missed | Verdict::LikelyMissed);
            let since = missed.then(|| self.since(row, bad)).flatten();
            groups.push((
                verdict,
                with(self.numbers(row), [("verdict", json!(verdict.as_str())), ("since", since.into())]),
            ));
        }
        groups.sort_by_key(|(verdict, _)| match verdict {
            Verdict::Missed => 0,
            Verdict::LikelyMissed => 1,
            Verdict::LikelyMet => 2,
            Verdict::Met => 3,
            Verdict::Few => 4,
        });
        let (kind, bound) = match target.bound {
            Bound::AtLeast(bound) => ("at_least", bound),
            Bound::AtMost(bound) => ("at_most", bound),
        };
        json!({
            "metric": target.metric,
            "stat": stat,
            "unit": metric.map(|metric| metric.unit.describe()),
            "window": self.window(target.window),
            "grouping": self.grouping(target.grouping),
            "where": target.filter.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>(),
            kind: bound,
            "groups": groups.into_iter().map(|(_, group)| group).collect::<Vec<_>>(),
        })
    }

    fn numbers(&self, row: &MetricRow) -> Value {
        json!({
            "dimensions": self.place(row.grouping, &row.group),
            "label": row.label.as_deref(),
            "value": row.value,
            "lower": row.lower,
            "upper": row.upper,
            "n": row.n,
        })
    }

    /// The end of the first of the newest committed positions in a row of which something holds; none where the newest is not one of them.
    fn since(&self, row: &MetricRow, holds: impl Fn(&Point) -> bool) -> Option<String> {
        let line = self.history.line(row.window, row.grouping, &SeriesKey::of(row));
        line.iter()
            .rev()
            .take_while(|point| holds(point))
            .last()
            .and_then(|point| time(point.end))
    }

    /// Active spikes, the surest first.
    fn spikes(&self) -> Vec<Value> {
        let mut found: Vec<&MetricRow> = self
            .rows
            .iter()
            .filter(|row| row.metric == "spike_excess" && judge::is_spike(row))
            .collect();
        let order = |a: &&MetricRow, b: &&MetricRow| b.lower.unwrap_or_default().total_cmp(&a.lower.unwrap_or_default());
        found.sort_by(order);
        let baseline = self.spec.spike.map(|spike| spike.baseline);
        found
            .into_iter()
            .map(|row| {
                let spiking = |point: &Point| {
                    point.interval().is_some_and(|(lower, _)| lower > 0.0)
                        && judge::is_large(point.value(), point.numerator(), point.denominator())
                };
                let now = row.numerator.zip(row.denominator).map(|(k, n)| k as f64 / n as f64);
                let fields = [
                    ("metric", json!(row.label.as_deref())),
                    ("window", json!(self.window(row.window))),
                    ("baseline_ms", json!(baseline)),
                    ("grouping", json!(self.grouping(row.grouping))),
                    ("numerator", json!(row.numerator)),
                    ("denominator", json!(row.denominator)),
                    ("now", json!(now)),
                    ("before", json!(now.zip(row.value).map(|(now, excess)| (now - excess).max(0.0)))),
                    ("since", json!(self.since(row, spiking))),
                ];
                with(self.numbers(row), fields)
            })
            .collect()
    }

    /// Committed results of one window against those of the window right before it, where the intervals do not meet.
    fn changes(&self) -> Value {
        let mut windows: Vec<usize> = (0..self.spec.windows.len()).collect();
        windows.sort_by_key(|index| self.spec.windows.get(*index).map(|w| (w.size.abs_diff(LOOKED_AT), w.slide)));
        // In the first hours only shorter ones have a whole one before.
        let found = windows.iter().filter_map(|index| self.changes_of(*index)).next();
        found.unwrap_or_else(|| json!({"compared": 0, "worse": 0, "left_off": 0, "found": []}))
    }

    /// None where nothing can be compared.
    fn changes_of(&self, index: usize) -> Option<Value> {
        let window = self.spec.windows.get(index)?;
        let mut compared = 0_u64;
        let mut found: Vec<(f64, Value)> = Vec::new();
        let mut newest = None;
        for grouping in window.groupings.iter().copied() {
            let Some(end) = self.history.newest(index, grouping) else {
                continue;
            };
            newest = newest.max(Some(end));
            for (metric, stat, better) in judge::compared() {
                for (key, line) in self.history.series(index, grouping, metric.name, stat) {
                    let Some(pair) = Pair::of(line, end, window.size) else { continue };
                    compared += 1;
                    let Some(worse) = judge::direction(better, pair.before.1, pair.now.1) else {
                        continue;
                    };
                    let value = json!({
                        "metric": metric.name,
                        "stat": stat,
                        "unit": metric.unit.describe(),
                        "grouping": self.grouping(grouping),
                        "dimensions": self.place(grouping, &key.group),
                        "label": key.label.as_deref(),
                        "worse": worse,
                        "before": {"value": pair.before.0, "lower": pair.before.1.0, "upper": pair.before.1.1, "n": pair.before.2},
                        "now": {"value": pair.now.0, "lower": pair.now.1.0, "upper": pair.now.1.1, "n": pair.now.2},
                        "since": pair.since(line, window.size).and_then(time),
                    });
                    found.push((pair.size(), value));
                }
            }
        }
        if compared == 0 {
            return None;
        }
        found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let left_off = found.len().saturating_sub(CHANGES);
        let worse = found.iter().filter(|(_, change)| change["worse"] == true).count();
        Some(json!({
            "window": window.name,
            "end": newest.and_then(time),
            "compared": compared,
            "worse": worse,
            "left_off": left_off,
            "found": found.into_iter().take(CHANGES).map(|(_, change)| change).collect::<Vec<_>>(),
        }))
    }
}

fn with<const N: usize>(mut object: Value, fields: [(&str, Value); N]) -> Value {
    for (name, value) in fields {
        object[name] = value;
    }
    object
}

/// Value, interval and sample size.
type Estimate = (f64, (f64, f64), u64);

/// A number now and in the window before.
struct Pair {
    before: Estimate,
    now: Estimate,
}

impl Pair {
    /// None where one of them is missing, has no interval or too few samples.
    fn of(line: &[Point], end: EventTime, size: i64) -> Option<Pair> {
        let at = |end: EventTime| {
            let point = line.get(line.binary_search_by_key(&end, |point| point.end).ok()?)?;
            estimate(point)
        };
        Some(Pair {
            now: at(end)?,
            before: at(end.minus(size))?,
        })
    }

    /// How many widths of the wider interval the two are apart.
    fn size(&self) -> f64 {
        let width = |estimate: &Estimate| (estimate.1.1 - estimate.1.0).max(f64::MIN_POSITIVE);
        (self.now.0 - self.before.0).abs() / width(&self.now).max(width(&self.before))
    }

    /// The first position of the newest in a row that is as far from the window before.
    fn since(&self, line: &[Point], size: i64) -> Option<EventTime> {
        let newest = line.last()?.end;
        let (low, high) = self.before.1;
        let apart = |point: &&Point| {
            point.end > newest.minus(size)
                && estimate(point).is_some_and(|(_, (lower, upper), _)| if self.now.0 > self.before.0 { lower > high } else { upper < low })
        };
        line.iter().rev().take_while(apart).last().map(|point| point.end)
    }
}

fn estimate(point: &Point) -> Option<Estimate> {
    let estimate = (point.value()?, point.interval()?, point.n);
    (point.n >= LEAST_SAMPLES).then_some(estimate)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn row(window: usize, end: i64, group: &[&str], metric: &'static str, [lower, value, upper]: [f64; 3]) -> MetricRow {
        MetricRow {
            window,
            window_start: EventTime(end * MINUTE),
            window_end: EventTime(end * MINUTE),
            grouping: group.len(),
            group: group.iter().map(|value| Some(Arc::from(*value))).collect(),
            metric,
            stat: "value",
            label: None,
            value: Some(value),
            lower: Some(lower),
            upper: Some(upper),
            n: 100,
            numerator: Some((value * 100.0) as u64),
            denominator: Some(100),
            revision: 0,
        }
    }

    fn overview(targets: &[Target], rows: &[MetricRow], past: &[MetricRow]) -> Value {
        let spec = Spec::default();
        let mut history = History::new(&spec, 10_000);
        past.iter().for_each(|row| history.add(row));
        let material = Material {
            spec: &spec,
            targets,
            rows,
            history: &history,
        };
        material.json()
    }

    #[test]
    fn a_target_tells_each_group_it_is_about_and_since_when_it_is_missed() {
        let target = Target {
            metric: "task_success_ratio".to_owned(),
            stat: None,
            window: 1,
            grouping: 2,
            filter: vec![("task".to_owned(), "checkout".to_owned())],
            bound: Bound::AtLeast(0.9),
        };
        let of = |end, task, values| row(1, end, &["shop", task], "task_success_ratio", values);
        let (good, bad) = ([0.93, 0.95, 0.97], [0.7, 0.8, 0.85]);
        let past: Vec<MetricRow> = (1..=9).map(|end| of(end, "checkout", if end < 7 { good } else { bad })).collect();
        let told = overview(&[target], &[of(10, "checkout", bad), of(10, "search", bad)], &past);
        let groups = told["targets"][0]["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 1, "only what it is about");
        assert_eq!(
            (&groups[0]["verdict"], &groups[0]["since"]),
            (&json!("missed"), &json!("1970-01-01T00:07:00Z"))
        );
        assert_eq!(
            (&told["targets"][0]["at_least"], &told["targets"][0]["window"]),
            (&json!(0.9), &json!("5m"))
        );
    }

    #[test]
    fn a_spike_tells_what_it_compares_and_since_when() {
        let spike = |end, values| MetricRow {
            label: Some(Arc::from("task_error_ratio")),
            numerator: Some(30),
            ..row(1, end, &["shop"], "spike_excess", values)
        };
        let none = [-0.1, 0.01, 0.1];
        let past: Vec<MetricRow> = (1..=9)
            .map(|end| spike(end, if end < 8 { none } else { [0.1, 0.25, 0.4] }))
            .collect();
        let told = overview(&[], &[spike(10, [0.1, 0.25, 0.4]), spike(10, none)], &past);
        let spikes = told["spikes"].as_array().unwrap();
        assert_eq!(spikes.len(), 1);
        assert_eq!(spikes[0]["metric"], "task_error_ratio");
        assert!((spikes[0]["before"].as_f64().unwrap() - 0.05).abs() < 1e-9);
        assert_eq!(
            (&spikes[0]["now"], &spikes[0]["since"]),
            (&json!(0.3), &json!("1970-01-01T00:08:00Z"))
        );
        assert_eq!(spikes[0]["baseline_ms"], 3_600_000);
    }

    #[test]
    fn a_change_is_told_where_the_intervals_do_not_meet() {
        let hour = 2;
        let of = |end, product, values| row(hour, end, &[product], "task_success_ratio", values);
        let past = [
            of(60, "shop", [0.93, 0.95, 0.97]),
            of(115, "shop", [0.85, 0.90, 0.94]),
            of(120, "shop", [0.7, 0.8, 0.85]),
            of(60, "bank", [0.8, 0.9, 0.95]),
            of(120, "bank", [0.7, 0.8, 0.85]),
        ];
        let changes = overview(&[], &[], &past)["changes"].clone();
        assert_eq!((&changes["compared"], &changes["window"]), (&json!(2), &json!("1h")));
        let found = changes["found"].as_array().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (&found[0]["dimensions"]["product"], &found[0]["worse"]),
            (&json!("shop"), &json!(true))
        );
        assert_eq!((&found[0]["since"], &changes["worse"]), (&json!("1970-01-01T02:00:00Z"), &json!(1)));
    }

    #[test]
    fn in_the_first_hours_shorter_windows_are_compared() {
        let five = 1;
        let of = |end, values| row(five, end, &["shop"], "task_success_ratio", values);
        let changes = overview(&[], &[], &[of(10, [0.93, 0.95, 0.97]), of(15, [0.7, 0.8, 0.85])])["changes"].clone();
        assert_eq!((&changes["compared"], &changes["window"]), (&json!(1), &json!("5m")));
        let nothing = overview(&[], &[], &[])["changes"].clone();
        assert_eq!((&nothing["compared"], &nothing["found"]), (&json!(0), &json!([])));
    }
}
