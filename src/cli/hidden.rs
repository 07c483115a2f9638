//! What messages must not show, whoever wrote them: secrets, what came from the environment by `${NAME}` or from a file, and characters that
//! are none to a reader.
//!
//! Our own messages know what they may show. Those of clients and stores quote what they were given, so all that leaves the process by standard
//! error goes through [`hide`].

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

use super::failure::Failure;
use crate::config::{self, Config, Guarded, Location, ProcessEnvironment};

/// Set once a configuration was read.
static HIDDEN: OnceLock<Vec<String>> = OnceLock::new();
/// A shorter text (`true`, `SSL`) is no secret, and replacing it would make messages unreadable.
const SHORTEST: usize = 6;

/// Reads a configuration, and hides from then on what it hides.
pub(super) fn load(file: &Path) -> Result<Config, Failure> {
    let config = config::load(file, &ProcessEnvironment)?;
    keep(&config);
    Ok(config)
}

/// Hides from now on what this configuration hides.
pub(super) fn keep(config: &Config) {
    let mut texts = hidden(config);
    texts.retain(|text| text.len() >= SHORTEST);
    // As log lines in JSON quote them.
    let quoted = texts.iter().map(|text| serde_json::Value::from(text.as_str()).to_string());
    let quoted: Vec<String> = quoted.map(|text| text.trim_matches('"').to_owned()).collect();
    texts.extend(quoted);
    // One may be a part of another.
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts.dedup();
    let _ = HIDDEN.set(texts);
}

/// The text with `***` in place of what is hidden.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let hidden = HIDDEN.get().map(Vec::as_slice).unwrap_or_default();
    hidden
        .iter()
        .filter(|hidden| text.contains(hidden.as_str()))
        .fold(Cow::Borrowed(text), |shown, hidden| {
            Cow::Owned(shown.replace(hidden.as_str(), "***"))
        })
}

/// The text on one line, with escapes in place of characters that move the cursor, colour the terminal or turn the direction of writing.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Names of topics are labels of gauges and columns of results, so they are not among it.
fn hidden(config: &Config) -> Vec<String> {
    let kafka = &config.kafka;
    let texts = kafka
        .properties()
        .into_values()
        .chain([kafka.group_id.clone()])
        .chain(kafka.brokers.clone());
    let mut found: Vec<String> = texts.filter(Guarded::is_hidden).map(|text| text.to_string()).collect();
    // Each of them may be told alone.
    let brokers = kafka.brokers.iter().filter(|brokers| brokers.is_hidden());
    found.extend(brokers.flat_map(|brokers| brokers.split(',').map(|broker| broker.trim().to_owned()).collect::<Vec<_>>()));
    if let Some(location) = config.output.location.as_ref().filter(|location| location.is_hidden()) {
        found.push(match &**location {
            Location::Local(path) => path.display().to_string(),
            Location::Remote { scheme, bucket, prefix } => format!("{scheme}://{bucket}/{prefix}"),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_act_on_a_terminal_become_escapes() {
        assert_eq!(plain("a\u{1b}[31m\nb\u{9b}\u{202e}c"), "a\\u{1b}[31m\\nb\\u{9b}\\u{202e}c");
        assert_eq!(plain("Grüße, \"quoted\" \\ as ever"), "Grüße, \"quoted\" \\ as ever");
    }
}
