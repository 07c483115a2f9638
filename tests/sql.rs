//! The ready queries of deploy/sql run over the traffic of the demo, and docs/sql.md shows what they find.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pages.rs"]
mod pages;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use pages::{blocks, output_of, read, root, shell, tool};
use serde_json::Value;

const PAGE: &str = "docs/sql.md";
const VIEWS: &str = "views";
/// Rows that the page shows of a result.
const SHOWN: usize = 10;

/// Runs the views and then each file of the arguments, in the directory of the output; prints columns and rows of each as text.
const DRIVER: &str = r#"
import json, sys
import duckdb
database = duckdb.connect()
database.execute("SET TimeZone = 'UTC'")
database.execute(open(sys.argv[1]).read())
found = []
for file in sys.argv[2:]:
    result = database.execute(open(file).read())
    columns = [column[0] for column in result.description]
    found.append({"columns": columns, "rows": [["" if cell is None else str(cell) for cell in row] for row in result.fetchall()]})
json.dump(found, sys.stdout)
"#;

/// The queries in the order of their names, without the views that all of them read.
fn queries() -> Vec<String> {
    let entries = root().join("deploy/sql").read_dir().unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().path())
        .inspect(|path| assert_eq!(path.extension().unwrap(), "sql", "{}", path.display()))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != VIEWS)
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    names
}

fn file(name: &str) -> String {
    format!("deploy/sql/{name}.sql")
}

#[test]
fn every_query_says_what_it_answers_what_its_columns_are_and_what_to_mind() {
    for name in queries() {
        let text = read(&file(&name));
        let (comment, _) = text.split_once("\n\n").unwrap();
        assert!(comment.lines().all(|line| line.starts_with("--")), "{name}: begins with a comment");
        for wanted in ["?", "\n-- Columns: ", "\n-- Caveats: "] {
            assert!(comment.contains(wanted), "{name}: {wanted:?} is missing");
        }
    }
}

#[test]
fn the_page_shows_each_query_and_what_it_finds_in_the_traffic_of_the_demo() {
    let directory = tempfile::tempdir().unwrap();
    let page = read(PAGE);
    let first = blocks(&page).into_iter().find(|block| block.language == "sh").unwrap();
    output_of(&mut shell(directory.path(), &first.text));
    let names = queries();
    let results = run(&directory.path().join("out"), &names);
    let mut wanted = page.clone();
    for (name, result) in names.iter().zip(&results) {
        let begin = format!("<!-- query:{name} -->\n");
        let (before, rest) = wanted.split_once(&begin).unwrap_or_else(|| panic!("{PAGE} has no {begin}"));
        let (_, after) = rest.split_once("<!-- end -->").expect("an end");
        wanted = format!(
            "{before}{begin}\n```sql\n{}```\n\n{}\n<!-- end -->{after}",
            read(&file(name)),
            table(name, result)
        );
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(PAGE), &wanted).unwrap();
        return;
    }
    assert!(
        page == wanted,
        "queries or their results have changed: UPDATE_DOCS=1 cargo test --test sql\n{wanted}"
    );
}

fn run(output: &Path, names: &[String]) -> Vec<Value> {
    let mut python = Command::new(tool("python/bin/python"));
    python.args(["-c", DRIVER]).current_dir(output).arg(root().join(file(VIEWS)));
    python.args(names.iter().map(|name| root().join(file(name))));
    serde_json::from_str(&output_of(&mut python)).unwrap()
}

fn table(name: &str, result: &Value) -> String {
    let cells = |row: &Value| -> Vec<String> {
        row.as_array()
            .unwrap()
            .iter()
            .map(|cell| cell.as_str().unwrap().to_owned())
            .collect()
    };
    let columns = cells(&result["columns"]);
    let rows = result["rows"].as_array().unwrap();
    assert!(!rows.is_empty(), "{name} finds nothing");
    let mut text = format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for row in rows.iter().take(SHOWN) {
        let _ = writeln!(text, "| {} |", cells(row).join(" | "));
    }
    if rows.len() > SHOWN {
        let _ = writeln!(text, "\nand {} more rows.", rows.len() - SHOWN);
    }
    text
}
