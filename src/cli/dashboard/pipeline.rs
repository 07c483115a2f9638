//! The dashboard about the pipeline itself.

use super::panel::{Panel, Query};

/// Title, what it tells, unit, section of the runbook, and questions with their legends.
type Entry = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const ENTRIES: [Entry; 17] = [
    (
        "Ready and caught up",
        "1 when state is restored and the output can be written; 1 when every partition is read to its end. While it is not caught up, gauges tell of the past and no alert about customers fires.",
        "none",
        "tidegaugenotready",
        &[
            ("tidegauge_ready", "ready"),
            ("tidegauge_caught_up", "caught up"),
            ("tidegauge_reporter", "reporter"),
        ],
    ),
    (
        "Age of results",
        "How far the watermark is behind the clock: the gauges are as old as this.",
        "s",
        "tidegaugeresultsstale",
        &[("time() - tidegauge_watermark_timestamp_seconds", "{{instance}}")],
    ),
    (
        "Age of the last commit",
        "What a crash would have to read again.",
        "s",
        "tidegaugecommitoverdue",
        &[("time() - tidegauge_last_commit_timestamp_seconds", "{{instance}}")],
    ),
    (
        "Lag by topic",
        "Records between the position and the end.",
        "short",
        "tidegaugelaggrowing",
        &[("sum by (topic) (tidegauge_partition_lag_records)", "{{topic}}")],
    ),
    (
        "Records per second",
        "Read, and what became of them.",
        "reqps",
        "tidegaugelaggrowing",
        &[
            ("sum(rate(tidegauge_records_total[$__rate_interval]))", "read"),
            ("sum(rate(tidegauge_events_accepted_total[$__rate_interval]))", "accepted"),
            ("sum(rate(tidegauge_duplicate_events_total[$__rate_interval]))", "duplicate"),
        ],
    ),
    (
        "Late events, share",
        "Events that came after their time was closed. They are in the table late.",
        "percentunit",
        "tidegaugelateevents",
        &[(
            "sum(rate(tidegauge_late_events_total[$__rate_interval])) / sum(rate(tidegauge_records_total[$__rate_interval]))",
            "late",
        )],
    ),
    (
        "Refused records per second, by reason",
        "Records that could not be used. They are in the table rejects, with the reason.",
        "reqps",
        "tidegaugerejects",
        &[(
            "sum by (reason) (rate(tidegauge_rejected_records_total[$__rate_interval]))",
            "{{reason}}",
        )],
    ),
    (
        "Watermark age by partition",
        "The oldest one that is not idle holds all windows back.",
        "s",
        "tidegaugewatermarkstalled",
        &[(
            "time() - tidegauge_partition_watermark_timestamp_seconds",
            "{{topic}}/{{partition}}",
        )],
    ),
    (
        "Partitions that hold back, are idle, wait",
        "Numbers of partitions.",
        "short",
        "tidegaugewatermarkstalled",
        &[
            ("sum(tidegauge_watermark_holder)", "hold the watermark"),
            ("sum(tidegauge_partition_idle)", "idle"),
            ("sum(tidegauge_partition_paused)", "wait or stopped"),
        ],
    ),
    (
        "Commits",
        "Entries of the commit log, and attempts that failed, within 10 minutes.",
        "short",
        "tidegaugecommitfailures",
        &[
            ("sum(increase(tidegauge_commits_total[10m]))", "commits"),
            ("sum(increase(tidegauge_commit_failures_total[10m]))", "failures"),
        ],
    ),
    (
        "Time of a commit",
        "How long the last one took.",
        "s",
        "tidegaugecommitoverdue",
        &[("tidegauge_last_commit_duration_seconds", "{{instance}}")],
    ),
    (
        "Rows written, by table",
        "Rows per second.",
        "rowsps",
        "tidegaugecommitoverdue",
        &[("sum by (table) (rate(tidegauge_rows_written_total[10m]))", "{{table}}")],
    ),
    (
        "Windows published and rows revised",
        "Within 10 minutes. A revision is a row that is published again since something came later.",
        "short",
        "tidegaugewatermarkstalled",
        &[
            ("sum(increase(tidegauge_windows_published_total[10m]))", "windows"),
            ("sum(increase(tidegauge_revisions_total[10m]))", "revised rows"),
        ],
    ),
    (
        "Memory of the state, by part",
        "What is held between commits and for windows to come.",
        "bytes",
        "tidegaugelimitreached",
        &[("sum by (part) (tidegauge_state_bytes)", "{{part}}")],
    ),
    (
        "Bounds reached",
        "Times within an hour that something was merged, forgotten or not tracked.",
        "short",
        "tidegaugelimitreached",
        &[("sum by (limit) (increase(tidegauge_limit_reached_total[1h]))", "{{limit}}")],
    ),
    (
        "Business series",
        "On the page, and left off because of prometheus.max_series.",
        "short",
        "tidegaugeseriesdropped",
        &[("sum(tidegauge_series)", "shown"), ("sum(tidegauge_series_dropped)", "dropped")],
    ),
    (
        "Gaps",
        "Offsets that Kafka had deleted before they were read.",
        "short",
        "tidegaugegaprecorded",
        &[
            ("sum(tidegauge_gap_records_total)", "offsets"),
            ("sum(tidegauge_gaps_total)", "gaps"),
        ],
    ),
];

/// All of it.
pub(super) fn panels(pages: &str) -> Vec<Panel> {
    let panel = |(title, description, unit, section, queries): &Entry| Panel {
        title: (*title).to_owned(),
        description: (*description).to_owned(),
        kind: "timeseries",
        unit,
        queries: queries
            .iter()
            .map(|(expression, legend)| Query::new(*expression, *legend))
            .collect(),
        bound: None,
        link: ("What to do", format!("{pages}/docs/runbook.md#{section}")),
        width: 8,
    };
    ENTRIES.iter().map(panel).collect()
}
