//! The coordinator: one task that hears of partitions, workers and the clock, and decides when to commit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};
use tidegauge_ingest::kafka::DeadLetter;
use tidegauge_ingest::source::{PartitionReader, PartitionRef};
use tidegauge_sink::log::Kind;
use tidegauge_sink::table::WorkerTables;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::PipelineError;
use super::board::{Board, LaneStatus};
use super::clock::now;
use super::commit::Committer;
use super::lane::{EXAMPLES, Lane, LaneCut, LastSeen, Tools};
use super::live::Live;
use super::recover::Resume;
use super::reporter::Known;
use super::share::Share;
use super::worker::{DrainOrder, Drained, Order, Report, Worker, WorkerRules};
use crate::console::pipeline::Refused;

/// When a commit is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitRules {
    pub(crate) interval: Duration,
    pub(crate) snapshot_interval: Duration,
    /// Uncommitted records that make a commit due early, in a backfill.
    pub(crate) records: u64,
    /// Buffered bytes of tables that make a commit due early.
    pub(crate) bytes: u64,
}

/// What a pipeline runs with, whatever its source.
pub(crate) struct Engine {
    pub(crate) committer: Committer,
    pub(crate) workers: Vec<Worker>,
    pub(crate) board: Arc<Board>,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    pub(crate) rules: CommitRules,
    pub(crate) live: Option<Live>,
    /// Drained but not committed.
    pub(crate) uncommitted: PaneStore,
    /// How each partition of this process stood when last heard of.
    pub(crate) lanes: BTreeMap<PartitionRef, LaneCut>,
    /// What the partitions' counters were when this process took them over.
    pub(crate) baseline: BTreeMap<PartitionRef, Counters>,
    pub(crate) unknown_fields: u64,
    /// Examples of what was refused, the newest last.
    pub(crate) refused: VecDeque<Refused>,
    /// Topics of which every commit holds snapshots.
    pub(crate) compacted: BTreeSet<String>,
    /// As the reporter, what others have handled but not committed.
    pub(crate) shares: Vec<Share>,
    dead_letter: Option<Arc<DeadLetter>>,
    committed_at: Instant,
    snapshot_at: Instant,
}

/// How long the dead-letter topic may take at a commit.
const DEAD_LETTER_LIMIT: Duration = Duration::from_secs(60);

/// How many workers and with what.
pub(crate) struct WorkerSettings {
    pub(crate) count: usize,
    pub(crate) batch: usize,
    pub(crate) rules: WorkerRules,
    pub(crate) dead_letter: Option<Arc<DeadLetter>>,
}

impl Engine {
    pub(crate) fn start(
        committer: Committer,
        settings: &WorkerSettings,
        rules: CommitRules,
        live: Option<Live>,
    ) -> Result<Engine, PipelineError> {
        Engine::start_with(committer, settings, rules, live, Worker::start)
    }

    /// With another way to start workers.
    pub(crate) fn start_with(
        committer: Committer,
        settings: &WorkerSettings,
        rules: CommitRules,
        live: Option<Live>,
        start: impl Fn(usize, Tools, WorkerRules, Arc<Board>, mpsc::UnboundedSender<Report>) -> std::io::Result<Worker>,
    ) -> Result<Engine, PipelineError> {
        let board = Arc::new(Board::default());
        let (sender, reports) = mpsc::unbounded_channel();
        let spec = &committer.plan.spec;
        let limits = DecodeLimits {
            max_record_bytes: spec.max_record_bytes,
            max_future_skew: spec.max_future_skew,
        };
        let mut workers = Vec::new();
        for index in 0..settings.count.max(1) {
            let tools = Tools {
                decoder: Decoder::new(limits),
                tables: WorkerTables::new(&committer.tables)?,
                dead_letter: settings.dead_letter.clone(),
                batch: settings.batch,
                refused: VecDeque::new(),
            };
            let worker = start(index, tools, settings.rules, Arc::clone(&board), sender.clone());
            workers.push(worker.map_err(|error| PipelineError {
                message: format!("a worker thread cannot be started: {error}"),
                usage: false,
                again: false,
            })?);
        }
        Ok(Engine {
            committer,
            workers,
            board,
            reports,
            rules,
            live,
            uncommitted: PaneStore::default(),
            lanes: BTreeMap::new(),
            baseline: BTreeMap::new(),
            unknown_fields: 0,
            refused: VecDeque::new(),
            compacted: BTreeSet::new(),
            shares: Vec::new(),
            dead_letter: settings.dead_letter.clone(),
            committed_at: Instant::now(),
            snapshot_at: Instant::now(),
        })
    }

    /// Gives a partition to the worker with the fewest.
    pub(crate) fn add(&mut self, partition: PartitionRef, reader: Box<dyn PartitionReader>, resume: Resume, stop: Option<i64>) {
        let status = Arc::new(LaneStatus::new(partition.clone(), resume.to, resume.state.watermark()));
        status.replaying.store(resume.silent.is_some(), Ordering::Relaxed);
        self.board.add(Arc::clone(&status));
        let known = self.committer.log.state().position(&partition.topic, partition.partition);
        let counters = known.map(|p| Counters::from_map(&p.newest.counters)).unwrap_or_default();
        self.baseline.insert(partition.clone(), counters.clone());
        self.lanes.insert(
            partition.clone(),
            LaneCut {
                partition: partition.clone(),
                from: resume.to,
                to: resume.to,
                watermark: known.map_or(EventTime::MIN, |p| super::recover::from_log(p.newest.watermark)),
                idle: false,
                done: false,
                last: resume.expected,
                counters,
                tracked: resume.state.tracked(),
                snapshot: None,
            },
        );
        let compacted = self.compacted.contains(&*partition.topic);
        let lane = Lane {
            partition,
            compacted,
            reader,
            state: resume.state,
            status,
            from: resume.to,
            position: resume
                .to
                .min(resume.read_from)
                .max(if resume.silent.is_some() { resume.read_from } else { resume.to }),
            stop,
            silent: resume.silent,
            expected: resume.expected.filter(|last| last.offset >= resume.read_from),
            last: LastSeen::committed(resume.expected),
            accepted_at: Instant::now(),
            halted: false,
        };
        if let Some(worker) = self.workers.iter_mut().min_by_key(|w| w.lanes.len()) {
            worker.add(Box::new(lane));
        }
    }

    /// Forgets partitions that a cut has released.
    fn forget(&mut self, partitions: &[PartitionRef]) {
        for worker in &mut self.workers {
            worker.lanes.retain(|lane| !partitions.contains(lane));
        }
        for partition in partitions {
            self.board.remove(partition);
            self.lanes.remove(partition);
        }
    }

    async fn drain(&mut self, order: DrainOrder) -> Result<Drained, PipelineError> {
        let replies: Vec<oneshot::Receiver<_>> = self
            .workers
            .iter_mut()
            .map(|worker| {
                let (sender, reply) = oneshot::channel();
                worker.order(Order::Drain(order.clone(), sender));
                reply
            })
            .collect();
        let mut all = Drained::default();
        for reply in replies {
            let gone = |_| PipelineError {
                message: "a worker thread ended before its time; what was committed is safe, start again to go on from there".to_owned(),
                usage: false,
                again: false,
            };
            let drained = reply.await.map_err(gone)??;
            if let Some(live) = &mut self.live {
                live.count(&drained.delta);
            }
            self.uncommitted.merge_owned(drained.delta, self.committer.plan.spec.max_groups);
            all.unknown_fields += drained.unknown_fields;
            self.refused.extend(drained.refused);
            all.groups.extend(drained.groups);
            all.lanes.extend(drained.lanes);
        }
        self.unknown_fields = all.unknown_fields;
        self.refused.drain(..self.refused.len().saturating_sub(EXAMPLES));
        all.lanes.sort_by(|a, b| a.partition.cmp(&b.partition));
        for lane in &all.lanes {
            self.lanes.insert(
                lane.partition.clone(),
                LaneCut {
                    snapshot: None,
                    ..lane.clone()
                },
            );
        }
        Ok(all)
    }

    /// Collects what is new for the gauges.
    pub(crate) async fn refresh(&mut self) -> Result<(), PipelineError> {
        self.drain(DrainOrder::default()).await.map(drop)
    }

    /// Commits everything handled so far and publishes what that closes.
    pub(crate) async fn commit(&mut self, order: DrainOrder) -> Result<(), PipelineError> {
        let snapshots = order.snapshots || self.snapshot_at.elapsed() >= self.rules.snapshot_interval;
        let (close, release) = (order.close, Arc::clone(&order.release));
        let mut drained = self
            .drain(DrainOrder {
                cut: true,
                snapshots,
                ..order
            })
            .await?;
        self.board.uncommitted_records.store(0, Ordering::Relaxed);
        self.committed_at = Instant::now();
        if snapshots {
            self.snapshot_at = Instant::now();
        }
        drained
            .lanes
            .retain(|lane| lane.from != lane.to || lane.snapshot.is_some() || close || self.is_news(lane));
        self.flush_dead_letters()?;
        let delta = std::mem::take(&mut self.uncommitted);
        if !drained.lanes.is_empty() || !drained.groups.is_empty() || close {
            let kind = if close { Kind::Close } else { Kind::Commit };
            self.committer.commit(drained, &delta, kind).await?;
        }
        let watermark = if close {
            EventTime::MAX
        } else {
            let known = self.known();
            self.committer.published_watermark(now(), &known)
        };
        self.committer.publish(watermark).await?;
        self.committer.checkpoint().await?;
        self.forget(&release);
        Ok(())
    }

    /// What was refused reaches the dead-letter topic before the commit that counts it: at least once.
    fn flush_dead_letters(&self) -> Result<(), PipelineError> {
        let Some(dead_letter) = &self.dead_letter else { return Ok(()) };
        tokio::task::block_in_place(|| dead_letter.flush(DEAD_LETTER_LIMIT)).map_err(|error| PipelineError {
            message: format!(
                "{error}; nothing after the last commit counts. Correct kafka.dead_letter_topic, or leave it empty: rejects are in the `rejects` table too"
            ),
            usage: false, again: false,
        })
    }

    /// Whether the log does not know yet how a partition stands of which there are no new records. Others judge by the log.
    fn is_news(&self, lane: &LaneCut) -> bool {
        let known = self.committer.log.state().position(&lane.partition.topic, lane.partition.partition);
        known.is_none_or(|known| known.newest.idle != lane.idle)
    }

    /// Whether every partition waits for those of other processes, who only see by a commit how far it is.
    pub(crate) fn waits_for_others(&self) -> bool {
        self.has_company() && self.board.waits_for_others()
    }

    /// Whether a commit is due now.
    pub(crate) fn commit_due(&self) -> bool {
        self.committed_at.elapsed() >= self.rules.interval
            || self.board.uncommitted_records.load(Ordering::Relaxed) >= self.rules.records
            || self.board.buffered_bytes.load(Ordering::Relaxed) >= self.rules.bytes
    }

    /// What is known of the partitions of this process: as of the last cut, since they may have gone on meanwhile.
    pub(super) fn known(&self) -> BTreeMap<PartitionRef, Known> {
        let known = |(partition, lane): (&PartitionRef, &LaneCut)| {
            let (idle, done) = (lane.idle, lane.done);
            (partition.clone(), Known { idle, done })
        };
        self.lanes.iter().map(known).collect()
    }

    /// Whether every partition has been read as far as this run reads it.
    pub(crate) fn all_done(&self) -> bool {
        let lanes = self.board.lanes();
        !lanes.is_empty() && lanes.iter().all(|lane| lane.done.load(Ordering::Relaxed))
    }
}
