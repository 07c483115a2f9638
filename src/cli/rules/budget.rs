//! Burn rates of error budgets, over two windows at once (The Site Reliability Workbook, chapter 5).
//!
//! The windows are Tidegauge's own: exact in event time, untouched by restarts and backfills, and with an interval. Counters could not serve
//! here: distinct sessions do not add up, and what a replay counts is not of today.

use std::collections::BTreeSet;

use tidegauge_aggregate::catalogue::{self, Metric};
use tidegauge_aggregate::spec::{Grouping, Window};
use tidegauge_aggregate::time::Millis;

use super::business::{current, place};
use super::rule::{Alert, Rule, Severity, literal};
use crate::cli::exported::{Exported, LEAST_SAMPLES, Selector, labels};
use crate::config::Bound;

const HOUR: Millis = 3_600_000;
/// The time that a budget is for.
const PERIOD: Millis = 30 * 24 * HOUR;
/// A shorter window says nothing of a budget.
const SHORTEST: Millis = HOUR / 2;
/// The short window of a pair is at most this part of the long one; it ends the alert soon after the trouble.
const PART: Millis = 6;

/// An objective that is watched.
struct Objective {
    metric: &'static str,
    alert: &'static str,
    what: &'static str,
    /// Without a target of the configuration.
    default: f64,
}

const OBJECTIVES: [Objective; 2] = [
    Objective {
        metric: "task_success_ratio",
        alert: "TidegaugeTaskSuccessBudgetBurn",
        what: "Tasks fail so often that the error budget will not last",
        default: 0.95,
    },
    Objective {
        metric: "crash_free_session_ratio",
        alert: "TidegaugeCrashFreeSessionBudgetBurn",
        what: "Sessions crash so often that the error budget will not last",
        default: 0.99,
    },
];

/// A long window, the short one that goes with it, and how many times faster than it may the budget is used up.
#[derive(Debug, PartialEq)]
struct Pair<'a> {
    long: &'a Window,
    short: &'a Window,
    factor: f64,
}

/// The alerts for every objective, over every pair of windows that its grouping is reported for.
pub(super) fn burns(exported: Exported<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for objective in &OBJECTIVES {
        let Some(metric) = catalogue::find(objective.metric) else {
            continue;
        };
        for (grouping, groups, least) in wanted(objective, metric, exported) {
            let shown: Vec<&Window> = exported
                .windows()
                .into_iter()
                .filter(|window| exported.groupings(metric, Some(window)).contains(&grouping))
                .collect();
            // A budget that no failure can use up that fast is not watched that way.
            let pairs = pairs(&shown).into_iter().filter(|pair| pair.factor * (1.0 - least) < 1.0);
            rules.extend(pairs.map(|pair| Rule::Alert(burn(objective, (grouping, &groups, least), &pair))));
        }
    }
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

/// Pairs of windows, by their long one, shortest first.
fn pairs<'a>(windows: &[&'a Window]) -> Vec<Pair<'a>> {
    let long = windows.iter().filter(|window| window.size >= SHORTEST);
    long.filter_map(|long| {
        let short = windows.iter().rev().find(|short| short.size <= long.size / PART)?;
        Some(Pair {
            long,
            short,
            factor: factor(long.size),
        })
    })
    .collect()
}

/// The rate at which a window uses up 2 % (up to an hour), 5 % (up to 6 h) or 10 % of the budget; at least 1, at which it just lasts.
fn factor(size: Millis) -> f64 {
    let share = match size {
        ..=HOUR => 0.02,
        size if size <= 6 * HOUR => 0.05,
        _ => 0.1,
    };
    let factor: f64 = share * PERIOD as f64 / size as f64;
    ((factor * 100.0).round() / 100.0).max(1.0)
}

fn burn(objective: &Objective, (grouping, groups, least): (&Grouping, &Selector, f64), pair: &Pair<'_>) -> Alert {
    let Pair { long, short, factor } = pair;
    let (name, limit) = (objective.metric, format!("(1 - {factor} * (1 - {least}))"));
    let in_long = groups.clone().with("window", &long.name);
    let expression = format!(
        "{} < {limit}\nand {} < {limit}\nand {} >= {LEAST_SAMPLES}\nand ignoring (window) {} < {limit}",
        in_long.of(name),
        in_long.of(&format!("{name}_upper")),
        in_long.of(&format!("{name}_samples")),
        groups.clone().with("window", &short.name).of(name),
    );
    let severity = if long.size <= 6 * HOUR { Severity::Page } else { Severity::Ticket };
    let groups = groups.of(name);
    let of = groups.strip_prefix("tidegauge_").unwrap_or(&groups);
    Alert {
        name: objective.alert.to_owned(),
        expression: current(&expression),
        hold: short.slide,
        severity,
        labels: vec![
            ("metric", name.to_owned()),
            ("target", literal(&format!("{of} at least {least}"))),
            ("burn_windows", literal(&format!("{}, {}", long.name, short.name))),
        ],
        summary: format!("{}{}", objective.what, place(&[grouping])),
        description: format!(
            "{name} is {{{{ $value | humanizePercentage }}}} over {}: the budget of the objective {least} is used up at least {factor} times as fast as it may be, and over {} it still is.",
            literal(&long.name),
            literal(&short.name)
        ),
        section: objective.alert.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_are_those_of_the_workbook() {
        assert_eq!([1, 6, 24, 72, 168].map(|hours| factor(hours * HOUR)), [14.4, 6.0, 3.0, 1.0, 1.0]);
    }

    #[test]
    fn each_long_window_goes_with_the_longest_that_is_short_enough() {
        let window = |name: &str, size| Window {
            name: name.to_owned(),
            size,
            slide: size,
            groupings: Vec::new(),
        };
        let all = [
            window("5m", HOUR / 12),
            window("30m", HOUR / 2),
            window("1h", HOUR),
            window("6h", 6 * HOUR),
        ];
        let all: Vec<&Window> = all.iter().collect();
        let found: Vec<(&str, &str)> = pairs(&all)
            .iter()
            .map(|pair| (pair.long.name.as_str(), pair.short.name.as_str()))
            .collect();
        assert_eq!(found, [("30m", "5m"), ("1h", "5m"), ("6h", "1h")]);
        assert_eq!(pairs(&all[..1]), []);
    }
}
