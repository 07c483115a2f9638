//! Logs, on standard error.

use std::backtrace::Backtrace;
use std::fmt::{self, Debug};
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::SystemTime;

use super::Global;
use super::failure::Failure;
use super::hidden::{hide, plain};
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
        .with_writer(|| Guarded)
        .with_timer(SystemTime)
        .with_ansi(Style::of_stderr().has_colour());
    let started = match global.log_format {
        LogFormat::Text => builder.fmt_fields(debug_fn(field).delimited(" ")).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(|info| {
        eprintln!("{}\n{}", hide(&info.to_string()), Backtrace::capture());
    }));
    started.map_err(|error| Failure::Running(format!("logging cannot be started: {error}")))
}

/// Standard error, a line at a time, without what must not be shown.
struct Guarded;

impl Write for Guarded {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(hide(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Words of others (brokers, names of topics) can neither begin a line nor change the terminal.
fn field(writer: &mut Writer<'_>, field: &tracing::field::Field, value: &dyn Debug) -> fmt::Result {
    let value = format!("{value:?}");
    match field.name() {
        "message" => writer.write_str(&plain(&value)),
        name => write!(writer, "{name}={}", plain(&value)),
    }
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
