//! The answer of `/api/v1/history`: what was asked for, and the lines of committed points that belong to it.

use serde_json::{Map, Value, json};
use tidegauge_aggregate::catalogue::{self, Metric};
use tidegauge_aggregate::spec::{Grouping, Spec};

use super::history::{Point, SeriesKey};
use super::shared::Shared;
use crate::http::time;

/// Lines in one answer at most; those of the largest groups come first.
const LINES: usize = 8;
/// Asks for a group that lacks the dimension's value, as in Prometheus.
const NONE: &str = "__none__";

/// What is asked for, checked.
#[derive(Debug)]
struct Question<'a> {
    metric: &'static Metric,
    stat: &'static str,
    window: usize,
    grouping: usize,
    /// Dimensions of the grouping, by name.
    dimensions: Vec<String>,
    /// Wanted values, by position of the dimension.
    wanted: Vec<(usize, Option<&'a str>)>,
    label: Option<&'a str>,
}

/// Answers a query such as `metric=task_success_ratio&window=1h&grouping=product&product=shop`.
///
/// # Errors
/// What is wrong with it, and what there is.
pub fn history_json(spec: &Spec, shared: &Shared, query: &str) -> Result<Value, String> {
    let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let question = Question::read(spec, &parameters)?;
    let history = shared.lock();
    let all = history.series(question.window, question.grouping, question.metric.name, question.stat);
    let mut lines: Vec<(&SeriesKey, &[Point])> = all
        .filter(|(_, points)| points.iter().any(|point| point.value().is_some()))
        .collect();
    let size = |points: &[Point]| points.iter().rev().find(|point| point.value().is_some()).map_or(0, |point| point.n);
    lines.sort_by_key(|(key, points)| (std::cmp::Reverse(size(points)), *key));
    let named = |key: &SeriesKey| {
        let values = question.dimensions.iter().zip(key.group.iter());
        let dimensions: Map<String, Value> = values.map(|(name, value)| (name.clone(), json!(value.as_deref()))).collect();
        json!({"dimensions": dimensions, "label": key.label.as_deref()})
    };
    let groups: Vec<Value> = lines.iter().map(|(key, _)| named(key)).collect();
    let mut wanted: Vec<&(&SeriesKey, &[Point])> = lines.iter().filter(|(key, _)| question.wants(key)).collect();
    let left_off = wanted.len().saturating_sub(LINES);
    wanted.truncate(LINES);
    let series: Vec<Value> = wanted
        .into_iter()
        .map(|(key, points)| {
            let mut line = named(key);
            line["points"] = points.iter().filter_map(point_json).collect();
            line
        })
        .collect();
    let window = spec.windows.get(question.window);
    Ok(json!({
        "metric": question.metric.name,
        "stat": question.stat,
        "unit": question.metric.unit.describe(),
        "window": window.map(|w| w.name.as_str()),
        "window_ms": window.map(|w| w.size),
        "grouping": spec.groupings.get(question.grouping).map(Grouping::name),
        "loading": shared.is_loading(),
        "newest": history.newest(question.window, question.grouping).and_then(time),
        "series": series,
        "left_off": left_off,
        "groups": groups,
    }))
}

fn point_json(point: &Point) -> Option<Value> {
    let value = point.value()?;
    let interval = point.interval();
    Some(json!({
        "end": time(point.end),
        "value": value,
        "lower": interval.map(|(lower, _)| lower),
        "upper": interval.map(|(_, upper)| upper),
        "n": point.n,
        "numerator": point.numerator(),
        "denominator": point.denominator(),
        "revision": point.revision,
    }))
}

impl<'a> Question<'a> {
    fn read(spec: &Spec, parameters: &'a [(String, String)]) -> Result<Question<'a>, String> {
        let given = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let metric = given("metric").ok_or("`metric` is missing: the name of a metric, as in /api/v1/catalogue")?;
        let metric = catalogue::find(metric).ok_or_else(|| format!("there is no metric {metric:?}; /api/v1/catalogue names them"))?;
        let stats = metric.stats();
        let stat = match given("stat") {
            None => stats.first().copied(),
            Some(stat) => stats.iter().find(|known| **known == stat).copied(),
        };
        let stat = stat.ok_or_else(|| format!("{} has the stats {}", metric.name, stats.join(", ")))?;
        let windows: Vec<&str> = spec.windows.iter().map(|w| w.name.as_str()).collect();
        let window = index("window", given("window"), &windows)?;
        let groupings: Vec<String> = spec.groupings.iter().map(Grouping::name).collect();
        let groupings: Vec<&str> = groupings.iter().map(String::as_str).collect();
        let grouping = index("grouping", Some(given("grouping").unwrap_or("overall")), &groupings)?;
        let dimensions: Vec<String> = spec
            .groupings
            .get(grouping)
            .map(|grouping| grouping.dimensions.iter().map(|d| d.name()).collect())
            .unwrap_or_default();
        let mut wanted = Vec::new();
        for (name, value) in parameters {
            if ["metric", "stat", "window", "grouping", "label"].contains(&name.as_str()) {
                continue;
            }
            let position = dimensions.iter().position(|dimension| dimension == name).ok_or_else(|| {
                let has = if dimensions.is_empty() {
                    "none".to_owned()
                } else {
                    dimensions.join(", ")
                };
                format!("{name:?} is neither a parameter nor a dimension of the grouping, which has {has}")
            })?;
            wanted.push((position, (value != NONE).then_some(value.as_str())));
        }
        Ok(Question {
            metric,
            stat,
            window,
            grouping,
            dimensions,
            wanted,
            label: given("label"),
        })
    }

    fn wants(&self, key: &SeriesKey) -> bool {
        let is = |(position, value): &(usize, Option<&str>)| key.group.get(*position).is_some_and(|has| has.as_deref() == *value);
        let wanted = |label| key.label.as_deref() == (label != NONE).then_some(label);
        self.wanted.iter().all(is) && self.label.is_none_or(wanted)
    }
}

fn index(what: &str, given: Option<&str>, known: &[&str]) -> Result<usize, String> {
    let named = given.and_then(|given| known.iter().position(|name| *name == given));
    named.ok_or_else(|| format!("`{what}` has to be one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use tidegauge_aggregate::row::MetricRow;
    use tidegauge_aggregate::time::EventTime;

    use super::*;

    fn shared() -> Shared {
        let shared = Shared::new(&Spec::default(), 1_000);
        for (product, n) in [("a & b", 5), ("shop", 50), ("", 2)] {
            shared.add(&[MetricRow {
                window: 1,
                window_start: EventTime(0),
                window_end: EventTime(300_000),
                grouping: 1,
                group: Arc::from([(!product.is_empty()).then(|| Arc::from(product))]),
                metric: "task_success_ratio",
                stat: "value",
                label: None,
                value: Some(0.1),
                lower: Some(0.0),
                upper: Some(0.25),
                n,
                numerator: Some(1),
                denominator: Some(n),
                revision: 2,
            }]);
        }
        shared
    }

    fn ask(query: &str) -> Result<Value, String> {
        history_json(&Spec::default(), &shared(), query)
    }

    #[test]
    fn lines_come_with_what_they_are_about_the_largest_first() {
        let answer = ask("metric=task_success_ratio&window=5m&grouping=product").unwrap();
        let products: Vec<&Value> = (0..3).map(|at| &answer["series"][at]["dimensions"]["product"]).collect();
        assert_eq!(products, [&json!("shop"), &json!("a & b"), &Value::Null]);
        let point = json!({"end": "1970-01-01T00:05:00Z", "value": 0.1, "lower": 0.0, "upper": 0.25, "n": 50, "numerator": 1, "denominator": 50, "revision": 2});
        assert_eq!(answer["series"][0]["points"], json!([point]));
        assert_eq!(answer["newest"], "1970-01-01T00:05:00Z");
    }

    #[test]
    fn a_group_is_selected_by_its_values_and_all_groups_are_named() {
        for (query, product) in [("product=a+%26%20b", json!("a & b")), ("product=__none__", Value::Null)] {
            let answer = ask(&format!("metric=task_success_ratio&window=5m&grouping=product&{query}")).unwrap();
            let series = answer["series"].as_array().unwrap();
            assert_eq!((series.len(), &series[0]["dimensions"]["product"]), (1, &product));
            assert_eq!(answer["groups"].as_array().unwrap().len(), 3);
        }
    }

    #[test]
    fn what_is_asked_wrongly_is_told_with_what_there_is() {
        for (query, parts) in [
            ("", vec!["metric", "catalogue"]),
            ("metric=task_succes_ratio", vec!["task_succes_ratio"]),
            ("metric=nps&stat=p50&window=5m", vec!["value"]),
            ("metric=nps&window=2m", vec!["`window`", "1m, 5m, 1h"]),
            ("metric=nps&window=5m&grouping=x", vec!["overall, product"]),
            ("metric=nps&window=5m&grouping=product&task=x", vec!["\"task\"", "product"]),
            ("metric=nps&window=5m&product=x", vec!["none"]),
        ] {
            let message = ask(query).unwrap_err();
            assert!(parts.iter().all(|part| message.contains(part)), "{query}: {message}");
        }
    }
}
