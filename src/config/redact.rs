//! The effective configuration as TOML that may be shown to anybody.

use std::fmt::Write;

use tidegauge_aggregate::spec::{Dimension, Spec};

use super::kafka::is_sensitive;
use super::keys;
use super::model::Prometheus;
use super::schema::{self, Key, Kind};
use super::secret::REDACTED;
use super::targets::leaves;
use super::tree::{Node, Table, Value};
use super::units::format_duration;

/// Every key with a value or a default, section by section.
pub(super) fn redacted(root: &Table, spec: &Spec, prometheus: &Prometheus) -> String {
    let mut text = String::new();
    for section in schema::sections().into_iter().filter(|s| !s.is_empty() && !s.ends_with("[]")) {
        if section == keys::SPIKE_WINDOW.section && spec.spike.is_none() {
            continue;
        }
        let table = root.table(section);
        let mut lines = lines(section, |key| table.and_then(|t| t.get(key.name)).map(|e| &e.node));
        if section == keys::PROMETHEUS_WINDOWS.section {
            lines.push_str(&exported(table, spec, prometheus));
        }
        if !lines.is_empty() {
            let _ = write!(text, "[{section}]\n{lines}\n");
        }
    }
    for key in [&keys::WINDOW, &keys::GROUPING, &keys::JOURNEY, &keys::TARGET] {
        match root.get(key.name).map(|entry| &entry.node.value) {
            Some(Value::Array(items)) => {
                for item in items {
                    let Value::Table(table) = &item.value else { continue };
                    let lines = lines(&format!("{}[]", key.name), |key| table.get(key.name).map(|e| &e.node));
                    let _ = write!(text, "[[{}]]\n{lines}\n", key.name);
                }
            }
            _ => defaults(&mut text, key.name, spec),
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn lines<'n>(section: &str, node_of: impl Fn(&Key) -> Option<&'n Node>) -> String {
    let mut text = String::new();
    for key in keys::KEYS.iter().filter(|key| key.section == section) {
        let value = match (node_of(key), key.default) {
            (Some(node), _) => shown(key, node),
            (None, Some(_)) if key.section == keys::PROMETHEUS_WINDOWS.section && matches!(key.kind, Kind::Texts { .. }) => continue,
            (None, Some(default)) => default.to_owned(),
            (None, None) => continue,
        };
        let _ = writeln!(text, "{} = {value}", key.name);
    }
    text
}

/// The lists of what is exported, where they were not written: as comments, since writing them means more than leaving them out.
fn exported(table: Option<&Table>, spec: &Spec, prometheus: &Prometheus) -> String {
    let groupings = prometheus
        .groupings
        .iter()
        .filter_map(|i| spec.groupings.get(*i))
        .map(|g| g.name())
        .collect();
    let windows = prometheus
        .windows
        .iter()
        .filter_map(|i| spec.windows.get(*i))
        .map(|w| w.name.clone())
        .collect();
    let mut text = String::new();
    for (key, names) in [(&keys::PROMETHEUS_GROUPINGS, groupings), (&keys::PROMETHEUS_WINDOWS, windows)] {
        if table.and_then(|t| t.get(key.name)).is_none() {
            let _ = writeln!(text, "# {} = {}", key.name, list(names));
        }
    }
    text
}

fn list(names: Vec<String>) -> String {
    format!("[{}]", names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", "))
}

fn shown(key: &Key, node: &Node) -> String {
    if let (Kind::Map { .. }, Value::Table(table)) = (key.kind, &node.value) {
        let items = leaves(table)
            .into_iter()
            .map(|(name, _, node)| format!("{} = {}", literal(&name), value(node, is_sensitive(&name))));
        return match items.collect::<Vec<_>>().join(", ") {
            items if items.is_empty() => "{}".to_owned(),
            items => format!("{{ {items} }}"),
        };
    }
    value(node, matches!(key.kind, Kind::Secret))
}

fn value(node: &Node, secret: bool) -> String {
    if let Some(reference) = &node.reference {
        return reference.clone();
    }
    if secret {
        return literal(REDACTED);
    }
    match &node.value {
        Value::Text(text) => literal(text),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Boolean(value) => value.to_string(),
        Value::Datetime(text) => text.clone(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(|item| self::value(item, false)).collect::<Vec<_>>().join(", ")
        ),
        Value::Table(_) | Value::Broken => literal(REDACTED),
    }
}

/// A TOML string.
fn literal(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn defaults(text: &mut String, name: &str, spec: &Spec) {
    if name == keys::WINDOW.name {
        for window in &spec.windows {
            let groupings = window
                .groupings
                .iter()
                .filter_map(|i| spec.groupings.get(*i))
                .map(|g| g.name())
                .collect();
            let (size, slide) = (format_duration(window.size), format_duration(window.slide));
            let name = literal(&window.name);
            let groupings = list(groupings);
            let _ = write!(
                text,
                "[[window]]\nname = {name}\nsize = \"{size}\"\nslide = \"{slide}\"\ngroupings = {groupings}\n\n"
            );
        }
    }
    if name == keys::GROUPING.name {
        for grouping in &spec.groupings {
            let dimensions = list(grouping.dimensions.iter().map(Dimension::name).collect());
            let _ = write!(text, "[[grouping]]\ndimensions = {dimensions}\n\n");
        }
    }
}
