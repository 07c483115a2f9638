//! The catalogue as the page sees it, and a state in which every family has a series.

use std::sync::Arc;

use tidegauge_aggregate::catalogue::Counter;
use tidegauge_aggregate::row::{GroupKey, MetricRow};
use tidegauge_aggregate::spec::{Dimension, Grouping, Spec};
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::gauges::{CounterMeta, FamilyMeta, Format, LiveSnapshot, Operational, Page, PartitionStatus, Total};

/// Every metric of the catalogue: name, labels in braces, stats, its counters.
type Entry = (&'static str, &'static [&'static str], &'static [&'static str], &'static [Counter]);

const ALL: &[Counter] = &[Counter::All];
const PARTS: &[Counter] = &[Counter::Numerator, Counter::Denominator];
const NOT: &[Counter] = &[];
const ONE: &[&str] = &["value"];
const SURVEY: &[&str] = &["instrument"];
const MONEY: &[&str] = &["currency"];
const QUANTILES: &[&str] = &["p50", "p90", "mean"];

pub(crate) const CATALOGUE: &[Entry] = &[
    ("task_attempts", &[], ONE, ALL),
    ("task_success_ratio", &[], ONE, PARTS),
    ("task_failure_ratio", &[], ONE, PARTS),
    ("task_abandonment_ratio", &[], ONE, PARTS),
    ("task_error_ratio", &[], ONE, PARTS),
    ("errors_per_attempt", &[], ONE, NOT),
    ("errors", &[], ONE, ALL),
    ("errors_by_severity", &["severity"], ONE, ALL),
    ("time_on_task_seconds", &[], &["p50", "p90", "p95", "p99", "mean", "geomean"], NOT),
    ("clicks_to_completion", &[], &["mean", "p50", "p95"], NOT),
    ("click_through_ratio", &[], ONE, PARTS),
    ("wait_seconds", &[], &["p50", "p75", "p95", "p99"], NOT),
    ("apdex_score", &[], ONE, NOT),
    ("sessions", &[], ONE, ALL),
    ("active_users", &[], ONE, NOT),
    ("engaged_user_ratio", &[], ONE, NOT),
    ("frustrated_user_ratio", &[], ONE, NOT),
    ("crash_free_user_ratio", &[], ONE, NOT),
    ("crash_free_session_ratio", &[], ONE, ALL),
    ("sus_score", &[], ONE, NOT),
    ("seq_score", &[], ONE, NOT),
    ("product_nps", &[], ONE, NOT),
    ("touchpoint_nps", &[], ONE, NOT),
    ("satisfaction_ratio", &[], ONE, PARTS),
    ("journey_runs", &["journey"], ONE, ALL),
    ("journey_step_ratio", &["journey", "step"], ONE, PARTS),
    ("journey_seconds", &["journey"], &["p50", "p90"], NOT),
    ("nps", &[], ONE, NOT),
    ("csat_ratio", &[], ONE, PARTS),
    ("csat_score", &[], ONE, NOT),
    ("ces_score", &[], ONE, NOT),
    ("ces_low_effort_ratio", &[], ONE, PARTS),
    ("survey_response_ratio", SURVEY, ONE, PARTS),
    ("sentiment_score", &[], ONE, NOT),
    ("negative_feedback_ratio", &[], ONE, PARTS),
    ("users", &[], ONE, NOT),
    ("churn_ratio", &[], ONE, NOT),
    ("conversion_ratio", &[], ONE, NOT),
    ("referral_ratio", &[], ONE, NOT),
    ("purchaser_ratio", &[], ONE, NOT),
    ("retention_ratio", &[], ONE, NOT),
    ("repeat_purchase_ratio", &[], ONE, NOT),
    ("revenue", MONEY, ONE, NOT),
    ("average_order_value", MONEY, ONE, NOT),
    ("revenue_per_user", MONEY, ONE, NOT),
    ("customer_lifetime_value", MONEY, ONE, NOT),
    ("tickets_opened", &[], ONE, ALL),
    ("tickets_resolved", &[], ONE, ALL),
    ("contact_ratio", &[], ONE, NOT),
    ("first_response_seconds", &[], QUANTILES, NOT),
    ("resolution_seconds", &[], QUANTILES, NOT),
    ("first_response_within_target_ratio", &[], ONE, PARTS),
    ("resolution_within_target_ratio", &[], ONE, PARTS),
    ("first_contact_resolution_ratio", &[], ONE, PARTS),
    ("reopen_ratio", &[], ONE, PARTS),
    ("escalation_ratio", &[], ONE, PARTS),
    ("friction_user_ratio", &[], ONE, NOT),
    ("contact_friction_lift", &[], ONE, NOT),
    ("churn_friction_lift", &[], ONE, NOT),
    ("detractor_friction_lift", &[], ONE, NOT),
    ("consistency_gap", &["dimension", "indicator"], ONE, NOT),
    ("spike_excess", &["indicator"], ONE, NOT),
];

fn counter_of(name: &str, counter: Counter) -> CounterMeta {
    let part = match counter {
        Counter::All => "",
        Counter::Numerator => "_numerator",
        Counter::Denominator => "_denominator",
    };
    CounterMeta {
        counter,
        name: format!("{name}{part}_total"),
        help: format!("What {name}{part}_total \"says\" since the start"),
    }
}

pub(crate) fn families() -> Vec<FamilyMeta> {
    let family = |&(name, labels, stats, counters): &Entry| FamilyMeta {
        name,
        help: format!("What {name} \"says\" of the window"),
        labels,
        has_stats: stats.len() > 1,
        counters: counters.iter().map(|counter| counter_of(name, *counter)).collect(),
    };
    CATALOGUE.iter().map(family).collect()
}

/// The default specification with a grouping by product and the attribute `plan`, as number 7.
pub(crate) fn spec() -> Spec {
    let mut spec = Spec::default();
    let product = spec.groupings[1].dimensions[0].clone();
    spec.groupings.push(Grouping {
        dimensions: vec![product, Dimension::Attribute("plan".to_owned())],
    });
    spec
}

pub(crate) fn page(max_series: usize) -> Page {
    Page::new(&spec(), families(), max_series).unwrap()
}

pub(crate) fn group(values: &[Option<&str>]) -> GroupKey {
    values.iter().map(|value| value.map(Arc::from)).collect()
}

/// A row of the window `5m`.
pub(crate) fn row(metric: &'static str, grouping: usize, values: &[Option<&str>]) -> MetricRow {
    MetricRow {
        window: 1,
        window_start: EventTime(0),
        window_end: EventTime(300_000),
        grouping,
        group: group(values),
        metric,
        stat: "value",
        label: None,
        value: Some(0.5),
        lower: None,
        upper: None,
        n: 40,
        numerator: None,
        denominator: None,
        revision: 0,
    }
}

pub(crate) fn total(metric: &'static str, grouping: usize, values: &[Option<&str>], value: u64) -> Total {
    Total {
        metric,
        counter: Counter::All,
        grouping,
        group: group(values),
        label: None,
        value,
    }
}

/// A state in which every family of the catalogue has a value, an interval and, where there is one, a counter, also for hostile group values.
pub(crate) fn everything() -> LiveSnapshot {
    let hostile = "a\"b\\c\nd\re\0f{g=\"h\"} 1\n# TYPE x counter\n😀";
    let mut live = LiveSnapshot::default();
    for &(metric, labels, stats, counters) in CATALOGUE {
        let label: Option<Arc<str>> = match labels.len() {
            0 => None,
            1 => Some(hostile.into()),
            _ => Some("buy/2".into()),
        };
        for (grouping, values) in [(0, &[][..]), (1, &[Some("shop")]), (7, &[Some(hostile), None])] {
            for stat in stats {
                live.rows.push(MetricRow {
                    stat,
                    label: label.clone(),
                    lower: Some(0.25),
                    upper: Some(0.75),
                    ..row(metric, grouping, values)
                });
            }
            for counter in counters {
                live.totals.push(Total {
                    counter: *counter,
                    label: label.clone(),
                    ..total(metric, grouping, values, 7)
                });
            }
        }
    }
    live
}

/// A state in which every operational metric has a series.
pub(crate) fn operational() -> Operational {
    let partition = PartitionStatus {
        topic: "product.telemetry".to_owned(),
        partition: 0,
        position: 1_000,
        lag: Some(12),
        watermark: Some(EventTime(1_738_137_600_500)),
        idle: false,
        paused: true,
        holds_watermark: true,
    };
    let idle = PartitionStatus {
        partition: 1,
        lag: None,
        watermark: None,
        idle: true,
        holds_watermark: false,
        ..partition.clone()
    };
    Operational {
        version: "1.2.3".to_owned(),
        watermark: Some(EventTime(1_738_137_600_500)),
        caught_up: true,
        partitions: vec![partition, idle],
        records: 10,
        events_accepted: 5,
        rejected_records: [1, 0, 2, 0, 0, 0, 0, 0],
        tracker_outcomes: vec![("late_end", 3)],
        limit_reached: vec![("max_groups", 1)],
        commits: 2,
        last_commit: Some(EventTime(1_738_137_600_000)),
        last_commit_seconds: Some(0.25),
        rows_written: vec![("events", 5)],
        files_written: vec![("events", 1)],
        state_bytes: vec![("trackers", 1 << 20)],
        queue_fill: 0.5,
        ..Operational::default()
    }
}

/// The samples of a page, comments left out.
pub(crate) fn samples(page: &Page) -> Vec<String> {
    let text = page.render(Format::Text).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The samples of one family.
pub(crate) fn of(page: &Page, name: &str) -> Vec<String> {
    samples(page)
        .into_iter()
        .filter_map(|line| {
            line.strip_prefix(name)
                .filter(|rest| rest.starts_with(['{', ' ']))
                .map(str::to_owned)
        })
        .collect()
}
