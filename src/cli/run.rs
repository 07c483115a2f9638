//! `tidegauge run`.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::hooks::{self, RunOptions};
use super::{Context, hidden, summary};

const AFTER_HELP: &str = "\
Examples:
  tidegauge run -c tidegauge.toml
  tidegauge run -c tidegauge.toml --until-end --close --json     a batch job: read what is there, publish all of it, exit
  tidegauge run -c tidegauge.toml --reconfigure                  go on with other windows, groupings or limits than before
  TIDEGAUGE_KAFKA__BROKERS=broker-1:9092 tidegauge run -c tidegauge.toml --log-format json

Ctrl-C or SIGTERM commits and exits with status 0. Logs go to standard error; TIDEGAUGE_LOG (or RUST_LOG) filters them.";

/// The service: from Kafka to Parquet tables and Prometheus gauges
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// The configuration
    #[arg(short, long, value_name = "FILE", env = "TIDEGAUGE_CONFIG", hide_env_values = true)]
    config: PathBuf,
    /// Read every partition to the end offset seen at start, commit and exit
    #[arg(long)]
    until_end: bool,
    /// Before the exit, end everything that is open and close all windows
    #[arg(long, requires = "until_end")]
    close: bool,
    /// The configuration computes something else than before: begin a new epoch with it
    #[arg(long)]
    reconfigure: bool,
    /// The summary at the end as one JSON object; needs --until-end
    #[arg(long, requires = "until_end")]
    json: bool,
}

pub(super) fn run(options: &Options, context: &Context) -> Result<(), Failure> {
    let config = hidden::load(&options.config)?;
    let summary = hooks::run(RunOptions {
        config,
        until_end: options.until_end,
        close: options.close,
        reconfigure: options.reconfigure,
    })?;
    match summary {
        Some(summary) => summary::print(&summary, options.json, context),
        None => Ok(()),
    }
}
