//! What the commands ask of the pipeline.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Config, Location};
use crate::demo;
use crate::http::{HttpServer, HttpState};
use crate::pipeline::status::Status;
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
    /// Where the results go.
    pub output: Location,
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
    let runtime = runtime()?;
    let ran = runtime.block_on(async {
        // Before anything can be seen of this process: whoever sees it may ask it to stop.
        let stop = stop_on_signal()?;
        let config = options.config;
        let server = HttpServer::bind(config.http.listen).await;
        let server = server.map_err(|error| failed(error.message))?;
        tracing::info!("gauges on http://{}/metrics", server.address());
        let status = Arc::new(Status::new(&config)?);
        let (served, mut done) = watch::channel(false);
        let state: Arc<dyn HttpState> = status.clone();
        let web = tokio::spawn(server.serve(state, async move { drop(done.wait_for(|done| *done).await) }));
        let settings = super::kafka::settings(&config);
        let options = pipeline::run::RunOptions {
            config,
            settings,
            until_end: options.until_end,
            close: options.close,
            reconfigure: options.reconfigure,
            stop,
        };
        let ran = pipeline::run::run(options, status).await;
        let _ = served.send(true);
        drop(web.await);
        ran
    });
    // A question to brokers that do not answer may still be waiting; nothing depends on it any more.
    runtime.shutdown_background();
    ran
}

/// Threads for what waits.
fn runtime() -> Result<Runtime, PipelineError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| failed(format!("the threads of the runtime cannot be started: {error}")))
}

fn failed(message: String) -> PipelineError {
    PipelineError {
        message,
        usage: false,
        again: false,
    }
}

/// Becomes true at the first Ctrl-C or SIGTERM. The second ends the process at once, which is always safe.
fn stop_on_signal() -> Result<watch::Receiver<bool>, PipelineError> {
    let cannot = |error: std::io::Error| failed(format!("signals cannot be watched: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if sender.send_replace(true) {
                std::process::exit(130);
            }
        }
    });
    Ok(receiver)
}

/// Replays recorded events into an output.
///
/// # Errors
/// Says what, where, why and what to do.
pub fn replay(options: ReplayOptions<'_>) -> Result<Summary, PipelineError> {
    runtime()?.block_on(pipeline::replay::replay(pipeline::replay::ReplayOptions {
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
    runtime()?.block_on(async {
        let stop = stop_on_signal()?;
        let DemoOptions {
            directory,
            rate,
            for_,
            seed,
            listen,
        } = options;
        demo::demo(demo::DemoOptions {
            directory,
            rate,
            length: for_,
            seed,
            listen,
            stop,
        })
        .await
    })
}
