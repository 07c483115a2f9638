//! Operational metrics: is the pipeline well? Every name is in this file, apart from the business metrics, whose names are the catalogue's.

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use tidegauge_aggregate::record::RejectReason;
use tidegauge_aggregate::time::EventTime;

use super::business::{counter, family, gauge};
use super::labels::pair;

/// How the pipeline is doing. Counters count since the process started.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(
    missing_docs,
    reason = "each field is the metric of the same name, whose help text says what it is"
)]
pub struct Operational {
    pub version: String,
    pub watermark: Option<EventTime>,
    pub caught_up: bool,
    pub ready: bool,
    pub reporter: bool,
    pub partitions: Vec<PartitionStatus>,
    pub records: u64,
    pub events_accepted: u64,
    pub late_events: u64,
    pub duplicate_events: u64,
    /// In the order of [`RejectReason::ALL`].
    pub rejected_records: [u64; 8],
    /// Tracker counters by name: `late_end`, `orphan_end`, ...
    pub tracker_outcomes: Vec<(&'static str, u64)>,
    /// What was refused, merged or forgotten at a bound, by the bound's configuration key.
    pub limit_reached: Vec<(&'static str, u64)>,
    pub beyond_horizon: u64,
    pub unknown_fields: u64,
    pub gaps: u64,
    pub gap_records: u64,
    pub commits: u64,
    pub commit_failures: u64,
    pub store_errors: u64,
    pub last_commit: Option<EventTime>,
    pub last_commit_seconds: Option<f64>,
    /// Rows written by table.
    pub rows_written: Vec<(&'static str, u64)>,
    /// Files written by table.
    pub files_written: Vec<(&'static str, u64)>,
    /// State in memory by part: `trackers`, `event_ids`, `panes`, `tables`, ...
    pub state_bytes: Vec<(&'static str, u64)>,
    pub queue_fill: f64,
    pub revisions: u64,
    pub windows_published: u64,
}

/// One partition that this process reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionStatus {
    /// Topic name.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// Offset of the next record to be read.
    pub position: i64,
    /// Records between the position and the end; `None` where the end is not known.
    pub lag: Option<u64>,
    /// The partition's watermark; `None` where nothing was accepted yet.
    pub watermark: Option<EventTime>,
    /// Read to its end and nothing accepted for a while.
    pub idle: bool,
    /// Waiting: for the store, for slower partitions, or stopped at a gap.
    pub paused: bool,
    /// Whether the pipeline's watermark is this partition's.
    pub holds_watermark: bool,
}

use MetricType::{COUNTER, GAUGE};

/// Builds the families: one call per metric, name and help text side by side.
pub(super) fn collect(state: &Operational, series: usize, dropped: usize) -> Vec<MetricFamily> {
    let mut families = Families(Vec::new());
    families.process(state, series, dropped);
    families.counters(state);
    families.partitions(&state.partitions);
    families.0.retain(|family| !family.get_metric().is_empty());
    families.0
}

struct Families(Vec<MetricFamily>);

impl Families {
    fn process(&mut self, s: &Operational, series: usize, dropped: usize) {
        let build = gauge(vec![pair("version", Some(&s.version))], 1.0);
        self.add(
            "build_info",
            "Version of the running program; the value is always 1",
            GAUGE,
            vec![build],
        );
        let watermark = "Event time up to which every partition that is not idle has been read; gauges are as current as this";
        self.gauge("watermark_timestamp_seconds", watermark, seconds(s.watermark));
        let caught_up = "1 when every assigned partition was read to its end, or to within a minute of now, since it was assigned; while 0, gauges show the past";
        self.gauge("caught_up", caught_up, flag(s.caught_up));
        self.gauge("ready", "1 when state is restored and the store can be written", flag(s.ready));
        self.gauge(
            "reporter",
            "1 for the one instance that publishes results and exports the business gauges",
            flag(s.reporter),
        );
        let last = "When the last commit succeeded; data read since then would be read again after a crash";
        self.gauge("last_commit_timestamp_seconds", last, seconds(s.last_commit));
        self.gauge(
            "last_commit_duration_seconds",
            "How long the last commit took",
            s.last_commit_seconds,
        );
        let fill = "How full the queues between Kafka and the workers are, of their bound";
        self.gauge("queue_fill_ratio", fill, Some(s.queue_fill));
        self.by_name(
            "state_bytes",
            "Memory held by each part of the state",
            GAUGE,
            "part",
            &s.state_bytes,
        );
        self.gauge("series", "Business series on this page", Some(series as f64));
        let over = "Business series left off this page because of prometheus.max_series; the tables have all of them";
        self.gauge("series_dropped", over, Some(dropped as f64));
    }

    fn counters(&mut self, s: &Operational) {
        self.counter("records_total", "Records read", s.records);
        self.counter("events_accepted_total", "Events that count", s.events_accepted);
        self.counter(
            "late_events_total",
            "Events that came after their time was closed; they are in the table late",
            s.late_events,
        );
        self.counter(
            "duplicate_events_total",
            "Events that were accepted before under the same event_id",
            s.duplicate_events,
        );
        let rejected: Vec<(&str, u64)> = RejectReason::ALL.iter().map(|r| r.as_str()).zip(s.rejected_records).collect();
        let help = "Records that could not be used, by reason; they are in the table rejects";
        self.by_name("rejected_records_total", help, COUNTER, "reason", &rejected);
        let help = "Events that the attempt and ticket trackers ignored or took with a reservation, by what was odd";
        self.by_name("tracker_outcomes_total", help, COUNTER, "outcome", &s.tracker_outcomes);
        let help = "Times that something was refused, merged or forgotten because a configured bound was reached, by bound";
        self.by_name("limit_reached_total", help, COUNTER, "limit", &s.limit_reached);
        let help = "Contributions to windows that ended too long ago to be revised";
        self.counter("beyond_horizon_total", help, s.beyond_horizon);
        self.counter(
            "unknown_fields_total",
            "Top-level fields that the event contract does not know",
            s.unknown_fields,
        );
        self.counter(
            "gaps_total",
            "Times that records were missing from Kafka where reading had to go on",
            s.gaps,
        );
        self.counter("gap_records_total", "Offsets missing in those gaps", s.gap_records);
        self.counter("commits_total", "Entries written to the commit log", s.commits);
        self.counter(
            "commit_failures_total",
            "Commits that did not succeed and were discarded or tried again",
            s.commit_failures,
        );
        self.counter("store_errors_total", "Failed requests to the output's store", s.store_errors);
        self.counter(
            "windows_published_total",
            "Window positions whose results were published",
            s.windows_published,
        );
        self.counter("revisions_total", "Rows published again because something came later", s.revisions);
        self.by_name("rows_written_total", "Rows written, by table", COUNTER, "table", &s.rows_written);
        self.by_name(
            "files_written_total",
            "Parquet files written, by table",
            COUNTER,
            "table",
            &s.files_written,
        );
    }

    fn partitions(&mut self, all: &[PartitionStatus]) {
        let lag = |p: &PartitionStatus| p.lag.map(|lag| lag as f64);
        self.by_partition(
            "partition_lag_records",
            "Records between the position and the end of the partition",
            all,
            lag,
        );
        let position = |p: &PartitionStatus| Some(p.position as f64);
        self.by_partition("partition_position_offset", "Offset of the next record to be read", all, position);
        let watermark = |p: &PartitionStatus| seconds(p.watermark);
        self.by_partition(
            "partition_watermark_timestamp_seconds",
            "Watermark of the partition",
            all,
            watermark,
        );
        let idle = "1 when the partition is read to its end and quiet, so that it holds back no window";
        self.by_partition("partition_idle", idle, all, |p| flag(p.idle));
        self.by_partition(
            "partition_paused",
            "1 when reading of the partition waits or was stopped",
            all,
            |p| flag(p.paused),
        );
        let holder = "1 for the partition that holds the watermark back: all windows wait for it";
        self.by_partition("watermark_holder", holder, all, |p| p.holds_watermark.then_some(1.0));
    }

    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        self.0.push(family(format!("tidegauge_{name}"), help.to_owned(), kind, metrics));
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.add(name, help, GAUGE, value.into_iter().map(|value| gauge(Vec::new(), value)).collect());
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.add(name, help, COUNTER, vec![counter(Vec::new(), value as f64)]);
    }

    fn by_name(&mut self, name: &str, help: &str, kind: MetricType, label: &str, values: &[(&str, u64)]) {
        let make = if kind == COUNTER { counter } else { gauge };
        self.add(
            name,
            help,
            kind,
            values
                .iter()
                .map(|(key, value)| make(vec![pair(label, Some(key))], *value as f64))
                .collect(),
        );
    }

    fn by_partition(&mut self, name: &str, help: &str, all: &[PartitionStatus], value: impl Fn(&PartitionStatus) -> Option<f64>) {
        let metrics = all.iter().filter_map(|p| Some(gauge(partition_labels(p), value(p)?))).collect();
        self.add(name, help, GAUGE, metrics);
    }
}

fn partition_labels(p: &PartitionStatus) -> Vec<LabelPair> {
    vec![pair("topic", Some(&p.topic)), pair("partition", Some(&p.partition.to_string()))]
}

fn flag(value: bool) -> Option<f64> {
    Some(f64::from(u8::from(value)))
}

/// Seconds since the epoch; "nothing yet" and "closed" are no times.
fn seconds(time: Option<EventTime>) -> Option<f64> {
    time.filter(|time| *time != EventTime::MIN && *time != EventTime::MAX)
        .map(|time| time.0 as f64 / 1e3)
}
