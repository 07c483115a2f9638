//! Everything about one metric of the catalogue.

use serde_json::{Value, json};
use tidegauge_aggregate::catalogue::{Formula, Metric};
use tidegauge_aggregate::event::Common;
use tidegauge_aggregate::fact::FactKind;
use tidegauge_aggregate::spec::{Dimension, Spec};

use crate::cli::output::Style;

/// A metric with what follows from its declaration.
pub(super) struct Entry {
    pub(super) metric: &'static Metric,
    pub(super) facts: Vec<&'static str>,
    /// What it can be grouped by.
    pub(super) dimensions: Vec<String>,
    /// The default groupings that it is reported for.
    pub(super) groupings: Vec<String>,
    pub(super) stats: Vec<&'static str>,
    /// Names of Prometheus families.
    pub(super) prometheus: Vec<String>,
}

impl Entry {
    pub(super) fn new(metric: &'static Metric) -> Entry {
        let facts = metric.facts();
        let spike = matches!(metric.formula, Formula::SpikeExcess);
        // A spike is looked for wherever its ratio is reported.
        let carries = |dimension: &Dimension| {
            if spike {
                true
            } else {
                facts.iter().all(|fact| fact.carries(dimension))
            }
        };
        let common = Common::ALL.into_iter().map(Dimension::Common);
        let dimensions = common
            .chain([Dimension::Task, Dimension::Touchpoint])
            .filter(|dimension| carries(dimension));
        let groupings = Spec::default_groupings();
        let groupings = groupings.iter().filter(|grouping| grouping.dimensions.iter().all(carries));
        Entry {
            metric,
            dimensions: dimensions
                .map(|dimension| dimension.name())
                .chain(["attributes.NAME".to_owned()])
                .collect(),
            groupings: groupings.map(|grouping| grouping.name()).collect(),
            facts: facts.iter().map(|fact: &FactKind| fact.as_str()).collect(),
            stats: metric.stats(),
            prometheus: prometheus(metric),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let metric = self.metric;
        json!({
            "name": metric.name,
            "area": metric.area.as_str(),
            "unit": metric.unit.describe(),
            "help": metric.help,
            "definition": metric.definition,
            "facts": self.facts,
            "dimensions": self.dimensions,
            "default_groupings": self.groupings,
            "stats": self.stats,
            "labels": metric.label_names(),
            "interval": (!metric.interval.is_empty()).then_some(metric.interval),
            "source": metric.source,
            "prometheus": self.prometheus,
        })
    }

    /// Title and text of everything but name and help.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let metric = self.metric;
        let mut lines = vec![("definition", metric.definition.to_owned()), ("unit", metric.unit.describe())];
        lines.push(("area", metric.area.as_str().to_owned()));
        lines.push((
            "facts",
            if self.facts.is_empty() {
                "those of the ratio it looks at".to_owned()
            } else {
                self.facts.join(", ")
            },
        ));
        lines.push(("group by", self.dimensions.join(", ")));
        lines.push(("by default", self.groupings.join(", ")));
        if self.stats.len() > 1 {
            lines.push(("statistics", self.stats.join(", ")));
        }
        if !metric.label_names().is_empty() {
            lines.push(("labels", metric.label_names().join(", ")));
        }
        lines.push((
            "interval",
            if metric.interval.is_empty() {
                "none".to_owned()
            } else {
                metric.interval.to_owned()
            },
        ));
        lines.push(("source", metric.source.to_owned()));
        lines
    }

    pub(super) fn describe(&self, style: Style) -> String {
        let mut text = format!("{}\n{}\n\n", style.title(self.metric.name), self.metric.help);
        let mut lines = self.lines();
        lines.push(("Prometheus", self.prometheus.join(", ")));
        for (title, content) in lines {
            text.push_str(&format!("{}{content}\n", style.faint(&format!("{title:<12}"))));
        }
        text
    }
}

fn prometheus(metric: &Metric) -> Vec<String> {
    let mut suffixes = vec!["", "_samples"];
    if !metric.interval.is_empty() {
        suffixes.extend(["_lower", "_upper"]);
    }
    let gauges = suffixes.into_iter().map(|suffix| format!("{}{suffix}", metric.name));
    let counters = metric.counters().iter().map(|counter| metric.counter_name(*counter));
    gauges.chain(counters).map(|name| format!("tidegauge_{name}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tidegauge_aggregate::catalogue;

    use super::*;

    #[test]
    fn a_metric_of_attempts_goes_by_task_and_one_of_users_does_not() {
        let of = |name: &str| Entry::new(catalogue::find(name).unwrap());
        assert!(of("task_success_ratio").groupings.contains(&"product+task".to_owned()));
        assert!(!of("task_success_ratio").dimensions.contains(&"touchpoint".to_owned()));
        assert!(!of("churn_ratio").dimensions.contains(&"task".to_owned()));
        assert_eq!(of("task_attempts").prometheus.last().unwrap(), "tidegauge_task_attempts_total");
    }

    #[test]
    fn every_metric_has_a_grouping_and_a_gauge() {
        for metric in catalogue::metrics() {
            let entry = Entry::new(metric);
            assert!(entry.groupings.contains(&"overall".to_owned()), "{}", metric.name);
            assert!(entry.prometheus.len() >= 2, "{}", metric.name);
        }
    }
}
