//! The repository itself: what reviewers would have to look for otherwise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A file of more lines holds more than one idea.
const MOST_LINES: usize = 500;
const CRATES: [&str; 4] = ["src", "aggregate/src", "ingest/src", "sink/src"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository, also those that are new and not ignored.
fn tracked() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<String> = names
        .lines()
        .filter(|name| root().join(name).is_file())
        .map(str::to_owned)
        .collect();
    assert!(files.len() > 100, "only {} files", files.len());
    files
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Rust files of these directories that are compiled outside tests.
fn rust_files(below: &[&str]) -> Vec<String> {
    let inside = |name: &String| below.iter().any(|directory| name.starts_with(&format!("{directory}/")));
    let mut files: Vec<_> = tracked().into_iter().filter(|name| name.ends_with(".rs") && inside(name)).collect();
    let tests: BTreeSet<String> = files.iter().flat_map(|name| test_modules(name)).collect();
    let of_tests = |name: &String| {
        tests
            .iter()
            .any(|module| name == &format!("{module}.rs") || name.starts_with(&format!("{module}/")))
    };
    files.retain(|name| !of_tests(name));
    files
}

/// Modules in files of their own that a file declares for tests only, as paths without the ending.
fn test_modules(name: &str) -> Vec<String> {
    let text = read(name);
    let directory = Path::new(name).parent().unwrap();
    let own = match Path::new(name).file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => directory.to_owned(),
        stem => directory.join(stem),
    };
    let mut found = Vec::new();
    for part in text.split("#[cfg(test)]").skip(1) {
        let mut path = None;
        for line in part.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(given) = line.strip_prefix("#[path = \"") {
                path = given.split('"').next().map(|given| directory.join(given.trim_end_matches(".rs")));
            } else if let Some(module) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                found.push(path.unwrap_or_else(|| own.join(module)).to_str().unwrap().to_owned());
                break;
            } else if !line.starts_with("#[") {
                break;
            }
        }
    }
    found
}

/// A file with comments, texts and characters blanked out, and without what only tests compile. Lines keep their numbers.
fn code(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    // Depth of braces, and the depth at which a part for tests ends.
    let (mut depth, mut test_from, mut pending) = (0_i32, None, false);
    for line in blank(text).lines() {
        let attribute = line.contains("#[cfg(test)]") || line.contains("#![cfg(test)]");
        pending |= attribute && test_from.is_none();
        let in_test = pending || test_from.is_some();
        let before = depth;
        for character in line.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
        }
        if pending && depth > before {
            test_from = Some(before);
            pending = false;
        } else if pending && !attribute && line.trim_end().ends_with([';', '}']) {
            pending = false;
        }
        if test_from.is_some_and(|from| depth <= from) {
            test_from = None;
        }
        lines.push(if in_test { String::new() } else { line.to_owned() });
    }
    lines
}

/// Blanks out comments, texts and characters.
fn blank(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut index = 0;
    let skip = |out: &mut String, from: usize, to: usize| {
        for character in &characters[from..to.min(characters.len())] {
            out.push(if *character == '\n' { '\n' } else { ' ' });
        }
        to
    };
    while index < characters.len() {
        let raw_hashes = (1..).take_while(|n| at(index + n) == '#').count();
        let word_before = index > 0 && (at(index - 1).is_alphanumeric() || at(index - 1) == '_');
        index = match at(index) {
            '/' if at(index + 1) == '/' => {
                let end = (index..characters.len()).find(|i| at(*i) == '\n').unwrap_or(characters.len());
                skip(&mut out, index, end)
            }
            '/' if at(index + 1) == '*' => {
                let end = (index + 2..characters.len()).find(|i| at(*i) == '*' && at(*i + 1) == '/');
                skip(&mut out, index, end.map_or(characters.len(), |end| end + 2))
            }
            'r' if !word_before && at(index + 1 + raw_hashes) == '"' => {
                let from = index + 2 + raw_hashes;
                let closes = |i: &usize| at(*i) == '"' && (1..=raw_hashes).all(|n| at(*i + n) == '#');
                let end = (from..characters.len()).find(closes).unwrap_or(characters.len());
                skip(&mut out, index, end + 1 + raw_hashes)
            }
            '"' => {
                let mut end = index + 1;
                while end < characters.len() && at(end) != '"' {
                    end += if at(end) == '\\' { 2 } else { 1 };
                }
                skip(&mut out, index, end + 1)
            }
            '\'' if at(index + 1) == '\\' => {
                let end = (index + 3..characters.len()).find(|i| at(*i) == '\'').unwrap_or(characters.len());
                skip(&mut out, index, end + 1)
            }
            '\'' if at(index + 2) == '\'' => skip(&mut out, index, index + 3),
            other => {
                out.push(other);
                index + 1
            }
        };
    }
    out
}

/// Whether a word stands in a line, not as a part of another.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part);
        let after = line[at + word.len()..].chars().next().is_some_and(part);
        !(before && word.starts_with(part) || after && word.ends_with(part))
    })
}

/// Lines of code outside tests that have one of the words, as `file:line: word`.
fn uses(files: &[String], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for name in files {
        for (number, line) in code(&read(name)).iter().enumerate() {
            for word in words.iter().filter(|word| has_word(line, word)) {
                found.push(format!("{name}:{}: {word}", number + 1));
            }
        }
    }
    found
}

#[test]
fn the_scanner_sees_code_and_nothing_else() {
    let text = "fn a() { b.unwrap(); } // .unwrap()\nlet c = \".unwrap() \\\" { \"; let d = r#\"panic!(\"#; let e = '{'; let f = '\\'';\n#[cfg(test)]\nmod tests {\n    fn g() { h.unwrap(); }\n}\nfn i<'a>() { j.expect(\"k\"); }\n#[cfg(test)]\nuse l::unwrap;\nfn m() { panic!(); }\n";
    let lines = code(text);
    let with = |word: &str| {
        (1..)
            .zip(&lines)
            .filter(|(_, line)| has_word(line, word))
            .map(|(n, _)| n)
            .collect::<Vec<i32>>()
    };
    assert_eq!(with(".unwrap()"), [1]);
    assert_eq!(with(".expect("), [7]);
    assert_eq!(with("panic!"), [10]);
    assert_eq!(with("unwrap"), [1]);
    assert!(!has_word("let unwrapped = 1;", "unwrap") && !has_word("a.unwrap_or(1)", "unwrap"));
}

#[test]
fn no_rust_file_is_longer_than_one_idea_takes() {
    let long: Vec<_> = tracked()
        .into_iter()
        .filter(|name| name.ends_with(".rs"))
        .map(|name| (read(&name).lines().count(), name))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "split these by idea: {long:?}");
}

#[test]
fn nothing_outside_tests_panics_on_purpose() {
    let files = rust_files(&CRATES);
    let words = [
        ".unwrap()",
        ".expect(",
        "panic!",
        "unreachable!",
        "todo!",
        "unimplemented!",
        "dbg!",
        "unsafe",
    ];
    let found = uses(&files, &words);
    assert!(found.is_empty(), "{found:#?}");
}

/// What another program is told can be told wrong, and a shell most easily.
#[test]
fn the_program_starts_no_other_and_nothing_asks_a_shell() {
    let found = uses(&rust_files(&CRATES), &["process::Command", "Command::new"]);
    assert!(found.is_empty(), "{found:#?}");
    // Tasks start programs, by their name and with arguments apart.
    for name in rust_files(&["xtask/src"]) {
        for shell in ["\"sh\"", "\"bash\"", "\"/bin/sh\"", "\"-c\", &format!"] {
            assert!(!without_tests(&read(&name)).contains(shell), "{name}: {shell}");
        }
    }
}

#[test]
fn the_domain_has_no_clock_no_threads_and_no_way_out() {
    let files = rust_files(&["aggregate/src"]);
    let words = [
        "std::time",
        "Instant",
        "SystemTime",
        "std::thread",
        "thread_local!",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::io",
        "async",
        "tokio",
        "rdkafka",
        "arrow",
        "parquet",
        "println!",
        "eprintln!",
        "rand",
        "RandomState",
        "Mutex",
        "AtomicU64",
        "tidegauge_ingest",
        "tidegauge_sink",
    ];
    let found = uses(&files, &words);
    assert!(found.is_empty(), "{found:#?}");
    let manifest = section(&read("aggregate/Cargo.toml"), "[dependencies]");
    for foreign in ["tokio", "rdkafka", "arrow", "parquet", "rand", "tidegauge-ingest", "tidegauge-sink"] {
        assert!(
            !manifest.lines().any(|line| line.starts_with(foreign)),
            "aggregate depends on {foreign}"
        );
    }
}

/// The order of a map of the standard library differs from process to process, so it may only be asked, never gone through.
#[test]
fn no_result_depends_on_the_order_of_a_map() {
    let walks = [
        "iter",
        "iter_mut",
        "keys",
        "values",
        "values_mut",
        "drain",
        "into_iter",
        "into_keys",
        "into_values",
        "retain",
    ];
    let mut found = Vec::new();
    for name in rust_files(&["aggregate/src"]) {
        let lines = code(&read(&name));
        let text = lines.join("\n");
        if !text.contains("collections") || !has_word(&text, "HashMap") && !has_word(&text, "HashSet") {
            continue;
        }
        let declared = lines
            .iter()
            .filter(|line| line.contains(": HashMap<") || line.contains(": HashSet<"));
        let maps: BTreeSet<&str> = declared
            .filter_map(|line| line.split(':').next()?.split_whitespace().last())
            .collect();
        for (number, line) in lines.iter().enumerate() {
            let walked = |map: &&&str| {
                let called = walks.iter().any(|walk| has_word(line, &format!("{map}.{walk}(")));
                called
                    || [" in ", " in &", " in self.", " in &self."]
                        .iter()
                        .any(|before| line.contains(&format!("{before}{map} {{")))
            };
            found.extend(maps.iter().filter(walked).map(|map| format!("{name}:{}: {map}", number + 1)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn dependencies_point_inward() {
    for (crate_, forbidden) in [
        ("ingest", "tidegauge_sink"),
        ("sink", "tidegauge_ingest"),
        ("ingest", "tidegauge::"),
        ("sink", "tidegauge::"),
    ] {
        let found = uses(&rust_files(&[&format!("{crate_}/src")]), &[forbidden]);
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// The lines of a table of a manifest.
fn section(manifest: &str, title: &str) -> String {
    let lines = manifest.lines().skip_while(|line| line.trim() != title).skip(1);
    lines
        .take_while(|line| !line.starts_with('[') && !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let members = section(&read("Cargo.toml"), "[workspace]");
    for manifest in tracked()
        .iter()
        .filter(|name| name.ends_with("Cargo.toml") && !name.contains("fuzz/"))
    {
        assert_eq!(section(&read(manifest), "[lints]").trim(), "workspace = true", "{manifest}");
        let directory = manifest.strip_suffix("/Cargo.toml").unwrap_or(".");
        assert!(
            members.contains(&format!("\"{directory}\"")),
            "{manifest} is no member of the workspace"
        );
    }
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let places = ["/work/", "/root/", "/home/", "/tmp/", "/Users/"].map(|place| (place, place.trim_end_matches('/')));
    let mut found = Vec::new();
    for name in tracked() {
        // Tests name places to see them refused or hidden, and `/tmp` means the same everywhere.
        let test = name.starts_with("tests/") || name.contains("/tests");
        let Ok(text) = fs::read_to_string(root().join(&name)) else {
            continue;
        };
        let lines = if name.ends_with(".rs") && !test {
            without_tests(&text)
        } else {
            text
        };
        for (number, line) in lines.lines().enumerate() {
            for (place, _) in places.iter().filter(|(place, _)| line.contains(place)) {
                let allowed =
                    name == "tests/tidy.rs" || (test && matches!(*place, "/tmp/" | "/home/")) || part_of_a_longer_path(line, place);
                if !allowed {
                    found.push(format!("{name}:{}: {place}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// As in `https://host/work/` or `{PRIVATE}/tmp/`.
fn part_of_a_longer_path(line: &str, place: &str) -> bool {
    line.match_indices(place)
        .all(|(at, _)| line[..at].ends_with(|c: char| c.is_alphanumeric() || "}._-*$".contains(c)))
}

/// The text up to its tests, which stand last in a file.
fn without_tests(text: &str) -> String {
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn every_golden_case_is_whole_and_tested() {
    let golden = read("tests/golden.rs");
    let mut cases = 0;
    for entry in fs::read_dir(root().join("tests/golden")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        cases += 1;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(path.join("expected.json").is_file(), "{name} expects nothing");
        let records = fs::read_dir(path.join("records"))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .count();
        assert!(records > 0, "{name} has no records");
        // Either every directory is taken, or each is named.
        assert!(
            golden.contains("read_dir") || golden.contains(&format!("\"{name}\"")),
            "tests/golden.rs leaves out {name}"
        );
    }
    assert!(cases >= 3);
}

#[test]
fn every_promise_names_tests_that_exist() {
    let page = read("docs/promises.md");
    let rows: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line[2..].starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(rows.len(), 12);
    for row in rows {
        let shown: Vec<_> = row.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        assert!(!shown.is_empty(), "no test shows {row}");
        for name in shown {
            let (file, test) = name.split_once("::").unwrap();
            let text = read(file);
            assert!(text.contains(&format!("fn {test}(")), "{file} has no test {test}");
        }
    }
}
