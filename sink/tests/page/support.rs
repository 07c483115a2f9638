//! The catalogue as the page sees it, and a state in which every family has a series.

use std::sync::Arc;

use tidegauge_aggregate::row::{GroupKey, MetricRow};
use tidegauge_aggregate::spec::{Dimension, Grouping, Spec};
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::gauges::{FamilyMeta, Format, LiveSnapshot, Operational, Page, PartitionStatus, Total};

/// Every metric of the catalogue: name, labels in braces, stats, whether it is a plain count.
type Entry = (&'static str, &'static [&'static str], &'static [&'static str], bool);

const ONE: &[&str] = &["value"];
const SURVEY: &[&str] = &["instrument"];
const MONEY: &[&str] = &["currency"];
const QUANTILES: &[&str] = &["p50", "p90", "mean"];

pub(crate) const CATALOGUE: &[Entry] = &[
    ("task_attempts", &[], ONE, true),
    ("task_success_ratio", &[], ONE, false),
    ("task_failure_ratio", &[], ONE, false),
    ("task_abandonment_ratio", &[], ONE, false),
    ("task_error_ratio", &[], ONE, false),
    ("errors_per_attempt", &[], ONE, false),
    ("errors", &[], ONE, true),
    ("errors_by_severity", &["severity"], ONE, true),
    ("time_on_task_seconds", &[], &["p50", "p90", "p95", "p99", "mean", "geomean"], false),
    ("clicks_to_completion", &[], &["mean", "p50", "p95"], false),
    ("click_through_ratio", &[], ONE, false),
    ("wait_seconds", &[], &["p50", "p75", "p95", "p99"], false),
    ("apdex_score", &[], ONE, false),
    ("sessions", &[], ONE, false),
    ("active_users", &[], ONE, false),
    ("engaged_user_ratio", &[], ONE, false),
    ("frustrated_user_ratio", &[], ONE, false),
    ("crash_free_user_ratio", &[], ONE, false),
    ("crash_free_session_ratio", &[], ONE, false),
    ("sus_score", &[], ONE, false),
    ("seq_score", &[], ONE, false),
    ("product_nps", &[], ONE, false),
    ("touchpoint_nps", &[], ONE, false),
    ("satisfaction_ratio", &[], ONE, false),
    ("journey_runs", &["journey"], ONE, true),
    ("journey_step_ratio", &["journey", "step"], ONE, false),
    ("journey_seconds", &["journey"], &["p50", "p90"], false),
    ("nps", &[], ONE, false),
    ("csat_ratio", &[], ONE, false),
    ("csat_score", &[], ONE, false),
    ("ces_score", &[], ONE, false),
    ("ces_low_effort_ratio", &[], ONE, false),
    ("survey_response_ratio", SURVEY, ONE, false),
    ("sentiment_score", &[], ONE, false),
    ("negative_feedback_ratio", &[], ONE, false),
    ("users", &[], ONE, false),
    ("churn_ratio", &[], ONE, false),
    ("conversion_ratio", &[], ONE, false),
    ("referral_ratio", &[], ONE, false),
    ("purchaser_ratio", &[], ONE, false),
    ("retention_ratio", &[], ONE, false),
    ("repeat_purchase_ratio", &[], ONE, false),
    ("revenue", MONEY, ONE, false),
    ("average_order_value", MONEY, ONE, false),
    ("revenue_per_user", MONEY, ONE, false),
    ("customer_lifetime_value", MONEY, ONE, false),
    ("tickets_opened", &[], ONE, true),
    ("tickets_resolved", &[], ONE, true),
    ("contact_ratio", &[], ONE, false),
    ("first_response_seconds", &[], QUANTILES, false),
    ("resolution_seconds", &[], QUANTILES, false),
    ("first_response_within_target_ratio", &[], ONE, false),
    ("resolution_within_target_ratio", &[], ONE, false),
    ("first_contact_resolution_ratio", &[], ONE, false),
    ("reopen_ratio", &[], ONE, false),
    ("escalation_ratio", &[], ONE, false),
    ("friction_user_ratio", &[], ONE, false),
    ("contact_friction_lift", &[], ONE, false),
    ("churn_friction_lift", &[], ONE, false),
    ("detractor_friction_lift", &[], ONE, false),
    ("consistency_gap", &["dimension", "indicator"], ONE, false),
    ("spike_excess", &["indicator"], ONE, false),
];

pub(crate) fn families() -> Vec<FamilyMeta> {
    let family = |&(name, labels, stats, counter): &Entry| FamilyMeta {
        name,
        help: format!("What {name} \"says\" of the window"),
        labels,
        has_stats: stats.len() > 1,
        counter,
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
    for &(metric, labels, stats, counter) in CATALOGUE {
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
            if counter {
                live.totals.push(Total {
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
