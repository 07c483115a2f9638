//! The binary as its users meet it: exit codes, output, help, and the pages that describe it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tidegauge_ingest::embedded::EmbeddedBroker;

/// The binary in an environment of its own.
fn tidegauge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGAUGE_") {
            command.env_remove(name);
        }
    }
    // Nothing that a test lets happen by mistake may land in the source tree.
    command
        .env_remove("RUST_LOG")
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    tidegauge(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", out(output), err(output)))
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

fn configuration(directory: &TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("tidegauge.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Every file below a directory with its content.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(directory).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn every_command_has_help_with_examples() {
    for command in tidegauge::cli::command().get_subcommands() {
        let help = run(&[command.get_name(), "--help"]);
        assert_eq!(code(&help), 0);
        assert!(
            out(&help).contains(&format!("Examples:\n  tidegauge {}", command.get_name())),
            "{}",
            out(&help)
        );
    }
    assert!(out(&run(&["--help"])).contains("Examples:"));
    assert_eq!(out(&run(&["--version"])), format!("tidegauge {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_and_every_option_is_on_the_page_of_commands() {
    let text = page("commands.md");
    let globals = text
        .split("\n## ")
        .find(|section| section.starts_with("Options of every command"))
        .unwrap();
    for command in tidegauge::cli::command().get_subcommands() {
        let title = format!("`tidegauge {}`", command.get_name());
        let section = text.split("\n## ").find(|section| section.starts_with(&title));
        let section = section.unwrap_or_else(|| panic!("docs/commands.md has no section {title}"));
        for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
            let option = format!("--{option}");
            let named = |text: &str| text.contains(&format!("{option}`")) || text.contains(&format!("{option} "));
            assert!(named(section) || named(globals), "docs/commands.md: {title} lacks {option}");
        }
    }
    let command = tidegauge::cli::command();
    for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
        assert!(globals.contains(&format!("--{option}")), "docs/commands.md lacks {option}");
    }
}

#[test]
fn wrong_usage_ends_with_status_2() {
    for wrong in [
        &[][..],
        &["flood"],
        &["run"],
        &["run", "-c", "x.toml", "--close"],
        &["run", "-c", "x.toml", "--json"],
        &["replay", "records"],
        &["generate"],
        &["generate", "--brokers", "b:9092", "--output", "x"],
        &["generate", "--output", "x", "--bad", "1"],
        &["generate", "--output", "x", "--incident", "earthquake"],
        &["generate", "--output", "x", "--property", "a=b"],
        &["demo", "--for", "5"],
        &["metrics", "--quiet", "--verbose"],
        &["completions", "tcl"],
    ] {
        let output = run(wrong);
        assert_eq!(code(&output), 2, "{wrong:?}: {}", err(&output));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn an_impossible_log_filter_is_wrong_usage() {
    let output = tidegauge(&["metrics"]).env("TIDEGAUGE_LOG", "info,=,=").output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("TIDEGAUGE_LOG"), "{}", err(&output));
}

#[test]
fn check_reports_five_mistakes_at_once_with_their_places() {
    let directory = TempDir::new().unwrap();
    let path = configuration(
        &directory,
        "[kafka]\nbrokers = \"b:9092\"\nstart = \"yesterday\"\n[output]\nurl = \"file:///tmp/x\"\ncommit_interval = 5\n[time]\nlatness = \"2m\"\n\
         [apdex]\nthreshold = \"500\"\n[limits]\nmax_groups = \"many\"\n",
    );
    let file = path.to_str().unwrap();
    let output = run(&["check", "-c", file]);
    assert_eq!(code(&output), 2);
    let text = out(&output);
    for place in ["3:9", "6:19", "8:1", "10:13", "12:14"] {
        assert!(text.contains(&format!("{file}:{place}: ")), "{place} in {text}");
    }
    assert!(text.contains("did you mean `lateness`?") && text.contains("5 mistakes"), "{text}");

    let output = run(&["check", "-c", file, "--json"]);
    assert_eq!(code(&output), 2);
    let found = json(&output);
    assert_eq!(found["valid"], false);
    assert_eq!(found["mistakes"].as_array().unwrap().len(), 5);
    assert_eq!(found["mistakes"][2]["line"], 8);
    assert_eq!(found["mistakes"][2]["suggestion"], "lateness");

    let output = run(&["run", "-c", file]);
    assert_eq!(code(&output), 2);
    assert!(
        err(&output).contains("5 mistakes") && err(&output).contains("latness"),
        "{}",
        err(&output)
    );
}

#[test]
fn check_tells_what_would_run_and_no_secret() {
    let directory = TempDir::new().unwrap();
    let text = "[kafka]\nbrokers = \"${HIDDEN_BROKERS}\"\n[kafka.security]\nprotocol = \"sasl_ssl\"\nsasl.mechanism = \"PLAIN\"\nsasl.username = \"u\"\n\
                sasl.password = \"hunter2\"\n[output]\nurl = \"file:///tmp/x\"\n[[journey]]\nname = \"buy\"\nsteps = [\"search\", \"pay\"]\n";
    let path = configuration(&directory, text);
    let check = |more: &[&str]| {
        let arguments = [&["check", "-c", path.to_str().unwrap()], more].concat();
        tidegauge(&arguments).env("HIDDEN_BROKERS", "secret-host:9092").output().unwrap()
    };
    for more in [&[][..], &["--json"], &["--effective"]] {
        let output = check(more);
        assert_eq!(code(&output), 0, "{}{}", out(&output), err(&output));
        let all = format!("{}{}", out(&output), err(&output));
        assert!(!all.contains("hunter2") && !all.contains("secret-host"), "{all}");
        assert!(all.contains("buy") && all.contains("sasl_ssl"), "{all}");
    }
    assert_eq!(json(&check(&["--json"]))["config"]["time"]["lateness"], "2m");
    assert!(out(&check(&["--effective"])).parse::<toml::Table>().is_ok());
}

#[test]
fn check_with_a_broker_that_is_not_there_fails_and_says_what_to_do() {
    let directory = TempDir::new().unwrap();
    let url = directory.path().join("out");
    let text = format!(
        "[kafka]\nbrokers = \"${{HIDDEN_BROKERS}}\"\n[output]\nurl = \"file://{}\"\n",
        url.display()
    );
    let path = configuration(&directory, &text);
    let mut command = tidegauge(&["check", "-c", path.to_str().unwrap(), "--connect", "--json"]);
    let output = command.env("HIDDEN_BROKERS", "localhost:1").output().unwrap();
    assert_eq!(code(&output), 1, "{}", err(&output));
    let found = json(&output);
    assert_eq!(found["connect"]["ok"], false);
    assert_eq!(found["connect"]["output"]["ok"], true);
    let problem = found["connect"]["problems"][0].as_str().unwrap();
    assert!(
        problem.contains("check kafka.brokers") && !problem.contains("localhost:1"),
        "{problem}"
    );
}

#[test]
fn generated_traffic_in_a_broker_is_found_by_check() {
    let broker = EmbeddedBroker::start(&[("product.telemetry", 2), ("customer.feedback", 2)]).unwrap();
    let servers = broker.bootstrap_servers().unwrap();
    let output = run(&[
        "generate",
        "--brokers",
        &servers,
        "--rate",
        "0",
        "--events",
        "2000",
        "--bad",
        "0.2",
        "--json",
    ]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let generated = json(&output);
    assert_eq!(generated["records"], 2000);
    assert!(generated["refused"].as_u64().unwrap() > 100, "{generated}");

    let directory = TempDir::new().unwrap();
    let url = directory.path().join("out");
    let path = configuration(
        &directory,
        &format!("[kafka]\nbrokers = \"{servers}\"\n[output]\nurl = \"file://{}\"\n", url.display()),
    );
    let output = run(&["check", "-c", path.to_str().unwrap(), "--connect", "--json"]);
    assert_eq!(code(&output), 0, "{}{}", out(&output), err(&output));
    let found = json(&output);
    let topics = found["connect"]["topics"].as_array().unwrap();
    assert_eq!(topics.len(), 2);
    let records: u64 = topics.iter().map(|topic| topic["records"].as_u64().unwrap()).sum();
    assert_eq!(records, 2000);
    for topic in topics {
        let sample = &topic["sample"];
        let refused: u64 = sample["rejected"]
            .as_object()
            .unwrap()
            .values()
            .map(|count| count.as_u64().unwrap())
            .sum();
        assert_eq!(sample["accepted"].as_u64().unwrap() + refused, sample["records"].as_u64().unwrap());
        assert!(sample["accepted"].as_u64().unwrap() > 0, "{topic}");
    }
    assert!(
        topics.iter().any(|topic| !topic["sample"]["examples"][0]["detail"].is_null()),
        "{found}"
    );
}

#[test]
fn endless_traffic_ends_cleanly_when_it_is_told_to() {
    let broker = EmbeddedBroker::start(&[("product.telemetry", 1), ("customer.feedback", 1)]).unwrap();
    let servers = broker.bootstrap_servers().unwrap();
    let mut command = tidegauge(&["generate", "--brokers", &servers, "--rate", "400", "--start", "now", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let records = json(&output)["records"].as_u64().unwrap();
    assert!((1..4_000).contains(&records), "{records} records are not paced");
}

#[test]
fn more_partitions_than_the_topic_has_are_refused_with_the_right_number() {
    let broker = EmbeddedBroker::start(&[("product.telemetry", 2), ("customer.feedback", 2)]).unwrap();
    let servers = broker.bootstrap_servers().unwrap();
    let output = run(&["generate", "--brokers", &servers, "--partitions", "3", "--events", "10"]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("--partitions 2"), "{}", err(&output));
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_seed_others() {
    let directory = TempDir::new().unwrap();
    let generate = |name: &str, seed: &str| {
        let path = directory.path().join(name);
        let output = run(&[
            "generate",
            "--output",
            path.to_str().unwrap(),
            "--events",
            "3000",
            "--seed",
            seed,
            "--json",
        ]);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert_eq!(json(&output)["start"], "2026-01-01T00:00:00Z");
        files(&path)
    };
    let (first, second, other) = (generate("a", "7"), generate("b", "7"), generate("c", "8"));
    assert_eq!(first.len(), 8);
    assert!(first == second && first != other);
}

#[test]
fn recorded_events_are_never_overwritten() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("recorded");
    let generate = |seed: &str| run(&["generate", "--output", path.to_str().unwrap(), "--events", "100", "--seed", seed]);
    assert_eq!(code(&generate("1")), 0);
    let before = files(&path);
    let output = generate("2");
    assert_eq!(code(&output), 2);
    assert!(
        err(&output).contains("product.telemetry") && err(&output).contains("choose an empty directory"),
        "{}",
        err(&output)
    );
    assert!(files(&path) == before);
}

#[test]
fn a_replay_ends_with_the_documented_summary() {
    let directory = TempDir::new().unwrap();
    let records = directory.path().join("recorded");
    let output = directory.path().join("out");
    let generated = run(&[
        "generate",
        "--output",
        records.to_str().unwrap(),
        "--events",
        "1000",
        "--bad",
        "0.05",
        "--json",
    ]);
    let replayed = run(&["replay", records.to_str().unwrap(), "--output", output.to_str().unwrap(), "--json"]);
    assert_eq!(code(&replayed), 0, "{}", err(&replayed));
    assert!(replayed.stderr.is_empty(), "{}", err(&replayed));
    let summary = json(&replayed);
    let counters = summary["counters"].as_object().unwrap();
    let text = page("commands.md");
    for name in counters.keys() {
        assert!(
            text.contains(&format!("| `{name}` |")),
            "docs/commands.md does not explain `{name}`"
        );
    }
    let count = |name: &str| counters[name].as_u64().unwrap();
    let refused: u64 = counters["rejected"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(count("records"), 1000);
    assert_eq!(Value::from(refused), json(&generated)["refused"]);
    assert_eq!(count("records"), count("accepted") + count("late") + count("duplicate") + refused);
    assert_eq!(summary["tables"]["events"]["rows"], counters["accepted"]);
    assert_eq!(summary["tables"]["rejects"]["rows"], refused);
}

#[test]
fn a_replay_of_nothing_is_wrong_usage() {
    let output = run(&["replay", "/no/such/directory", "--output", "/tmp/never-made"]);
    assert_eq!(code(&output), 2);
    assert!(
        err(&output).contains("/no/such/directory") && err(&output).contains(".jsonl"),
        "{}",
        err(&output)
    );
}

#[test]
fn metrics_lists_all_and_explains_one() {
    let list = run(&["metrics"]);
    assert_eq!(code(&list), 0);
    let all = json(&run(&["metrics", "--json"]));
    let metrics = all["metrics"].as_array().unwrap();
    assert!(metrics.len() > 50);
    for metric in metrics {
        assert!(out(&list).contains(metric["name"].as_str().unwrap()));
    }
    assert!(!out(&list).contains('\u{1b}'), "no colours into a pipe");

    let one = out(&run(&["metrics", "task_success_ratio"]));
    for part in [
        "successful attempts",
        "Wilson",
        "product+task",
        "tidegauge_task_success_ratio_lower",
        "ISO 9241",
    ] {
        assert!(one.contains(part), "{part} in {one}");
    }
    let by_gauge = json(&run(&["metrics", "tidegauge_nps", "--json"]));
    assert_eq!(by_gauge["name"], "nps");

    let wrong = run(&["metrics", "task_sucess_ratio"]);
    assert_eq!(code(&wrong), 2);
    assert!(err(&wrong).contains("did you mean `task_success_ratio`?"), "{}", err(&wrong));
}

#[test]
fn the_page_of_metrics_is_the_catalogue() {
    let made = out(&run(&["metrics", "--markdown"]));
    assert!(
        made == page("metrics.md"),
        "docs/metrics.md is stale; make it again: cargo run -- metrics --markdown > docs/metrics.md"
    );
}

#[test]
fn completions_know_the_commands_in_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell]);
        assert_eq!(code(&output), 0, "{shell}");
        assert!(out(&output).contains("replay") && out(&output).contains("until-end"), "{shell}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = tidegauge(&["metrics", "--markdown"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(output.stderr.is_empty(), "{}", err(&output));
}
