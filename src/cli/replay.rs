//! `tidegauge replay`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::failure::Failure;
use super::hooks::{self, ReplayOptions};
use super::progress::ProgressLine;
use super::{Context, hidden, output, summary};
use crate::config::{Config, Location, ProcessEnvironment};
use crate::pipeline::Progress;

const AFTER_HELP: &str = "\
Examples:
  tidegauge replay recorded --output out
  tidegauge replay recorded --output out -c tidegauge.toml --json
  tidegauge replay recorded --output s3://bucket/prefix
  tidegauge generate --output recorded --events 100000 && tidegauge replay recorded --output out

RECORDS_DIR holds <topic>/<partition>.jsonl with a line per record:
  {\"timestamp\": milliseconds or null, \"key\": string or null, \"value\": string or null}, or \"value_base64\" for bytes.
A replay that was stopped goes on where it was when it is started again with the same output.";

/// Recorded events from files through the same pipeline as `run --until-end --close`
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Directory of the recorded events
    #[arg(value_name = "RECORDS_DIR")]
    records: PathBuf,
    /// Directory of the tables and of the commit log, or a URL as `output.url` takes it
    #[arg(short, long, value_name = "DIR", value_parser = OsStringValueParser::new().try_map(Location::from_argument))]
    output: Location,
    /// The configuration; its brokers and its output are not used. Without it, all defaults
    #[arg(short, long, value_name = "FILE", env = "TIDEGAUGE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Records handled at once; changes the speed, never a result
    #[arg(long, value_name = "RECORDS", default_value = "1024")]
    batch: NonZeroUsize,
    /// The summary as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, context: &Context) -> Result<(), Failure> {
    let config = Config::load_for_replay(options.config.as_deref(), &ProcessEnvironment)?;
    hidden::keep(&config);
    if !options.records.is_dir() {
        let records = options.records.display();
        return Err(Failure::Usage(format!(
            "RECORDS_DIR {records} is no directory; it must hold <topic>/<partition>.jsonl, as `tidegauge generate --output {records}` writes them"
        )));
    }
    let mut line = ProgressLine::new(context.quiet);
    let mut progress = |progress: &Progress| line.show(|seconds| describe(progress, seconds));
    let summary = hooks::replay(ReplayOptions {
        records: options.records.clone(),
        output: options.output.clone(),
        config,
        batch: options.batch.get(),
        progress: &mut progress,
    })?;
    line.clear();
    summary::print(&summary, options.json, context)
}

fn describe(progress: &Progress, seconds: f64) -> String {
    let records = output::grouped(progress.records);
    let share = progress
        .total
        .filter(|total| *total > 0)
        .map_or_else(String::new, |total| format!(" of {}", output::grouped(total)));
    let speed = output::grouped((progress.records as f64 / seconds.max(0.001)) as u64);
    let at = progress
        .watermark
        .map_or_else(String::new, |watermark| format!(", at {}", output::time(watermark)));
    format!("{records}{share} records, {speed} a second{at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_what_is_known() {
        let mut progress = Progress {
            records: 2_000,
            ..Progress::default()
        };
        assert_eq!(describe(&progress, 2.0), "2,000 records, 1,000 a second");
        progress.total = Some(10_000);
        progress.watermark = Some(0);
        assert_eq!(
            describe(&progress, 2.0),
            "2,000 of 10,000 records, 1,000 a second, at 1970-01-01T00:00:00Z"
        );
    }
}
