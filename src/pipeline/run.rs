//! `run`: the service, and the bounded runs over Kafka.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegauge_aggregate::plan::Plan;
use tidegauge_ingest::kafka::{DeadLetter, Settings};
use tidegauge_ingest::source::SourceEvent;
use tokio::sync::{mpsc, watch};

use super::commit::Committer;
use super::coordinator::{CommitRules, Engine, WorkerSettings};
use super::found::Found;
use super::live::Live;
use super::replay::COMMIT_RECORDS;
use super::session::{Ended, Session};
use super::status::Status;
use super::worker::WorkerRules;
use super::{PipelineError, Summary};
use crate::config::Config;

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

const BATCH: usize = 1024;
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) fn failed(message: String) -> PipelineError {
    PipelineError {
        message,
        usage: false,
        again: false,
    }
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
            Ok(found) => match Session::run(&mut options, &status, found).await {
                Ok(Ended::Done(summary)) => return Ok(summary),
                Ok(Ended::Again(why)) => why,
                Err(error) if served && error.again => error.message,
                Err(error) => return Err(error),
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

pub(super) fn start_engine(options: &RunOptions, committer: Committer, plan: &Arc<Plan>) -> Result<Engine, PipelineError> {
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
pub(super) fn forward(events: std::sync::mpsc::Receiver<SourceEvent>) -> Result<mpsc::UnboundedReceiver<SourceEvent>, PipelineError> {
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
