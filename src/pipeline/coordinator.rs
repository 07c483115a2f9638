//! The coordinator: one task that hears of partitions, workers and the clock, and decides when to commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};
use tidegauge_ingest::kafka::DeadLetter;
use tidegauge_ingest::source::{PartitionReader, PartitionRef};
use tidegauge_sink::log::Kind;
use tidegauge_sink::table::WorkerTables;
use tokio::sync::{mpsc, oneshot};

use super::PipelineError;
use super::board::{Board, LaneStatus};
use super::commit::Committer;
use super::lane::{Lane, LaneCut, LastSeen, Tools};
use super::live::Live;
use super::recover::Resume;
use super::worker::{DrainOrder, Drained, Order, Report, Worker, WorkerRules, now};

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
    dead_letter: Option<Arc<DeadLetter>>,
    committed_at: Instant,
    snapshot_at: Instant,
    all_idle_since: Option<Instant>,
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
            };
            let worker = Worker::start(index, tools, settings.rules, Arc::clone(&board), sender.clone());
            workers.push(worker.map_err(|error| PipelineError {
                message: format!("a worker thread cannot be started: {error}"),
                usage: false,
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
            dead_letter: settings.dead_letter.clone(),
            committed_at: Instant::now(),
            snapshot_at: Instant::now(),
            all_idle_since: None,
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
                last: resume.expected,
                counters,
                tracked: resume.state.tracked(),
                snapshot: None,
            },
        );
        let lane = Lane {
            partition,
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
            .iter()
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
            };
            let drained = reply.await.map_err(gone)??;
            if let Some(live) = &mut self.live {
                live.count(&drained.delta);
            }
            self.uncommitted.merge_owned(drained.delta, self.committer.plan.spec.max_groups);
            all.unknown_fields += drained.unknown_fields;
            all.groups.extend(drained.groups);
            all.lanes.extend(drained.lanes);
        }
        self.unknown_fields = all.unknown_fields;
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
            .retain(|lane| lane.from != lane.to || lane.snapshot.is_some() || close || self.never_committed(&lane.partition));
        self.flush_dead_letters()?;
        let delta = std::mem::take(&mut self.uncommitted);
        if !drained.lanes.is_empty() || !drained.groups.is_empty() || close {
            let kind = if close { Kind::Close } else { Kind::Commit };
            self.committer.commit(drained, &delta, kind).await?;
        }
        let watermark = if close { EventTime::MAX } else { self.published_watermark() };
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
            usage: false,
        })
    }

    fn never_committed(&self, partition: &PartitionRef) -> bool {
        self.committer.log.state().position(&partition.topic, partition.partition).is_none()
    }

    /// Whether a commit is due now.
    pub(crate) fn commit_due(&self) -> bool {
        self.committed_at.elapsed() >= self.rules.interval
            || self.board.uncommitted_records.load(Ordering::Relaxed) >= self.rules.records
            || self.board.buffered_bytes.load(Ordering::Relaxed) >= self.rules.bytes
    }

    /// The watermark of the pipeline as far as it is committed: the least of all partitions that are not idle, which count as at most the wall
    /// clock; when all are idle it moves on with the wall clock from the greatest.
    fn published_watermark(&mut self) -> EventTime {
        let log = self.committer.log.state();
        let clock = now();
        let mut least: Option<EventTime> = None;
        let mut greatest = EventTime::MIN;
        let known = log
            .identity
            .topics
            .iter()
            .flat_map(|t| t.partitions.iter().map(|p| PartitionRef::new(t.topic.as_str(), p.partition)));
        let all: std::collections::BTreeSet<PartitionRef> = known.chain(self.lanes.keys().cloned()).collect();
        for partition in all {
            let committed = log.position(&partition.topic, partition.partition);
            let watermark = committed
                .map_or(EventTime::MIN, |p| super::recover::from_log(p.newest.watermark))
                .min(clock);
            greatest = greatest.max(watermark);
            // A partition without a single accepted event, of which this run will read no more, has nothing to contribute.
            let lane = self.board.lanes().into_iter().find(|l| l.partition == partition);
            let spent = lane.is_some_and(|l| l.done.load(Ordering::Relaxed)) && watermark == EventTime::MIN;
            if !spent && !self.lanes.get(&partition).is_some_and(|lane| lane.idle) {
                least = Some(least.map_or(watermark, |l| l.min(watermark)));
            }
        }
        match least {
            Some(least) => {
                self.all_idle_since = None;
                least
            }
            None => {
                let since = *self.all_idle_since.get_or_insert_with(Instant::now);
                let elapsed = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
                if greatest == EventTime::MIN {
                    greatest
                } else {
                    greatest.plus(elapsed).max(self.committer.merger.published_watermark())
                }
            }
        }
    }

    /// The watermark that the gauges stand at: like the published one, but of everything drained.
    pub(crate) fn live_watermark(&self) -> EventTime {
        let clock = now();
        let busy = self
            .lanes
            .values()
            .filter(|lane| !lane.idle)
            .map(|lane| lane.watermark.min(clock))
            .min();
        let greatest = self
            .lanes
            .values()
            .map(|lane| lane.watermark.min(clock))
            .max()
            .unwrap_or(EventTime::MIN);
        busy.unwrap_or(greatest)
    }

    /// Whether every partition has been read as far as this run reads it.
    pub(crate) fn all_done(&self) -> bool {
        let lanes = self.board.lanes();
        !lanes.is_empty() && lanes.iter().all(|lane| lane.done.load(Ordering::Relaxed))
    }
}
