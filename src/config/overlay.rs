//! Environment variables over the file: `TIDEGAUGE_KAFKA__BROKERS` sets `kafka.brokers`.

use std::sync::Arc;

use toml::de::DeValue;

use super::environment::Environment;
use super::error::Problem;
use super::keys::{CLIENT, KEYS};
use super::nearest::{nearest, one_of};
use super::schema::{Key, Kind, PREFIX, is_section, names_in};
use super::tree::{Node, Origin, Source, Table, Value};
use super::value::Finding;

/// Variables that begin like ours and are read elsewhere.
const ELSEWHERE: [&str; 4] = ["TIDEGAUGE_CONFIG", "TIDEGAUGE_LOG", "TIDEGAUGE_LOG_FORMAT", "TIDEGAUGE_TOOLS"];

/// Sets in `root` what the environment sets, and reports variables that set nothing. `text` is the file, which may name variables of its
/// own choosing by `${NAME}`.
pub(super) fn apply(root: &mut Table, text: &str, env: &dyn Environment, findings: &mut Vec<Finding>) {
    let mut names = env.names(PREFIX);
    names.sort_unstable();
    for name in names {
        let origin = Origin::Variable(Arc::from(name.as_str()));
        let Some((key, path)) = target(&name) else {
            let known = ELSEWHERE.contains(&name.as_str()) || is_service_link(&name) || text.contains(&format!("${{{name}}}"));
            if !known {
                findings.push(Finding::new(&origin, unknown(&name)));
            }
            continue;
        };
        let Ok(value) = env.variable(&name) else {
            findings.push(Finding::new(
                &origin,
                Problem::new(format!("`{}` cannot be read", key.path())).expected("UTF-8"),
            ));
            continue;
        };
        let is_property = matches!(key.kind, Kind::Map { .. }) && path.len() > 2;
        let node = if is_property {
            scalar(&value, &origin)
        } else {
            node(key, &value, &origin)
        };
        match node {
            Ok(node) => root.set(&path, node),
            Err(problem) => findings.push(Finding::new(&origin, problem)),
        }
    }
}

/// The key that a variable sets and the path in the file that it stands for. Properties of librdkafka have dots where the variable
/// has underscores.
fn target(name: &str) -> Option<(&'static Key, Vec<String>)> {
    let path_of = |key: &Key| key.path().split('.').map(str::to_owned).collect::<Vec<_>>();
    if let Some(key) = KEYS.iter().copied().find(|key| key.variable().as_deref() == Some(name)) {
        return Some((key, path_of(key)));
    }
    let client = KEYS
        .iter()
        .copied()
        .find(|key| key.section == CLIENT.section && key.name == CLIENT.name)?;
    let property = name
        .strip_prefix(&client.variable()?)?
        .strip_prefix("__")
        .filter(|property| !property.is_empty())?;
    let mut path = path_of(client);
    path.push(property.to_lowercase().replace("__", ".").replace('_', "."));
    Some((client, path))
}

/// Kubernetes and Docker give every container variables about the services beside it: a service named `tidegauge` must not stop us.
fn is_service_link(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| !rest.contains("__")) else {
        return false;
    };
    let rest = format!("_{rest}");
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || rest.ends_with("_PORT")
        || rest
            .split_once("_PORT_")
            .is_some_and(|(_, port)| port.starts_with(|c: char| c.is_ascii_digit()))
}

fn unknown(name: &str) -> Problem {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let path = rest.to_lowercase().replace("__", ".");
    if is_section(&path) {
        let variables: Vec<String> = names_in(&path)
            .iter()
            .map(|key| format!("{name}__{}", key.to_uppercase()))
            .collect();
        return Problem::new("a table is set key by key").expected(one_of(variables.iter().map(String::as_str)));
    }
    let variables: Vec<String> = KEYS.iter().filter_map(|key| key.variable()).collect();
    let suffixes = variables.iter().filter_map(|variable| variable.strip_prefix(PREFIX));
    let suggestion = nearest(rest, suffixes).map(|suffix| format!("{PREFIX}{suffix}"));
    let problem = Problem::new("unknown variable: no key of the configuration has this name");
    match suggestion {
        Some(_) => problem.suggest(suggestion),
        None => problem.expected(format!("{PREFIX} and the path of a key in capitals with `__` between levels")),
    }
}

fn node(key: &Key, text: &str, origin: &Origin) -> Result<Node, Problem> {
    let trimmed = text.trim();
    match key.kind {
        Kind::Integer { .. } | Kind::Number { .. } => match parse(trimmed, origin) {
            Some(
                node @ Node {
                    value: Value::Integer(_) | Value::Float(_),
                    ..
                },
            ) => Ok(node),
            _ => scalar(text, origin),
        },
        Kind::Texts { .. } | Kind::Choices(_) if !trimmed.starts_with('[') => {
            let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
            let items = items.map(|item| Node::text(item, origin.clone())).collect();
            Ok(Node {
                value: Value::Array(items),
                origin: origin.clone(),
                reference: None,
            })
        }
        Kind::Texts { .. } | Kind::Choices(_) | Kind::Map { .. } | Kind::Tables => parse(trimmed, origin).ok_or_else(|| {
            let problem = Problem::new(format!("`{}` is no TOML value", key.path()));
            problem.expected(format!("{}, written in TOML on one line", key.kind.expected()))
        }),
        _ => scalar(text, origin),
    }
}

/// The text itself, or a reference to a file.
fn scalar(text: &str, origin: &Origin) -> Result<Node, Problem> {
    let parsed = text.trim().starts_with('{').then(|| parse(text.trim(), origin)).flatten();
    Ok(match parsed {
        Some(node) if node.as_file_reference().is_some() => node,
        _ => Node::text(text, origin.clone()),
    })
}

fn parse(text: &str, origin: &Origin) -> Option<Node> {
    let Origin::Variable(name) = origin else { return None };
    let value = DeValue::parse(text).ok()?;
    Some(Source::Variable(name, text).node(value.get_ref(), &value.span()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_property_of_librdkafka_has_dots_for_underscores() {
        let (_, path) = target("TIDEGAUGE_KAFKA__CLIENT__FETCH_MIN_BYTES").unwrap();
        assert_eq!(path, ["kafka", "client", "fetch.min.bytes"]);
    }

    #[test]
    fn variables_about_neighbouring_services_are_none_of_ours() {
        for name in [
            "TIDEGAUGE_PORT",
            "TIDEGAUGE_PORT_9464_TCP",
            "TIDEGAUGE_SERVICE_HOST",
            "TIDEGAUGE_EU_SERVICE_PORT_HTTP",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        for name in ["TIDEGAUGE_KAFKA_BROKERS", "TIDEGAUGE_HTTP__PORT", "TIDEGAUGE_TIME__LATENES"] {
            assert!(!is_service_link(name), "{name}");
        }
    }
}
