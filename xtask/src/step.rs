//! One step: a command that is printed, run and timed.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::root;

/// The exit code of a step that failed.
pub(crate) type Outcome = Result<(), u8>;

/// A command in the workspace's directory.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Cargo, the one that runs this.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
}

/// Runs a step and says how long it took.
pub(crate) fn run(name: &str, command: &mut Command) -> Outcome {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    println!("\n== {name}: {} {}", command.get_program().to_string_lossy(), arguments.join(" "));
    let start = Instant::now();
    let outcome = match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .filter(|code| *code != 0)
            .unwrap_or(1)),
        Err(error) => {
            eprintln!("{}: {error}", command.get_program().to_string_lossy());
            Err(127)
        }
    };
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("== {name}: {verdict}, {:.1} s", start.elapsed().as_secs_f64());
    outcome
}

/// What a command prints, if it can be run and succeeds.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = command(program, arguments)
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    // Java prints its version to the error stream.
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
