//! `--reconfigure`: an entry that opens a new epoch, in which another specification holds or other topics are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_sink::log::{CommitLog, EpochChange, Genesis, Kind, PartitionEntry, SnapshotAt};

use super::PipelineError;
use super::recover::{RESULTS_VERSION, from_log};

/// Appends the entry. Positions, watermarks and counters go on; trackers and panes begin anew, since what they hold was made under other rules.
pub(crate) async fn open(log: &mut CommitLog, plan: &Arc<Plan>, ours: Genesis) -> Result<(), PipelineError> {
    let mut draft = log.draft()?;
    let known: BTreeMap<_, _> = log.state().identity.topics.iter().map(|t| (t.topic.clone(), t.clone())).collect();
    let joins = ours.topics.iter().filter(|t| !known.contains_key(&t.topic)).cloned().collect();
    let leaves: Vec<String> = known
        .into_keys()
        .filter(|name| !ours.topics.iter().any(|t| t.topic == *name))
        .collect();
    for position in log.state().partitions.values().filter(|p| !leaves.contains(&p.newest.topic)) {
        let newest = &position.newest;
        let state = PartitionState::after_gap(Arc::clone(plan), from_log(newest.watermark), Counters::from_map(&newest.counters));
        let bytes = postcard::to_allocvec(&state.snapshot()).map_err(|error| PipelineError {
            message: format!("a snapshot cannot be encoded: {error}"),
            usage: false,
            again: false,
        })?;
        let at = SnapshotAt {
            topic: &newest.topic,
            partition: newest.partition,
            offset: newest.to,
            epoch: log.epoch() + 1,
            results: RESULTS_VERSION,
        };
        let snapshot = Some(log.stager().snapshot(draft.nonce, at, &bytes).await?);
        draft.partitions.push(PartitionEntry {
            from: newest.to,
            snapshot,
            ..newest.clone()
        });
    }
    draft.kind = Kind::Epoch {
        change: EpochChange {
            spec: ours.spec,
            joins,
            leaves,
            least_reader: ours.least_reader,
            least_writer: ours.least_writer,
        },
    };
    log.commit(&draft).await?;
    Ok(())
}
