//! What of a configuration reaches Prometheus, and how its series are selected: what rules and dashboards are made of.

use tidegauge_aggregate::catalogue::{self, Metric};
use tidegauge_aggregate::spec::{Grouping, Spec, Window};
use tidegauge_sink::gauges::{NONE, label_name};

use crate::config::{Bound, Config, Target};
pub(super) use crate::console::judge::{LEAST_SAMPLES, is_count, is_total};

/// The pages that rules and dashboards link to.
pub(super) const PAGES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main");

/// The part of a configuration that Prometheus sees.
#[derive(Clone, Copy)]
pub(super) struct Exported<'a> {
    pub(super) config: &'a Config,
}

impl<'a> Exported<'a> {
    /// The windows on the page, shortest first.
    pub(super) fn windows(self) -> Vec<&'a Window> {
        let prometheus = &self.config.prometheus;
        let named = prometheus.windows.iter().filter_map(|index| self.config.spec.windows.get(*index));
        let mut windows: Vec<&Window> = named
            .filter(|window| prometheus.windows_named || window.slide < window.size)
            .collect();
        windows.sort_by_key(|window| window.size);
        windows
    }

    /// The groupings on the page that carry a metric, in configured order, with those of one window only where one is given.
    pub(super) fn groupings(self, metric: &Metric, window: Option<&Window>) -> Vec<&'a Grouping> {
        let shown = |index: &usize| window.is_none_or(|window| window.groupings.contains(index));
        let indices = self.config.prometheus.groupings.iter().copied().filter(shown);
        indices
            .filter_map(|index| self.config.spec.groupings.get(index))
            .filter(|grouping| is_reported(metric, grouping))
            .collect()
    }

    /// The window in which spikes are looked for, if it is on the page.
    pub(super) fn spike_window(self) -> Option<&'a Window> {
        let spike = self.config.spec.spike?;
        let window = self.config.spec.windows.get(spike.window)?;
        self.windows().into_iter().find(|shown| shown.name == window.name)
    }

    /// The targets, with what they name.
    pub(super) fn targets(self) -> Vec<Aim<'a>> {
        self.config
            .targets
            .iter()
            .filter_map(|target| Aim::new(target, &self.config.spec))
            .collect()
    }
}

/// Whether a grouping has all dimensions that a metric needs.
fn is_reported(metric: &Metric, grouping: &Grouping) -> bool {
    let facts = metric.facts();
    grouping
        .dimensions
        .iter()
        .all(|dimension| facts.iter().all(|fact| fact.carries(dimension)))
}

/// The labels of a grouping's dimensions.
pub(super) fn labels(grouping: &Grouping) -> Vec<String> {
    grouping.dimensions.iter().map(label_name).collect()
}

/// A target, with what it names.
pub(super) struct Aim<'a> {
    pub(super) metric: &'static Metric,
    pub(super) window: &'a Window,
    pub(super) grouping: &'a Grouping,
    /// Present where the metric has more than one.
    pub(super) stat: Option<&'a str>,
    pub(super) bound: Bound,
    filter: &'a [(String, String)],
}

impl<'a> Aim<'a> {
    fn new(target: &'a Target, spec: &'a Spec) -> Option<Aim<'a>> {
        let metric = catalogue::find(&target.metric)?;
        Some(Aim {
            metric,
            window: spec.windows.get(target.window)?,
            grouping: spec.groupings.get(target.grouping)?,
            stat: target.stat.as_deref().filter(|_| metric.stats().len() > 1),
            bound: target.bound,
            filter: &target.filter,
        })
    }

    /// The groups it is about, in any window.
    pub(super) fn groups(&self) -> Selector {
        let mut selector = Selector::default().with("grouping", &self.grouping.name());
        for dimension in &self.grouping.dimensions {
            let name = dimension.name();
            if let Some((_, value)) = self.filter.iter().find(|(filtered, _)| *filtered == name) {
                selector = selector.with(&label_name(dimension), value);
            }
        }
        selector
    }

    /// As a person would say it: `task_success_ratio of task "checkout" in 1h, at least 0.95`.
    pub(super) fn describe(&self) -> String {
        let stat = self.stat.map_or_else(String::new, |stat| format!(" {stat}"));
        let groups: Vec<String> = self.filter.iter().map(|(name, value)| format!("{name} {value:?}")).collect();
        let of = match groups.as_slice() {
            [] => format!("each {}", self.grouping.name()),
            groups => groups.join(", "),
        };
        let of = if self.grouping.dimensions.is_empty() {
            String::new()
        } else {
            format!(" of {of}")
        };
        let bound = match self.bound {
            Bound::AtLeast(value) => format!("at least {value}"),
            Bound::AtMost(value) => format!("at most {value}"),
        };
        format!("{}{stat}{of} in {}, {bound}", self.metric.name, self.window.name)
    }
}

/// Whether a statistic of a metric has an interval.
pub(super) fn has_interval(metric: &Metric, stat: Option<&str>) -> bool {
    let quantile = |stat: &str| stat.starts_with('p');
    !metric.interval.is_empty() && !stat.is_some_and(quantile)
}

/// Label matchers, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Selector(Vec<(String, String)>);

impl Selector {
    pub(super) fn with(mut self, label: &str, value: &str) -> Selector {
        // As the page writes values that are absent, empty or would end it.
        let value = if value.is_empty() {
            NONE.to_owned()
        } else {
            value.replace('\0', "\u{fffd}")
        };
        self.0.push((label.to_owned(), value));
        self
    }

    /// Whether a label is selected by.
    pub(super) fn names(&self, label: &str) -> bool {
        self.0.iter().any(|(name, _)| name == label)
    }

    /// The series of a metric of ours, by its name without the prefix.
    pub(super) fn of(&self, family: &str) -> String {
        self.named(&format!("tidegauge_{family}"))
    }

    /// The series of that name.
    pub(super) fn named(&self, name: &str) -> String {
        let matchers: Vec<String> = self.0.iter().map(|(label, value)| format!("{label}={}", quote(value))).collect();
        format!("{name}{{{}}}", matchers.join(","))
    }
}

/// A string in double quotes as PromQL, YAML and JSON read it. What is no letter, digit or plain punctuation is escaped: YAML refuses some
/// characters, and people do not see others.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            other if other.is_alphanumeric() => quoted.push(other),
            other if u32::from(other) <= 0xffff => quoted.push_str(&format!("\\u{:04x}", u32::from(other))),
            other => quoted.push_str(&format!("\\U{:08x}", u32::from(other))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::FixedEnvironment;

    fn config(text: &str) -> Config {
        Config::for_replay(text, "test", &FixedEnvironment::default()).unwrap()
    }

    #[test]
    fn tumbling_windows_are_on_the_page_only_where_they_were_named() {
        let windows = "[[window]]\nname = \"5m\"\nsize = \"5m\"\n[[window]]\nname = \"1h\"\nsize = \"1h\"\nslide = \"5m\"\n";
        let names = |text: &str| -> Vec<String> {
            let config = config(text);
            Exported { config: &config }.windows().iter().map(|w| w.name.clone()).collect()
        };
        assert_eq!(names(""), ["5m", "1h", "24h"]);
        assert_eq!(names(windows), ["1h"]);
        assert_eq!(names(&format!("{windows}[prometheus]\nwindows = [\"1h\", \"5m\"]")), ["5m", "1h"]);
    }

    #[test]
    fn a_metric_of_users_is_not_selected_by_task() {
        let config = config("");
        let exported = Exported { config: &config };
        let names = |metric: &str| -> Vec<String> {
            let found = exported.groupings(catalogue::find(metric).unwrap(), None);
            found.iter().map(|grouping| grouping.name()).collect()
        };
        assert_eq!(names("task_success_ratio"), ["overall", "product", "product+task"]);
        assert_eq!(names("churn_ratio"), ["overall", "product"]);
    }

    #[test]
    fn odd_label_values_are_selected_as_the_page_writes_them() {
        let selector = Selector::default()
            .with("a", "say \"hi\"\\\n")
            .with("b", "")
            .with("c", "x\0é\u{1f600}");
        assert_eq!(
            selector.of("nps"),
            r#"tidegauge_nps{a="say \"hi\"\\\u000a",b="__none__",c="x\ufffdé\U0001f600"}"#
        );
    }

    #[test]
    fn quantiles_have_no_interval_and_totals_no_least_sample() {
        let of = |name: &str| catalogue::find(name).unwrap();
        assert!(has_interval(of("time_on_task_seconds"), Some("mean")) && !has_interval(of("time_on_task_seconds"), Some("p90")));
        assert!(has_interval(of("nps"), None) && !has_interval(of("apdex_score"), None));
        assert!(is_count(of("active_users")) && is_count(of("errors")) && !is_count(of("revenue")));
        assert!(is_total(of("revenue")) && !is_total(of("average_order_value")));
    }
}
