//! How a command fails: what it says, and the exit status.

use std::process::ExitCode;

use super::hidden::{hide, plain};
use super::output::Style;
use crate::config::ConfigErrors;
use crate::pipeline::PipelineError;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// Wrong usage or configuration: exit status 2.
    Usage(String),
    /// Failed while running: exit status 1.
    Running(String),
    /// As [`Failure::Usage`], but everything was said already.
    UsageSaid,
    /// As [`Failure::Running`], but everything was said already.
    RunningSaid,
    /// Whoever read standard output has seen enough, as `head` does; not a failure.
    OutputClosed,
}

impl Failure {
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::OutputClosed => ExitCode::SUCCESS,
            Failure::Running(_) | Failure::RunningSaid => ExitCode::from(1),
            Failure::Usage(_) | Failure::UsageSaid => ExitCode::from(2),
        }
    }

    /// Tells a person, on standard error.
    pub(super) fn print(&self) {
        if let Failure::Usage(message) | Failure::Running(message) = self {
            // Lists of mistakes have lines of their own.
            let lines: Vec<_> = message.lines().map(plain).collect();
            eprintln!("{} {}", Style::of_stderr().error("error:"), hide(&lines.join("\n")));
        }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Failure {
        if error.usage {
            Failure::Usage(error.message)
        } else {
            Failure::Running(error.message)
        }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Failure {
        let count = match errors.mistakes.len() {
            1 => "1 mistake".to_owned(),
            n => format!("{n} mistakes"),
        };
        let list: String = errors.mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
        Failure::Usage(format!("the configuration has {count}; nothing was started{list}"))
    }
}
