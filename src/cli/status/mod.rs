//! `tidegauge status`.

mod lag;
mod report;
mod show;

use std::path::PathBuf;

use clap::Args;
use tidegauge_sink::log::{CommitLog, LogError, Recovered};
use tidegauge_sink::store::StoreError;

use self::report::Report;
use super::failure::Failure;
use super::hidden::{hide, load, plain};
use super::{Context, output};
use crate::cli::check::location;
use crate::config::Config;
use crate::pipeline::store::open_store;

const AFTER_HELP: &str = "\
Examples:
  tidegauge status -c tidegauge.toml                   how far it is, also while the service is down
  tidegauge status -c tidegauge.toml --no-connect      from the output alone: asks no broker, so there is no lag
  tidegauge status -c tidegauge.toml --json | jq '[.partitions[].lag] | add'

It reads the commit log and changes nothing, so it needs no right to write. What a running service has not committed yet is not in it.

Exit status: 0 told, 1 the log is not there or cannot be read, 2 a mistake in the configuration.";

/// What the commit log says: position, lag and watermark of each partition, the last commit, the windows published
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// The configuration
    #[arg(short, long, value_name = "FILE", env = "TIDEGAUGE_CONFIG", hide_env_values = true)]
    config: PathBuf,
    /// Do not ask the brokers how far they are; the lag stays unknown
    #[arg(long)]
    no_connect: bool,
    /// What was found as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, context: &Context) -> Result<(), Failure> {
    let config = load(&options.config)?;
    let log = read(&config)?;
    let lag = if options.no_connect {
        Err("not asked, because of --no-connect".to_owned())
    } else {
        lag::ask(&config, &log.state)
    };
    if let (Err(why), false) = (&lag, options.no_connect || context.quiet) {
        eprintln!(
            "{} the lag is unknown: {}",
            output::Style::of_stderr().bad("warning:"),
            hide(&plain(why))
        );
    }
    let report = Report::new(location(&config), log, lag, crate::pipeline::now());
    if options.json {
        output::print_json(&report.to_json())
    } else {
        output::print(&show::for_people(&report, context.style))
    }
}

/// Reads the log without changing anything.
fn read(config: &Config) -> Result<Recovered, Failure> {
    let store = open_store(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Running(format!("the commit log cannot be read: {error}")))?;
    match runtime.block_on(CommitLog::read(&*store)) {
        Ok(Some(log)) => Ok(log),
        Ok(None) => Err(Failure::Running(format!(
            "the output {} holds no commit log: nothing was ever committed to it; `tidegauge run` begins one, or correct output.url",
            store.location()
        ))),
        // Nobody tries this again.
        Err(LogError::Store(StoreError::Retry { doing, why })) => Err(Failure::Running(format!("{doing} failed: {why}"))),
        Err(error) => Err(Failure::Running(error.to_string())),
    }
}
