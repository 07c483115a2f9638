//! `run`: the service, and the bounded runs over Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tidegauge_aggregate::plan::Plan;
use tidegauge_ingest::kafka::{DeadLetter, KafkaSource, Settings};
use tidegauge_ingest::source::{Offered, PartitionRef, ReadError, Source, SourceEvent, Start, Started};
use tidegauge_sink::log::{CommitLog, Genesis, Options};
use tidegauge_sink::store::Store;
use tokio::sync::{mpsc, watch};

use super::commit::{CommitStats, Committer};
use super::coordinator::{CommitRules, Engine, WorkerSettings};
use super::found::{CONNECT, Found};
use super::lane::LaneError;
use super::live::Live;
use super::recover::{self, RESULTS_VERSION, Resume};
use super::replay::COMMIT_RECORDS;
use super::status::Status;
use super::stop::{given_up, gone, unwritten};
use super::tables::options as table_options;
use super::worker::{DrainOrder, Report, WorkerRules};
use super::{PipelineError, Summary};
use crate::config::{self, Config};

/// What a run is asked for.
pub struct RunOptions {
    /// How.
    pub config: Config,
    /// The Kafka client's settings.
    pub settings: Settings,
    /// Stop at the end offsets seen at start.
    pub until_end: bool,
    /// Then end the input.
    pub close: bool,
    /// Accept a configuration that computes something else than the log's.
    pub reconfigure: bool,
    /// Becomes true when the run has to stop.
    pub stop: watch::Receiver<bool>,
}

const TICK: Duration = Duration::from_millis(100);
const REFRESH: Duration = Duration::from_secs(1);
const BATCH: usize = 1024;
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a session ended.
enum Ended {
    Done(Option<Summary>),
    /// What was not committed is discarded; go on from the log.
    Again(String),
}

fn failed(message: String) -> PipelineError {
    PipelineError { message, usage: false }
}

/// Runs until told to stop, or until the end of a bounded run, whose summary it gives.
///
/// # Errors
/// Where something fails that trying again does not mend.
pub async fn run(mut options: RunOptions, status: Arc<Status>) -> Result<Option<Summary>, PipelineError> {
    let mut pause = SHORTEST_PAUSE;
    let mut stop = options.stop.clone();
    let mut served = false;
    loop {
        let begun = Instant::now();
        let found = tokio::select! {
            found = Found::look(&options.config, &options.settings) => found,
            _ = stop.wait_for(|stop| *stop) => return Ok(None),
        };
        let again = match found {
            Ok(found) => match Session::run(&mut options, &status, found).await? {
                Ended::Done(summary) => return Ok(summary),
                Ended::Again(why) => why,
            },
            // A service that has been up waits for its brokers; one that never was is most likely configured wrong.
            Err(error) if served => error.message,
            Err(error) => return Err(error),
        };
        served = true;
        tracing::warn!("{again}; going on from the commit log");
        status.starting(&again);
        // Only what goes wrong again and again is slowed down.
        pause = if begun.elapsed() > Duration::from_secs(60) {
            SHORTEST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => (),
            _ = stop.wait_for(|stop| *stop) => return Ok(None),
        }
    }
}

struct Session<'a> {
    options: &'a mut RunOptions,
    status: &'a Status,
    engine: Engine,
    source: Arc<KafkaSource>,
    store: Arc<dyn Store>,
    plan: Arc<Plan>,
    /// What each assigned partition starts with, until its reader arrives.
    resumes: BTreeMap<PartitionRef, Resume>,
    /// End offsets of a bounded run.
    ends: BTreeMap<PartitionRef, i64>,
    expected: BTreeSet<PartitionRef>,
    failures: BTreeMap<PartitionRef, String>,
    refreshed: Instant,
    cost: Duration,
    stopping: Option<Instant>,
    finished: bool,
}

impl<'a> Session<'a> {
    async fn run(options: &'a mut RunOptions, status: &'a Status, found: Found) -> Result<Ended, PipelineError> {
        let plan = Arc::new(Plan::new(options.config.spec.clone()));
        let spec = serde_json::to_value(&options.config.spec).map_err(|e| failed(format!("the specification cannot be written: {e}")))?;
        let store = super::open_store(&options.config)?;
        let log_options = Options {
            results: RESULTS_VERSION,
            checkpoint_every: options.config.output.checkpoint_every,
            reconfigure: options.reconfigure,
            ..Options::default()
        };
        let genesis = Genesis::new(found.cluster_id, found.genesis, spec)?;
        let (mut log, recovered) = CommitLog::open(Arc::clone(&store), genesis.clone(), log_options).await?;
        log.clear_abandoned().await?;
        if let Some(differences) = &recovered.differences {
            tracing::info!("a new epoch begins: {differences}");
            super::epoch::open(&mut log, &plan, genesis).await?;
            options.reconfigure = false;
            return Ok(Ended::Again("a new epoch was opened".to_owned()));
        }
        let merger = recover::merger(&plan, &*store, &recovered).await?;
        let mut committer = Committer {
            plan: Arc::clone(&plan),
            log,
            merger,
            tables: table_options(&options.config),
            stats: CommitStats::default(),
            starts_again: false,
            trouble: watch::Sender::new(None),
        };
        if committer.log.state().closed.is_some() {
            let summary = committer.closed(&found.topics, options.until_end).await?;
            return Ok(Ended::Done(Some(summary)));
        }
        let engine = start_engine(options, committer, &plan)?;
        let (sender, events) = std::sync::mpsc::channel();
        let source = Arc::new(KafkaSource::start(&options.settings, sender)?);
        let identity = &engine.committer.log.state().identity;
        let expected = identity
            .topics
            .iter()
            .flat_map(|t| t.partitions.iter().map(|p| PartitionRef::new(t.topic.as_str(), p.partition)))
            .collect();
        let mut session = Session {
            options,
            status,
            engine,
            source,
            store,
            plan,
            resumes: BTreeMap::new(),
            ends: BTreeMap::new(),
            expected,
            failures: BTreeMap::new(),
            refreshed: Instant::now(),
            cost: Duration::ZERO,
            stopping: None,
            finished: false,
        };
        let ended = session.serve(forward(events)?).await;
        let again = ended
            .as_ref()
            .err()
            .filter(|_| session.engine.committer.starts_again)
            .map(ToString::to_string);
        // Leaving the group may take for as long as its brokers are away.
        if let (_, Some(why)) | (Ok(Ended::Again(why)), None) = (&ended, &again) {
            status.starting(why);
        }
        session.source.stop();
        let Session {
            engine, source, stopping, ..
        } = session;
        let left = options
            .config
            .shutdown_timeout
            .saturating_sub(stopping.map_or(Duration::ZERO, |since| since.elapsed()));
        gone((engine, source), options.stop.clone(), left).await;
        match (ended, again) {
            (_, Some(why)) => Ok(Ended::Again(why)),
            (ended, None) => ended,
        }
    }

    async fn serve(&mut self, mut events: mpsc::UnboundedReceiver<SourceEvent>) -> Result<Ended, PipelineError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut stop = self.options.stop.clone();
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => if let Some(ended) = self.hear(event).await? {
                        return Ok(ended);
                    },
                    None => return Ok(Ended::Again("the Kafka client ended before its time".to_owned())),
                },
                Some(Report::Failed(partition, error)) = self.engine.reports.recv() => {
                    match error {
                        LaneError::Table(error) => return Err(error.into()),
                        LaneError::DeadLetter(error) => return Err(error.into()),
                        // The rebalance that takes it away is about to be heard of.
                        LaneError::Read(ReadError::Revoked { .. }) => (),
                        error => {
                            tracing::error!(%partition, %error, "a partition is stopped");
                            self.failures.insert(partition, error.to_string());
                        }
                    }
                },
                _ = tick.tick() => self.tick().await?,
                _ = stop.wait_for(|stop| *stop), if self.stopping.is_none() => self.begin_to_stop().await?,
            }
            if self
                .stopping
                .is_some_and(|since| since.elapsed() > self.options.config.shutdown_timeout)
            {
                tracing::warn!("the group was not left within runtime.shutdown_timeout; what was handled is committed all the same");
                return Ok(self.done());
            }
        }
    }

    fn done(&self) -> Ended {
        Ended::Done(self.options.until_end.then(|| Summary::of(self.engine.committer.log.state())))
    }

    async fn begin_to_stop(&mut self) -> Result<(), PipelineError> {
        self.stopping = Some(Instant::now());
        self.status.set_ready(Err("stopping".to_owned()));
        if !self.finished {
            // Everything is given up in the same moment, so that nothing is handled after the last commit.
            let release = self.engine.lanes.keys().cloned().collect();
            self.commit(DrainOrder {
                snapshots: true,
                release,
                ..DrainOrder::default()
            })
            .await?;
        }
        self.source.stop();
        Ok(())
    }

    /// Commits; while the store fails, shows so, and after a stop waits no longer than a stop may take.
    async fn commit_or_tell(&mut self, order: DrainOrder) -> Result<(), PipelineError> {
        let mut trouble = self.engine.committer.trouble.subscribe();
        let given_up = given_up(self.options.stop.clone(), self.options.config.shutdown_timeout);
        let commit = self.engine.commit(order);
        tokio::pin!(commit, given_up);
        loop {
            tokio::select! {
                done = &mut commit => return done,
                Ok(()) = trouble.changed() => if let Some(trouble) = &*trouble.borrow_and_update() {
                    self.status.failing(trouble);
                },
                () = &mut given_up => return Err(unwritten(trouble.borrow().as_ref())),
            }
        }
    }

    async fn commit(&mut self, order: DrainOrder) -> Result<(), PipelineError> {
        // Also of those that this commit gives up.
        let partitions: Vec<PartitionRef> = self.engine.lanes.keys().cloned().collect();
        self.commit_or_tell(order).await?;
        let log = self.engine.committer.log.state();
        let position = |p: PartitionRef| log.position(&p.topic, p.partition).map(|at| (p.clone(), at.newest.to));
        let positions: Vec<(PartitionRef, i64)> = partitions.into_iter().filter_map(position).collect();
        self.source.report_positions(&positions);
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), PipelineError> {
        if self.stopping.is_some() {
            return Ok(());
        }
        if self.options.until_end
            && let Some(why) = self.failures.values().next().cloned()
        {
            // Nobody would mend it while a bounded run waits.
            self.begin_to_stop().await?;
            return Err(failed(format!("{why}; everything before it is committed")));
        }
        if self.options.until_end && self.all_here() && self.engine.all_done() {
            self.finished = true;
            let close = self.options.close;
            self.commit(DrainOrder {
                snapshots: !close,
                close,
                ..DrainOrder::default()
            })
            .await?;
            return self.begin_to_stop().await;
        }
        if self.engine.commit_due() {
            self.commit(DrainOrder::default()).await?;
        }
        // Gauges may cost a tenth of the time at most.
        if self.refreshed.elapsed() >= REFRESH.max(self.cost * 10) {
            let begun = Instant::now();
            self.engine.refresh().await?;
            self.show();
            self.cost = begun.elapsed();
            self.refreshed = Instant::now();
        }
        Ok(())
    }

    fn all_here(&self) -> bool {
        self.expected.iter().all(|p| self.engine.lanes.contains_key(p))
    }

    fn show(&mut self) {
        let lanes = self.engine.board.lanes();
        let replaying = lanes.iter().any(|lane| lane.replaying.load(Ordering::Relaxed));
        let stats = self.source.stats();
        let mut operational = self.engine.operational(&stats, self.failures.len() as u64);
        // Business gauges would lie while what they are made of is not all there yet.
        let mut rows = None;
        if replaying || lanes.is_empty() {
            self.status.page().withdraw();
        } else if let Some(snapshot) = tokio::task::block_in_place(|| self.engine.live_snapshot()) {
            rows = Some(snapshot.rows.clone());
            self.status.page().publish(snapshot);
        }
        let failure = self.failures.values().next().cloned();
        let ready = match failure.clone() {
            Some(why) => Err(why),
            None if lanes.is_empty() => Err("waiting for the consumer group to assign partitions".to_owned()),
            None if stats.is_cut_off() => Err("no Kafka broker answers: what they hold is read when they are back".to_owned()),
            None if replaying => Err("replaying records since the last snapshot".to_owned()),
            None => Ok(()),
        };
        operational.ready = ready.is_ok();
        self.status.show(rows, operational);
        self.status.restored();
        self.status.set_unhealthy(failure);
        self.status.set_ready(ready);
    }

    async fn hear(&mut self, event: SourceEvent) -> Result<Option<Ended>, PipelineError> {
        match event {
            SourceEvent::Assigned { partitions, reply } => {
                let mut starts = Vec::with_capacity(partitions.len());
                for offered in &partitions {
                    starts.push(self.assign(offered).await?);
                }
                reply.send(starts);
            }
            SourceEvent::Started(started) => self.started(started)?,
            SourceEvent::Revoked { partitions, reply, .. } => {
                // Files mix partitions, so everything is committed, not only what leaves. After the last commit there is nothing left to do.
                if self.stopping.is_none() {
                    let release: Arc<[PartitionRef]> = partitions.as_slice().into();
                    self.commit(DrainOrder {
                        snapshots: true,
                        release,
                        ..DrainOrder::default()
                    })
                    .await?;
                }
                self.failures.retain(|p, _| !partitions.contains(p));
                reply.send(());
            }
            SourceEvent::Lost(partitions) => {
                if self.stopping.is_none() {
                    let lost = partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    return Ok(Some(Ended::Again(format!(
                        "the consumer group took {lost} away without notice; what was not committed is discarded"
                    ))));
                }
            }
            SourceEvent::Error(error) if error.fatal => return Err(error.into()),
            SourceEvent::Error(error) => tracing::warn!("{error}"),
            SourceEvent::Stopped if self.stopping.is_some() => return Ok(Some(self.done())),
            SourceEvent::Stopped => return Ok(Some(Ended::Again("the Kafka client stopped".to_owned()))),
        }
        Ok(None)
    }

    /// Where an assigned partition starts.
    async fn assign(&mut self, offered: &Offered) -> Result<Start, PipelineError> {
        let partition = offered.partition.clone();
        let log = self.engine.committer.log.state().clone();
        let Some(mut resume) = recover::partition(&self.plan, &*self.store, &log, &partition).await? else {
            let why = format!("{partition}: the topic is none of this pipeline's; `tidegauge run --reconfigure` lets it join");
            tracing::error!("{why}");
            self.failures.insert(partition, why);
            return Ok(Start::Hold);
        };
        if let Some(gap) = offered.out_of_range(resume.needed_from) {
            let missing = gap.missing().filter(|_| self.options.config.output.on_gap == config::OnGap::Record);
            let Some((from, to)) = missing else {
                tracing::error!("{gap}");
                self.failures.insert(partition, gap.to_string());
                return Ok(Start::Hold);
            };
            resume = self.engine.committer.record_gap(&partition, from, to, &gap.to_string()).await?;
        }
        // The last committed record is looked at again where it is still there.
        let low = offered.watermarks.map_or(resume.read_from, |w| w.low);
        resume.read_from = resume.read_from.max(low.min(resume.needed_from));
        let start = resume.read_from;
        self.resumes.insert(partition, resume);
        Ok(Start::At(start))
    }

    fn started(&mut self, started: Vec<Started>) -> Result<(), PipelineError> {
        if self.options.until_end {
            let partitions: Vec<PartitionRef> = started.iter().map(|s| s.partition.clone()).collect();
            let unknown: Vec<PartitionRef> = partitions.into_iter().filter(|p| !self.ends.contains_key(p)).collect();
            let ends = tokio::task::block_in_place(|| self.source.end_offsets(&unknown, CONNECT))?;
            self.ends.extend(ends);
        }
        for Started { partition, reader, .. } in started {
            let Some(resume) = self.resumes.remove(&partition) else { continue };
            let stop = self
                .options
                .until_end
                .then(|| self.ends.get(&partition).copied().unwrap_or(resume.to).max(resume.to));
            self.engine.add(partition, reader, resume, stop);
        }
        Ok(())
    }
}

fn start_engine(options: &RunOptions, committer: Committer, plan: &Arc<Plan>) -> Result<Engine, PipelineError> {
    let config = &options.config;
    let dead_letter = match &config.kafka.dead_letter_topic {
        Some(topic) => Some(Arc::new(DeadLetter::new(&options.settings, topic.to_string())?)),
        None => None,
    };
    let workers = WorkerSettings {
        count: config.workers.unwrap_or_else(super::cores),
        batch: BATCH,
        rules: WorkerRules {
            idle_after: config.idle_after,
            skew: config.max_partition_skew,
            most_records: COMMIT_RECORDS * 2,
            most_bytes: config.output.target_file_size.saturating_mul(2),
        },
        dead_letter,
    };
    let rules = CommitRules {
        interval: config.output.commit_interval,
        snapshot_interval: config.output.snapshot_interval,
        records: COMMIT_RECORDS,
        bytes: config.output.target_file_size,
    };
    let prometheus = &config.prometheus;
    let live = Live::new(
        Arc::clone(plan),
        &prometheus.windows,
        prometheus.windows_named,
        &prometheus.groupings,
        prometheus.max_series,
    );
    Engine::start(committer, &workers, rules, Some(live))
}

/// Source events as the coordinator can wait for them.
fn forward(events: std::sync::mpsc::Receiver<SourceEvent>) -> Result<mpsc::UnboundedReceiver<SourceEvent>, PipelineError> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name("source-events".to_owned())
        .spawn(move || {
            while let Ok(event) = events.recv() {
                if sender.send(event).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| failed(format!("a thread cannot be started: {error}")))?;
    Ok(receiver)
}
