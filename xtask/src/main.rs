//! Development tasks: install what the tests need, run every check, build a release, ask for known vulnerabilities.

mod checks;
mod fuzz;
mod go;
mod install;
mod release;
mod simulate;
mod step;
mod suite;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <task>

  install      what the tests need and cargo does not bring: Java, Maven, Prometheus, Go, Kafka, Python packages, Helm,
               cargo-deny
  test         install, then formatting, lints, documentation, licences and all tests; exits with the first failure's code
  simulate     the simulated processes over stores that lie: `--seeds N` (default 2000) from `--first N` (default 1); `--trace` prints what each does
  fuzz         every fuzz target for ten minutes, or for `--minutes N`, or only those that are named; on a nightly toolchain
  kills N      the test of three real processes, with N times kill -9 and as many other disturbances
  soak MINUTES the release build at full speed on a real Kafka, with a store that stalls in the middle
  release      the binary as it is published, with the list of its dependencies in it, which is read back and written beside it;
               `--profile dev` tries that out in less time
  advisories   known vulnerabilities in dependencies (asks the RustSec database)

Tools go to target/tools, or to the directory that TIDEGAUGE_TOOLS names. What is there already is not installed again.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let code = match arguments.as_slice() {
        ["install"] => install::install(),
        ["test"] => checks::test(),
        ["simulate", options @ ..] => simulate::simulate(options),
        ["soak", minutes] => simulate::soak(minutes),
        ["fuzz", options @ ..] => fuzz::fuzz(options),
        ["kills", count] => simulate::kills(count),
        ["release"] => release::build("release"),
        ["release", "--profile", profile] => release::build(profile),
        ["advisories"] => checks::advisories(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            Err(2)
        }
    };
    code.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

/// The workspace's directory.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where tools go.
fn tools() -> PathBuf {
    std::env::var_os("TIDEGAUGE_TOOLS").map_or_else(|| root().join("target/tools"), PathBuf::from)
}
