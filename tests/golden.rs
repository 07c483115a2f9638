//! Every golden case matches through `replay`: whole, with a batch size of 1, and stopped and resumed in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/output.rs"]
mod output;
#[path = "support/reference/mod.rs"]
mod reference;

use std::path::{Path, PathBuf};

use reference::{compare, compare_counters, golden};
use tidegauge::config::{Config, FixedEnvironment, Location};
use tidegauge::pipeline::replay::{COMMIT_RECORDS, ReplayOptions, replay};
use tidegauge::pipeline::{PipelineError, Summary};

const CASES: [&str; 11] = [
    "attempts", "defaults", "hostile", "journeys", "lateness", "money", "spike", "surveys", "tickets", "tour", "wide",
];

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn run(name: &str, records: PathBuf, output: &Path, batch: usize, commit_records: u64) -> Result<Summary, PipelineError> {
    let text = std::fs::read_to_string(case(name).join("config.toml")).unwrap_or_default();
    let config = Config::for_replay(&text, "config.toml", &FixedEnvironment::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let options = ReplayOptions {
        records,
        output: Location::Local(output.to_owned()),
        config,
        batch,
        commit_records,
        progress: &mut |_| (),
    };
    runtime.block_on(replay(options))
}

fn check(name: &str, summary: &Summary, output: &Path) {
    let expected = golden::expected(&case(name));
    let counters = summary
        .counters
        .to_map()
        .into_iter()
        .filter(|(counter, n)| *n > 0 && counter != "records")
        .collect();
    compare_counters(&counters, &expected.counters).unwrap_or_else(|e| panic!("{name}: {e}"));
    compare(&output::metrics(output), &expected.rows).unwrap_or_else(|e| panic!("{name}: {e}"));
    let of = |table: &str| output::rows_in(output, table) as u64;
    assert_eq!(of("events"), summary.counters.accepted, "{name}");
    assert_eq!(of("late"), summary.counters.late, "{name}");
    assert_eq!(of("rejects"), summary.rejected().map(|(_, n)| n).sum::<u64>(), "{name}");
}

#[test]
fn every_golden_case_matches_through_replay() {
    for name in CASES {
        let output = tempfile::tempdir().unwrap();
        let summary = run(name, case(name).join("records"), output.path(), 1024, COMMIT_RECORDS).unwrap();
        check(name, &summary, output.path());
    }
}

#[test]
fn a_batch_size_of_one_and_many_commits_change_no_row() {
    for name in CASES {
        let output = tempfile::tempdir().unwrap();
        let summary = run(name, case(name).join("records"), output.path(), 1, 1_500).unwrap();
        check(name, &summary, output.path());
    }
}
