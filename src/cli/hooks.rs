//! What the commands ask of the pipeline.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Config;
use crate::pipeline::{self, PipelineError, Progress, Summary};

/// What `run` is asked for.
#[derive(Debug)]
pub struct RunOptions {
    /// The configuration.
    pub config: Config,
    /// Stop at the end offsets seen at start.
    pub until_end: bool,
    /// Then fire all timers and close all windows.
    pub close: bool,
    /// Open a new epoch if the configuration changed what is computed.
    pub reconfigure: bool,
}

/// What `replay` is asked for.
pub struct ReplayOptions<'a> {
    /// Directory of `<topic>/<partition>.jsonl`.
    pub records: PathBuf,
    /// Directory of the output.
    pub output: PathBuf,
    /// The configuration; its brokers and its output are not used.
    pub config: Config,
    /// Records handled at once.
    pub batch: usize,
    /// Hears how far it has come.
    pub progress: &'a mut dyn FnMut(&Progress),
}

/// What `demo` is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoOptions {
    /// Where the output goes.
    pub directory: PathBuf,
    /// Records per second.
    pub rate: f64,
    /// How long; `None` is until it is stopped.
    pub for_: Option<Duration>,
    /// Everything random in the traffic follows from it.
    pub seed: u64,
    /// Where the page and the gauges are.
    pub listen: SocketAddr,
}

/// Runs the service until it is told to stop, or, with `until_end`, until it is done: then it tells what the output holds.
///
/// # Errors
/// Says what, where, why and what to do.
pub fn run(options: RunOptions) -> Result<Option<Summary>, PipelineError> {
    drop(options);
    Err(not_wired("run"))
}

/// Replays recorded events into an output.
///
/// # Errors
/// Says what, where, why and what to do.
pub fn replay(options: ReplayOptions<'_>) -> Result<Summary, PipelineError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| PipelineError {
        message: format!("the threads of the replay cannot be started: {error}"),
        usage: false,
    })?;
    runtime.block_on(pipeline::replay::replay(pipeline::replay::ReplayOptions {
        records: options.records,
        output: options.output,
        config: options.config,
        batch: options.batch,
        commit_records: pipeline::replay::COMMIT_RECORDS,
        progress: options.progress,
    }))
}

/// Runs the demo until it is told to stop or its time is over.
///
/// # Errors
/// Says what, where, why and what to do.
pub fn demo(options: DemoOptions) -> Result<(), PipelineError> {
    drop(options);
    Err(not_wired("demo"))
}

fn not_wired(command: &str) -> PipelineError {
    PipelineError {
        message: format!("`tidegauge {command}` is not wired yet"),
        usage: false,
    }
}
