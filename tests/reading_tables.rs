//! What docs/reading-tables.md says holds: its queries run against an output as it makes it, and its columns are those of the files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/output.rs"]
mod output;
#[path = "support/pages.rs"]
mod pages;
#[path = "support/reference/mod.rs"]
mod reference;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow::datatypes::{DataType, Field, TimeUnit};
use pages::{Block, blocks, output_of, read, shell, tidegauge, tool};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

const PAGE: &str = "docs/reading-tables.md";
const TABLES: [&str; 5] = ["metrics", "events", "attempts", "late", "rejects"];

/// Runs the SQL statements one after the other and each Python block by itself; prints the rows of each SELECT and the `value` of each block.
const DRIVER: &str = r#"
import contextlib, io, json, sys
import duckdb
blocks = json.load(sys.stdin)
found = []
database = duckdb.connect()
for block in blocks:
    if block["language"] == "sql":
        result = database.sql(block["text"])
        frame = None if result is None else result.df()
        found.append({"rows": 0, "value": None} if frame is None or frame.empty else {"rows": len(frame), "value": frame.iat[0, 0]})
    else:
        names, printed = {}, io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(block["text"], names)
        found.append({"rows": len(names["success"]), "value": names["value"], "printed": printed.getvalue()})
json.dump(found, sys.stdout, default=str)
"#;

fn page_blocks(language: &str, section: &str) -> Vec<Block> {
    let found: Vec<Block> = blocks(&read(PAGE))
        .into_iter()
        .filter(|b| b.language == language && b.section == section)
        .collect();
    assert!(!found.is_empty(), "no {language} under {section:?}");
    found
}

/// Runs what the page says to begin with.
fn make_output(directory: &Path) {
    output_of(&mut shell(directory, &page_blocks("sh", "Reading the tables")[0].text));
}

fn run_blocks(directory: &Path, blocks: &[Block]) -> Vec<Value> {
    let input: Vec<Value> = blocks
        .iter()
        .map(|b| json!({"language": b.language, "text": b.text.trim_end().trim_end_matches(';')}))
        .collect();
    let file = directory.join("blocks.json");
    fs::write(&file, Value::from(input).to_string()).unwrap();
    let mut python = Command::new(tool("python/bin/python"));
    python.args(["-c", DRIVER]).current_dir(directory).stdin(File::open(file).unwrap());
    serde_json::from_str(&output_of(&mut python)).unwrap()
}

/// The one SQL block of a page, as a block to run over another directory.
fn sql_of(page: &str, directory: &str) -> Block {
    let found: Vec<Block> = blocks(&read(page)).into_iter().filter(|b| b.language == "sql").collect();
    let [block] = <[Block; 1]>::try_from(found).expect("one query");
    assert!(block.text.contains(&format!("'{directory}/metrics/")), "{page}: {}", block.text);
    Block {
        text: block.text.replace(&format!("'{directory}/"), "'out/"),
        ..block
    }
}

#[test]
fn every_query_of_the_page_finds_rows_and_the_same_number() {
    let directory = tempfile::tempdir().unwrap();
    make_output(directory.path());
    let rows = output::metrics(&directory.path().join("out"));
    let wanted = rows
        .iter()
        .filter(|r| r.metric == "task_success_ratio" && r.window == "24h" && r.grouping == "overall")
        .max_by_key(|r| (r.n, std::cmp::Reverse(r.window_end)))
        .expect("a day of attempts");

    let sql = page_blocks("sql", "DuckDB");
    let found = run_blocks(directory.path(), &sql);
    for (block, result) in sql.iter().zip(&found) {
        let is_view = block.text.starts_with("CREATE VIEW");
        assert!(is_view || result["rows"].as_u64() > Some(0), "no rows: {}", block.text);
    }
    assert_eq!(found.last().unwrap()["value"].as_f64(), Some(wanted.value), "DuckDB");

    for section in ["Polars", "pandas"] {
        let found = run_blocks(directory.path(), &page_blocks("python", section));
        assert!(found[0]["rows"].as_u64() > Some(0), "{section}: no rows");
        assert!(
            found[0]["printed"].as_str().unwrap().contains("window_end"),
            "{section}: {}",
            found[0]
        );
        assert_eq!(found[0]["value"].as_f64(), Some(wanted.value), "{section}");
    }
}

#[test]
fn the_query_of_the_readme_and_the_farewell_of_the_demo_find_rows() {
    let directory = tempfile::tempdir().unwrap();
    make_output(directory.path());
    let farewell = tidegauge::demo::farewell(Path::new("out"));
    let (_, command) = farewell.split_once("duckdb -c ").unwrap();
    let (command, _) = command.split_once("\n\n").unwrap();
    // What a shell makes of it, which is what DuckDB gets.
    let text = output_of(&mut shell(directory.path(), &format!("printf %s {command}")));
    let readme = sql_of("README.md", "tidegauge-demo");
    let farewell = Block {
        text,
        section: "farewell".to_owned(),
        language: "sql".to_owned(),
        line: 0,
    };
    for (result, what) in run_blocks(directory.path(), &[readme, farewell]).iter().zip(["README", "farewell"]) {
        assert!(result["rows"].as_u64() > Some(0), "no rows: {what}");
    }
}

#[test]
fn the_queries_of_the_runbook_find_rows() {
    let directory = tempfile::tempdir().unwrap();
    make_output(directory.path());
    let mut queries: Vec<Block> = blocks(&read("docs/runbook.md"))
        .into_iter()
        .filter(|b| b.language == "sql")
        .collect();
    assert!(queries.len() > 5, "{queries:?}");
    for query in &mut queries {
        assert!(query.text.contains("'output/"), "{}", query.text);
        // What was made is not of the last hours.
        query.text = query.text.replace("'output/", "'out/").replace("now()", "TIMESTAMPTZ '2000-01-01'");
    }
    for (block, result) in queries.iter().zip(run_blocks(directory.path(), &queries)) {
        assert!(result["rows"].as_u64() > Some(0), "no rows: {}", block.text);
    }
}

#[test]
fn getting_started_comes_to_the_metric_that_it_promises() {
    let page = read("docs/getting-started.md");
    let block = |language: &str, section: &str| {
        let found = blocks(&page).into_iter().find(|b| b.language == language && b.section == section);
        found.unwrap_or_else(|| panic!("no {language} under {section}"))
    };
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("tidegauge.toml"), block("toml", "6. Your own metric").text).unwrap();
    let mut replay = shell(directory.path(), &block("sh", "Without Kafka").text);
    output_of(replay.env("TIDEGAUGE_CONFIG", "tidegauge.toml"));
    let found = run_blocks(directory.path(), &[sql_of("docs/getting-started.md", "/var/lib/tidegauge")]);
    assert_eq!(found[0]["rows"], 1);
}

#[test]
fn the_columns_of_the_page_are_those_of_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let records = pages::root().join("tests/golden/defaults/records");
    output_of(tidegauge(directory.path()).arg("replay").arg(records).arg("--output").arg(&out));
    let page = read(PAGE);
    let mut wanted = page.clone();
    for table in TABLES {
        let begin = format!("<!-- columns:{table} -->\n");
        let (before, rest) = wanted.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
        let (_, after) = rest.split_once("<!-- end -->").expect("an end");
        wanted = format!("{before}{begin}\n{}\n<!-- end -->{after}", columns(&out, table));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(pages::root().join(PAGE), &wanted).unwrap();
        return;
    }
    assert!(
        page == wanted,
        "the columns have changed: UPDATE_DOCS=1 cargo test --test reading_tables"
    );
}

fn columns(out: &Path, table: &str) -> String {
    let files: Vec<PathBuf> = output::files(out, table);
    let file = File::open(files.first().unwrap_or_else(|| panic!("no rows in {table}"))).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let mut lines = "| column | type | unit | meaning |\n|---|---|---|---|\n".to_owned();
    for field in reader.schema().fields() {
        let of = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        lines += &format!("| `{}` | {} | {} | {} |\n", field.name(), kind(field), of("unit"), of("meaning"));
    }
    lines
}

fn kind(field: &Field) -> String {
    let name = match field.data_type() {
        DataType::Utf8 => "string".to_owned(),
        DataType::Binary => "bytes".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => "timestamp (µs)".to_owned(),
        DataType::List(_) => "list of {key: string, value: bytes}".to_owned(),
        other => panic!("{other} has no name on the page"),
    };
    if field.is_nullable() { format!("{name}, nullable") } else { name }
}
