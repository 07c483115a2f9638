//! Which topics are compacted: records between a snapshot and the committed position may vanish there, so that they cannot be read again.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::settings::{self, Settings};
use crate::source::SourceError;

/// The names among these whose `cleanup.policy` holds `compact`. Any broker knows; without its id, the controller is asked, whom an embedded broker
/// does not have. Topics of which the broker does not tell are taken for not compacted, with a warning that names them.
///
/// # Errors
/// Where no client can be made of these settings.
pub async fn compacted(
    settings: &Settings,
    topics: &[String],
    broker: Option<i32>,
    limit: Duration,
) -> Result<BTreeSet<String>, SourceError> {
    let client: AdminClient<DefaultClientContext> = settings
        .plain_consumer()?
        .create()
        .map_err(|error| settings::client_error(&error))?;
    let wanted: Vec<ResourceSpecifier<'_>> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let options = AdminOptions::new().request_timeout(Some(limit)).broker_id(broker);
    let described = match client.describe_configs(&wanted, &options).await {
        Ok(described) => described,
        // A broker that knows no such question, such as an embedded one, has no compaction either.
        Err(KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature)) => return Ok(BTreeSet::new()),
        Err(error) => {
            warn(&topics.join(", "), &error.to_string());
            return Ok(BTreeSet::new());
        }
    };
    let mut compacted = BTreeSet::new();
    for (topic, answer) in topics.iter().zip(described) {
        match answer {
            Ok(resource) => {
                let policy = resource.get("cleanup.policy").and_then(|entry| entry.value.as_deref());
                if policy.is_some_and(|policy| policy.split(',').any(|part| part.trim() == "compact")) {
                    compacted.insert(topic.clone());
                }
            }
            Err(RDKafkaErrorCode::UnsupportedFeature) => {}
            Err(code) => warn(topic, &code.to_string()),
        }
    }
    Ok(compacted)
}

fn warn(topics: &str, why: &str) {
    tracing::warn!(
        topics,
        why,
        "whether these topics are compacted is not known: grant DESCRIBE_CONFIGS on them. If one is, a short output.snapshot_interval keeps a crash from \
         needing records that are gone"
    );
}
