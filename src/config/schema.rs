//! What a key is. The table of keys in [`super::keys`] is the one source of names, types, defaults and ranges: the checks, the
//! suggestions, the environment variables and the reference page all read it.

use tidegauge_aggregate::time::Millis;

use super::error::Problem;
use super::keys::KEYS;
use super::units::{format_duration, format_size};

/// Prefix of the environment variables.
pub(super) const PREFIX: &str = "TIDEGAUGE_";

/// Judges one string; the problem's message completes "`key` is ...".
pub(super) type Rule = fn(&str) -> Result<(), Problem>;

/// The type of a key's value, with its range.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Duration {
        min: Millis,
        max: Millis,
    },
    Size {
        min: u64,
        max: u64,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Text {
        shape: &'static str,
        rule: Rule,
    },
    /// `earliest`, `latest` or a time, which TOML may know as a date.
    Start,
    Secret,
    Choice(&'static [&'static str]),
    Choices(&'static [&'static str]),
    Texts {
        shape: &'static str,
        rule: Rule,
    },
    /// Names of the user's choosing, each with a scalar.
    Map {
        shape: &'static str,
    },
    /// An array of tables, whose keys are those of the section `NAME[]`.
    Tables,
}

/// One key of the configuration.
#[derive(Clone, Copy)]
pub(super) struct Key {
    /// The table it stands in: `""`, `time`, `kafka.security.sasl`, `window[]`.
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As TOML; `None` where there is none.
    pub(super) default: Option<&'static str>,
    /// What it changes, in Markdown.
    pub(super) doc: &'static str,
}

impl Key {
    /// `time.lateness`, `window[].size`.
    pub(super) fn path(&self) -> String {
        join(self.section, self.name)
    }

    /// The environment variable that sets it; keys of arrays of tables have none of their own.
    pub(super) fn variable(&self) -> Option<String> {
        let path = self.path();
        (!path.contains("[]")).then(|| format!("{PREFIX}{}", path.to_uppercase().replace('.', "__")))
    }
}

impl Kind {
    /// What may stand here, in words that fit after "expected".
    pub(super) fn expected(&self) -> String {
        match self {
            Kind::Duration { .. } => format!("{}, {}", super::units::DURATION_SHAPE, self.range().unwrap_or_default()),
            Kind::Size { .. } => format!("{}, {}", super::units::SIZE_SHAPE, self.range().unwrap_or_default()),
            Kind::Integer { .. } => format!("an integer from {}", self.range().unwrap_or_default()),
            Kind::Number { .. } => match self.range() {
                Some(range) => format!("a number from {range}"),
                None => "a number".to_owned(),
            },
            Kind::Text { shape, .. } => (*shape).to_owned(),
            Kind::Start => "\"earliest\", \"latest\" or an RFC 3339 time like \"2026-01-31T00:00:00Z\"".to_owned(),
            Kind::Secret => "a string, best as \"${NAME}\" or { file = \"...\" }".to_owned(),
            Kind::Choice(names) => super::nearest::one_of(names.iter().copied()),
            Kind::Choices(names) => format!("an array of {}", super::nearest::one_of(names.iter().copied())),
            Kind::Texts { shape, .. } => format!("an array of strings, each {shape}"),
            Kind::Map { shape } => (*shape).to_owned(),
            Kind::Tables => "an array of tables".to_owned(),
        }
    }

    /// The range of numbers, as `1s to 30d`.
    pub(super) fn range(&self) -> Option<String> {
        match *self {
            Kind::Duration { min, max } => Some(format!("{} to {}", format_duration(min), format_duration(max))),
            Kind::Size { min, max } => Some(format!("{} to {}", format_size(min), format_size(max))),
            Kind::Integer { min, max } => Some(format!("{min} to {max}")),
            Kind::Number { min, max } if min.is_finite() => Some(format!("{min} to {max}")),
            _ => None,
        }
    }

    /// The type's name for the reference page.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Kind::Duration { .. } => "duration",
            Kind::Size { .. } => "size",
            Kind::Integer { .. } => "integer",
            Kind::Number { .. } => "number",
            Kind::Text { .. } | Kind::Start | Kind::Choice(_) => "string",
            Kind::Secret => "secret",
            Kind::Choices(_) | Kind::Texts { .. } => "array of strings",
            Kind::Map { .. } => "table",
            Kind::Tables => "array of tables",
        }
    }
}

/// `section.name`, or `name` at the top level.
pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

/// The key of that name in that section.
pub(super) fn key(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().copied().find(|k| k.section == section && k.name == name)
}

/// All sections with keys of their own, in the order of the table; those of arrays of tables too.
pub(super) fn sections() -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    for key in KEYS {
        if !found.contains(&key.section) {
            found.push(key.section);
        }
    }
    found
}

/// Whether `path` is a table of keys.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter()
        .any(|k| k.section == path || k.section.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The names that may stand in a section: its keys and the sections below it.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = KEYS.iter().filter(|k| k.section == section).map(|k| k.name).collect();
    for key in KEYS {
        let below = if section.is_empty() {
            Some(key.section)
        } else {
            key.section.strip_prefix(section).and_then(|s| s.strip_prefix('.'))
        };
        let name = below
            .and_then(|s| s.split('.').next())
            .filter(|name| !name.is_empty() && !name.ends_with("[]"));
        if let Some(name) = name
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::value::{check, default_node};
    use super::*;

    #[test]
    fn every_default_is_valid_toml_and_passes_the_check_of_its_own_key() {
        for key in KEYS.iter().filter(|key| key.default.is_some()) {
            let node = default_node(key).unwrap_or_else(|| panic!("{} has a default that is no TOML", key.path()));
            let mut findings = Vec::new();
            check(key, &node, &mut findings);
            let messages: Vec<_> = findings.into_iter().map(|finding| finding.problem.message).collect();
            assert_eq!(messages, Vec::<String>::new());
        }
    }

    #[test]
    fn no_key_stands_in_the_table_twice() {
        let mut paths: Vec<String> = KEYS.iter().map(|key| key.path()).collect();
        paths.sort();
        let all = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), all);
    }

    #[test]
    fn a_section_knows_its_keys_and_the_sections_below() {
        assert_eq!(names_in("kafka.security"), ["protocol", "sasl", "tls"]);
        assert!(names_in("").contains(&"window") && names_in("").contains(&"kafka"));
        assert!(is_section("kafka") && is_section("kafka.security.tls") && !is_section("kaf"));
    }

    #[test]
    fn a_variable_is_the_path_in_capitals() {
        let password = key("kafka.security.sasl", "password").unwrap();
        assert_eq!(password.variable().as_deref(), Some("TIDEGAUGE_KAFKA__SECURITY__SASL__PASSWORD"));
        assert_eq!(key("window[]", "size").unwrap().variable(), None);
    }
}
