//! What appears in the events of a sample: names by how often, and how late events come.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tidegauge_aggregate::event::{Body, Common, Event};
use tidegauge_aggregate::record::Record;

/// Different names that are told apart, of one kind.
const NAMES: usize = 1_000;
/// Names that are shown of one kind.
const SHOWN: usize = 8;
/// Attributes with more values than this identify somebody or something; with one, they tell nothing.
const GROUPS: std::ops::RangeInclusive<usize> = 2..=50;

/// How often each name appears.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, u64>);

impl Names {
    fn add(&mut self, name: &str) {
        if let Some(count) = self.0.get_mut(name) {
            *count += 1;
        } else if self.0.len() < NAMES {
            self.0.insert(name.to_owned(), 1);
        }
    }

    /// The most frequent first; equally frequent ones by name.
    pub(super) fn ranked(&self) -> Vec<(&str, u64)> {
        let mut names: Vec<_> = self.0.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        names
    }

    fn list(&self) -> String {
        let ranked = self.ranked();
        let mut shown: Vec<String> = ranked.iter().take(SHOWN).map(|(name, count)| format!("{name} {count}")).collect();
        if ranked.len() > SHOWN {
            shown.push(format!("and {} more", ranked.len() - SHOWN));
        }
        shown.join(", ")
    }
}

/// What the events of all samples hold.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) events: u64,
    types: Names,
    common: [Names; Common::ALL.len()],
    touchpoints: Names,
    attributes: BTreeMap<String, Names>,
    /// Attempts by product and task.
    tasks: BTreeMap<Option<String>, Names>,
    /// The greatest event time so far of each partition, which is looked at in the order of its records.
    newest: BTreeMap<(String, i32), i64>,
    /// Milliseconds by which the slowest event came after a newer one of its partition.
    pub(super) slowest: i64,
}

impl Seen {
    pub(super) fn add(&mut self, record: &Record<'_>, event: &Event<'_>) {
        self.events += 1;
        self.types.add(event.event_type().as_str());
        for (names, value) in self.common.iter_mut().zip(event.common) {
            value.into_iter().for_each(|value| names.add(value));
        }
        for attribute in event.attributes {
            if let Some(value) = attribute.value.as_dimension()
                && (self.attributes.len() < NAMES || self.attributes.contains_key(attribute.name))
            {
                self.attributes.entry(attribute.name.to_owned()).or_default().add(value);
            }
        }
        match event.body {
            Body::TaskStarted { task, .. } | Body::TaskFinished { task, .. } | Body::TaskAbandoned { task, .. } => {
                let product = event.common(Common::Product).map(str::to_owned);
                if self.tasks.len() < NAMES || self.tasks.contains_key(&product) {
                    self.tasks.entry(product).or_default().add(task);
                }
            }
            Body::SurveyShown { touchpoint, .. }
            | Body::SurveyResponse { touchpoint, .. }
            | Body::Feedback { touchpoint, .. }
            | Body::Ticket { touchpoint, .. } => touchpoint.into_iter().for_each(|name| self.touchpoints.add(name)),
            _ => {}
        }
        let newest = self
            .newest
            .entry((record.topic.to_owned(), record.partition))
            .or_insert(event.time.0);
        self.slowest = self.slowest.max(newest.saturating_sub(event.time.0));
        *newest = (*newest).max(event.time.0);
    }

    /// The product with the most attempts, and its tasks, the most frequent first.
    pub(super) fn busiest(&self) -> Option<(Option<&str>, Vec<&str>)> {
        let attempts = |names: &Names| names.0.values().sum::<u64>();
        // Of equals the first, so that the same sample makes the same file.
        let (product, names) = self.tasks.iter().rev().max_by_key(|(_, names)| attempts(names))?;
        Some((product.as_deref(), names.ranked().into_iter().map(|(task, _)| task).collect()))
    }

    /// The attribute that most events have, among those that make groups of a sensible number.
    pub(super) fn attribute(&self) -> Option<&str> {
        let candidates = self.attributes.iter().rev().filter(|(_, names)| GROUPS.contains(&names.0.len()));
        let (name, _) = candidates.max_by_key(|(_, names)| names.0.values().sum::<u64>())?;
        Some(name)
    }

    /// Titles and what there is to list under each.
    pub(super) fn lists(&self) -> Vec<(&'static str, String)> {
        let mut lists = vec![("types", self.types.list())];
        lists.extend(
            Common::ALL
                .iter()
                .zip(&self.common)
                .map(|(common, names)| (common.as_str(), names.list())),
        );
        lists.push(("touchpoint", self.touchpoints.list()));
        for (product, names) in &self.tasks {
            let of = product.as_ref().map_or_else(String::new, |product| format!("{product}: "));
            lists.push(("task", format!("{of}{}", names.list())));
        }
        for (name, names) in &self.attributes {
            lists.push(("attribute", format!("{name}: {}", names.list())));
        }
        lists.retain(|(_, list)| !list.is_empty());
        lists
    }

    pub(super) fn to_json(&self) -> Value {
        let mut seen = Map::new();
        seen.insert("events".to_owned(), self.events.into());
        seen.insert("type".to_owned(), json!(self.types.0));
        for (common, names) in Common::ALL.iter().zip(&self.common) {
            seen.insert(common.as_str().to_owned(), json!(names.0));
        }
        seen.insert("touchpoint".to_owned(), json!(self.touchpoints.0));
        let tasks = self
            .tasks
            .iter()
            .map(|(product, names)| json!({"product": product, "tasks": names.0}));
        seen.insert("task".to_owned(), tasks.collect());
        let attributes = self.attributes.iter().map(|(name, names)| (name.clone(), json!(names.0)));
        seen.insert("attributes".to_owned(), Value::Object(attributes.collect()));
        seen.insert("slowest_ms".to_owned(), self.slowest.into());
        Value::Object(seen)
    }
}
