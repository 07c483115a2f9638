//! The tests of the workspace: built once, then several test programs at a time, since most of them wait for servers more than they compute.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::step::{Outcome, cargo, run};

/// What takes longest begins first, so that nothing long is left alone at the end.
const LONGEST: [&str; 8] = [
    "tidegauge (lib)",
    "tls",
    "rules",
    "bad_input",
    "readiness",
    "processes",
    "soak",
    "recovery",
];

/// A test program, and the directory of its package, in which it runs.
struct Program {
    name: String,
    executable: PathBuf,
    package: PathBuf,
}

/// Builds and runs every test, also after a failure.
pub(crate) fn run_all() -> Outcome {
    let programs = build()?;
    println!("\n== tests: {} programs, {} at a time", programs.len(), at_a_time());
    let start = Instant::now();
    let failed = run_programs(programs);
    println!("== tests: {:.1} s", start.elapsed().as_secs_f64());
    if !failed.is_empty() {
        println!("== failed: {}", failed.join(", "));
    }
    let documented = run("examples", &mut cargo(&["test", "--workspace", "--locked", "--doc"]));
    if failed.is_empty() { documented } else { Err(1) }
}

fn at_a_time() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn build() -> Result<Vec<Program>, u8> {
    let arguments = [
        "test",
        "--workspace",
        "--locked",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ];
    println!("\n== tests: cargo {}", arguments.join(" "));
    let built = cargo(&arguments).stderr(Stdio::inherit()).output().map_err(|error| {
        eprintln!("cargo: {error}");
        127
    })?;
    if !built.status.success() {
        return Err(1);
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut programs: Vec<Program> = messages.lines().filter_map(program).collect();
    programs.sort_by_key(|program| {
        let place = LONGEST.iter().position(|name| *name == program.name);
        (place.unwrap_or(LONGEST.len()), program.name.clone())
    });
    Ok(programs)
}

/// The test program that a message of cargo tells of.
fn program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message.pointer("/profile/test")? != true {
        return None;
    }
    let executable = PathBuf::from(message.get("executable")?.as_str()?);
    let package = PathBuf::from(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
    let target = message.pointer("/target/name")?.as_str()?;
    let kind = message.pointer("/target/kind/0")?.as_str()?;
    let name = match kind {
        "test" => target.to_owned(),
        kind => format!("{target} ({kind})"),
    };
    Some(Program { name, executable, package })
}

/// Runs them all and prints what each printed when it ends. Gives the names of those that failed.
fn run_programs(programs: Vec<Program>) -> Vec<String> {
    let waiting = Mutex::new(programs.into_iter());
    let (sender, ended) = mpsc::channel();
    let mut failed = Vec::new();
    thread::scope(|scope| {
        for _ in 0..at_a_time() {
            let (sender, waiting) = (sender.clone(), &waiting);
            scope.spawn(move || {
                loop {
                    let next = waiting.lock().ok().and_then(|mut waiting| waiting.next());
                    let Some(program) = next else { return };
                    let start = Instant::now();
                    let output = Command::new(&program.executable)
                        .current_dir(&program.package)
                        .env("TIDEGAUGE_TOOLS", crate::tools())
                        .stdin(Stdio::null())
                        .output();
                    let _ = sender.send((program.name, start.elapsed(), output));
                }
            });
        }
        drop(sender);
        for (name, time, output) in ended {
            let (passed, text) = match output {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
                    (output.status.success(), text)
                }
                Err(error) => (false, error.to_string()),
            };
            let verdict = if passed { "ok" } else { "FAILED" };
            println!("\n== {name}: {verdict}, {:.1} s\n{}", time.as_secs_f64(), text.trim());
            if !passed {
                failed.push(name);
            }
        }
    });
    failed
}
