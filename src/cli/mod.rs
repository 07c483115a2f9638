//! The command line: one file per command, and what they share.
//!
//! A command gets its options and a `Context`, and gives back nothing or a `Failure`, which knows its exit status. What a script reads goes
//! to standard output; everything else (logs, progress, errors) to standard error.

mod check;
mod completions;
mod dashboard;
mod demo;
mod exported;
mod failure;
mod generate;
mod hidden;
pub mod hooks;
mod init;
pub(crate) mod kafka;
mod logging;
mod metrics;
mod output;
mod progress;
mod replay;
mod rules;
mod run;
mod sample;
mod signal;
mod status;
mod summary;
mod value;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use self::failure::Failure;
use self::logging::LogFormat;
use self::output::Style;

const AFTER_HELP: &str = "\
Examples:
  tidegauge demo                                   everything at work, with nothing to set up
  tidegauge init --brokers localhost:9092          a configuration from what your topics hold
  tidegauge check -c tidegauge.toml --connect      is this configuration right, and can it run here?
  tidegauge run -c tidegauge.toml                  the service
  tidegauge status -c tidegauge.toml               how far it is, also while it is down
  tidegauge replay recorded --output out --json    recorded events through the same pipeline
  tidegauge metrics nps                            what exactly a metric says
  tidegauge rules -c tidegauge.toml                alert rules for Prometheus

Exit status: 0 done, 1 failed while running, 2 wrong usage or configuration.";

/// Rolling UX and CX metrics from Kafka, as Parquet tables and Prometheus gauges.
#[derive(Debug, Parser)]
#[command(name = "tidegauge", version, after_help = AFTER_HELP, max_term_width = 110, infer_long_args = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Only errors: no progress, no warnings
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Format of the log lines on standard error
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "text|json",
        hide_possible_values = true,
        env = "TIDEGAUGE_LOG_FORMAT",
        default_value = "text",
        hide_env_values = true
    )]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Options),
    Run(run::Options),
    Replay(replay::Options),
    Init(init::Options),
    Check(check::Options),
    Status(status::Options),
    Generate(generate::Options),
    Metrics(metrics::Options),
    Rules(rules::Options),
    Dashboard(dashboard::Options),
    Completions(completions::Options),
}

/// What a command needs to know beside its own options.
struct Context {
    quiet: bool,
    /// Of standard output.
    style: Style,
}

/// The command line as clap sees it: for completions, and for the test that holds the documentation to it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the arguments of this process, runs the command, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context {
        quiet: cli.global.quiet,
        style: Style::of_stdout(),
    };
    let done = logging::start(&cli.global, matches!(cli.command, Command::Run(_))).and_then(|()| dispatch(cli.command, &context));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

fn dispatch(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Run(options) => run::run(&options, context),
        Command::Replay(options) => replay::run(&options, context),
        Command::Init(options) => init::run(&options, context),
        Command::Check(options) => check::run(&options, context),
        Command::Status(options) => status::run(&options, context),
        Command::Generate(options) => generate::run(&options, context),
        Command::Metrics(options) => metrics::run(&options, context),
        Command::Rules(options) => rules::run(&options),
        Command::Dashboard(options) => dashboard::run(&options),
        Command::Completions(options) => completions::run(&options),
    }
}
