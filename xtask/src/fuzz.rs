//! Fuzzing, target by target.

use std::path::PathBuf;
use std::process::Command;

use crate::root;
use crate::step::{Outcome, command, output, run};

const MINUTES: u32 = 10;

/// Runs the targets that are named, or all of them, for some minutes each; the first failure's code is the result.
pub(crate) fn fuzz(options: &[&str]) -> Outcome {
    let (minutes, wanted) = match options {
        ["--minutes", minutes, wanted @ ..] => (minutes.parse().ok(), wanted),
        wanted => (Some(MINUTES), wanted),
    };
    let known = targets();
    let (Some(minutes), true) = (minutes, wanted.iter().all(|target| known.iter().any(|known| known == target))) else {
        eprintln!(
            "cargo xtask fuzz [--minutes N] [TARGET...], where a target is one of {}",
            known.join(", ")
        );
        return Err(2);
    };
    if output("rustup", &["run", "nightly", "cargo", "fuzz", "--version"]).is_none() {
        eprintln!("fuzzing needs a nightly toolchain and cargo-fuzz: rustup toolchain install nightly && cargo install cargo-fuzz");
        return Err(1);
    }
    let chosen = known.iter().filter(|target| wanted.is_empty() || wanted.contains(&target.as_str()));
    let mut all = Ok(());
    for target in chosen {
        all = all.and(one(target, minutes));
    }
    all
}

fn one(target: &str, minutes: u32) -> Outcome {
    let corpus = directory().join("corpus").join(target);
    if let Err(error) = std::fs::create_dir_all(&corpus) {
        eprintln!("{}: {error}", corpus.display());
        return Err(1);
    }
    let mut command: Command = command("rustup", &["run", "nightly", "cargo", "fuzz", "run", target]);
    command.args([corpus, directory().join("seeds").join(target)]).arg("--");
    command.arg(format!("-max_total_time={}", u64::from(minutes) * 60));
    // Bounds that no small input may break: its time in seconds, memory in all and at once in MiB.
    command.args(["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=128"]);
    run(target, command.current_dir(root().join("ingest")))
}

fn directory() -> PathBuf {
    root().join("ingest/fuzz")
}

fn targets() -> Vec<String> {
    let files = std::fs::read_dir(directory().join("fuzz_targets")).into_iter().flatten();
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}
