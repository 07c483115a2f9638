//! First pass: fetches references, and judges every key and every value by itself.

use std::path::Path;

use super::environment::Environment;
use super::error::Problem;
use super::keys::KEYS;
use super::nearest::{nearest, one_of};
use super::schema::{self, Key, Kind};
use super::tree::{Entry, Node, Table, Value, quote};
use super::value::{Finding, check};

/// Walks the whole tree.
pub(super) fn walk(root: &mut Table, env: &dyn Environment, findings: &mut Vec<Finding>) {
    Walk { env, findings }.section("", root);
}

struct Walk<'a> {
    env: &'a dyn Environment,
    findings: &'a mut Vec<Finding>,
}

impl Walk<'_> {
    fn section(&mut self, section: &str, table: &mut Table) {
        for entry in &mut table.entries {
            if let Some(key) = schema::key(section, &entry.name) {
                self.value(key, &mut entry.node);
                continue;
            }
            let path = schema::join(section, &entry.name);
            if !schema::is_section(&path) {
                self.findings.push(Finding::new(&entry.origin, unknown_key(section, entry)));
                continue;
            }
            match &mut entry.node.value {
                Value::Table(table) => self.section(&path, table),
                _ => {
                    let problem = Problem::new(format!("`{path}` is of the wrong type")).found(entry.node.describe(true));
                    let expected = format!("a table with {}", one_of(schema::names_in(&path)));
                    self.findings.push(Finding::new(&entry.node.origin, problem.expected(expected)));
                }
            }
        }
    }

    fn value(&mut self, key: &Key, node: &mut Node) {
        match key.kind {
            Kind::Tables => {
                if let Value::Array(items) = &mut node.value {
                    for item in items {
                        self.item(key, item);
                    }
                }
            }
            Kind::Map { .. } => {
                if let Value::Table(table) = &mut node.value {
                    self.map(key, "", table);
                }
            }
            Kind::Texts { .. } | Kind::Choices(_) => {
                if let Value::Array(items) = &mut node.value {
                    items.iter_mut().for_each(|item| self.fetch(item));
                }
            }
            _ => self.fetch(node),
        }
        check(key, node, self.findings);
    }

    fn item(&mut self, key: &Key, item: &mut Node) {
        let section = format!("{}[]", key.path());
        match &mut item.value {
            Value::Table(table) => self.section(&section, table),
            _ => {
                let problem = Problem::new(format!("an item of `{}` is of the wrong type", key.path())).found(item.describe(false));
                let expected = format!("a table with {}", one_of(schema::names_in(&section)));
                self.findings.push(Finding::new(&item.origin, problem.expected(expected)));
                item.value = Value::Broken;
            }
        }
    }

    /// Dotted names are written with or without quotes, so tables below are only longer names.
    fn map(&mut self, key: &Key, above: &str, table: &mut Table) {
        for Entry { name, node, .. } in &mut table.entries {
            let name = schema::join(above, name);
            if node.as_file_reference().is_none()
                && let Value::Table(below) = &mut node.value
            {
                self.map(key, &name, below);
                continue;
            }
            self.fetch(node);
            if !matches!(
                node.value,
                Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Broken
            ) {
                let problem = Problem::new(format!("`{}.{name}` is of the wrong type", key.path()));
                let problem = problem.found(node.describe(true)).expected("a string, a number or a boolean");
                self.findings.push(Finding::new(&node.origin, problem));
                node.value = Value::Broken;
            }
        }
    }

    /// Replaces `"${NAME}"` and `{ file = "..." }` by what they stand for.
    fn fetch(&mut self, node: &mut Node) {
        let fetched = if let Some(path) = node.as_file_reference() {
            self.file(path).map(|text| (format!("{{ file = {} }}", quote(path)), text))
        } else if let Value::Text(text) = &node.value
            && text.contains("${")
        {
            self.variable(text).map(|value| (quote(text), value))
        } else {
            return;
        };
        match fetched {
            Ok((reference, text)) => {
                node.value = Value::Text(text);
                node.reference = Some(reference);
            }
            Err(problem) => {
                self.findings.push(Finding::new(&node.origin, problem));
                node.value = Value::Broken;
            }
        }
    }

    fn file(&self, path: &str) -> Result<String, Problem> {
        match self.env.read_file(Path::new(path)) {
            // Editors and `echo` end a file with a newline that is no part of the secret.
            Ok(text) => Ok(text
                .strip_suffix('\n')
                .map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t))
                .to_owned()),
            Err(error) => {
                let problem = Problem::new(format!("the file {} cannot be read: {error}", quote(path)));
                Err(problem.expected("a file with the value, readable by this process"))
            }
        }
    }

    fn variable(&self, text: &str) -> Result<String, Problem> {
        let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let legal = |name: &&str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        let Some(name) = name.filter(legal) else {
            return Err(Problem::new("a string with `${` in it").expected("nothing but \"${NAME}\", or a string without it"));
        };
        self.env.variable(name).map_err(|error| match error {
            std::env::VarError::NotPresent => Problem::new(format!("the environment variable `{name}` is not set")),
            std::env::VarError::NotUnicode(_) => Problem::new(format!("the environment variable `{name}` is not UTF-8")),
        })
    }
}

fn unknown_key(section: &str, entry: &Entry) -> Problem {
    let (array, place) = match section.strip_suffix("[]") {
        _ if section.is_empty() => ("", "at the top level".to_owned()),
        Some(array) => (array, format!("in [[{array}]]")),
        None => ("", format!("in [{section}]")),
    };
    let problem = Problem::new(format!("unknown key `{}` {place}", shown(&entry.name)));
    let names = schema::names_in(section);
    if let Some(name) = nearest(&entry.name, names.iter().copied()) {
        return problem.suggest(Some(name));
    }
    // The right name in the wrong table is as common as a misspelt one.
    let elsewhere: Vec<String> = KEYS
        .iter()
        .filter(|k| k.name == entry.name && k.section != section)
        .map(|k| k.path())
        .collect();
    if array.is_empty() && !elsewhere.is_empty() {
        return problem.suggest(elsewhere.into_iter().next());
    }
    problem.expected(one_of(names))
}

/// A key may be any text; in a message it is short and on one line.
fn shown(name: &str) -> String {
    let quoted = quote(name);
    quoted
        .strip_prefix('"')
        .and_then(|q| q.strip_suffix('"'))
        .unwrap_or(&quoted)
        .to_owned()
}
