//! The configuration as it was written: values that know where they stand, from the file and from the environment alike.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Byte offset in the file.
    File(usize),
    /// Name of the environment variable.
    Variable(Arc<str>),
}

/// One value and where it was written.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// `"${NAME}"` or `{ file = "..." }` as written, if the value was fetched through it; such a value is never shown.
    pub(super) reference: Option<String>,
}

#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
    /// Could not be read; already reported.
    Broken,
}

#[derive(Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
    /// Written as `{ ... }`.
    pub(super) inline: bool,
}

/// A key, where it was written, and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// Follows `a.b.c` through nested tables.
    pub(super) fn table(&self, path: &str) -> Option<&Table> {
        let mut table = self;
        for name in path.split('.').filter(|name| !name.is_empty()) {
            let Value::Table(next) = &table.get(name)?.node.value else {
                return None;
            };
            table = next;
        }
        Some(table)
    }

    /// Sets `path`, making tables on the way; what stood there before gives way, be it of another type.
    pub(super) fn set(&mut self, path: &[String], node: Node) {
        let Some((name, rest)) = path.split_first() else { return };
        let position = self.entries.iter().position(|e| e.name == *name);
        let index = position.unwrap_or_else(|| {
            let empty = Node {
                value: Value::Table(Table::default()),
                origin: node.origin.clone(),
                reference: None,
            };
            self.entries.push(Entry {
                name: name.clone(),
                origin: node.origin.clone(),
                node: empty,
            });
            self.entries.len() - 1
        });
        let Some(entry) = self.entries.get_mut(index) else { return };
        if rest.is_empty() {
            entry.origin = node.origin.clone();
            entry.node = node;
            return;
        }
        if !matches!(entry.node.value, Value::Table(_)) {
            // A scalar in the file where a table belongs is a mistake of its own, but not one that the variable can be blamed for.
            return;
        }
        if let Value::Table(table) = &mut entry.node.value {
            table.set(rest, node);
        }
    }
}

impl Node {
    pub(super) fn text(text: impl Into<String>, origin: Origin) -> Node {
        Node {
            value: Value::Text(text.into()),
            origin,
            reference: None,
        }
    }

    /// The path of `{ file = "..." }`.
    pub(super) fn as_file_reference(&self) -> Option<&str> {
        let Value::Table(Table { entries, inline: true }) = &self.value else {
            return None;
        };
        match entries.as_slice() {
            [
                Entry {
                    name,
                    node: Node {
                        value: Value::Text(path), ..
                    },
                    ..
                },
            ] if name == "file" => Some(path),
            _ => None,
        }
    }

    /// What stands here, in words that fit after "found"; a fetched value is not shown.
    pub(super) fn describe(&self, secret: bool) -> String {
        if let Some(reference) = &self.reference {
            return format!("a value from {reference}");
        }
        match &self.value {
            Value::Text(_) if secret => "a string".to_owned(),
            Value::Integer(_) if secret => "an integer".to_owned(),
            Value::Float(_) if secret => "a float".to_owned(),
            Value::Datetime(_) if secret => "a date".to_owned(),
            Value::Text(text) => quote(text),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Boolean(value) => value.to_string(),
            Value::Datetime(text) => text.clone(),
            Value::Array(_) => "an array".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Broken => "nothing that can be read".to_owned(),
        }
    }
}

/// Text in quotes, as in TOML and short enough for a message.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// Where a parsed text came from: origins of a file are offsets, those of a variable its name.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    File(&'a str),
    Variable(&'a Arc<str>, &'a str),
}

impl Source<'_> {
    fn origin(self, span: &Range<usize>) -> Origin {
        match self {
            Source::File(_) => Origin::File(span.start),
            Source::Variable(name, _) => Origin::Variable(Arc::clone(name)),
        }
    }

    fn text(&self) -> &str {
        match self {
            Source::File(text) | Source::Variable(_, text) => text,
        }
    }

    /// Takes over a parsed table.
    pub(super) fn table(self, table: &DeTable<'_>, inline: bool) -> Table {
        let entries = table.iter().map(|(name, value)| Entry {
            name: name.get_ref().to_string(),
            origin: self.origin(&name.span()),
            node: self.node(value.get_ref(), &value.span()),
        });
        Table {
            entries: entries.collect(),
            inline,
        }
    }

    /// Takes over a parsed value.
    pub(super) fn node(self, value: &DeValue<'_>, span: &Range<usize>) -> Node {
        let value = match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(integer) => {
                let least_or_greatest = if integer.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
                Value::Integer(i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(least_or_greatest))
            }
            DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
            DeValue::Array(array) => Value::Array(array.iter().map(|item| self.node(item.get_ref(), &item.span())).collect()),
            DeValue::Table(table) => {
                let inline = self.text().get(span.start..).is_some_and(|rest| rest.starts_with('{'));
                Value::Table(self.table(table, inline))
            }
        };
        Node {
            value,
            origin: self.origin(span),
            reference: None,
        }
    }
}

/// Line and column, both from 1, of a byte offset; columns count characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_from_one() {
        assert_eq!(line_and_column("", 0), (1, 1));
        assert_eq!(line_and_column("ab\nä = 1", 6), (2, 3));
        assert_eq!(line_and_column("ab\n", 3), (2, 1));
        assert_eq!(line_and_column("ab", 99), (1, 3));
    }
}
