//! Burn rates of error budgets, over two windows at once (The Site Reliability Workbook, chapter 5), on the counters.
//!
//! What happened and what of it went wrong are recorded as rates of five minutes, all instances of a job together, and only while an instance has
//! been at the end of its topics for as long: a backfill counts what is of other days. A longer window is the sum of what was recorded.

use std::collections::BTreeSet;

use tidegauge_aggregate::catalogue::{self, Counter, Formula, Metric};
use tidegauge_aggregate::spec::Grouping;
use tidegauge_aggregate::time::Millis;

use super::business::{CURRENT, place};
use super::rule::{Alert, Rule, Severity, literal};
use crate::cli::exported::{Exported, LEAST_SAMPLES, Selector, labels};
use crate::cli::output::duration;
use crate::config::Bound;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
/// How often rates are recorded: what a sum of them has to be multiplied with.
pub(super) const INTERVAL: Millis = MINUTE;
/// The series that is there, and 1, while what an instance counts is of now.
const STEADY: &str = "instance:tidegauge_results:steady";
const EVENTS: &str = "job:tidegauge_slo_events:rate5m";
const BAD: &str = "job:tidegauge_slo_bad_events:rate5m";
/// For which a rate is held to be over the limit: the quantile of the intervals of everything else, too.
const Z: f64 = 1.959_963_984_540_054;

/// An objective that is watched.
struct Objective {
    metric: &'static str,
    alert: &'static str,
    what: &'static str,
    /// What is counted, and what of it is bad.
    events: &'static str,
    bad: &'static str,
    /// Without a target of the configuration.
    default: f64,
}

const OBJECTIVES: [Objective; 2] = [
    Objective {
        metric: "task_success_ratio",
        alert: "TidegaugeTaskSuccessBudgetBurn",
        what: "Tasks fail so often that the error budget will not last",
        events: "task attempts",
        bad: "did not succeed",
        default: 0.95,
    },
    Objective {
        metric: "crash_free_session_ratio",
        alert: "TidegaugeCrashFreeSessionBudgetBurn",
        what: "Sessions crash so often that the error budget will not last",
        events: "sessions",
        bad: "crashed",
        default: 0.99,
    },
];

/// A long window, the short one that ends the alert soon after the trouble, and how many times faster than it may the budget is used up.
struct Pair {
    long: Millis,
    short: Millis,
    factor: f64,
    severity: Severity,
}

impl Pair {
    fn speed(&self) -> String {
        if self.factor > 1.0 {
            format!("{} times as fast as", self.factor)
        } else {
            "as fast as".to_owned()
        }
    }
}

/// Those that the workbook recommends, for a budget of 30 days: 2 % of it in an hour, 5 % in six, 10 % in three days.
const PAIRS: [Pair; 3] = [
    Pair {
        long: HOUR,
        short: 5 * MINUTE,
        factor: 14.4,
        severity: Severity::Page,
    },
    Pair {
        long: 6 * HOUR,
        short: 30 * MINUTE,
        factor: 6.0,
        severity: Severity::Page,
    },
    Pair {
        long: 72 * HOUR,
        short: 6 * HOUR,
        factor: 1.0,
        severity: Severity::Ticket,
    },
];

/// What is recorded, and the alerts for every objective over every pair of windows.
pub(super) fn burns(exported: Exported<'_>) -> Vec<Rule> {
    let steady = duration(5 * MINUTE);
    let mut rules = vec![Rule::record(
        STEADY,
        format!("min_over_time(tidegauge_caught_up[{steady}]) == 1\nand on (job, instance) {CURRENT}"),
    )];
    let mut alerts = Vec::new();
    for objective in &OBJECTIVES {
        let Some(metric) = catalogue::find(objective.metric) else {
            continue;
        };
        let wanted = wanted(objective, metric, exported);
        let mut recorded = BTreeSet::new();
        for (grouping, groups, least) in &wanted {
            if recorded.insert(grouping.name()) {
                rules.extend(rates(metric, grouping));
            }
            // A budget that no failure can use up that fast is not watched that way.
            let pairs = PAIRS.iter().filter(|pair| limit(pair, *least) < 1.0);
            alerts.extend(pairs.map(|pair| Rule::Alert(burn(objective, (grouping, groups, *least), pair))));
        }
    }
    if alerts.is_empty() {
        return alerts;
    }
    rules.extend(alerts);
    rules
}

/// What is wanted of which groups: by the targets of the configuration, else of every product.
fn wanted<'a>(objective: &Objective, metric: &Metric, exported: Exported<'a>) -> Vec<(&'a Grouping, Selector, f64)> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for aim in exported.targets() {
        if let Bound::AtLeast(least) = aim.bound
            && aim.metric.name == objective.metric
            && least < 1.0
            && seen.insert((aim.groups(), least.to_bits()))
        {
            found.push((aim.grouping, aim.groups(), least));
        }
    }
    if found.is_empty() {
        let groupings = exported.groupings(metric, None);
        let product = groupings.iter().find(|grouping| labels(grouping) == ["product"]);
        let overall = groupings.iter().find(|grouping| grouping.dimensions.is_empty());
        if let Some(grouping) = product.or(overall) {
            let groups = Selector::default().with("grouping", &grouping.name());
            found.push((*grouping, groups, objective.default));
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1).then(a.2.total_cmp(&b.2)));
    found
}

/// The rates of every group of a grouping, in events a second.
fn rates(metric: &Metric, grouping: &Grouping) -> [Rule; 2] {
    let groups = Selector::default().with("grouping", &grouping.name());
    let rate = |name: &str| format!("rate({}[{}])", groups.of(name), duration(5 * MINUTE));
    let (events, bad) = if metric.formula == Formula::CrashFreeSessions {
        (rate("sessions_total"), rate(&metric.counter_name(Counter::All)))
    } else {
        let all = rate(&metric.counter_name(Counter::Denominator));
        let good = rate(&metric.counter_name(Counter::Numerator));
        (all.clone(), format!("({all} -\n   {good})"))
    };
    let by = [vec!["job".to_owned(), "grouping".to_owned()], labels(grouping)]
        .concat()
        .join(", ");
    let record = |name, rate: String| Rule::Record {
        name,
        labels: vec![("slo", metric.name.to_owned())],
        expression: format!("sum by ({by}) (\n  {rate}\n  and on (job, instance) {STEADY}\n)"),
    };
    [record(EVENTS, events), record(BAD, bad)]
}

/// The share of bad events at which the budget is used up so fast.
fn limit(pair: &Pair, least: f64) -> f64 {
    rounded(pair.factor * (1.0 - least))
}

/// Without what floats add to decimal numbers.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn burn(objective: &Objective, (grouping, groups, least): (&Grouping, &Selector, f64), pair: &Pair) -> Alert {
    let limit = limit(pair, least);
    let groups_of = groups.clone().with("slo", objective.metric);
    let sum = |name: &str, window| format!("sum_over_time({}[{}])", groups_of.named(name), duration(window));
    let share = |window| format!("{}\n  / {}\n ", sum(BAD, window), sum(EVENTS, window));
    let count = format!("{} * {}", INTERVAL / 1_000, sum(EVENTS, pair.long));
    // Wilson's lower bound is over the limit just where the score test of the limit says so, which needs a root less.
    let chance = rounded(Z * (limit * (1.0 - limit)).sqrt());
    let expression = format!(
        "{} > {limit} + {chance} / sqrt({count})\nand {count} >= {LEAST_SAMPLES}\nand {} > {limit}\nand on (job) {CURRENT}",
        share(pair.long),
        share(pair.short),
    );
    let windows = [pair.long, pair.short].map(duration);
    let groups = groups.of(objective.metric);
    let of = groups.strip_prefix("tidegauge_").unwrap_or(&groups);
    Alert {
        name: objective.alert.to_owned(),
        expression,
        hold: 2 * MINUTE,
        severity: pair.severity,
        labels: vec![
            ("target", literal(&format!("{of} at least {least}"))),
            ("burn_windows", windows.join(", ")),
        ],
        summary: format!("{}{}", objective.what, place(&[grouping])),
        description: format!(
            "{{{{ $value | humanizePercentage }}}} of the {} of the last {} {}: the budget of the objective {least} burns {} it may, or faster, and over the last {} it still does.",
            objective.events,
            windows[0],
            objective.bad,
            pair.speed(),
            windows[1],
        ),
        section: objective.alert.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_use_up_the_shares_of_the_workbook() {
        let shares = PAIRS
            .each_ref()
            .map(|pair| rounded(pair.factor * pair.long as f64 / (30 * 24 * HOUR) as f64));
        assert_eq!(shares, [0.02, 0.05, 0.1]);
        assert!(PAIRS.iter().all(|pair| pair.long == 12 * pair.short));
    }
}
