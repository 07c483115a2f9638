//! What `check --connect` tries, and what came of it.

use std::time::Duration;

use serde_json::{Value, json};
use tidegauge_ingest::decode::DecodeLimits;
use tidegauge_ingest::kafka::{self, Probe, Sampling};

use super::describe;
use crate::cli::failure::Failure;
use crate::cli::hidden::{hide, plain};
use crate::cli::kafka::settings;
use crate::cli::output::Style;
use crate::cli::sample::Sample;
use crate::config::{Config, Location};
use crate::pipeline::store::open_store;

/// How long the cluster has to answer, and then each topic.
const PATIENCE: Duration = Duration::from_secs(10);
/// What of a topic is decoded.
const SAMPLING: Sampling = Sampling {
    records: 100,
    bytes: 16 << 20,
    time: PATIENCE,
};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    probe: Probe,
    /// In the order of the probe's topics.
    samples: Vec<Sample>,
    /// What is not looked at before it runs.
    patterns: Vec<String>,
    location: String,
    output_problem: Option<String>,
    hidden: Vec<String>,
}

/// Tries everything, whatever fails.
pub(super) fn connect(config: &Config) -> Result<Found, Failure> {
    let settings = settings(config);
    let mut found = Found {
        location: describe::location(config),
        output_problem: output_problem(config)?,
        hidden: hidden(config),
        ..Found::default()
    };
    found.patterns = settings.topics.iter().filter(|topic| topic.starts_with('^')).cloned().collect();
    match kafka::probe(&settings, PATIENCE) {
        Ok(probe) => found.probe = probe,
        Err(error) => found.probe.problems.push(error.message),
    }
    let limits = DecodeLimits {
        max_record_bytes: config.spec.max_record_bytes,
        max_future_skew: config.spec.max_future_skew,
    };
    for topic in &found.probe.topics {
        match Sample::take(&settings, topic, SAMPLING, limits, &mut |_, _| ()) {
            Ok(sample) => found.samples.push(sample),
            Err(problem) => {
                found.samples.push(Sample::default());
                found.probe.problems.push(problem);
            }
        }
    }
    Ok(found)
}

/// What came from `${NAME}` or from a file, and which the messages of clients and stores could quote.
fn hidden(config: &Config) -> Vec<String> {
    let kafka = &config.kafka;
    let topics = kafka.topics.iter().map(|topic| &topic.name);
    let texts = topics
        .chain([&kafka.group_id])
        .chain(&kafka.brokers)
        .filter(|text| text.is_hidden());
    let parts = texts.flat_map(|text| text.split(',').map(|part| part.trim().to_owned()));
    let location = config.output.location.as_ref().filter(|location| location.is_hidden());
    let place = location.into_iter().flat_map(|location| match &**location {
        Location::Local(path) => vec![path.display().to_string()],
        Location::Remote { bucket, .. } => vec![location.to_string(), bucket.clone()],
    });
    let mut hidden: Vec<String> = parts.chain(place).filter(|text| !text.is_empty()).collect();
    // One may be a part of another.
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    hidden
}

fn output_problem(config: &Config) -> Result<Option<String>, Failure> {
    if config.output.location.is_none() {
        return Ok(Some("output.url is not set".to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Running(format!("the output cannot be tried: {error}")))?;
    Ok(match open_store(config) {
        Ok(store) => runtime.block_on(store.probe()).err().map(|error| error.to_string()),
        Err(error) => Some(error.message),
    })
}

impl Found {
    pub(super) fn is_well(&self) -> bool {
        self.probe.problems.is_empty() && self.output_problem.is_none()
    }

    pub(super) fn to_json(&self) -> Value {
        let topics: Vec<Value> = self
            .probe
            .topics
            .iter()
            .zip(&self.samples)
            .map(|(topic, sample)| sample.to_json(topic))
            .collect();
        let mut object = json!({
            "ok": self.is_well(),
            "cluster_id": self.probe.cluster_id,
            "brokers": self.probe.brokers,
            "topics": topics,
            "patterns": self.patterns,
            "output": {"location": self.location, "ok": self.output_problem.is_none(), "problem": self.output_problem},
            "problems": self.probe.problems.iter().chain(&self.output_problem).collect::<Vec<_>>(),
        });
        self.hide_in(&mut object);
        object
    }

    fn hide(&self, text: &str) -> String {
        self.hidden
            .iter()
            .fold(hide(text).into_owned(), |text, hidden| text.replace(hidden.as_str(), "***"))
    }

    fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hide(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.hide_in(field)),
            _ => {}
        }
    }

    pub(super) fn describe(&self, style: Style) -> String {
        let mut text = String::new();
        let mut line = |title: &str, rest: String| text.push_str(&format!("{}{rest}\n", style.title(&format!("{title:<10}"))));
        if !self.probe.brokers.is_empty() {
            let cluster = self
                .probe
                .cluster_id
                .as_ref()
                .map_or_else(String::new, |id| format!(" of cluster {id}"));
            line(
                "brokers",
                plain(&format!("{}{cluster} answer", self.probe.brokers.join(", "))).into_owned(),
            );
        }
        for (topic, sample) in self.probe.topics.iter().zip(&self.samples) {
            line("topic", format!("{}: {}", topic.name, sample.describe(topic)));
            for example in &sample.examples {
                line("", style.faint(&example.describe(topic)));
            }
        }
        for pattern in &self.patterns {
            line("topic", format!("{pattern} is an expression: what it matches is seen when it runs"));
        }
        if self.output_problem.is_none() {
            line("output", format!("{} can be written to", self.location));
        }
        for problem in self.probe.problems.iter().chain(&self.output_problem) {
            text.push_str(&format!("{}{}\n", style.bad(&format!("{:<10}", "problem")), plain(problem)));
        }
        self.hide(&text)
    }
}
