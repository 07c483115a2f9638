//! What a session finds in Kafka before it joins the group: the cluster, the topics, and where they would start in a new pipeline.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegauge_ingest::kafka::{Probe, ProbedTopic, Settings, compacted, matching, offsets_at, probe};
use tidegauge_ingest::source::PartitionRef;
use tidegauge_sink::log::{PartitionStart, Topic};

use super::PipelineError;
use crate::config::{self, Config};

/// How long the brokers may take to answer.
pub(super) const CONNECT: Duration = Duration::from_secs(15);
/// How long they may take to tell how topics are kept.
const CONFIGS: Duration = Duration::from_secs(5);

fn failed(message: String) -> PipelineError {
    PipelineError {
        message,
        usage: false,
        again: false,
    }
}

/// What a session finds in Kafka.
pub(super) struct Found {
    pub(super) cluster_id: Option<String>,
    /// All topics of the configuration, also those that expressions match.
    pub(super) topics: Vec<ProbedTopic>,
    /// Where they start in a new pipeline.
    pub(super) genesis: Vec<Topic>,
    /// Topics whose records may vanish after they were read.
    pub(super) compacted: BTreeSet<String>,
}

impl Found {
    pub(super) async fn look(config: &Config, settings: &Settings) -> Result<Found, PipelineError> {
        let (all_settings, settings, start) = (settings, settings.clone(), config.kafka.start);
        let looked = tokio::task::spawn_blocking(move || {
            let Probe {
                cluster_id,
                topics,
                broker_id,
                problems,
                ..
            } = probe(&settings, CONNECT)?;
            if !problems.is_empty() {
                return Err(failed(problems.join("\n")));
            }
            let (topics, genesis) = resolve_topics(&settings, start, topics)?;
            let found = Found {
                cluster_id,
                topics,
                genesis,
                compacted: BTreeSet::new(),
            };
            Ok((found, broker_id))
        });
        let (mut found, broker) = looked.await.map_err(|e| failed(e.to_string()))??;
        let names: Vec<String> = found.topics.iter().map(|topic| topic.name.clone()).collect();
        found.compacted = compacted(all_settings, &names, broker, CONFIGS).await?;
        Ok(found)
    }
}

/// All topics, and where they start in a new pipeline.
fn resolve_topics(
    settings: &Settings,
    start: config::Start,
    mut topics: Vec<ProbedTopic>,
) -> Result<(Vec<ProbedTopic>, Vec<Topic>), PipelineError> {
    if settings.topics.iter().any(|t| t.starts_with('^')) {
        for topic in matching(settings, CONNECT)? {
            if !topics.iter().any(|t| t.name == topic.name) {
                topics.push(topic);
            }
        }
    }
    if topics.is_empty() {
        let found = settings.topics.join(", ");
        return Err(failed(format!(
            "kafka.topics: no topic matches {found}: create one, or correct the expression"
        )));
    }
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let mut resolved = Vec::new();
    for topic in &topics {
        let refs: Vec<PartitionRef> = topic
            .partitions
            .iter()
            .map(|(p, _)| PartitionRef::new(topic.name.as_str(), *p))
            .collect();
        let starts: Vec<i64> = match start {
            config::Start::Earliest => topic.partitions.iter().map(|(_, marks)| marks.low).collect(),
            config::Start::Latest => topic.partitions.iter().map(|(_, marks)| marks.high).collect(),
            config::Start::At(time) => offsets_at(settings, &refs, time.0, CONNECT)?,
        };
        let partitions = refs
            .iter()
            .zip(starts)
            .map(|(p, start)| PartitionStart {
                partition: p.partition,
                start,
            })
            .collect();
        resolved.push(Topic {
            topic: topic.name.clone(),
            id: None,
            partitions,
        });
    }
    Ok((topics, resolved))
}
