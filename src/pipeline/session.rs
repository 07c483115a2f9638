//! A session: one membership of the consumer group. It hears of partitions from the source, and says when to commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegauge_aggregate::plan::Plan;
use tidegauge_ingest::kafka::KafkaSource;
use tidegauge_ingest::source::{Offered, PartitionRef, ReadError, Source, SourceEvent, Start, Started};
use tidegauge_sink::log::{CommitLog, Genesis, Options};
use tidegauge_sink::store::Store;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::commit::Committer;
use super::coordinator::Engine;
use super::found::{CONNECT, Found};
use super::lane::LaneError;
use super::recover::{self, RESULTS_VERSION, Resume};
use super::reporter::{lowest, partitions};
use super::run::{RunOptions, failed, forward, start_engine};
use super::status::Status;
use super::stop::{given_up, gone, unwritten};
use super::store::open_store;
use super::tables::options as table_options;
use super::worker::{DrainOrder, Report};
use super::{PipelineError, Summary};
use crate::config;
use crate::console::load::Feed;

const TICK: Duration = Duration::from_millis(100);
/// A store that takes longer than this over a commit is told to stall.
const STALLED: Duration = Duration::from_secs(10);
const REFRESH: Duration = Duration::from_secs(1);

/// How a session ended.
pub(super) enum Ended {
    Done(Option<Summary>),
    /// What was not committed is discarded; go on from the log.
    Again(String),
}

/// What may have to wait for the store.
enum Work {
    Commit(DrainOrder),
    /// Read what others committed.
    Follow,
    /// Take the part of the reporter over, or give it up.
    Report(bool),
}

/// One membership of the consumer group, from opening the log to leaving.
pub(super) struct Session<'a> {
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
    exchanged: Instant,
    cost: Duration,
    stopping: Option<Instant>,
    finished: bool,
}

impl<'a> Session<'a> {
    /// Runs until the end, or until everything has to be taken up from the log again.
    pub(super) async fn run(options: &'a mut RunOptions, status: &'a Status, found: Found) -> Result<Ended, PipelineError> {
        let store = open_store(&options.config)?;
        let plan = Arc::new(Plan::new(options.config.spec.clone()));
        let spec = serde_json::to_value(&options.config.spec).map_err(|e| failed(format!("the specification cannot be written: {e}")))?;
        let log_options = Options {
            results: RESULTS_VERSION,
            checkpoint_every: options.config.output.checkpoint_every,
            reconfigure: options.reconfigure,
            ..Options::default()
        };
        let genesis = Genesis::new(found.cluster_id, found.genesis, spec)?;
        let (mut log, recovered) = CommitLog::open(Arc::clone(&store), genesis.clone(), log_options).await?;
        if let Some(differences) = &recovered.differences {
            tracing::info!("a new epoch begins: {differences}");
            super::epoch::open(&mut log, &plan, genesis).await?;
            options.reconfigure = false;
            return Ok(Ended::Again("a new epoch was opened".to_owned()));
        }
        let patience = options.config.output.abandoned_after;
        let mut committer = Committer::new(Arc::clone(&plan), log, table_options(&options.config), patience);
        committer.feed = Some(Feed::new(Arc::clone(status.history()), plan.spec.clone(), Arc::clone(&store)));
        committer.clear_abandoned().await?;
        if committer.log.state().closed.is_some() {
            let summary = committer.closed(&found.topics, options.until_end).await?;
            return Ok(Ended::Done(Some(summary)));
        }
        let mut engine = start_engine(options, committer, &plan)?;
        engine.compacted = found.compacted;
        status.reading(&engine.board);
        let (sender, events) = std::sync::mpsc::channel();
        let source = Arc::new(KafkaSource::start(&options.settings, sender)?);
        let expected = partitions(engine.committer.log.state()).collect();
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
            exchanged: Instant::now(),
            cost: Duration::ZERO,
            stopping: None,
            finished: false,
        };
        let ended = session.serve(forward(events)?).await;
        session.engine.withdraw_share().await;
        // What was opened once can be opened again.
        let ended = match ended {
            Err(error) if error.again => Ok(Ended::Again(error.message)),
            ended => ended,
        };
        // Leaving the group may take for as long as its brokers are away.
        if let Ok(Ended::Again(why)) = &ended {
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
        ended
    }

    async fn serve(&mut self, mut events: mpsc::UnboundedReceiver<SourceEvent>) -> Result<Ended, PipelineError> {
        if self.options.until_end {
            let expected: Vec<PartitionRef> = self.expected.iter().cloned().collect();
            self.ends
                .extend(tokio::task::block_in_place(|| self.source.end_offsets(&expected, CONNECT))?);
        }
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

    /// Does what may wait for the store; while it fails, shows so, and after a stop waits no longer than a stop may take.
    async fn or_tell(&mut self, work: Work) -> Result<(), PipelineError> {
        let begun = Instant::now();
        let mut stalled = tokio::time::interval_at(begun + STALLED, Duration::from_secs(1));
        let location = self.store.location().to_owned();
        let mut trouble = self.engine.committer.trouble.subscribe();
        let given_up = given_up(self.options.stop.clone(), self.options.config.shutdown_timeout);
        let engine = &mut self.engine;
        let work = async {
            match work {
                Work::Commit(order) => engine.commit(order).await,
                Work::Follow => engine.follow().await,
                Work::Report(reporter) => engine.committer.be_reporter(reporter).await,
            }
        };
        tokio::pin!(work, given_up);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Ok(()) = trouble.changed() => if let Some(trouble) = &*trouble.borrow_and_update() {
                    self.status.failing(trouble);
                },
                _ = stalled.tick() => self.status.stalled(&format!(
                    "the output {location} has not taken a commit for {} s; reading waits, nothing is lost",
                    begun.elapsed().as_secs()
                )),
                () = &mut given_up => return Err(unwritten(trouble.borrow().as_ref())),
            }
        }
    }

    async fn commit(&mut self, order: DrainOrder) -> Result<(), PipelineError> {
        // Also of those that this commit gives up.
        let partitions: Vec<PartitionRef> = self.engine.lanes.keys().cloned().collect();
        self.or_tell(Work::Commit(order)).await?;
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
        if self.options.until_end && self.is_complete() {
            self.finished = true;
            let close = self.options.close && self.engine.committer.reporter.is_some();
            self.commit(DrainOrder {
                snapshots: !close,
                close,
                ..DrainOrder::default()
            })
            .await?;
            return self.begin_to_stop().await;
        }
        if self.engine.commit_due() || self.engine.waits_for_others() {
            self.commit(DrainOrder::default()).await?;
        }
        // Gauges may cost a tenth of the time at most.
        if self.refreshed.elapsed() >= REFRESH.max(self.cost * 10) {
            let begun = Instant::now();
            self.engine.refresh().await?;
            self.meet_others().await?;
            self.show();
            self.cost = begun.elapsed();
            self.refreshed = Instant::now();
        }
        Ok(())
    }

    /// Whether a bounded run has come to its end: what this process reads is read, and what it does not read is committed by others. To close
    /// the input, all partitions have to be here, since it is their timers that fire; whoever is not the reporter leaves them to it.
    fn is_complete(&self) -> bool {
        let engine = &self.engine;
        let here = |p: &PartitionRef| engine.lanes.contains_key(p);
        if self.options.close && engine.committer.reporter.is_none() {
            return engine.all_done();
        }
        let log = engine.committer.log.state();
        let committed = |p: &PartitionRef| log.next_offset(&p.topic, p.partition) >= self.ends.get(p).copied();
        let away = |p: &PartitionRef| !self.options.close && self.ends.contains_key(p) && committed(p);
        (engine.all_done() || engine.lanes.is_empty()) && self.expected.iter().all(|p| here(p) || away(p))
    }

    /// Reads what others committed and shares what is not committed, as often as `output.live_interval` says and at a tenth of the time at most.
    async fn meet_others(&mut self) -> Result<(), PipelineError> {
        if !self.engine.has_company() {
            // Whoever was waited for is here now.
            self.engine.board.set_others(None);
            return Ok(());
        }
        let interval = self.options.config.output.live_interval.max(self.cost * 10);
        if self.exchanged.elapsed() < interval {
            return Ok(());
        }
        self.or_tell(Work::Follow).await?;
        self.engine.exchange().await?;
        self.exchanged = Instant::now();
        Ok(())
    }

    /// Whoever reads the lowest partition is the reporter.
    async fn take_part(&mut self) -> Result<(), PipelineError> {
        let lowest = lowest(self.engine.committer.log.state());
        let reporter = lowest.is_some_and(|lowest| self.engine.lanes.contains_key(&lowest));
        if reporter && self.engine.committer.reporter.is_none() {
            self.engine.withdraw_share().await;
        }
        self.or_tell(Work::Report(reporter)).await
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
        self.status.show(rows, operational, self.engine.inside());
        self.status.restored();
        self.status.set_unhealthy(failure);
        self.status.set_ready(ready);
    }

    async fn hear(&mut self, event: SourceEvent) -> Result<Option<Ended>, PipelineError> {
        match event {
            SourceEvent::Assigned { partitions, reply } => {
                // What this process last read of the log may be minutes old.
                self.or_tell(Work::Follow).await?;
                let mut starts = Vec::with_capacity(partitions.len());
                for offered in &partitions {
                    starts.push(self.assign(offered).await?);
                }
                reply.send(starts);
            }
            SourceEvent::Started(started) => {
                self.started(started)?;
                self.take_part().await?;
            }
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
                if self.stopping.is_none() {
                    self.take_part().await?;
                }
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
            if !unknown.is_empty() {
                let ends = tokio::task::block_in_place(|| self.source.end_offsets(&unknown, CONNECT))?;
                self.ends.extend(ends);
            }
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
