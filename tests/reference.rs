//! The reference evaluator matches every golden case, so that the engine can be held against it anywhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/reference/mod.rs"]
mod reference;

use std::path::{Path, PathBuf};

use reference::{compare, compare_counters, evaluate, golden};

fn golden_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn check(name: &str) {
    let case = golden_directory().join(name);
    let actual = evaluate(&golden::spec(&case), &golden::records(&case.join("records")));
    let expected = golden::expected(&case);
    let counters = compare_counters(&actual.counters, &expected.counters);
    let rows = compare(&actual.rows, &expected.rows);
    assert!(
        counters.is_ok() && rows.is_ok(),
        "{name}\n{counters:?}\n{}",
        rows.err().unwrap_or_default()
    );
}

macro_rules! cases {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )+

        #[test]
        fn every_golden_case_is_checked() {
            let mut found: Vec<String> = std::fs::read_dir(golden_directory())
                .unwrap()
                .map(|entry| entry.unwrap())
                .filter(|entry| entry.path().is_dir())
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect();
            found.sort();
            assert_eq!(found, [$(stringify!($name)),+]);
        }
    };
}

cases! { attempts defaults hostile journeys lateness money spike surveys tickets tour wide }
