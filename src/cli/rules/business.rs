//! Alerts about customers: spikes and missed targets.

use tidegauge_aggregate::catalogue::{self, Metric, Unit};
use tidegauge_aggregate::spec::Grouping;

use super::rule::{Alert, Rule, Severity, literal};
use crate::cli::exported::{Aim, Exported, LEAST_SAMPLES, Selector, has_interval, is_count, is_total, labels};
use crate::config::Bound;

/// The series that is there, and 1, while an instance's gauges tell of now.
pub(super) const CURRENT: &str = "instance:tidegauge_results:current";

/// A spike, as metrics.md defines it beside `lower > 0`: the least excess, the least part of the baseline, the least count (5, less what a
/// product of floats may miss of it).
const LEAST_EXCESS: f64 = 0.02;
const LEAST_PART: f64 = 3.0;
const LEAST_COUNT: f64 = 4.5;

/// What watches a ratio for spikes.
struct Watch {
    metric: &'static str,
    alert: &'static str,
    what: &'static str,
    severity: Severity,
}

const WATCHES: [Watch; 6] = [
    Watch {
        metric: "task_error_ratio",
        alert: "TidegaugeTaskErrorSpike",
        what: "More tasks meet errors than before",
        severity: Severity::Page,
    },
    Watch {
        metric: "task_failure_ratio",
        alert: "TidegaugeTaskFailureSpike",
        what: "More tasks fail than before",
        severity: Severity::Page,
    },
    Watch {
        metric: "task_abandonment_ratio",
        alert: "TidegaugeTaskAbandonmentSpike",
        what: "More tasks are abandoned than before",
        severity: Severity::Ticket,
    },
    Watch {
        metric: "churn_ratio",
        alert: "TidegaugeChurnSpike",
        what: "More users leave than before",
        severity: Severity::Ticket,
    },
    Watch {
        metric: "contact_ratio",
        alert: "TidegaugeContactSpike",
        what: "More users contact support than before",
        severity: Severity::Ticket,
    },
    Watch {
        metric: "negative_feedback_ratio",
        alert: "TidegaugeNegativeFeedbackSpike",
        what: "More feedback is negative than before",
        severity: Severity::Ticket,
    },
];

/// The expression without what comes from an instance whose gauges do not tell of now.
pub(super) fn current(expression: &str) -> String {
    format!("{expression}\nand on (job, instance) {CURRENT}")
}

/// An alert on spikes in each ratio that some exported grouping carries.
pub(super) fn spikes(exported: Exported<'_>) -> Vec<Rule> {
    let Some(window) = exported.spike_window() else {
        return Vec::new();
    };
    let mut rules = Vec::new();
    for watch in &WATCHES {
        let Some(metric) = catalogue::find(watch.metric) else { continue };
        let groupings = exported.groupings(metric, Some(window));
        if groupings.is_empty() {
            continue;
        }
        let ratio = Selector::default().with("window", &window.name);
        let spike = ratio.clone().with("indicator", metric.name);
        let (excess, lower) = (spike.of("spike_excess"), spike.of("spike_excess_lower"));
        let (value, samples) = (ratio.of(metric.name), ratio.of(&format!("{}_samples", metric.name)));
        let expression = format!(
            "{excess} >= {LEAST_EXCESS}\nand {lower} > 0\n\
             and ignoring (indicator) ({value} / {LEAST_PART} <= ignoring (indicator) {excess})\n\
             and ignoring (indicator) ({value} * {samples} > {LEAST_COUNT})"
        );
        rules.push(Rule::Alert(Alert {
            name: watch.alert.to_owned(),
            expression: current(&expression),
            // Three windows in a row: one alone is too often chance (docs/spikes.md).
            hold: window.slide * 2,
            severity: watch.severity,
            labels: Vec::new(),
            summary: format!("{}{}", watch.what, place(&groupings)),
            description: format!(
                "{} over {} is {{{{ $value | humanizePercentage }}}} above its own recent past{}, more than chance explains.",
                metric.name,
                literal(&window.name),
                place(&groupings)
            ),
            section: watch.alert.to_lowercase(),
        }));
    }
    rules
}

/// An alert for each target: its value is on the wrong side, and so is its whole interval where it has one.
pub(super) fn targets(exported: Exported<'_>) -> Vec<Rule> {
    let mut aims = exported.targets();
    aims.sort_by_cached_key(Aim::describe);
    aims.dedup_by_key(|aim| aim.describe());
    aims.iter().map(|aim| Rule::Alert(target(aim))).collect()
}

fn target(aim: &Aim<'_>) -> Alert {
    let metric = aim.metric;
    let groups = aim.groups().with("window", &aim.window.name);
    let series = aim.stat.map_or_else(|| groups.clone(), |stat| groups.clone().with("stat", stat));
    let (comparison, bound, direction, near) = match aim.bound {
        Bound::AtLeast(bound) => ("<", bound, "Below", "upper"),
        Bound::AtMost(bound) => (">", bound, "Above", "lower"),
    };
    // A count is absent at 0; its samples are not, and are the same number.
    let value = if is_count(metric) {
        format!("{}_samples", metric.name)
    } else {
        metric.name.to_owned()
    };
    let mut expression = format!("{} {comparison} {bound}", series.of(&value));
    if has_interval(metric, aim.stat) {
        expression.push_str(&format!(
            "\nand {} {comparison} {bound}",
            series.of(&format!("{}_{near}", metric.name))
        ));
    }
    if !is_total(metric) {
        // The number of samples is the same for every statistic.
        let ignoring = if aim.stat.is_some() { "ignoring (stat) " } else { "" };
        expression.push_str(&format!(
            "\nand {ignoring}{} >= {LEAST_SAMPLES}",
            groups.of(&format!("{}_samples", metric.name))
        ));
    }
    // The alert has a severity of its own, which would make the series of all severities one.
    if metric.label_names().contains(&"severity") {
        expression = format!("label_replace({expression}, \"error_severity\", \"$1\", \"severity\", \"(.*)\")");
    }
    let short = metric.name.strip_suffix("_ratio").unwrap_or(metric.name);
    let described = literal(&aim.describe());
    Alert {
        name: format!("Tidegauge{}{direction}Target", camel(short)),
        expression: current(&expression),
        hold: aim.window.slide,
        severity: Severity::Ticket,
        labels: vec![("metric", metric.name.to_owned()), ("target", described.clone())],
        summary: format!(
            "{} is {} its target{}",
            metric.name,
            direction.to_lowercase(),
            place(&[aim.grouping])
        ),
        description: format!("{} is {}; the target is {described}.", metric.name, shown(metric)),
        section: format!("tidegauge{}target", direction.to_lowercase()),
    }
}

/// The value of an alert as a template, in the unit of a metric.
pub(super) fn shown(metric: &Metric) -> &'static str {
    match metric.unit {
        Unit::Ratio | Unit::Difference => "{{ $value | humanizePercentage }}",
        Unit::Seconds => "{{ $value | humanizeDuration }}",
        Unit::Count | Unit::Points(_) | Unit::Currency | Unit::Factor => "{{ $value | printf \"%.4g\" }}",
    }
}

/// Template for the dimensions of a series of any of these groupings: ` (product shop, task checkout)` without what it lacks.
pub(super) fn place(groupings: &[&Grouping]) -> String {
    let mut names: Vec<String> = Vec::new();
    for label in groupings.iter().flat_map(|grouping| labels(grouping)) {
        if !names.contains(&label) {
            names.push(label);
        }
    }
    let each = |label: &String| format!("{{{{ with $labels.{label} }}}}, {label} {{{{ . }}}}{{{{ end }}}}");
    names.iter().map(each).collect()
}

/// `TaskSuccess` of `task_success`.
fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut characters = word.chars();
            characters
                .next()
                .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ratio_that_spikes_are_looked_for_in_is_watched() {
        assert_eq!(WATCHES.each_ref().map(|watch| watch.metric), catalogue::SPIKE_INDICATORS);
    }

    #[test]
    fn a_name_is_written_as_alerts_are() {
        assert_eq!(camel("time_on_task_seconds"), "TimeOnTaskSeconds");
    }
}
