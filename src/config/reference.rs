//! The reference page of all keys, made from the table of keys.

use std::fmt::Write;

use super::keys::KEYS;
use super::schema::{self, Key, Kind};

/// The tables of `docs/configuration.md`, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    for section in schema::sections() {
        let title = match section.strip_suffix("[]") {
            Some(array) => format!("`[[{array}]]`"),
            None if section.is_empty() => "Lists of tables".to_owned(),
            None => format!("`[{section}]`"),
        };
        let _ = write!(text, "### {title}\n\n");
        for key in KEYS.iter().filter(|key| key.section == section) {
            entry(&mut text, key);
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn entry(text: &mut String, key: &Key) {
    let mut facts = vec![key.kind.type_name().to_owned()];
    if let Kind::Choice(names) | Kind::Choices(names) = key.kind {
        facts.push(super::nearest::one_of(names.iter().copied()));
    }
    if let Some(range) = key.kind.range() {
        facts.push(range);
    }
    facts.push(
        key.default
            .map_or_else(|| "no default".to_owned(), |default| format!("default `{default}`")),
    );
    if let Some(variable) = key.variable() {
        facts.push(format!("`{variable}`"));
    }
    let _ = writeln!(text, "- **`{}`** ({}): {}", key.path(), facts.join("; "), key.doc);
}
