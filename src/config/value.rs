//! Reads one value as its key wants it. Every check of a single value is here, so that checking and reading cannot disagree.

use tidegauge_aggregate::time::Millis;
use toml::de::DeValue;

use super::error::Problem;
use super::model::Start;
use super::nearest::nearest;
use super::schema::{Key, Kind};
use super::tree::{Node, Origin, Source, Value};
use super::units::{format_duration, format_size, parse_duration, parse_size};

/// A problem and where it stands.
pub(super) struct Finding {
    pub(super) origin: Origin,
    pub(super) problem: Problem,
}

impl Finding {
    pub(super) fn new(origin: &Origin, problem: Problem) -> Finding {
        Finding {
            origin: origin.clone(),
            problem,
        }
    }
}

/// Reads a `T` of `key` from a node.
pub(super) type Read<T> = fn(&Key, &Node) -> Result<T, Problem>;

/// Every problem of this value by itself.
pub(super) fn check(key: &Key, node: &Node, findings: &mut Vec<Finding>) {
    if matches!(node.value, Value::Broken) {
        return;
    }
    let result = match key.kind {
        Kind::Duration { .. } => duration(key, node).map(|_| ()),
        Kind::Size { .. } => size(key, node).map(|_| ()),
        Kind::Integer { .. } => integer(key, node).map(|_| ()),
        Kind::Number { .. } => number(key, node).map(|_| ()),
        Kind::Text { .. } | Kind::Choice(_) | Kind::Secret => text(key, node).map(|_| ()),
        Kind::Start => start(key, node).map(|_| ()),
        Kind::Texts { .. } | Kind::Choices(_) => match &node.value {
            Value::Array(items) => {
                for item in items.iter().filter(|item| !matches!(item.value, Value::Broken)) {
                    if let Err(problem) = text(key, item) {
                        findings.push(Finding::new(&item.origin, problem));
                    }
                }
                Ok(())
            }
            _ => Err(wrong_type(key, node)),
        },
        // Their insides are walked, so only their own type is judged here.
        Kind::Map { .. } => {
            if matches!(node.value, Value::Table(_)) {
                Ok(())
            } else {
                Err(wrong_type(key, node))
            }
        }
        Kind::Tables => {
            if matches!(node.value, Value::Array(_)) {
                Ok(())
            } else {
                Err(wrong_type(key, node))
            }
        }
    };
    if let Err(problem) = result {
        findings.push(Finding::new(&node.origin, problem));
    }
}

/// What is used where the key is absent.
pub(super) fn default_node(key: &Key) -> Option<Node> {
    let text = key.default?;
    let value = DeValue::parse(text).ok()?;
    Some(Source::File(text).node(value.get_ref(), &value.span()))
}

pub(super) fn duration(key: &Key, node: &Node) -> Result<Millis, Problem> {
    let Value::Text(text) = &node.value else {
        return Err(wrong_type(key, node).suggest(unit_for_number(node, "s")));
    };
    let millis = parse_duration(text).map_err(|problem| complete(key, node, problem))?;
    match key.kind {
        Kind::Duration { min, max } if millis < min || millis > max => Err(out_of_range(key, node)),
        _ => Ok(millis),
    }
}

pub(super) fn size(key: &Key, node: &Node) -> Result<u64, Problem> {
    let Value::Text(text) = &node.value else {
        return Err(wrong_type(key, node).suggest(unit_for_number(node, "B")));
    };
    let bytes = parse_size(text).map_err(|problem| complete(key, node, problem))?;
    match key.kind {
        Kind::Size { min, max } if bytes < min || bytes > max => Err(out_of_range(key, node)),
        _ => Ok(bytes),
    }
}

pub(super) fn integer(key: &Key, node: &Node) -> Result<i64, Problem> {
    let value = match &node.value {
        Value::Integer(value) => *value,
        // A fetched value is always text.
        Value::Text(text) if node.reference.is_some() => text.trim().parse().map_err(|_| wrong_type(key, node))?,
        _ => return Err(wrong_type(key, node)),
    };
    match (i64::try_from(value), key.kind) {
        (Ok(value), Kind::Integer { min, max }) if (min..=max).contains(&value) => Ok(value),
        _ => Err(out_of_range(key, node)),
    }
}

pub(super) fn number(key: &Key, node: &Node) -> Result<f64, Problem> {
    let value = match &node.value {
        Value::Float(value) => *value,
        Value::Integer(value) => *value as f64,
        Value::Text(text) if node.reference.is_some() => text.trim().parse().map_err(|_| wrong_type(key, node))?,
        _ => return Err(wrong_type(key, node)),
    };
    match key.kind {
        Kind::Number { min, max } if value.is_finite() && value >= min && value <= max => Ok(value),
        _ => Err(out_of_range(key, node)),
    }
}

pub(super) fn text(key: &Key, node: &Node) -> Result<String, Problem> {
    let Value::Text(text) = &node.value else {
        return Err(wrong_type(key, node));
    };
    match key.kind {
        Kind::Text { rule, .. } | Kind::Texts { rule, .. } => rule(text).map_err(|problem| complete(key, node, problem))?,
        Kind::Choice(names) | Kind::Choices(names) if !names.contains(&text.as_str()) => {
            let problem = Problem::new("none of its values").suggest(nearest(text, names.iter().copied()));
            return Err(complete(key, node, problem));
        }
        Kind::Secret if text.is_empty() => return Err(complete(key, node, Problem::new("empty"))),
        _ => {}
    }
    Ok(text.clone())
}

pub(super) fn start(key: &Key, node: &Node) -> Result<Start, Problem> {
    let (Value::Text(text) | Value::Datetime(text)) = &node.value else {
        return Err(wrong_type(key, node));
    };
    Start::parse(text).ok_or_else(|| {
        let problem = Problem::new("no place to start from").suggest(nearest(text, ["earliest", "latest"]));
        complete(key, node, problem)
    })
}

/// Adds to a problem what the key and the node know; a fetched value leaves no trace.
pub(super) fn complete(key: &Key, node: &Node, problem: Problem) -> Problem {
    let secret = matches!(key.kind, Kind::Secret);
    let suggestion = problem.suggestion.filter(|_| node.reference.is_none() && !secret);
    Problem {
        message: format!("`{}` is {}", key.path(), problem.message),
        found: problem.found.or_else(|| Some(node.describe(secret))),
        expected: Some(expected_of(key, node)),
        suggestion,
    }
}

/// An item of a list is judged by itself.
fn expected_of(key: &Key, node: &Node) -> String {
    match (key.kind, &node.value) {
        (Kind::Texts { shape, .. }, Value::Text(_)) => shape.to_owned(),
        (Kind::Choices(names), Value::Text(_)) => super::nearest::one_of(names.iter().copied()),
        (kind, _) => kind.expected(),
    }
}

fn wrong_type(key: &Key, node: &Node) -> Problem {
    let mut problem = complete(key, node, Problem::new("of the wrong type"));
    if matches!(key.kind, Kind::Tables) && matches!(node.value, Value::Table(_)) {
        problem.suggestion = Some(format!("[[{}]]", key.name));
    }
    problem
}

fn out_of_range(key: &Key, node: &Node) -> Problem {
    let nearest_end = match (key.kind, &node.value) {
        (Kind::Duration { min, max }, Value::Text(text)) => {
            let millis = parse_duration(text).unwrap_or_default();
            Some(format_duration(if millis < min { min } else { max }))
        }
        (Kind::Size { min, max }, Value::Text(text)) => {
            let bytes = parse_size(text).unwrap_or_default();
            Some(format_size(if bytes < min { min } else { max }))
        }
        _ => None,
    };
    complete(key, node, Problem::new("out of range").suggest(nearest_end))
}

fn unit_for_number(node: &Node, unit: &str) -> Option<String> {
    match node.value {
        Value::Integer(value) if value > 0 && node.reference.is_none() => Some(format!("\"{value}{unit}\"")),
        _ => None,
    }
}
