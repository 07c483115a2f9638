//! The answer of `/api/v1/status`: is the pipeline itself well.

use serde_json::{Map, Value, json};
use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::record::RejectReason;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::gauges::Operational;

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: Option<i64>,
    pub(crate) reason: RejectReason,
    pub(crate) field: &'static str,
    pub(crate) detail: String,
}

/// A commit of this process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CommitNote {
    pub(crate) at: EventTime,
    pub(crate) seconds: f64,
    pub(crate) records: u64,
    pub(crate) files: u64,
    pub(crate) rows: u64,
}

/// What the gauges do not tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inside {
    /// The partition whose reader is the reporter.
    pub(crate) lowest: Option<String>,
    /// Examples of what was refused, the newest last.
    pub(crate) refused: Vec<Refused>,
    /// The newest commits, the newest last.
    pub(crate) commits: Vec<CommitNote>,
    /// What all processes committed since the pipeline's beginning.
    pub(crate) committed: Counters,
}

impl Inside {
    /// Why this process has no business metrics; none where it has.
    pub(crate) fn no_report(&self, operational: &Operational) -> Option<String> {
        let lowest = self.lowest.as_deref().filter(|_| !operational.reporter)?;
        Some(format!(
            "another process publishes: of all that share this output, the one that reads {lowest} merges everyone's results, so its page has the \
             business metrics; this one shows only its own pipeline"
        ))
    }
}

fn moment(time: Option<EventTime>) -> Option<i64> {
    time.filter(|time| *time != EventTime::MIN && *time != EventTime::MAX)
        .map(|time| time.0)
}

fn by_reason(counts: impl Fn(RejectReason) -> u64) -> Map<String, Value> {
    let reasons = RejectReason::ALL.into_iter().map(|reason| (reason.as_str(), counts(reason)));
    reasons
        .filter(|(_, n)| *n > 0)
        .map(|(reason, n)| (reason.to_owned(), json!(n)))
        .collect()
}

fn named(counts: &[(&'static str, u64)]) -> Map<String, Value> {
    counts.iter().map(|(name, n)| ((*name).to_owned(), json!(n))).collect()
}

/// The newest operational state as JSON; counts are of this process since it took its partitions over, those below `committed` are of the output.
pub(crate) fn status_json(o: &Operational, inside: &Inside, unready: Option<&str>, started: EventTime) -> Value {
    let partitions = o.partitions.iter().map(|p| {
        json!({
            "topic": p.topic, "partition": p.partition, "position": p.position, "lag": p.lag,
            "watermark_ms": moment(p.watermark), "idle": p.idle, "waiting": p.paused, "holds_watermark": p.holds_watermark,
        })
    });
    let refused = inside.refused.iter().rev().map(|refused| {
        json!({
            "topic": refused.topic, "partition": refused.partition, "offset": refused.offset, "timestamp_ms": refused.timestamp,
            "reason": refused.reason.as_str(), "field": (!refused.field.is_empty()).then_some(refused.field), "detail": refused.detail,
        })
    });
    let commits = inside.commits.iter().rev().map(|commit| {
        json!({"at_ms": commit.at.0, "seconds": commit.seconds, "records": commit.records, "files": commit.files, "rows": commit.rows})
    });
    let committed = &inside.committed;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_ms": started.0,
        "ready": unready.is_none(),
        "reason": unready,
        "reporter": o.reporter,
        "no_report": inside.no_report(o),
        "watermark_ms": moment(o.watermark),
        "caught_up": o.caught_up,
        "records": o.records,
        "accepted": o.events_accepted,
        "late": o.late_events,
        "duplicate": o.duplicate_events,
        "rejected": by_reason(|reason| o.rejected_records.get(reason as usize).copied().unwrap_or_default()),
        "rejected_examples": refused.collect::<Vec<_>>(),
        "tracker_outcomes": named(&o.tracker_outcomes),
        "limit_reached": named(&o.limit_reached),
        "beyond_horizon": o.beyond_horizon,
        "unknown_fields": o.unknown_fields,
        "gaps": o.gaps,
        "commits": o.commits,
        "commit_failures": o.commit_failures,
        "last_commit_ms": moment(o.last_commit),
        "last_commits": commits.collect::<Vec<_>>(),
        "windows_published": o.windows_published,
        "revisions": o.revisions,
        "state_bytes": named(&o.state_bytes),
        "committed": {
            "records": committed.records, "accepted": committed.accepted, "late": committed.late, "duplicate": committed.duplicate,
            "rejected": by_reason(|reason| committed.rejected(reason)),
        },
        "partitions": partitions.collect::<Vec<_>>(),
    })
}
