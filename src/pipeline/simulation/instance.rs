//! One process: sessions of joining the group, reading, committing, sharing, until it is told to stop or dies.

use std::sync::Arc;
use std::time::Duration;

use tidegauge_aggregate::merger::Merger;
use tidegauge_ingest::source::{PartitionRef, ReadError};
use tidegauge_sink::log::{CommitError, CommitLog, LogError, Options};
use tidegauge_sink::store::Store;
use tidegauge_sink::table::TableOptions;

use super::group::Told;
use super::store::Disturbed;
use super::world::World;
use crate::pipeline::PipelineError;
use crate::pipeline::commit::Committer;
use crate::pipeline::coordinator::{CommitRules, Engine, WorkerSettings};
use crate::pipeline::lane::LaneError;
use crate::pipeline::recover::{self, RESULTS_VERSION};
use crate::pipeline::reporter::lowest;
use crate::pipeline::worker::{DrainOrder, Report, Worker, WorkerRules};

const HOUR: i64 = 3_600_000;

/// How a session ended.
enum Ended {
    Stopped,
    Again,
}

/// What ended a session early.
enum Broken {
    /// Everything is taken up from the log.
    Again,
    /// What must not happen.
    Failed(String),
}

impl From<LogError> for Broken {
    fn from(error: LogError) -> Broken {
        if error.is_transient() {
            Broken::Again
        } else {
            Broken::Failed(error.to_string())
        }
    }
}

impl From<CommitError> for Broken {
    fn from(error: CommitError) -> Broken {
        if error.is_transient() || error.starts_again() {
            Broken::Again
        } else {
            Broken::Failed(error.to_string())
        }
    }
}

/// Runs a process until it is told to stop.
pub(super) async fn run(world: Arc<World>, id: u64) {
    loop {
        match session(&world, id).await {
            Ok(Ended::Stopped) => return,
            Ok(Ended::Again) | Err(Broken::Again) => world.see("sessions that began again", 1),
            Err(Broken::Failed(why)) => panic!("process {id} failed: {why}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Opens the log and starts an engine without partitions.
async fn open(world: &Arc<World>, id: u64, patience: Duration) -> Result<(Engine, Arc<dyn Store>), Broken> {
    let store: Arc<dyn Store> = Arc::new(Disturbed::new(world, id));
    let options = Options {
        results: RESULTS_VERSION,
        checkpoint_every: 6,
        attempts: 3,
        names: world.names.clone(),
        ..Options::default()
    };
    let (log, _) = CommitLog::open(Arc::clone(&store), world.genesis(), options).await?;
    let tables = TableOptions::new(Arc::new(world.plan.spec.clone()));
    let mut committer = Committer::new(Arc::clone(&world.plan), log, tables, patience);
    committer.clear_abandoned().await?;
    let settings = WorkerSettings {
        count: 1,
        batch: 16,
        rules: WorkerRules {
            idle_after: Duration::from_secs(300),
            skew: HOUR,
            most_records: u64::MAX,
            most_bytes: u64::MAX,
        },
        dead_letter: None,
    };
    let rules = CommitRules {
        interval: world.commit_interval,
        snapshot_interval: Duration::from_secs(2_400),
        records: u64::MAX,
        bytes: u64::MAX,
    };
    let start = |_, tools, rules, board, reports| Ok(Worker::inline(tools, rules, board, reports));
    let engine = Engine::start_with(committer, &settings, rules, None, start).map_err(|error| Broken::Failed(error.to_string()))?;
    Ok((engine, store))
}

fn again_or_failed(world: &World, error: &PipelineError) -> Broken {
    if error.again {
        world.see("discarded for the log", 1);
        Broken::Again
    } else {
        Broken::Failed(error.to_string())
    }
}

async fn add(
    world: &Arc<World>,
    engine: &mut Engine,
    store: &dyn Store,
    partition: &PartitionRef,
    stop: Option<i64>,
) -> Result<(), Broken> {
    let log = engine.committer.log.state().clone();
    match recover::partition(&world.plan, store, &log, partition).await {
        Ok(Some(resume)) => {
            let reader = world.reader(partition, resume.read_from);
            engine.add(partition.clone(), reader, resume, stop);
            Ok(())
        }
        Ok(None) => Err(Broken::Failed(format!("{partition} is none of the pipeline's"))),
        Err(error) => Err(again_or_failed(world, &error)),
    }
}

async fn session(world: &Arc<World>, id: u64) -> Result<Ended, Broken> {
    let (mut engine, store) = open(world, id, Duration::from_secs(600)).await?;
    let member = world.group.lock().unwrap().join();
    let ended = serve(world, id, member, &mut engine, &*store).await;
    world.group.lock().unwrap().leave(member);
    engine.withdraw_share().await;
    ended
}

async fn serve(world: &Arc<World>, id: u64, member: u64, engine: &mut Engine, store: &dyn Store) -> Result<Ended, Broken> {
    let mut exchange = 0;
    loop {
        let pause = world.random.lock().unwrap().between(1, 12);
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let told = world.group.lock().unwrap().poll(member);
        for told in told {
            match told {
                Told::Assigned(partitions) => {
                    engine.follow().await.map_err(|error| again_or_failed(world, &error))?;
                    for partition in &partitions {
                        add(world, engine, store, partition, None).await?;
                    }
                    take_part(world, engine).await?;
                }
                Told::Revoked(partitions) => {
                    commit(world, engine, true, partitions.as_slice()).await?;
                    world.group.lock().unwrap().give_back(member, &partitions);
                    take_part(world, engine).await?;
                    world.see("hand-overs", 1);
                }
                Told::Lost => return Ok(Ended::Again),
            }
        }
        for worker in &mut engine.workers {
            worker.round();
        }
        while let Ok(Report::Failed(partition, error)) = engine.reports.try_recv() {
            if !matches!(error, LaneError::Read(ReadError::Revoked { .. })) {
                return Err(Broken::Failed(format!("{partition}: {error}")));
            }
        }
        if world.is_asked_to_stop(id) {
            let all: Vec<PartitionRef> = engine.lanes.keys().cloned().collect();
            commit(world, engine, true, &all).await?;
            return Ok(Ended::Stopped);
        }
        if engine.commit_due() || engine.waits_for_others() {
            commit(world, engine, false, &[]).await?;
        }
        exchange += 1;
        if exchange % 8 == 0 && engine.has_company() {
            let failed = |error| again_or_failed(world, &error);
            engine.refresh().await.map_err(failed)?;
            engine.follow().await.map_err(failed)?;
            engine.exchange().await.map_err(failed)?;
            world.see("shares read", engine.shares.len() as u64);
        }
    }
}

async fn commit(world: &World, engine: &mut Engine, snapshots: bool, release: &[PartitionRef]) -> Result<(), Broken> {
    let order = DrainOrder {
        snapshots,
        release: release.into(),
        ..DrainOrder::default()
    };
    let revised = engine.committer.stats.revisions;
    if let Err(error) = engine.commit(order).await {
        return Err(again_or_failed(world, &error));
    }
    world.see("commits", 1);
    world.see("revised rows", engine.committer.stats.revisions - revised);
    Ok(())
}

async fn take_part(world: &World, engine: &mut Engine) -> Result<(), Broken> {
    let lowest = lowest(engine.committer.log.state());
    let reporter = lowest.is_some_and(|lowest| engine.lanes.contains_key(&lowest));
    if reporter && engine.committer.reporter.is_none() {
        world.see("reporters", 1);
    }
    if let Err(error) = engine.committer.be_reporter(reporter).await {
        return Err(again_or_failed(world, &error));
    }
    Ok(())
}

/// A process that is alone and reads everything.
pub(super) struct Single {
    world: Arc<World>,
    engine: Engine,
}

impl Single {
    pub(super) async fn start(world: &Arc<World>) -> Single {
        Single::start_with(world, |_| None).await
    }

    /// For a run that reads each partition up to an offset.
    async fn start_with(world: &Arc<World>, stop: impl Fn(&PartitionRef) -> Option<i64>) -> Single {
        let opened = async {
            let (mut engine, store) = open(world, u64::MAX, Duration::ZERO).await?;
            world.files.set_clock(world.now());
            for partition in world.partitions() {
                add(world, &mut engine, &*store, &partition, stop(&partition)).await?;
            }
            take_part(world, &mut engine).await?;
            Ok(engine)
        };
        let (engine, world) = (undisturbed(opened.await), Arc::clone(world));
        Single { world, engine }
    }

    fn read(&mut self) -> usize {
        self.engine.workers.iter_mut().map(Worker::round).sum()
    }

    /// Handles what arrives in the next so much time.
    pub(super) async fn run_for(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_secs(60)).await;
            self.read();
            if self.engine.commit_due() {
                undisturbed(commit(&self.world, &mut self.engine, false, &[]).await);
            }
        }
    }

    /// Reads to the end as fast as it can, committing at every so many records, and closes the input. Gives the most bytes of panes there were.
    pub(super) async fn backfill(mut self, records: u64) -> u64 {
        self.engine.rules.records = records;
        let mut most = 0;
        while self.read() > 0 {
            if self.engine.commit_due() {
                undisturbed(commit(&self.world, &mut self.engine, false, &[]).await);
                most = self.pane_bytes().max(most);
            }
        }
        self.close().await;
        most
    }

    /// Reads to the end, and closes the input.
    pub(super) async fn close(mut self) {
        while self.read() > 0 {}
        let order = DrainOrder {
            close: true,
            ..DrainOrder::default()
        };
        let closed = self.engine.commit(order).await;
        undisturbed(closed.map_err(|error| Broken::Failed(error.to_string())));
    }

    pub(super) fn pane_bytes(&self) -> u64 {
        self.engine.committer.merger().map_or(0, Merger::approximate_bytes) + self.engine.uncommitted.approximate_bytes()
    }

    /// Contributions that came too late to correct anything.
    pub(super) fn beyond_horizon(&self) -> u64 {
        self.engine.committer.merger().map_or(0, Merger::beyond_horizon)
    }

    /// Attempts, tickets, journeys and event ids that are held.
    pub(super) fn trackers(&self) -> usize {
        self.engine.lanes.values().flat_map(|lane| lane.tracked).sum()
    }
}

fn undisturbed<T>(done: Result<T, Broken>) -> T {
    match done {
        Ok(done) => done,
        Err(Broken::Again) => panic!("a process had to begin again although nothing disturbed it"),
        Err(Broken::Failed(why)) => panic!("a process failed: {why}"),
    }
}

/// A partition without an accepted event holds back no window once it is spent. Between a cut and its publication workers go on: what they reach then
/// is not committed, and must not open the windows that it belongs to.
#[test]
fn a_partition_is_spent_only_when_a_cut_holds_its_end() {
    super::in_virtual_time(async {
        let world = World::with(super::Setup::small(1), false);
        world.calm();
        let mut single = Single::start_with(&world, |partition| Some(world.end_offset(partition))).await;
        let spent = |engine: &Engine| engine.known().values().filter(|known| known.done).count();
        single.engine.refresh().await.unwrap();
        while single.read() > 0 {}
        assert!(single.engine.all_done());
        assert_eq!(spent(&single.engine), 0, "the cut was made before");
        single.engine.refresh().await.unwrap();
        assert_eq!(spent(&single.engine), world.partitions().len());
    });
}

/// A last process that is alone: reads everything to its end and closes the input.
pub(super) async fn close(world: &Arc<World>) {
    Single::start(world).await.close().await;
}
