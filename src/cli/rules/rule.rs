//! Rules, and how they are written as YAML.

use std::fmt::Write;

use tidegauge_aggregate::time::Millis;

use crate::cli::exported::quote;
use crate::cli::output::duration;

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Someone has to look now.
    Page,
    /// Someone has to look on the next working day.
    Ticket,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

/// One alert.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub(super) name: String,
    pub(super) expression: String,
    /// How long the expression has to hold.
    pub(super) hold: Millis,
    pub(super) severity: Severity,
    /// Further labels.
    pub(super) labels: Vec<(&'static str, String)>,
    /// A template, as is `description`.
    pub(super) summary: String,
    pub(super) description: String,
    /// The heading of the runbook, as the anchor of a link.
    pub(super) section: String,
}

/// One rule of a group.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    Record { name: &'static str, expression: String },
    Alert(Alert),
}

/// Rules that are evaluated in this order.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) rules: Vec<Rule>,
}

/// Text of others inside a template, where two braces would begin an action.
pub(super) fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// A rule file.
pub(super) fn file(groups: &[Group], runbook: &str) -> String {
    let mut text =
        "# Made by `tidegauge rules` for one configuration; change that and make this again.\n# Names and labels are stable, expressions may change.\ngroups:\n"
            .to_owned();
    for group in groups.iter().filter(|group| !group.rules.is_empty()) {
        let _ = writeln!(text, "  - name: {}\n    rules:", group.name);
        for rule in &group.rules {
            match rule {
                Rule::Record { name, expression } => {
                    let _ = writeln!(text, "      - record: {name}");
                    write_expression(&mut text, expression);
                }
                Rule::Alert(alert) => write_alert(&mut text, alert, runbook),
            }
        }
    }
    text
}

fn write_alert(text: &mut String, alert: &Alert, runbook: &str) {
    let _ = writeln!(text, "      - alert: {}", alert.name);
    write_expression(text, &alert.expression);
    let _ = writeln!(text, "        for: {}", duration(alert.hold));
    let _ = writeln!(text, "        labels:\n          severity: {}", alert.severity.as_str());
    for (label, value) in &alert.labels {
        let _ = writeln!(text, "          {label}: {}", quote(value));
    }
    let _ = writeln!(text, "        annotations:");
    let link = format!("{}/docs/runbook.md#{}", runbook.trim_end_matches('/'), alert.section);
    for (name, value) in [
        ("summary", &alert.summary),
        ("description", &alert.description),
        ("runbook_url", &literal(&link)),
    ] {
        let _ = writeln!(text, "          {name}: {}", quote(value));
    }
}

fn write_expression(text: &mut String, expression: &str) {
    let _ = writeln!(text, "        expr: |-");
    for line in expression.lines() {
        let _ = writeln!(text, "          {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_braces_of_others_are_no_template() {
        assert_eq!(literal("a {{ b }} {c}"), "a {{ \"{{\" }} b }} {c}");
    }

    #[test]
    fn a_rule_file_is_indented_and_ends_with_a_newline() {
        let alert = Alert {
            name: "A".to_owned(),
            expression: "x\nand\ny".to_owned(),
            hold: 300_000,
            severity: Severity::Page,
            labels: vec![("target", "a \"b\"".to_owned())],
            summary: "s".to_owned(),
            description: "d".to_owned(),
            section: "a".to_owned(),
        };
        let group = Group {
            name: "g",
            rules: vec![Rule::Alert(alert)],
        };
        let text = file(&[group], "https://h/");
        let expected = "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: |-\n          x\n          and\n          y\n        for: 5m\n        labels:\n          severity: page\n          target: \"a \\\"b\\\"\"\n        annotations:\n          summary: \"s\"\n          description: \"d\"\n          runbook_url: \"https://h/docs/runbook.md#a\"\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
