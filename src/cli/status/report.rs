//! What is told, gathered from the log and the brokers. Pure: no store, no broker, no clock.

use serde_json::{Map, Value, json};
use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::record::RejectReason;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::kafka::Held;
use tidegauge_ingest::source::{PartitionRef, Watermarks};
use tidegauge_sink::log::codec;
use tidegauge_sink::log::{Entry, Kind, LogState, Recovered, WriterId};

use super::lag::partitions;
use crate::pipeline::RESULTS_VERSION;

/// Everything that is told.
pub(super) struct Report {
    /// The output, as it may be shown.
    pub(super) location: String,
    /// When the log was read.
    pub(super) now: i64,
    pub(super) log: LogState,
    pub(super) rows: Vec<Row>,
    pub(super) last_commit: Written,
    /// The newest entry, which may commit nothing.
    pub(super) newest: Written,
    pub(super) checkpoint: Option<u64>,
    /// Why the lag is unknown.
    pub(super) unknown: Option<String>,
}

/// One partition of the pipeline.
pub(super) struct Row {
    pub(super) partition: PartitionRef,
    /// The next offset to be committed.
    pub(super) position: i64,
    /// From where a start reads: the newest snapshot.
    pub(super) reads_from: i64,
    pub(super) watermark: Option<i64>,
    pub(super) idle: bool,
    pub(super) counters: Counters,
    pub(super) held: Option<Watermarks>,
}

/// An entry, as far as it is still known: a checkpoint keeps of older ones no more than that they were.
pub(super) struct Written {
    pub(super) seq: u64,
    pub(super) kind: Option<&'static str>,
    /// The checkpoint's, where only that is known.
    pub(super) by: Option<(WriterId, i64)>,
}

impl Report {
    pub(super) fn new(location: String, found: Recovered, lag: Result<Held, String>, now: EventTime) -> Report {
        let (held, unknown) = match lag {
            Ok(held) => (held, None),
            Err(why) => (Held::default(), Some(why)),
        };
        let log = &found.state;
        let rows = partitions(log).into_iter().map(|partition| Row::new(log, &held, partition));
        let commits = |entry: &&Entry| !matches!(entry.kind, Kind::Genesis { .. } | Kind::Fence { .. });
        let rows: Vec<Row> = rows.collect();
        let last = found.entries.iter().rev().find(commits).map(|entry| entry.seq);
        let spoke = log.partitions.values().map(|position| position.seq);
        let spoke = spoke
            .chain(log.publication.as_ref().map(|publication| publication.seq))
            .chain(log.closed);
        let last = last.or(spoke.max()).unwrap_or_default();
        Report {
            location,
            now: now.0,
            rows,
            last_commit: Written::find(&found, last),
            newest: Written::find(&found, log.head.seq),
            checkpoint: found.checkpoint,
            log: found.state,
            unknown,
        }
    }

    /// What will keep the pipeline, or a partition of it, from going on.
    pub(super) fn troubles(&self) -> Vec<String> {
        let asks = [
            ("writes", self.log.identity.least_writer, codec::VERSION),
            ("computes results of", self.log.results, RESULTS_VERSION),
        ];
        let newer = asks.into_iter().filter(|(_, least, ours)| least > ours);
        let newer = newer.map(|(action, least, ours)| {
            format!(
                "the output asks for a program that {action} version {least}, this one has version {ours}; use a later version of Tidegauge"
            )
        });
        newer.chain(self.rows.iter().filter_map(Row::trouble)).collect()
    }

    /// The published watermark.
    pub(super) fn published(&self) -> Option<i64> {
        shown(self.log.publication.as_ref().and_then(|publication| publication.watermark))
    }

    /// By window, the end of the last position published, in the order of the configuration. A closed input has no last one.
    pub(super) fn windows(&self) -> Vec<(String, Option<i64>)> {
        let ends = self.log.publication.as_ref().map(|publication| &publication.ends);
        let end = |name: &str| shown(ends.and_then(|ends| ends.get(name)).copied());
        let configured = self.log.identity.spec.get("windows").and_then(Value::as_array);
        let names = configured.into_iter().flatten().filter_map(|window| window.get("name")?.as_str());
        names.map(|name| (name.to_owned(), end(name))).collect()
    }

    /// As in docs/commands.md.
    pub(super) fn to_json(&self) -> Value {
        let tables: Map<String, Value> = (self.log.tables.iter())
            .map(|(name, table)| {
                (
                    name.clone(),
                    json!({"files": table.files, "rows": table.rows, "bytes": table.bytes}),
                )
            })
            .collect();
        json!({
            "output": self.location,
            "read_at_ms": self.now,
            "pipeline": self.log.identity.pipeline,
            "cluster_id": self.log.identity.cluster,
            "epoch": self.log.epoch,
            "results_version": self.log.results,
            "closed": self.log.closed.is_some(),
            "gaps": self.log.gaps,
            "fenced": self.log.fenced.len(),
            "last_commit": self.last_commit.to_json(),
            "newest_entry": self.newest.to_json(),
            "checkpoint": self.checkpoint,
            "watermark_ms": self.published(),
            "windows": self.windows().iter().map(|(name, end)| json!({"window": name, "published_to_ms": end})).collect::<Vec<_>>(),
            "partitions": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "tables": tables,
            "lag_unknown": self.unknown,
            "problems": self.troubles(),
        })
    }
}

impl Row {
    fn new(log: &LogState, held: &Held, partition: PartitionRef) -> Row {
        let (topic, number) = (&*partition.topic, partition.partition);
        let start = log.start_of(topic, number);
        let position = log.next_offset(topic, number).unwrap_or(start);
        let newest = log.position(topic, number).map(|at| &at.newest);
        Row {
            position,
            reads_from: match newest {
                None => position,
                Some(newest) => newest.snapshot.as_ref().map_or(start, |snapshot| snapshot.offset),
            },
            watermark: newest.and_then(|newest| shown(newest.watermark)),
            idle: newest.is_some_and(|newest| newest.idle),
            counters: newest.map(|newest| Counters::from_map(&newest.counters)).unwrap_or_default(),
            held: held.partitions.get(&partition).copied(),
            partition,
        }
    }

    /// Records that are not committed yet.
    pub(super) fn lag(&self) -> Option<i64> {
        self.held.map(|held| held.high.saturating_sub(self.position).max(0))
    }

    /// Refused records.
    pub(super) fn rejected(&self) -> u64 {
        RejectReason::ALL.into_iter().map(|reason| self.counters.rejected(reason)).sum()
    }

    fn trouble(&self) -> Option<String> {
        let Watermarks { low, high } = self.held?;
        let (partition, from, position) = (&self.partition, self.reads_from, self.position);
        if low > from {
            return Some(format!(
                "{partition}: a start has to read from offset {from}, but Kafka holds nothing before {low} any more; what to do then says \
                 output.on_gap"
            ));
        }
        (high < position).then(|| {
            format!("{partition}: offset {position} is committed, but the topic ends at {high}: it was created again or cut; choose another output.url")
        })
    }

    fn to_json(&self) -> Value {
        let counters = &self.counters;
        json!({
            "topic": &*self.partition.topic,
            "partition": self.partition.partition,
            "position": self.position,
            "end": self.held.map(|held| held.high),
            "lag": self.lag(),
            "reads_from": self.reads_from,
            "watermark_ms": self.watermark,
            "idle": self.idle,
            "records": counters.records,
            "accepted": counters.accepted,
            "late": counters.late,
            "duplicate": counters.duplicate,
            "rejected": self.rejected(),
        })
    }
}

impl Written {
    fn find(found: &Recovered, seq: u64) -> Written {
        let entry = found.entries.iter().find(|entry| entry.seq == seq);
        Written {
            seq,
            kind: entry.map(|entry| entry.kind.name()),
            by: entry.map(|entry| (entry.writer, entry.written_at)).or(found.checkpoint_by),
        }
    }

    fn to_json(&self) -> Value {
        json!({"seq": self.seq, "kind": self.kind, "writer": self.by.map(|(writer, _)| writer), "written_at_ms": self.by.map(|(_, at)| at)})
    }
}

/// A time that is one: closing the input puts watermarks and windows beyond all times.
fn shown(time: Option<i64>) -> Option<i64> {
    time.filter(|time| *time != EventTime::MAX.0)
}
