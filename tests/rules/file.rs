//! The rule file.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::pages::{anchor, read, root};
use crate::service::run;

/// A configuration with everything that rules are made of.
pub(crate) const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules/configuration.toml");

/// What the binary prints for a configuration, or for none.
pub(crate) fn rules(arguments: &[&str]) -> String {
    let said = run(&[&["rules"], arguments].concat());
    said.assert(0, &[]);
    assert!(said.err.is_empty() && said.out.ends_with('\n'), "{}", said.err);
    said.out
}

/// One alert of a rule file, as far as a test needs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) severity: String,
    runbook: String,
}

/// The alerts of a rule file that `tidegauge rules` wrote.
pub(crate) fn alerts(rules: &str) -> Vec<Alert> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.trim_start().strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key} in {block}"))
            .trim_matches([' ', '"'])
            .to_owned()
    };
    let blocks = rules.split("      - alert: ").skip(1);
    blocks
        .map(|block| Alert {
            name: block.lines().next().unwrap().to_owned(),
            severity: value(block, "severity:"),
            runbook: value(block, "runbook_url:"),
        })
        .collect()
}

/// Fails unless promtool takes the file without a remark.
fn check(text: &str) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("rules.yml");
    fs::write(&file, text).unwrap();
    let output = Command::new("promtool")
        .args(["check", "rules", "--lint=all", "--lint-fatal"])
        .arg(&file)
        .output()
        .expect("promtool is missing: run `cargo xtask install`");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("SUCCESS"), "{said}\n{text}");
    assert_eq!(said.lines().filter(|line| !line.is_empty()).count(), 2, "{said}");
}

#[test]
fn prometheus_takes_the_rules_of_any_configuration() {
    let directory = TempDir::new().unwrap();
    let written = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let other = "[[window]]\nname = \"a \\\"b\\\" {{ c }}\"\nsize = \"2h\"\nslide = \"1m\"\n[prometheus]\nwindows = [\"a \\\"b\\\" {{ c }}\"]\n\
                 [[target]]\nmetric = \"sus_score\"\nwindow = \"a \\\"b\\\" {{ c }}\"\nat_least = 68\n[spike]\nwindow = \"a \\\"b\\\" {{ c }}\"\nbaseline = \"24h\"";
    let none = "[prometheus]\nwindows = []\n";
    for arguments in [
        vec![],
        vec!["-c", CONFIGURATION],
        vec!["-c", root().join("deploy/tidegauge.toml").to_str().unwrap()],
        vec!["-c", &written("other.toml", other)],
        vec!["-c", &written("none.toml", none)],
        vec!["--job", "a \"job\" {{ x }}", "--runbook-url", "https://wiki/{{ x }}/"],
    ] {
        let text = rules(&arguments);
        check(&text);
        assert!(alerts(&text).iter().any(|alert| alert.name == "TidegaugeDown"));
    }
}

#[test]
fn the_same_configuration_gives_the_same_rules_and_the_order_of_targets_does_not_matter() {
    let text = fs::read_to_string(CONFIGURATION).unwrap();
    let (head, targets) = text.split_once("# A ratio with an interval.").unwrap();
    let mut targets: Vec<&str> = targets.split("[[target]]").skip(1).collect();
    targets.reverse();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("reversed.toml");
    fs::write(&path, format!("{head}\n[[target]]{}", targets.join("\n[[target]]"))).unwrap();
    assert_eq!(rules(&["-c", CONFIGURATION]), rules(&["-c", path.to_str().unwrap()]));
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() {
    let page = read("docs/runbook.md");
    let sections: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|heading| heading.starts_with("Tidegauge"))
        .map(anchor)
        .collect();
    let mut linked = BTreeSet::new();
    for alert in alerts(&(rules(&[]) + &rules(&["-c", CONFIGURATION]))) {
        let (url, section) = alert.runbook.split_once('#').unwrap();
        assert!(url.ends_with("/docs/runbook.md"), "{url}");
        let name = alert.name.to_lowercase();
        // A target's alert is named by its metric, and explained with its like.
        let short = ["below", "above"].iter().find(|side| name.ends_with(&format!("{side}target")));
        assert_eq!(section, short.map_or(name.clone(), |side| format!("tidegauge{side}target")));
        linked.insert(section.to_owned());
    }
    assert_eq!(linked, sections);
    for section in page.split("\n## Tidegauge").skip(1) {
        for part in ["**Means.**", "**Look.**", "**Do.**"] {
            assert!(section.contains(part), "no {part} in: ## Tidegauge{section}");
        }
    }
}

#[test]
fn the_names_of_the_runbook_are_those_of_rules_and_pages() {
    let page = read("docs/runbook.md");
    let sources: String = [
        "sink/src/gauges/operational.rs",
        "src/cli/rules/budget.rs",
        "src/cli/rules/business.rs",
        "src/cli/rules/pipeline.rs",
    ]
    .iter()
    .map(|path| read(path))
    .collect();
    let metrics = read("docs/metrics.md");
    let names = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut seen = 0;
    for name in names.filter(|word| word.starts_with("tidegauge_")) {
        let short = name.strip_prefix("tidegauge_").unwrap();
        assert!(
            sources.contains(&format!("\"{short}\"")) || metrics.contains(&format!("`{name}`")) || sources.contains(&format!(":{name}:")),
            "docs/runbook.md: {name} is no metric"
        );
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_deployed_rules_are_those_of_the_deployed_configuration() {
    let made = rules(&["-c", root().join("deploy/tidegauge.toml").to_str().unwrap()]);
    // The chart cannot reach what is outside of it.
    for file in ["deploy/prometheus-rules.yml", "deploy/helm/tidegauge/prometheus-rules.yml"] {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(root().join(file), &made).unwrap();
        }
        assert!(
            made == read(file),
            "{file} is stale; write it again with UPDATE_DOCS=1 cargo test --test rules deployed"
        );
    }
}
