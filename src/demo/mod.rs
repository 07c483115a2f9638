//! `demo`: the whole thing with nothing to set up. An embedded broker, believable traffic, the pipeline, and a live summary.

mod summary;
mod traffic;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidegauge_ingest::embedded::EmbeddedBroker;
use tokio::sync::watch;

use crate::config::{self, FixedEnvironment};
use crate::generate::{FEEDBACK, TELEMETRY};
use crate::http::{HttpServer, HttpState};
use crate::pipeline::PipelineError;
use crate::pipeline::run::{RunOptions, run};
use crate::pipeline::status::Status;
pub use summary::farewell;
use traffic::Traffic;

/// What a demo is asked for.
pub struct DemoOptions {
    /// Where the Parquet tables go.
    pub directory: PathBuf,
    /// Records per second.
    pub rate: f64,
    /// How long; without it until it is stopped.
    pub length: Option<Duration>,
    /// Everything random in the traffic follows from it.
    pub seed: u64,
    /// Where page and gauges are.
    pub listen: std::net::SocketAddr,
    /// Becomes true when the demo has to stop.
    pub stop: watch::Receiver<bool>,
}

/// A directory with this file in it was made by a demo and may be replaced by one.
const MARKER: &str = ".tidegauge-demo";
const PARTITIONS: u32 = 4;

fn failed(message: String) -> PipelineError {
    PipelineError {
        message,
        usage: false,
        again: false,
    }
}

/// Makes the directory anew if it is a demo's own.
fn prepare(directory: &Path) -> Result<PathBuf, PipelineError> {
    let shown = directory.display();
    if directory.exists() {
        let empty = directory
            .read_dir()
            .map_err(|e| failed(format!("{shown}: cannot be read: {e}; choose another with --directory")))?
            .next()
            .is_none();
        if !empty && !directory.join(MARKER).is_file() {
            return Err(PipelineError {
                message: format!("{shown}: exists and was not made by a demo, so it is left alone; choose another with --directory"),
                usage: true,
                again: false,
            });
        }
        std::fs::remove_dir_all(directory)
            .map_err(|e| failed(format!("{shown}: the directory of an earlier demo cannot be removed: {e}")))?;
    }
    let made = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(directory.join(MARKER), "made by `tidegauge demo`\n"));
    made.map_err(|e| failed(format!("{shown}: cannot be made: {e}; choose another with --directory")))?;
    directory.canonicalize().map_err(|e| failed(format!("{shown}: {e}")))
}

fn configuration(options: &DemoOptions, directory: &Path, brokers: &str) -> Result<config::Config, PipelineError> {
    let text = format!(
        r#"
        [kafka]
        brokers = "{brokers}"
        topics = ["{TELEMETRY}", "{FEEDBACK}"]
        [output]
        url = "file://{}"
        commit_interval = "20s"
        checkpoint_every = 20
        # Two hours of history arrive at once: in pieces of this size they take less memory.
        target_file_size = "8MiB"
        # The embedded broker forgets soon, so a demo that was put to sleep must not have to read far back, nor stop at what is gone.
        snapshot_interval = "20s"
        on_gap = "record"
        [time]
        lateness = "1m"
        idle_after = "5s"
        [http]
        listen = "{}"
        [[journey]]
        name = "buy"
        steps = ["search", "add_to_cart", "checkout"]
        [[target]]
        metric = "task_success_ratio"
        window = "1h"
        grouping = "product+task"
        where = {{ task = "checkout" }}
        at_least = 0.85
        [[target]]
        metric = "crash_free_user_ratio"
        window = "1h"
        grouping = "product"
        at_least = 0.95
        [[target]]
        metric = "wait_seconds"
        stat = "p95"
        window = "1h"
        grouping = "product"
        at_most = 2.5
        [[target]]
        metric = "contact_ratio"
        window = "1h"
        grouping = "product"
        at_most = 0.1
        "#,
        directory.display(),
        options.listen
    );
    config::parse(&text, "demo", &FixedEnvironment::default()).map_err(|errors| PipelineError {
        message: errors.to_string(),
        usage: true,
        again: false,
    })
}

/// Runs the demo until its time is over or it is stopped.
///
/// # Errors
/// Where something it needs cannot be had: the directory, the address, threads.
pub async fn demo(options: DemoOptions) -> Result<(), PipelineError> {
    let server = HttpServer::bind(options.listen).await.map_err(|e| PipelineError {
        message: e.message,
        usage: false,
        again: false,
    })?;
    let address = server.address();
    let directory = prepare(&options.directory)?;
    println!(
        "Tidegauge demo: gauges on http://{address}/metrics, page on http://{address}/, Parquet in {}",
        options.directory.display()
    );
    let broker = EmbeddedBroker::start(&[(TELEMETRY, PARTITIONS as i32), (FEEDBACK, PARTITIONS as i32)])?;
    let brokers = broker.bootstrap_servers()?;
    let config = configuration(&options, &directory, &brokers)?;
    let mut settings = crate::cli::kafka::settings(&config);
    settings.client.extend(EmbeddedBroker::client_properties());
    let status = Arc::new(Status::new(&config)?);
    let (stop_all, stop) = watch::channel(false);
    let handled = Arc::new(AtomicU64::new(0));
    let traffic = Traffic::start(&brokers, options.rate, options.seed, PARTITIONS, Arc::clone(&handled))?;
    let shown: Arc<dyn HttpState> = status.clone();
    let mut until = stop.clone();
    let web = tokio::spawn(server.serve(shown, async move { drop(until.wait_for(|s| *s).await) }));
    let pipeline = run(
        RunOptions {
            config,
            settings,
            until_end: false,
            close: false,
            reconfigure: false,
            stop,
        },
        Arc::clone(&status),
    );
    let watcher = watch_it(options, status, handled, traffic, stop_all);
    let (ran, ()) = tokio::join!(pipeline, watcher);
    drop(web.await);
    ran.map(drop)
}

/// Tells the traffic how far the pipeline is, shows the summary, and ends the demo in time.
async fn watch_it(mut options: DemoOptions, status: Arc<Status>, handled: Arc<AtomicU64>, traffic: Traffic, stop_all: watch::Sender<bool>) {
    let begun = Instant::now();
    let terminal = std::io::stdout().is_terminal();
    let mut screen = summary::Screen::new(terminal);
    let mut seen = 0;
    // Traffic waits for what was handled, so this bounds how fast history is read.
    let mut count = tokio::time::interval(Duration::from_millis(20));
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            _ = count.tick() => {
                // A session that starts again from the log counts from 0 again; the traffic needs to know of all of them.
                let records = status.handled();
                let more = if records >= seen { records - seen } else { records };
                handled.fetch_add(more, Ordering::Relaxed);
                seen = records;
                continue;
            }
            _ = tick.tick() => (),
            _ = options.stop.wait_for(|stop| *stop) => break,
        }
        screen.show(&status, &traffic, begun.elapsed());
        if options.length.is_some_and(|length| begun.elapsed() >= length) {
            break;
        }
    }
    traffic.stop();
    let _ = stop_all.send(true);
    screen.end();
    println!("{}", summary::farewell(&options.directory));
}
