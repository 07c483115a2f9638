//! What `check --connect` tries, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tidegauge_aggregate::record::Record;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};
use tidegauge_ingest::kafka::{self, Probe, ProbedTopic, Settings};

use super::describe;
use crate::cli::failure::Failure;
use crate::cli::hidden::{hide, plain};
use crate::cli::kafka::settings;
use crate::cli::output::{self, Style};
use crate::config::{Config, Location};
use crate::pipeline::store::open_store;

/// How long the cluster has to answer, and then each topic.
const PATIENCE: Duration = Duration::from_secs(10);
/// Records of a topic that are decoded.
const SAMPLE: usize = 100;
/// Refused records that are shown of a topic.
const EXAMPLES: usize = 3;

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

/// The newest records of a topic, decoded.
#[derive(Debug, Default)]
struct Sample {
    records: u64,
    accepted: u64,
    rejected: BTreeMap<&'static str, u64>,
    examples: Vec<Example>,
}

#[derive(Debug)]
struct Example {
    partition: i32,
    offset: i64,
    reason: &'static str,
    field: &'static str,
    detail: String,
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
        match sample(&settings, topic, limits) {
            Ok(sample) => found.samples.push(sample),
            Err(problem) => {
                found.samples.push(Sample::default());
                found.probe.problems.push(problem);
            }
        }
    }
    Ok(found)
}

fn sample(settings: &Settings, topic: &ProbedTopic, limits: DecodeLimits) -> Result<Sample, String> {
    let mut decoder = Decoder::new(limits);
    let mut sample = Sample::default();
    let mut each = |record: &Record<'_>| {
        sample.records += 1;
        match decoder.decode(record) {
            Ok(_) => sample.accepted += 1,
            Err(reject) => {
                *sample.rejected.entry(reject.reason.as_str()).or_default() += 1;
                if sample.examples.len() < EXAMPLES {
                    sample.examples.push(Example {
                        partition: record.partition,
                        offset: record.offset,
                        reason: reject.reason.as_str(),
                        field: reject.field,
                        detail: reject.detail,
                    });
                }
            }
        }
    };
    kafka::sample(settings, topic, SAMPLE, PATIENCE, &mut each).map_err(|error| error.message)?;
    Ok(sample)
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
            .map(|(topic, sample)| topic_json(topic, sample))
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
            line("topic", format!("{}: {}", topic.name, summary(topic, sample)));
            for example in &sample.examples {
                let field = if example.field.is_empty() {
                    String::new()
                } else {
                    format!(" {}", example.field)
                };
                let at = format!("{}[{}] offset {}", topic.name, example.partition, example.offset);
                line("", style.faint(&format!("{at}: {}{field}: {}", example.reason, example.detail)));
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

fn records(topic: &ProbedTopic) -> u64 {
    let held = |(_, marks): &(i32, tidegauge_ingest::source::Watermarks)| u64::try_from(marks.high.saturating_sub(marks.low)).unwrap_or(0);
    topic.partitions.iter().map(held).sum()
}

fn topic_json(topic: &ProbedTopic, sample: &Sample) -> Value {
    let examples: Vec<Value> = sample
        .examples
        .iter()
        .map(|example| {
            json!({
                "partition": example.partition,
                "offset": example.offset,
                "reason": example.reason,
                "field": example.field,
                "detail": example.detail,
            })
        })
        .collect();
    json!({
        "name": topic.name,
        "partitions": topic.partitions.len(),
        "records": records(topic),
        "sample": {"records": sample.records, "accepted": sample.accepted, "rejected": sample.rejected, "examples": examples},
    })
}

fn summary(topic: &ProbedTopic, sample: &Sample) -> String {
    let count = topic.partitions.len();
    let partitions = if count == 1 {
        "1 partition".to_owned()
    } else {
        format!("{count} partitions")
    };
    let held = output::grouped(records(topic));
    if sample.records == 0 {
        return format!("{partitions}, about {held} records; there was nothing to sample");
    }
    let refused: Vec<String> = sample.rejected.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let refused = if refused.is_empty() {
        "none refused".to_owned()
    } else {
        format!("refused: {}", refused.join(", "))
    };
    let (accepted, sampled) = (sample.accepted, sample.records);
    format!("{partitions}, about {held} records; of the newest {sampled}, {accepted} are good events, {refused}")
}
