//! Alerts about the pipeline itself: is what the gauges say current, and is what was read safe?

use super::rule::{Alert, Rule, Severity};
use crate::cli::exported::quote;
use crate::cli::output::duration;
use crate::config::Config;
use tidegauge_aggregate::time::Millis;

const MINUTE: Millis = 60_000;
/// An older watermark is not of now.
const STALE: Millis = 15 * MINUTE;
/// Shares of late and of refused records that are worth a look, and of how many records at least.
const MOST_LATE: f64 = 0.01;
const MOST_REJECTED: f64 = 0.01;
const LEAST_RECORDS: u64 = 100;
/// Fewer records behind are none.
const LEAST_LAG: u64 = 1_000;

/// The age beyond which the gauges do not tell of now: a quarter of an hour, or twice the time after which a quiet partition is idle.
pub(super) fn stale_after(config: &Config) -> Millis {
    STALE.max(2 * millis(config.idle_after))
}

fn millis(duration: std::time::Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX / 8)
}

/// What must hold for the business gauges of an instance to be alerted on.
pub(super) fn current(config: &Config) -> String {
    format!(
        "tidegauge_caught_up == 1\nand on (job, instance) time() - tidegauge_watermark_timestamp_seconds < {}",
        stale_after(config) / 1_000
    )
}

/// The lag of each topic: a partition's may wander, its topic's tells whether reading keeps up.
pub(super) const LAG: &str = "topic:tidegauge_partition_lag_records:sum";

/// All of them.
pub(super) fn alerts(config: &Config, job: &str) -> Vec<Rule> {
    let job = quote(job);
    let stale = stale_after(config) / 1_000;
    let commit = millis(config.output.commit_interval);
    let uncommitted = commit.saturating_add(5 * MINUTE);
    let share = |part: &str, least: f64| {
        format!(
            "sum by (job, instance) (rate({part}[15m]))\n/ sum by (job, instance) (rate(tidegauge_records_total[15m])) > {least}\n\
             and on (job, instance) increase(tidegauge_records_total[15m]) >= {LEAST_RECORDS}"
        )
    };
    let mut alerts = vec![
        (
            "TidegaugeDown",
            Severity::Page,
            5 * MINUTE,
            format!("up{{job={job}}} == 0"),
            "Tidegauge does not answer",
            "Prometheus cannot scrape {{ $labels.instance }}. Nothing is read or written, or nobody sees it.".to_owned(),
        ),
        (
            "TidegaugeAbsent",
            Severity::Page,
            5 * MINUTE,
            format!("absent(up{{job={job}}})"),
            "Prometheus does not know of any Tidegauge",
            "There is no target in the job {{ $labels.job }}: the scrape configuration, or the service's discovery, has lost it.".to_owned(),
        ),
        (
            "TidegaugeNotReady",
            Severity::Page,
            10 * MINUTE,
            "tidegauge_ready == 0".to_owned(),
            "Tidegauge is not ready",
            "{{ $labels.instance }} has stopped a partition, waits for its state, or cannot write its output. `/readyz` says which.".to_owned(),
        ),
        (
            "TidegaugeNotCaughtUp",
            Severity::Ticket,
            30 * MINUTE,
            "tidegauge_caught_up == 0".to_owned(),
            "Tidegauge is behind",
            "{{ $labels.instance }} has been behind for half an hour. Business alerts are silent meanwhile.".to_owned(),
        ),
        (
            "TidegaugeLagGrowing",
            Severity::Ticket,
            15 * MINUTE,
            format!("deriv({LAG}[15m]) > 0\nand {LAG} > {LEAST_LAG}"),
            "Tidegauge falls behind on {{ $labels.topic }}",
            "The lag of {{ $labels.topic }} grows by {{ $value | humanize }} records a second.".to_owned(),
        ),
        (
            "TidegaugeWatermarkStalled",
            Severity::Page,
            5 * MINUTE,
            format!("changes(tidegauge_watermark_timestamp_seconds[10m]) == 0\nand time() - tidegauge_watermark_timestamp_seconds > {stale}"),
            "Event time stands still",
            "The watermark of {{ $labels.instance }} has not moved for 10 minutes, so no window closes. `tidegauge_watermark_holder` names the partition.".to_owned(),
        ),
        (
            "TidegaugeResultsStale",
            Severity::Ticket,
            15 * MINUTE,
            format!("time() - tidegauge_watermark_timestamp_seconds > {stale}\nand on (job, instance) tidegauge_caught_up == 1"),
            "Events arrive late or not at all",
            "Everything is read, and yet the newest result of {{ $labels.instance }} is {{ $value | humanizeDuration }} old. Business alerts are silent meanwhile.".to_owned(),
        ),
        (
            "TidegaugeRejects",
            Severity::Ticket,
            10 * MINUTE,
            share("tidegauge_rejected_records_total", MOST_REJECTED),
            "Records are refused",
            "{{ $value | humanizePercentage }} of the records that {{ $labels.instance }} reads cannot be used. They are in the table `rejects`, with reasons.".to_owned(),
        ),
        (
            "TidegaugeLateEvents",
            Severity::Ticket,
            10 * MINUTE,
            share("tidegauge_late_events_total", MOST_LATE),
            "Events come too late to count",
            "{{ $value | humanizePercentage }} of the records that {{ $labels.instance }} reads come later than `time.lateness` allows. They are in the table `late` and in no metric.".to_owned(),
        ),
        (
            "TidegaugeCommitOverdue",
            Severity::Page,
            uncommitted,
            format!(
                "time() - tidegauge_last_commit_timestamp_seconds > {}\nand on (job, instance) increase(tidegauge_records_total[{}]) > 0",
                uncommitted / 1_000,
                duration(commit.max(5 * MINUTE))
            ),
            "What was read is not committed",
            "{{ $labels.instance }} reads records, and its last commit is {{ $value | humanizeDuration }} ago. The tables get nothing meanwhile.".to_owned(),
        ),
        (
            "TidegaugeCommitFailures",
            Severity::Ticket,
            0,
            "increase(tidegauge_commit_failures_total[15m]) >= 3".to_owned(),
            "Commits fail",
            "{{ $value | humanize }} commits of {{ $labels.instance }} failed in 15 minutes. They are tried again, and reading waits.".to_owned(),
        ),
    ];
    alerts.push((
        "TidegaugeGapRecorded",
        Severity::Page,
        0,
        grown("tidegauge_gaps_total"),
        "Kafka had deleted records before they were read",
        "{{ $labels.instance }} met {{ $value | humanize }} gaps in the last hour: records are missing from every result. `tidegauge_gap_records_total` counts their offsets.".to_owned(),
    ));
    alerts.push((
        "TidegaugeSeriesDropped",
        Severity::Ticket,
        15 * MINUTE,
        "tidegauge_series_dropped > 0".to_owned(),
        "Business series are left off the page",
        "{{ $value | humanize }} series of {{ $labels.instance }} are beyond `prometheus.max_series`, so no alert watches them. The tables have them.".to_owned(),
    ));
    alerts.push((
        "TidegaugeLimitReached",
        Severity::Ticket,
        0,
        grown("tidegauge_limit_reached_total"),
        "A configured bound was reached",
        "{{ $labels.instance }} reached the bound {{ $labels.limit }} {{ $value | humanize }} times in the last hour; what is beyond it is merged, forgotten or not tracked.".to_owned(),
    ));
    let rule = |(name, severity, hold, expression, summary, description): (&str, Severity, Millis, String, &str, String)| {
        Rule::Alert(Alert {
            name: name.to_owned(),
            expression,
            hold,
            severity,
            labels: Vec::new(),
            summary: summary.to_owned(),
            description,
            section: name.to_lowercase(),
        })
    };
    alerts.into_iter().map(rule).collect()
}

/// What a counter grew by within the hour, where it did. One that began above 0 within it has grown too, which `increase` does not see.
fn grown(counter: &str) -> String {
    format!("increase({counter}[1h]) > 0\nor ({counter} > 0 unless {counter} offset 1h)")
}
