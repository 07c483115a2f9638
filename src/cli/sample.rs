//! The newest records of a topic, decoded as the pipeline would: what `check --connect` and `init` tell of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidegauge_aggregate::event::Event;
use tidegauge_aggregate::record::Record;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};
use tidegauge_ingest::kafka::{self, ProbedTopic, Sampling, Settings};
use tidegauge_ingest::source::Watermarks;

use super::output;

/// Refused records that are shown of a topic.
const EXAMPLES: usize = 3;

/// What became of the records that were looked at.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) records: u64,
    pub(super) accepted: u64,
    pub(super) rejected: BTreeMap<&'static str, u64>,
    pub(super) examples: Vec<Example>,
}

/// A refused record.
#[derive(Debug)]
pub(super) struct Example {
    partition: i32,
    offset: i64,
    reason: &'static str,
    field: &'static str,
    detail: String,
}

impl Sample {
    /// Reads and decodes; `good` gets each record that is an event.
    pub(super) fn take(
        settings: &Settings,
        topic: &ProbedTopic,
        sampling: Sampling,
        limits: DecodeLimits,
        good: &mut dyn FnMut(&Record<'_>, &Event<'_>),
    ) -> Result<Sample, String> {
        let mut decoder = Decoder::new(limits);
        let mut sample = Sample::default();
        let mut each = |record: &Record<'_>| {
            sample.records += 1;
            match decoder.decode(record) {
                Ok(event) => {
                    sample.accepted += 1;
                    good(record, &event);
                }
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
        kafka::sample(settings, topic, sampling, &mut each).map_err(|error| error.message)?;
        Ok(sample)
    }

    pub(super) fn to_json(&self, topic: &ProbedTopic) -> Value {
        let examples: Vec<Value> = self
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
            "records": held(topic),
            "sample": {"records": self.records, "accepted": self.accepted, "rejected": self.rejected, "examples": examples},
        })
    }

    pub(super) fn describe(&self, topic: &ProbedTopic) -> String {
        let count = topic.partitions.len();
        let partitions = if count == 1 {
            "1 partition".to_owned()
        } else {
            format!("{count} partitions")
        };
        let held = output::grouped(held(topic));
        if self.records == 0 {
            return format!("{partitions}, about {held} records; there was nothing to sample");
        }
        let refused: Vec<String> = self.rejected.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let refused = if refused.is_empty() {
            "none refused".to_owned()
        } else {
            format!("refused: {}", refused.join(", "))
        };
        let (accepted, sampled) = (self.accepted, self.records);
        format!("{partitions}, about {held} records; of the newest {sampled}, {accepted} are good events, {refused}")
    }
}

impl Example {
    pub(super) fn describe(&self, topic: &ProbedTopic) -> String {
        let field = if self.field.is_empty() {
            String::new()
        } else {
            format!(" {}", self.field)
        };
        let at = format!("{}[{}] offset {}", topic.name, self.partition, self.offset);
        format!("{at}: {}{field}: {}", self.reason, self.detail)
    }
}

fn held(topic: &ProbedTopic) -> u64 {
    let held = |(_, marks): &(i32, Watermarks)| u64::try_from(marks.high.saturating_sub(marks.low)).unwrap_or(0);
    topic.partitions.iter().map(held).sum()
}
