//! A file below `_tidegauge/` that is cut, changed, taken for another or gone: a start names it, or does not need it and gives the same tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/output.rs"]
mod output;
#[path = "support/reference/mod.rs"]
mod reference;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use service::{Said, run};
use tempfile::TempDir;

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const TABLES: [&str; 5] = ["events", "attempts", "late", "rejects", "metrics"];
/// Outputs that are gone on with at once.
const AT_ONCE: usize = 4;

/// An output that was left in the middle of a golden case: a checkpoint, entries after it, deltas, snapshots, the merger's part, and a data
/// file of the last entry that is still to be moved.
fn left() -> PathBuf {
    Path::new(HERE).join("tests/fixtures/log-v1/output")
}

/// A copy; what is never written again is linked.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.extension().is_none_or(|e| e != "parquet") || fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The files below `_tidegauge/`, by their names in messages.
fn names() -> Vec<String> {
    let mut found = Vec::new();
    walk(&left().join("_tidegauge"), &mut found);
    let mut names: Vec<String> = found
        .iter()
        .map(|path| path.strip_prefix(left()).unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn replay(output: &Path) -> Said {
    let case = Path::new(HERE).join("tests/golden/tour");
    let [records, output, configuration] =
        [&case.join("records"), output, &case.join("config.toml")].map(|path| path.to_str().unwrap().to_owned());
    run(&["replay", &records, "--output", &output, "-c", &configuration, "--json"])
}

fn tables(output: &Path) -> Vec<Vec<String>> {
    TABLES.iter().map(|table| output::table(output, table)).collect()
}

#[derive(Clone, Debug)]
enum Damage {
    /// Only so many of 1,000 parts are left.
    Cut(usize),
    /// Without its last byte.
    Short,
    /// One bit differs, at so many of 1,000 parts.
    Flip(usize),
    /// It holds what that other file holds.
    Other(String),
    Gone,
}

/// What may happen to a file. A data file has no checksum in the log, so only its size is looked at.
fn damages(name: &str, names: &[String]) -> Vec<Damage> {
    let mut damages = vec![Damage::Cut(0), Damage::Cut(500), Damage::Short, Damage::Gone];
    if name.contains("/staging/") {
        return damages;
    }
    damages.extend([0, 300, 600, 999].map(Damage::Flip));
    let kind = |name: &str| {
        (
            name.split('/').nth(1).map(str::to_owned),
            name.rsplit('.').next().map(str::to_owned),
        )
    };
    let same = names.iter().find(|other| *other != name && kind(other) == kind(name));
    let other = same.or_else(|| {
        names
            .iter()
            .find(|other| *other != name && (name.contains("/state/") == other.contains("/state/")))
    });
    damages.extend(other.map(|other| Damage::Other(other.clone())));
    damages
}

fn inflict(damage: &Damage, file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let at = |parts: usize| bytes.len() * parts / 1_000;
    match damage {
        Damage::Cut(parts) => bytes.truncate(at(*parts)),
        Damage::Short => drop(bytes.pop()),
        Damage::Flip(parts) => {
            let at = at(*parts).min(bytes.len() - 1);
            bytes[at] ^= 4;
        }
        Damage::Other(other) => bytes = fs::read(left().join(other)).unwrap(),
        Damage::Gone => return fs::remove_file(file).unwrap(),
    }
    fs::write(file, bytes).unwrap();
}

/// Gives whether the start was refused; anything but a refusal that names the file or the same tables is a complaint.
fn judge(name: &str, damage: &Damage, expected: &[Vec<String>]) -> Result<bool, String> {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("output");
    copy(&left(), &output);
    inflict(damage, &output.join(name));
    let said = replay(&output);
    // The chain from a checkpoint that is gone begins with an entry that is gone too.
    let chain = matches!(damage, Damage::Gone) && name.contains("/checkpoint/") && said.err.contains("_tidegauge/log/");
    let named = said.err.contains(name) || chain;
    match said.status {
        Some(0) if tables(&output) == expected => Ok(false),
        // Another program may as well have moved a data file from its place: it is named, and no row stands in for one of its own.
        Some(0) if matches!(damage, Damage::Gone) && name.contains("/staging/") && said.err.contains("neither in its place nor staged") => {
            let rows = tables(&output);
            let known = rows
                .iter()
                .zip(expected)
                .all(|(found, whole)| found.iter().all(|row| whole.contains(row)));
            known.then_some(true).ok_or(format!("{name}, {damage:?}: other rows"))
        }
        Some(0) => Err(format!("{name}, {damage:?}: other rows")),
        Some(1) if named && !said.err.contains("panicked") => Ok(true),
        _ => Err(format!("{name}, {damage:?}: {:?}: {}", said.status, said.err)),
    }
}

#[test]
fn a_damaged_file_of_the_log_is_named_or_not_needed() {
    let names = names();
    let whole = TempDir::new().unwrap();
    copy(&left(), whole.path());
    replay(whole.path()).assert(0, &[]);
    let expected = tables(whole.path());
    assert!(expected.iter().filter(|rows| rows.len() > 10).count() >= 3);

    let cases: Vec<(&String, Damage)> = names
        .iter()
        .flat_map(|n| damages(n, &names).into_iter().map(move |d| (n, d)))
        .collect();
    let waiting = Mutex::new(cases.iter());
    let judged = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, damage)) = { waiting.lock().unwrap().next() } {
                    let verdict = judge(name, damage, &expected);
                    judged.lock().unwrap().push((*name, verdict));
                }
            });
        }
    });
    let judged = judged.into_inner().unwrap();
    let complaints: Vec<&String> = judged.iter().filter_map(|(_, verdict)| verdict.as_ref().err()).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    // What every start reads was refused however it was damaged; but a JSON file may lack its line feed, and the log its newest entry, which
    // only published what can be published again.
    for (part, least) in [
        ("/log/", 39),
        ("/checkpoint/", 8),
        ("/delta/", 36),
        (".state", 9),
        (".snapshot", 54),
        (".staged", 4),
    ] {
        let refused = judged
            .iter()
            .filter(|(name, verdict)| name.contains(part) && *verdict == Ok(true))
            .count();
        assert!(refused >= least, "{part}: only {refused} were refused");
    }
}
