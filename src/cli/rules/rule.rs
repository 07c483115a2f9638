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
    Record {
        name: &'static str,
        expression: String,
        labels: Vec<(&'static str, String)>,
    },
    Alert(Alert),
}

impl Rule {
    /// A series under a new name.
    pub(super) fn record(name: &'static str, expression: String) -> Rule {
        Rule::Record {
            name,
            expression,
            labels: Vec::new(),
        }
    }
}

/// Rules that are evaluated in this order.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: &'static str,
    /// How often; as often as Prometheus is told to where there is none.
    pub(super) interval: Option<Millis>,
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
        let _ = writeln!(text, "  - name: {}", group.name);
        if let Some(interval) = group.interval {
            let _ = writeln!(text, "    interval: {}", duration(interval));
        }
        text.push_str("    rules:\n");
        for rule in &group.rules {
            match rule {
                Rule::Record { name, expression, labels } => {
                    let _ = writeln!(text, "      - record: {name}");
                    write_expression(&mut text, expression);
                    for (at, (label, value)) in labels.iter().enumerate() {
                        let head = if at == 0 { "        labels:\n" } else { "" };
                        let _ = writeln!(text, "{head}          {label}: {}", quote(value));
                    }
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
    fn a_recorded_series_may_have_labels_and_a_group_its_own_pace() {
        let group = |labels| Group {
            name: "g",
            interval: Some(60_000),
            rules: vec![Rule::Record {
                name: "r",
                expression: "x".to_owned(),
                labels,
            }],
        };
        let plain = "groups:\n  - name: g\n    interval: 1m\n    rules:\n      - record: r\n        expr: |-\n          x\n";
        assert!(file(&[group(Vec::new())], "").ends_with(plain));
        let labelled = format!("{plain}        labels:\n          a: \"1\"\n          b: \"2\"\n");
        assert!(file(&[group(vec![("a", "1".to_owned()), ("b", "2".to_owned())])], "").ends_with(&labelled));
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
            interval: None,
            rules: vec![Rule::Alert(alert)],
        };
        let text = file(&[group], "https://h/");
        let expected = "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: |-\n          x\n          and\n          y\n        for: 5m\n        labels:\n          severity: page\n          target: \"a \\\"b\\\"\"\n        annotations:\n          summary: \"s\"\n          description: \"d\"\n          runbook_url: \"https://h/docs/runbook.md#a\"\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
