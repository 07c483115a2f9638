//! The engine as gauges and pages show it.

use std::sync::atomic::Ordering;

use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::merger::Merger;
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::record::RejectReason;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::kafka::ClientStats;
use tidegauge_sink::gauges::{LiveSnapshot, Operational, PartitionStatus};

use super::clock::now;
use super::coordinator::Engine;
use super::reporter::lowest;
use crate::console::load::Feed;
use crate::console::pipeline::Inside;

/// A partition within this of the wall clock is caught up though it is never quite read to its end.
const CURRENT_MS: i64 = 60_000;

/// What librdkafka reads ahead of a partition at most, unless told otherwise (`queued.max.messages.kbytes`).
const QUEUE_BYTES: u64 = 8192 << 10;

const TABLES: [&str; 5] = ["metrics", "events", "attempts", "late", "rejects"];

impl Engine {
    /// Live results, once there is something to show.
    pub(crate) fn live_snapshot(&mut self) -> Option<LiveSnapshot> {
        // A partition that comes back from idleness may be far behind; the pages do not go back with it, to panes that may not be in memory.
        let watermark = self.live_watermark(now());
        let live = self.live.as_mut()?;
        // Each business series exists once; only counters, which add up, are everyone's.
        let Some(merger) = self.committer.merger() else {
            return Some(live.snapshot(&[], EventTime::MIN));
        };
        let watermark = watermark.max(merger.published_watermark());
        let [committed, pending] = merger.stores();
        let shared = self.shares.iter().map(|share| &share.delta);
        let sources: Vec<&PaneStore> = [committed, pending, &self.uncommitted].into_iter().chain(shared).collect();
        (watermark != EventTime::MIN && watermark != EventTime::MAX).then(|| live.snapshot(&sources, watermark))
    }

    /// What became of records since this process took its partitions over.
    fn counted(&self) -> Counters {
        let mut now = Counters::default();
        let mut before = Counters::default();
        for (partition, lane) in &self.lanes {
            now.merge(&lane.counters);
            if let Some(baseline) = self.baseline.get(partition) {
                before.merge(baseline);
            }
        }
        now.since(&before)
    }

    /// What the console shows besides.
    pub(crate) fn inside(&self) -> Inside {
        let log = self.committer.log.state();
        let mut committed = Counters::default();
        for position in log.partitions.values() {
            committed.merge(&Counters::from_map(&position.newest.counters));
        }
        Inside {
            lowest: lowest(log).map(|partition| partition.to_string()),
            refused: self.refused.iter().cloned().collect(),
            commits: self.committer.stats.newest.iter().copied().collect(),
            committed,
        }
    }

    pub(crate) fn operational(&self, stats: &ClientStats, stopped: u64) -> Operational {
        let counters = self.counted();
        let clock = now();
        let watermark = self.live_watermark(clock);
        let statuses = self.board.lanes();
        let slowest = self
            .lanes
            .values()
            .filter(|l| !l.idle)
            .min_by_key(|l| l.watermark)
            .map(|l| l.partition.clone());
        let partitions: Vec<PartitionStatus> = statuses
            .iter()
            .map(|lane| {
                let position = lane.position.load(Ordering::Relaxed);
                let known = stats.partitions.get(&lane.partition);
                let end = known.and_then(|p| p.stable.or(p.high));
                let mark = lane.watermark();
                PartitionStatus {
                    topic: lane.partition.topic.to_string(),
                    partition: lane.partition.partition,
                    position,
                    lag: end.map(|end| end.saturating_sub(position).max(0).unsigned_abs()),
                    watermark: (mark != EventTime::MIN).then_some(mark),
                    idle: lane.idle.load(Ordering::Relaxed),
                    paused: lane.waiting.load(Ordering::Relaxed),
                    holds_watermark: slowest.as_ref() == Some(&lane.partition),
                }
            })
            .collect();
        let caught_up = !statuses.is_empty()
            && stopped == 0
            && !stats.is_cut_off()
            && statuses.iter().all(|lane| {
                let current = lane.watermark() != EventTime::MIN && lane.watermark().plus(CURRENT_MS) >= clock;
                let replaying = lane.replaying.load(Ordering::Relaxed);
                // Traffic that keeps coming is rarely seen at its end; once is enough, since lag and watermark tell of what falls behind later.
                if current && !replaying {
                    lane.caught_up.store(true, Ordering::Relaxed);
                }
                !replaying && lane.caught_up.load(Ordering::Relaxed)
            });
        let tracked = self.lanes.values().fold([0usize; 4], |mut sum, lane| {
            for (total, n) in sum.iter_mut().zip(lane.tracked) {
                *total += n;
            }
            sum
        });
        let per_table = |counts: &std::collections::BTreeMap<String, u64>| {
            TABLES
                .iter()
                .map(|t| (*t, counts.get(*t).copied().unwrap_or(0)))
                .collect::<Vec<_>>()
        };
        let commits = &self.committer.stats;
        let queued: u64 = stats.partitions.values().map(|p| p.queued_bytes).sum();
        Operational {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            watermark: (watermark != EventTime::MIN && watermark != EventTime::MAX).then_some(watermark),
            caught_up,
            ready: stopped == 0 && !statuses.is_empty(),
            reporter: self.committer.reporter.is_some(),
            partitions,
            records: counters.records,
            events_accepted: counters.accepted,
            late_events: counters.late,
            duplicate_events: counters.duplicate,
            rejected_records: RejectReason::ALL.map(|r| counters.rejected(r)),
            tracker_outcomes: vec![
                ("late_end", counters.late_end),
                ("repeated_end", counters.repeated_end),
                ("start_after_end", counters.start_after_end),
                ("repeated_start", counters.repeated_start),
                ("orphan_end", counters.orphan_end),
                ("repeated_open", counters.repeated_open),
                ("negative_wait", counters.negative_wait),
            ],
            limit_reached: vec![
                ("untracked", counters.untracked),
                ("max_event_ids", counters.forgotten_event_ids),
                ("max_groups", commits.groups_bounded),
            ],
            beyond_horizon: self.committer.merger().map_or(0, Merger::beyond_horizon),
            unknown_fields: self.unknown_fields,
            gaps: commits.gaps,
            gap_records: commits.gap_records,
            commits: commits.commits,
            commit_failures: commits.failures,
            store_errors: commits.failures,
            last_commit: commits.last,
            last_commit_seconds: commits.last_seconds,
            rows_written: per_table(&commits.rows),
            files_written: per_table(&commits.files),
            // Measured costs of an entry, from the benches: close enough to see growth by.
            state_bytes: vec![
                ("attempts", tracked[0] as u64 * 150),
                ("tickets", tracked[1] as u64 * 120),
                ("journeys", tracked[2] as u64 * 120),
                ("event_ids", tracked[3] as u64 * 90),
                (
                    "panes",
                    self.committer.merger().map_or(0, Merger::approximate_bytes)
                        + self.uncommitted.approximate_bytes()
                        + self.shares.iter().map(|share| share.delta.approximate_bytes()).sum::<u64>(),
                ),
                ("tables", self.board.buffered_bytes.load(Ordering::Relaxed)),
                ("history", self.committer.feed.as_ref().map_or(0, Feed::approximate_bytes)),
            ],
            queue_fill: (queued as f64 / (stats.partitions.len().max(1) as u64 * QUEUE_BYTES) as f64).min(1.0),
            revisions: commits.revisions,
            windows_published: commits.windows,
        }
    }
}
