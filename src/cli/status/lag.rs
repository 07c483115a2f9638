//! How far the brokers are, compared with the log.

use std::time::Duration;

use tidegauge_ingest::kafka::{Held, held};
use tidegauge_ingest::source::PartitionRef;
use tidegauge_sink::log::LogState;

use crate::cli::kafka::settings;
use crate::config::Config;

/// How long the brokers have to answer: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the brokers hold of the pipeline's partitions, or why that is not known.
pub(super) fn ask(config: &Config, log: &LogState) -> Result<Held, String> {
    let Some(theirs) = &log.identity.cluster else {
        return Err("the output was made from files or from a broker without a cluster id, so its positions cannot be compared".to_owned());
    };
    let held = held(&settings(config), &partitions(log), PATIENCE).map_err(|error| error.message)?;
    match &held.cluster_id {
        Some(ours) if ours != theirs => Err(format!(
            "kafka.brokers leads to the cluster {ours}, but the output was made from the cluster {theirs}; correct kafka.brokers or output.url"
        )),
        _ => Ok(held),
    }
}

/// The partitions of the pipeline: those that it began with, and those that came later.
pub(super) fn partitions(log: &LogState) -> Vec<PartitionRef> {
    let identity = &log.identity.topics;
    let first = identity
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|at| (topic.topic.as_str(), at.partition)));
    let later = log.partitions.keys().map(|(topic, partition)| (topic.as_str(), *partition));
    let later = later.filter(|(name, _)| identity.iter().any(|topic| topic.topic == *name));
    let mut all: Vec<PartitionRef> = first
        .chain(later)
        .map(|(topic, partition)| PartitionRef::new(topic, partition))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}
