//! Names and values of labels.

use std::collections::BTreeMap;
use std::fmt;

use prometheus::proto::LabelPair;
use tidegauge_aggregate::spec::{Dimension, Spec};

/// The label value of a null: Prometheus takes an empty label for no label.
pub const NONE: &str = "__none__";

/// Labels that Prometheus gives a meaning of its own or sets itself.
pub const OWNED: [&str; 4] = ["le", "quantile", "job", "instance"];
/// Labels that business series carry besides their dimensions.
pub const OURS: [&str; 10] = [
    "window",
    "grouping",
    "stat",
    "severity",
    "instrument",
    "currency",
    "indicator",
    "journey",
    "step",
    "dimension",
];

/// A dimension that cannot be a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelProblem {
    /// The dimension as configured.
    pub dimension: String,
    /// The label it would become.
    pub label: String,
    /// What is wrong with that.
    pub reason: String,
}

impl fmt::Display for LabelProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dimension {:?} would be the Prometheus label {:?}, {}; rename the attribute",
            self.dimension, self.label, self.reason
        )
    }
}

/// The label of a dimension: its name with `_` for every character that a label cannot have.
#[must_use]
pub fn label_name(dimension: &Dimension) -> String {
    dimension
        .name()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

/// Every dimension of the specification whose label belongs to Prometheus or means something else on the same page already.
#[must_use]
pub fn label_clash(spec: &Spec) -> Vec<LabelProblem> {
    let names: Vec<(String, String)> = spec.dimensions().into_iter().map(|d| (d.name(), label_name(d))).collect();
    clashes(&names)
}

fn clashes(names: &[(String, String)]) -> Vec<LabelProblem> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for (dimension, label) in names {
        let reason = if label.starts_with("__") || OWNED.contains(&label.as_str()) {
            Some("which Prometheus uses itself".to_owned())
        } else if OURS.contains(&label.as_str()) {
            Some("which every page uses for something else".to_owned())
        } else {
            seen.get(label.as_str()).map(|other| format!("and so would {other:?}"))
        };
        seen.entry(label).or_insert(dimension);
        if let Some(reason) = reason {
            problems.push(LabelProblem {
                dimension: dimension.clone(),
                label: label.clone(),
                reason,
            });
        }
    }
    problems
}

/// A label with a value that any producer may have chosen. A NUL ends the page for Prometheus' parser, and all series with it.
pub(super) fn pair(name: &str, value: Option<&str>) -> LabelPair {
    let value = value.filter(|value| !value.is_empty()).unwrap_or(NONE);
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(if value.contains('\0') {
        value.replace('\0', "\u{fffd}")
    } else {
        value.to_owned()
    });
    pair
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_aggregate::spec::Grouping;

    fn spec(dimensions: &[&str]) -> Spec {
        let dimensions = dimensions.iter().filter_map(|d| Dimension::parse(d)).collect();
        Spec {
            groupings: vec![Grouping { dimensions }],
            ..Spec::default()
        }
    }

    #[test]
    fn the_default_configuration_has_no_clash() {
        assert_eq!(label_clash(&Spec::default()), []);
        assert_eq!(label_clash(&spec(&["product", "attributes.product", "attributes.plan"])), []);
    }

    #[test]
    fn attributes_that_differ_only_in_punctuation_clash() {
        let problems = label_clash(&spec(&["attributes.my-plan", "attributes.my_plan"]));
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems.first().map(ToString::to_string).as_deref(),
            Some(
                "dimension \"attributes.my_plan\" would be the Prometheus label \"attributes_my_plan\", and so would \
                 \"attributes.my-plan\"; rename the attribute"
            )
        );
    }

    #[test]
    fn labels_that_prometheus_or_the_page_owns_are_refused() {
        for label in [
            "__name__", "__x", "le", "quantile", "job", "instance", "window", "grouping", "stat", "severity", "step", "currency",
        ] {
            let problems = clashes(&[("d".to_owned(), label.to_owned())]);
            assert_eq!(problems.len(), 1, "{label}");
        }
    }

    #[test]
    fn absent_and_empty_values_have_a_name_and_a_nul_does_not_end_the_page() {
        assert_eq!(pair("a", None).value(), NONE);
        assert_eq!(pair("a", Some("")).value(), NONE);
        assert_eq!(pair("a", Some("x\0y")).value(), "x\u{fffd}y");
    }
}
