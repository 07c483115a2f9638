//! Mistakes in the configuration, and a port that is taken.

use std::fs;
use std::net::TcpListener;

use tempfile::TempDir;

use crate::service::run;

const FIVE: &str = r#"[kafka]
brokers = "broker-1"
start = "yesterday"
isolation = "read_comitted"

[output]
url = "ftp://somewhere/else"
comit_interval = "5m"

[time]
lateness = "120"
"#;

#[test]
fn five_mistakes_are_told_at_once_and_nothing_is_started() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("wrong.toml");
    fs::write(&path, FIVE).unwrap();
    let file = path.to_str().unwrap();
    let expected = [
        "5 mistakes",
        "wrong.toml:3",
        "wrong.toml:4",
        "read_committed",
        "wrong.toml:7",
        "wrong.toml:8",
        "commit_interval",
        "wrong.toml:11",
        "2m",
    ];
    run(&["run", "-c", file]).assert(2, &expected);
    run(&["check", "-c", file]).assert(2, &expected);
    let said = run(&["check", "-c", file, "--json"]);
    said.assert(2, &[]);
    let lines: Vec<_> = said.json()["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 4, 7, 8, 11]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "only the file itself is there");
}

#[test]
fn a_missing_file_is_named() {
    run(&["run", "-c", "/no/such/tidegauge.toml"]).assert(2, &["/no/such/tidegauge.toml", "No such file"]);
}

#[test]
fn a_port_in_use_is_told_before_anything_is_written() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = TempDir::new().unwrap();
    let (path, output) = (directory.path().join("tidegauge.toml"), directory.path().join("output"));
    let text = format!(
        "kafka.brokers = \"127.0.0.1:1\"\noutput.url = \"file://{}\"\nhttp.listen = \"{address}\"\n",
        output.display()
    );
    fs::write(&path, text).unwrap();
    run(&["run", "-c", path.to_str().unwrap()]).assert(1, &[&address, "in use", "[http] listen"]);
    assert!(!output.exists());
}
