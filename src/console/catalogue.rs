//! The answer of `/api/v1/catalogue`: what this configuration computes, for whoever lets people choose from it.

use serde_json::{Value, json};
use tidegauge_aggregate::catalogue::{self, Metric};
use tidegauge_aggregate::spec::{Grouping, Spec};

use super::judge;

/// `{"metrics": [...], "windows": [...], "groupings": [...], "journeys": [...], "spike": {...}}`.
#[must_use]
pub fn catalogue_json(spec: &Spec) -> Value {
    let name = |index: &usize| spec.groupings.get(*index).map(Grouping::name);
    let windows = spec.windows.iter().map(|window| {
        let groupings: Vec<String> = window.groupings.iter().filter_map(name).collect();
        json!({"name": window.name, "size_ms": window.size, "slide_ms": window.slide, "groupings": groupings})
    });
    let groupings = spec.groupings.iter().map(|grouping| {
        let dimensions: Vec<String> = grouping.dimensions.iter().map(|d| d.name()).collect();
        json!({"name": grouping.name(), "dimensions": dimensions})
    });
    let journeys = spec
        .journeys
        .iter()
        .map(|journey| json!({"name": journey.name, "steps": journey.steps, "within_ms": journey.within}));
    json!({
        "metrics": catalogue::metrics().map(|metric| metric_json(spec, metric)).collect::<Vec<_>>(),
        "windows": windows.collect::<Vec<_>>(),
        "groupings": groupings.collect::<Vec<_>>(),
        "journeys": journeys.collect::<Vec<_>>(),
        "spike": spec.spike.map(|spike| json!({
            "window": spec.windows.get(spike.window).map(|w| w.name.as_str()),
            "baseline_ms": spike.baseline,
        })),
    })
}

fn metric_json(spec: &Spec, metric: &Metric) -> Value {
    let facts = metric.facts();
    let carried = |grouping: &&Grouping| {
        let dimensions = &grouping.dimensions;
        dimensions.iter().all(|dimension| facts.iter().all(|fact| fact.carries(dimension)))
    };
    json!({
        "name": metric.name,
        "area": metric.area.as_str(),
        "unit": metric.unit.describe(),
        "help": metric.help,
        "definition": metric.definition,
        "interval": metric.interval,
        "stats": metric.stats(),
        "labels": metric.label_names(),
        "better": judge::better(metric.name).map(judge::Better::as_str),
        "groupings": spec.groupings.iter().filter(carried).map(Grouping::name).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_metric_names_the_groupings_that_carry_it() {
        let told = catalogue_json(&Spec::default());
        let metrics = told["metrics"].as_array().unwrap();
        let of = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap()["groupings"].clone();
        assert!(of("task_success_ratio").as_array().unwrap().contains(&json!("product+task")));
        assert!(!of("churn_ratio").as_array().unwrap().contains(&json!("product+task")));
        assert_eq!(told["windows"][1]["slide_ms"], 60_000);
    }
}
