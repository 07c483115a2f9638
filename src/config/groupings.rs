//! Groupings, the names of their labels, and lists of names that must be configured.

use std::collections::BTreeMap;

use tidegauge_aggregate::spec::{Dimension, Grouping, MAX_ATTRIBUTE_DIMENSIONS, Spec};
use tidegauge_sink::gauges::{OWN_LABELS, PROMETHEUS_LABELS, label_name};

use super::error::Problem;
use super::keys;
use super::nearest::{nearest, one_of};
use super::reader::{Item, Reader, is_whole, texts};
use super::schema::Key;
use super::tree::Origin;

/// More groupings or windows than this are a mistake rather than a wish.
pub(super) const MOST: usize = 100;

/// What was configured under a name; `whole` unless some of it was wrong and is missing here.
pub(super) struct Configured {
    pub(super) names: Vec<String>,
    pub(super) whole: bool,
}

/// The groupings, and whether all of them could be read.
pub(super) fn groupings(reader: &mut Reader<'_>) -> (Vec<Grouping>, bool) {
    let Some(tables) = reader.tables(&keys::GROUPING) else {
        return (Spec::default_groupings(), reader.node(&keys::GROUPING).is_none());
    };
    let place = reader.place(&keys::GROUPING);
    if !(1..=MOST).contains(&tables.written) {
        let problem = Problem::new("`grouping` has too few or too many items").found(tables.written.to_string());
        reader.report(
            &place,
            problem.expected(format!("1 to {MOST} groupings; leave it out for the default ones")),
        );
    }
    let mut groupings: Vec<Grouping> = Vec::new();
    let mut labels = BTreeMap::new();
    let mut whole = tables.items.len() == tables.written;
    for (table, origin) in tables.items {
        let Some(node) = table.get(keys::GROUPING_DIMENSIONS.name).map(|entry| &entry.node) else {
            reader.missing(&keys::GROUPING_DIMENSIONS, origin);
            whole = false;
            continue;
        };
        whole &= is_whole(node, &keys::GROUPING_DIMENSIONS);
        let mut dimensions = Vec::new();
        for (text, node) in texts(node, &keys::GROUPING_DIMENSIONS) {
            let Some(dimension) = Dimension::parse(&text) else { continue };
            if dimensions.contains(&dimension) {
                let problem = Problem::new("a dimension stands twice in a grouping").found(node.describe(false));
                reader.report(&node.origin, problem.expected("each dimension once"));
                continue;
            }
            label(reader, &mut labels, &dimension, &node.origin);
            let attributes = labels.values().filter(|d| matches!(d, Dimension::Attribute(_))).count();
            if attributes > MAX_ATTRIBUTE_DIMENSIONS && matches!(dimension, Dimension::Attribute(_)) {
                let problem = Problem::new("too many attributes are used as dimensions").found(dimension.name());
                reader.report(
                    &node.origin,
                    problem.expected(format!("at most {MAX_ATTRIBUTE_DIMENSIONS} different ones in all groupings")),
                );
            }
            dimensions.push(dimension);
        }
        let grouping = Grouping { dimensions };
        if groupings.iter().any(|other| other.name() == grouping.name()) && is_whole(node, &keys::GROUPING_DIMENSIONS) {
            let problem = Problem::new(format!("grouping `{}` is configured twice", grouping.name()));
            reader.report(&node.origin, problem.expected("each grouping once"));
            continue;
        }
        groupings.push(grouping);
    }
    (groupings, whole)
}

fn label(reader: &mut Reader<'_>, labels: &mut BTreeMap<String, Dimension>, dimension: &Dimension, origin: &Origin) {
    let label = label_name(dimension);
    if let Some(owner) = owner(&label) {
        let problem = Problem::new(format!(
            "dimension `{}` would be the label `{label}`, which belongs to {owner}",
            dimension.name()
        ));
        reader.report(origin, problem.expected("a dimension with another name"));
    }
    let other = labels.entry(label.clone()).or_insert_with(|| dimension.clone());
    if other != dimension {
        let (one, other) = (dimension.name(), other.name());
        let problem = Problem::new(format!("dimensions `{other}` and `{one}` would both be the label `{label}`"));
        reader.report(origin, problem.expected("dimensions whose labels differ"));
    }
}

/// Who has taken a label, if anybody.
fn owner(label: &str) -> Option<&'static str> {
    if label.starts_with("__") || PROMETHEUS_LABELS.contains(&label) {
        return Some("Prometheus");
    }
    OWN_LABELS.contains(&label).then_some("Tidegauge")
}

/// The indices of what a list names; each must be configured and stand there once. Names of a default list may be missing.
pub(super) fn indices(reader: &mut Reader<'_>, key: &Key, items: &[Item], configured: &Configured) -> Vec<usize> {
    let mut found = Vec::new();
    for item in items {
        let index = configured.names.iter().position(|name| *name == item.text);
        match (index, &item.origin) {
            (Some(index), Some(origin)) if found.contains(&index) => {
                let problem = Problem::new(format!("`{}` names something twice", key.path())).found(item.shown());
                reader.report(origin, problem.expected("each name once"));
            }
            (Some(index), _) => found.push(index),
            (None, Some(origin)) if configured.whole => not_configured(reader, key, item, origin, configured),
            (None, _) => {}
        }
    }
    found
}

/// Reports a name that nothing configured has.
pub(super) fn not_configured(reader: &mut Reader<'_>, key: &Key, item: &Item, origin: &Origin, configured: &Configured) {
    let names = || configured.names.iter().map(String::as_str);
    let problem = Problem::new(format!("`{}` names something that is not configured", key.path())).found(item.shown());
    let suggestion = reordered(&item.text, &configured.names).or_else(|| nearest(&item.text, names()));
    reader.report(
        origin,
        problem.expected(one_of(names())).suggest(suggestion.filter(|_| !item.hidden)),
    );
}

/// The configured grouping with the same dimensions in another order.
fn reordered(name: &str, names: &[String]) -> Option<String> {
    let sorted = |name: &str| {
        let mut parts: Vec<String> = name.split('+').map(|part| part.trim().to_owned()).collect();
        parts.sort_unstable();
        parts
    };
    names.iter().find(|other| sorted(other) == sorted(name)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_others_own_are_known() {
        for label in ["__name__", "le", "quantile", "job", "instance"] {
            assert_eq!(owner(label), Some("Prometheus"), "{label}");
        }
        for label in ["window", "grouping", "stat", "severity", "step", "dimension"] {
            assert_eq!(owner(label), Some("Tidegauge"), "{label}");
        }
        assert_eq!(owner("attributes_le"), None);
    }

    #[test]
    fn a_label_has_only_characters_that_prometheus_takes() {
        assert_eq!(
            label_name(&Dimension::Attribute("plan.tier-ä".to_owned())),
            "attributes_plan_tier__"
        );
    }
}
