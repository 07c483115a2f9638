//! The pages keep their word: commands exist, links lead somewhere, snippets are valid.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pages.rs"]
mod pages;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pages::{anchor, blocks, links, output_of, read, root, tidegauge};
use tidegauge::config::{Config, FixedEnvironment, parse};
use tidegauge_aggregate::record::Record;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};
use tidegauge_sink::gauges::{Format, Operational, Page};

fn name(page: &Path) -> String {
    page.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn the_two_commands_of_the_readme_are_the_demo_and_what_ci_runs() {
    let readme = blocks(&read("README.md"));
    let commands: Vec<&str> = readme
        .iter()
        .filter(|b| b.section == "Two commands" && b.language == "sh")
        .map(|b| b.text.trim())
        .collect();
    assert_eq!(commands, ["cargo run --release -- demo", "cargo xtask test"]);
    let ci = read(".ci/run");
    assert_eq!(ci.lines().last(), Some("cargo xtask test"));
    assert!(read(".cargo/config.toml").contains("xtask = \"run "));
    let usage = read("xtask/src/main.rs");
    assert!(usage.contains("[\"test\"] => checks::test()"), "the task test is gone");
}

#[test]
fn the_readme_counts_the_metrics_right() {
    let metrics = tidegauge_aggregate::catalogue::metrics().count();
    assert!(
        read("README.md").contains(&format!("[{metrics} in all](docs/metrics.md)")),
        "{metrics}"
    );
}

#[test]
fn every_page_is_linked_from_an_index() {
    let mut linked = BTreeSet::new();
    for index in ["README.md", "docs/README.md"] {
        let directory = root().join(index).parent().unwrap().to_owned();
        linked.extend(links(&read(index)).iter().filter_map(|l| directory.join(l).canonicalize().ok()));
    }
    let mut files: Vec<PathBuf> = vec![root().join("docs")];
    let mut lost = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(path.read_dir().unwrap().map(|e| e.unwrap().path()));
        } else if path != root().join("docs/README.md") && !linked.contains(&path.canonicalize().unwrap()) {
            lost.push(name(&path));
        }
    }
    assert!(lost.is_empty(), "linked from neither README.md nor docs/README.md: {lost:?}");
}

#[test]
fn relative_links_lead_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    let pages = pages::pages();
    assert!(pages.len() > 10, "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).iter().filter(|l| !l.contains("://")) {
            let (file, heading) = link.split_once('#').map_or((link.as_str(), None), |(f, h)| (f, Some(h)));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            let has = |heading: &str| {
                fs::read_to_string(&target)
                    .unwrap_or_default()
                    .lines()
                    .any(|l| l.starts_with('#') && anchor(l.trim_start_matches('#')) == heading)
            };
            if !target.exists() || heading.is_some_and(|h| !has(h)) {
                broken.push(format!("{}: {link}", name(&page)));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_code_map_names_every_module() {
    let map = read("docs/architecture.md");
    let mut missing = Vec::new();
    for directory in ["aggregate/src", "ingest/src", "sink/src", "src", "src/pipeline"] {
        for path in root().join(directory).read_dir().unwrap().map(|e| e.unwrap().path()) {
            let file = path.file_name().unwrap().to_str().unwrap();
            let shown = if path.is_dir() { format!("{file}/") } else { file.to_owned() };
            let tests = shown == "tests.rs" || shown.ends_with("_tests.rs");
            if !tests && shown != "lib.rs" && shown != "mod.rs" && shown != "pipeline/" && !map.contains(&format!("{shown}`")) {
                missing.push(format!("{directory}/{shown}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/architecture.md says nothing of {missing:?}");
}

/// Parses as what `run` takes if it names brokers, else as what `replay` takes.
fn configuration(what: &str, text: &str) {
    let secrets = [
        "/run/secrets/kafka",
        "/run/secrets/kafka-password",
        "/run/credentials/tidegauge.service/kafka-password",
    ];
    let environment = secrets
        .iter()
        .fold(FixedEnvironment::default(), |env, path| env.and_file(path, "secret"));
    let parsed = if text.contains("brokers") {
        parse(text, what, &environment)
    } else {
        Config::for_replay(text, what, &environment)
    };
    if let Err(errors) = parsed {
        panic!("{what}: {errors}\n{text}");
    }
}

#[test]
fn every_configuration_of_the_pages_is_valid() {
    let mut seen = 0;
    for page in pages::pages() {
        for block in blocks(&fs::read_to_string(&page).unwrap()).iter().filter(|b| b.language == "toml") {
            configuration(&format!("{}:{}", name(&page), block.line), &block.text);
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn the_configuration_to_begin_with_is_valid_also_with_its_comments_as_settings() {
    let text = read("deploy/tidegauge.toml");
    configuration("deploy/tidegauge.toml", &text);
    let settings: Vec<&str> = text
        .lines()
        .map(|l| l.strip_prefix('#').filter(|r| !r.starts_with(' ')).unwrap_or(l))
        .collect();
    assert!(settings.contains(&"[kafka.security]"));
    configuration("deploy/tidegauge.toml, all of it", &settings.join("\n"));
}

#[test]
fn every_event_of_the_pages_is_accepted() {
    let mut decoder = Decoder::new(DecodeLimits {
        max_record_bytes: 1 << 20,
        max_future_skew: 300_000,
    });
    let mut seen = 0;
    for page in pages::pages() {
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            if block.language != "json" || !block.text.starts_with("{\"type\":") {
                continue;
            }
            let record = Record {
                topic: "t",
                partition: 0,
                offset: 0,
                timestamp: None,
                key: None,
                value: Some(block.text.trim().as_bytes()),
                headers: &[],
            };
            if let Err(reject) = decoder.decode(&record) {
                panic!("{}:{}: {reject:?}", name(&page), block.line);
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_command_of_the_pages_has_the_options_that_it_is_given() {
    let mut seen = BTreeSet::new();
    for page in pages::pages() {
        for block in blocks(&fs::read_to_string(&page).unwrap()).iter().filter(|b| b.language == "sh") {
            for line in block.text.lines().filter_map(|l| l.split('#').next()) {
                let mut words = line.split_whitespace();
                let demo = line.trim() == "cargo run --release -- demo";
                if !demo && !matches!(words.next(), Some("tidegauge" | "target/release/tidegauge")) {
                    continue;
                }
                let words: Vec<&str> = if demo { vec!["demo"] } else { words.collect() };
                let Some((command, options)) = words.split_first() else { continue };
                let help = output_of(tidegauge(root()).args([command, "--help"]));
                let known: BTreeSet<&str> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
                for option in options.iter().filter(|o| o.starts_with('-')) {
                    assert!(known.contains(option), "{}:{}: {line}: no {option}", name(&page), block.line);
                }
                seen.insert((*command).to_owned());
            }
        }
    }
    for command in ["demo", "run", "replay", "check"] {
        assert!(seen.contains(command), "{seen:?}");
    }
}

#[test]
fn prometheus_takes_the_scrape_configuration() {
    output_of(
        Command::new("promtool")
            .args(["check", "config", "deploy/prometheus.yml"])
            .current_dir(root()),
    );
}

#[test]
fn the_gauges_that_alerts_are_to_be_made_of_are_on_the_page() {
    let gauges = Page::new(&Spec::default(), Vec::new(), 100).unwrap();
    gauges.observe(Operational {
        watermark: Some(EventTime(1)),
        ..Operational::default()
    });
    let shown = gauges.render(Format::negotiate(None)).unwrap();
    let page = read("deploy/README.md");
    let named: BTreeSet<&str> = page
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("tidegauge_"))
        .collect();
    assert!(named.len() >= 3, "{named:?}");
    for gauge in named {
        assert!(
            shown.lines().any(|l| l.starts_with(&format!("{gauge} "))),
            "{gauge} is not in\n{shown}"
        );
    }
}
