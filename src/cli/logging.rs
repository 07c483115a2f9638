//! Logs, on standard error.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use super::Global;
use super::failure::Failure;
use super::output::Style;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Starts logging. `TIDEGAUGE_LOG`, else `RUST_LOG`, is a filter such as `info,librdkafka=debug`; without one the options decide, from `info`
/// for the service and from `warn` for everything else.
pub(super) fn start(global: &Global, service: bool) -> Result<(), Failure> {
    let given = ["TIDEGAUGE_LOG", "RUST_LOG"].into_iter().find_map(|name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .map(|value| (name, value))
    });
    let filter = match given {
        Some((name, value)) => EnvFilter::try_new(&value).map_err(|error| {
            Failure::Usage(format!(
                "{name}={value:?} is no log filter: {error}; write a level or a list such as info,librdkafka=debug"
            ))
        })?,
        None => EnvFilter::new(level(global, service)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_timer(SystemTime)
        .with_ansi(Style::of_stderr().has_colour());
    let started = match global.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::Running(format!("logging cannot be started: {error}")))
}

fn level(global: &Global, service: bool) -> &'static str {
    match (global.quiet, global.verbose, service) {
        (true, _, _) => "error",
        (_, 0, false) => "warn",
        (_, 0, true) | (_, 1, false) => "info",
        (_, 1, true) | (_, 2, false) => "debug",
        (_, _, _) => "trace",
    }
}
