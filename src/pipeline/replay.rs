//! `replay`: recorded events from files through the same pipeline as `run --until-end --close`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::log::{CommitLog, Genesis, Options, PartitionStart, Topic};

use super::commit::Committer;
use super::coordinator::{CommitRules, Engine, WorkerSettings};
use super::files::{self, FileReader, RecordFile};
use super::recover::{self, RESULTS_VERSION};
use super::store::open_location;
use super::tables::options as table_options;
use super::worker::{DrainOrder, Report, WorkerRules};
use super::{PipelineError, Progress, Summary};
use crate::config::{Config, Location};

/// What to replay, and into what.
pub struct ReplayOptions<'p> {
    /// Directory of `<topic>/<partition>.jsonl`.
    pub records: PathBuf,
    /// Where the results go.
    pub output: Location,
    /// How.
    pub config: Config,
    /// Records that a worker takes from a partition at once.
    pub batch: usize,
    /// Records after which a commit is due.
    pub commit_records: u64,
    /// Is told a few times a second how far it is.
    pub progress: &'p mut dyn FnMut(&Progress),
}

/// Records after which a backfill commits.
pub const COMMIT_RECORDS: u64 = 1_000_000;
const TICK: Duration = Duration::from_millis(50);

fn topics(found: &[RecordFile]) -> Vec<Topic> {
    let mut topics: BTreeMap<&str, Vec<PartitionStart>> = BTreeMap::new();
    for file in found {
        topics.entry(&file.partition.topic).or_default().push(PartitionStart {
            partition: file.partition.partition,
            start: 0,
        });
    }
    topics
        .into_iter()
        .map(|(topic, partitions)| Topic {
            topic: topic.to_owned(),
            id: None,
            partitions,
        })
        .collect()
}

/// Runs a replay to its end, or goes on with one that was stopped.
///
/// # Errors
/// Where the records cannot be read or the results not be written.
pub async fn replay(options: ReplayOptions<'_>) -> Result<Summary, PipelineError> {
    let found = files::find(&options.records)?;
    let config = &options.config;
    let plan = Arc::new(Plan::new(config.spec.clone()));
    let spec = serde_json::to_value(&config.spec).map_err(|e| PipelineError {
        message: format!("the specification cannot be written: {e}"),
        usage: false,
        again: false,
    })?;
    let store = open_location(&options.output)?;
    let log_options = Options {
        results: RESULTS_VERSION,
        checkpoint_every: config.output.checkpoint_every,
        ..Options::default()
    };
    let (log, _) = CommitLog::open(store.clone(), Genesis::new(None, topics(&found), spec)?, log_options).await?;
    if log.state().closed.is_some() {
        refuse_more(&log, &found)?;
    }
    // Nobody else is at work on the output of a replay.
    let mut committer = Committer::new(Arc::clone(&plan), log, table_options(config), Duration::ZERO);
    committer.clear_abandoned().await?;
    if committer.log.state().closed.is_some() {
        committer.finish_closing().await?;
        return Ok(Summary::of(committer.log.state()));
    }
    committer.be_reporter(true).await?;
    let rules = CommitRules {
        interval: config.output.commit_interval,
        snapshot_interval: config.output.snapshot_interval,
        records: options.commit_records,
        bytes: config.output.target_file_size,
    };
    let workers = WorkerSettings {
        count: config.workers.unwrap_or_else(super::cores).min(found.len()),
        batch: options.batch,
        rules: WorkerRules {
            // Files have an end, so none of them is ever idle.
            idle_after: Duration::MAX,
            skew: config.max_partition_skew,
            most_records: options.commit_records.saturating_mul(2),
            most_bytes: config.output.target_file_size.saturating_mul(2),
        },
        dead_letter: None,
    };
    let mut engine = Engine::start(committer, &workers, rules, None)?;
    for file in &found {
        let log = engine.committer.log.state().clone();
        let resume = recover::partition(&plan, &*store, &log, &file.partition).await?;
        let Some(resume) = resume else { continue };
        let reader = FileReader::open(file, resume.read_from)?;
        engine.add(file.partition.clone(), Box::new(reader), resume, Some(file.end));
    }
    let total = found.iter().map(|f| f.end.unsigned_abs()).sum();
    let mut tick = tokio::time::interval(TICK);
    while !engine.all_done() {
        tokio::select! {
            _ = tick.tick() => {
                if engine.commit_due() {
                    engine.commit(DrainOrder::default()).await?;
                }
                let watermark = engine.board.lanes().iter().map(|l| l.watermark()).min();
                (options.progress)(&Progress {
                    records: engine.board.lanes().iter().map(|l| l.position.load(Ordering::Relaxed).unsigned_abs()).sum(),
                    total: Some(total),
                    watermark: watermark.filter(|w| *w != EventTime::MIN).map(|w| w.0),
                });
            }
            Some(Report::Failed(partition, error)) = engine.reports.recv() => {
                return Err(PipelineError { message: format!("{partition}: {error}"), usage: false, again: false });
            }
        }
    }
    engine
        .commit(DrainOrder {
            close: true,
            ..DrainOrder::default()
        })
        .await?;
    Ok(Summary::of(engine.committer.log.state()))
}

/// A closed output takes no more records.
fn refuse_more(log: &CommitLog, found: &[RecordFile]) -> Result<(), PipelineError> {
    for file in found {
        let to = log.state().next_offset(&file.partition.topic, file.partition.partition);
        if to != Some(file.end) {
            return Err(PipelineError {
                message: format!(
                    "{}: the input of this output was closed with {} at offset {}, and {} has records up to {}: choose another --output for more",
                    log.store().location(),
                    file.partition,
                    to.map_or_else(|| "none".to_owned(), |to| to.to_string()),
                    file.path.display(),
                    file.end
                ),
                usage: false,
                again: false,
            });
        }
    }
    Ok(())
}
