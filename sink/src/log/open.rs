//! Reads the log from the newest checkpoint on, and never takes a damaged file for data.

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::checkpoint::{BlobRef, Checkpoint};
use super::{DataFile, Entry, Genesis, LogError, LogState, WriterId, codec, paths};
use crate::store::{Store, StoreError};

/// Entries read at once.
const PARALLEL: usize = 16;
/// How often reading begins again because checkpoints overtake it.
const ATTEMPTS: u32 = 10;
/// Differences of two configurations that a message names.
const SHOWN_DIFFERENCES: usize = 10;

/// What the log says at start.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// What all entries add up to.
    pub state: LogState,
    /// Seq of the newest checkpoint; none where there is none yet.
    pub checkpoint: Option<u64>,
    /// Who wrote that checkpoint, and when by the wall clock; for people.
    pub checkpoint_by: Option<(WriterId, i64)>,
    /// The binary parts of that checkpoint: what the caller gave it. Read them with [`super::stager::load`].
    pub blobs: Vec<BlobRef>,
    /// Where publishing and the partitions stood at the checkpoint; none where there is no checkpoint.
    pub at_checkpoint: Option<LogState>,
    /// All entries after the checkpoint in their order; all of the log without one. Their deltas are read with [`super::stager::load`].
    pub entries: Vec<Entry>,
    /// Data files that these entries name but that lie neither at their place nor in staging: someone else moved or deleted them.
    pub absent: Vec<DataFile>,
    /// How the configuration differs from the log's; only ever some where the options allow it.
    pub differences: Option<String>,
}

/// Reads the chain without changing anything; `None` where there is no log.
pub(super) async fn read(store: &dyn Store) -> Result<Option<Recovered>, LogError> {
    for _ in 0..ATTEMPTS {
        let newest = newest_checkpoint(store).await?;
        match read_from(store, newest).await {
            // A checkpoint that appeared meanwhile may have removed what was missing, or show that what did not fit never counted.
            Err(LogError::Broken { .. } | LogError::Store(StoreError::Missing { .. })) if newest_checkpoint(store).await? != newest => {}
            Err(LogError::Store(StoreError::Missing { path, .. })) => {
                return Err(LogError::Broken {
                    path,
                    why: "it does not exist, although later files do".to_owned(),
                });
            }
            Err(error) => return Err(error),
            // If one appeared meanwhile, an entry that was read last may be one that landed in the hole that it left, and no part of the chain.
            Ok(read) if newest_checkpoint(store).await? == newest => return Ok(read),
            Ok(_) => {}
        }
    }
    Err(LogError::Unstable {
        location: store.location().to_owned(),
        attempts: ATTEMPTS,
    })
}

/// Where there was no log, looks for what only a log explains: it was lost then, and a new one would count everything again. Gives the log where
/// another process began it meanwhile.
pub(super) async fn check_fresh(store: &dyn Store) -> Result<Option<Recovered>, LogError> {
    for directory in [paths::CHECKPOINT, paths::DELTA, paths::STATE] {
        let Some(file) = store.list(directory).await?.into_iter().next() else {
            continue;
        };
        let found = read(store).await?;
        return found.map(Some).ok_or_else(|| LogError::Broken {
            path: file.path,
            why: "it is there, but the log is not".to_owned(),
        });
    }
    Ok(None)
}

/// Seq of the newest checkpoint.
pub(super) async fn newest_checkpoint(store: &dyn Store) -> Result<Option<u64>, LogError> {
    let files = store.list(paths::CHECKPOINT).await?;
    Ok(files.iter().filter_map(|file| paths::seq(&file.path)).max())
}

/// Reads one checkpoint.
pub(super) async fn read_checkpoint(store: &dyn Store, seq: u64) -> Result<Checkpoint, LogError> {
    let path = paths::checkpoint(seq);
    let checkpoint: Checkpoint = codec::decode(&store.get(&path, codec::MAX_BYTES).await?, &path)?;
    if checkpoint.state.head.seq != seq {
        return Err(StoreError::corrupt(&path, format!("it is the checkpoint at entry {}", checkpoint.state.head.seq)).into());
    }
    checkpoint.check(&path)?;
    Ok(checkpoint)
}

/// Reads one entry.
pub(super) async fn read_entry(store: &dyn Store, seq: u64) -> Result<Entry, LogError> {
    let path = paths::entry(seq);
    let entry: Entry = codec::decode(&store.get(&path, codec::MAX_BYTES).await?, &path)?;
    if entry.seq != seq {
        return Err(StoreError::corrupt(&path, format!("it is entry {}", entry.seq)).into());
    }
    entry.check(&path)?;
    Ok(entry)
}

async fn read_from(store: &dyn Store, newest: Option<u64>) -> Result<Option<Recovered>, LogError> {
    let checkpoint = match newest {
        Some(seq) => Some(read_checkpoint(store, seq).await?),
        None => None,
    };
    let first = newest.map_or(0, |seq| seq + 1);
    store.sync(paths::LOG).await?;
    let files = store.list(paths::LOG).await?;
    let last = files.iter().filter_map(|file| paths::seq(&file.path)).max();
    let last = match last {
        Some(last) => last,
        None if checkpoint.is_none() => return Ok(None),
        None => 0,
    };
    let reads = stream::iter(first..last.saturating_add(1))
        .map(|seq| read_entry(store, seq))
        .buffered(PARALLEL);
    let entries: Vec<Entry> = reads.try_collect().await?;

    let checkpoint_by = checkpoint.as_ref().map(|c| (c.writer, c.written_at));
    let (at_checkpoint, blobs) = checkpoint.map_or((None, Vec::new()), |c| (Some(c.state), c.blobs));
    let mut state = at_checkpoint.clone();
    for entry in &entries {
        let followed = match &mut state {
            Some(state) => state.apply(entry),
            None => {
                state = LogState::begin(entry);
                if state.is_some() {
                    Ok(())
                } else {
                    Err("it is no genesis entry".to_owned())
                }
            }
        };
        followed.map_err(|why| LogError::Broken {
            path: paths::entry(entry.seq),
            why,
        })?;
    }
    Ok(state.map(|state| Recovered {
        state,
        checkpoint: newest,
        checkpoint_by,
        blobs,
        at_checkpoint,
        entries,
        absent: Vec::new(),
        differences: None,
    }))
}

/// Whether this program may act on the log.
pub(super) fn check_versions(state: &LogState, location: &str, results: u32) -> Result<(), LogError> {
    let identity = &state.identity;
    let asks = [
        ("reads", identity.least_reader, codec::VERSION),
        ("writes", identity.least_writer, codec::VERSION),
        ("computes results of", state.results, results),
    ];
    match asks.into_iter().find(|(_, least, ours)| least > ours) {
        Some((action, least, ours)) => Err(LogError::TooOld {
            location: location.to_owned(),
            action,
            least,
            ours,
        }),
        None => Ok(()),
    }
}

/// Whether the log is of this source; and how its configuration differs, if it does.
pub(super) fn compare(state: &LogState, ours: &Genesis, location: &str) -> Result<Option<String>, LogError> {
    let theirs = &state.identity;
    if theirs.cluster != ours.cluster {
        let name = |cluster: &Option<String>| cluster.clone().unwrap_or_else(|| "(none)".to_owned());
        return Err(LogError::OtherCluster {
            location: location.to_owned(),
            theirs: name(&theirs.cluster),
            ours: name(&ours.cluster),
        });
    }
    let mut differences = Vec::new();
    for topic in &ours.topics {
        match theirs.topics.iter().find(|t| t.topic == topic.topic) {
            None => differences.push(format!("the topic {} joins", topic.topic)),
            Some(known) => {
                if let (Some(theirs), Some(ours)) = (&known.id, &topic.id)
                    && theirs != ours
                {
                    return Err(LogError::OtherTopic {
                        topic: topic.topic.clone(),
                        theirs: theirs.clone(),
                        ours: ours.clone(),
                    });
                }
            }
        }
    }
    for topic in theirs.topics.iter().filter(|t| !ours.topics.iter().any(|o| o.topic == t.topic)) {
        differences.push(format!("the topic {} leaves", topic.topic));
    }
    differ("", &theirs.spec, &ours.spec, &mut differences);
    let more = differences.len().saturating_sub(SHOWN_DIFFERENCES);
    differences.truncate(SHOWN_DIFFERENCES);
    if more > 0 {
        differences.push(format!("and {more} more"));
    }
    Ok((!differences.is_empty()).then(|| differences.join("; ")))
}

/// Names the values that differ by the path to them.
fn differ(at: &str, old: &Value, new: &Value, differences: &mut Vec<String>) {
    if old == new {
        return;
    }
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                differ(
                    &below(name),
                    old.get(name).unwrap_or(&Value::Null),
                    new.get(name).unwrap_or(&Value::Null),
                    differences,
                );
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                differ(&below(&index.to_string()), old, new, differences);
            }
        }
        // Of long lists only what came and went.
        (Value::Array(old), Value::Array(new)) if old.iter().chain(new).any(|item| !old.contains(item) || !new.contains(item)) => {
            let gone = old.iter().filter(|item| !new.contains(item)).map(|item| format!("without {item}"));
            let come = new.iter().filter(|item| !old.contains(item)).map(|item| format!("with {item}"));
            differences.push(format!("{at}: {}", gone.chain(come).collect::<Vec<_>>().join(", ")));
        }
        _ => differences.push(format!("{at}: {old} -> {new}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_name_the_path_and_both_values() {
        let mut found = Vec::new();
        differ(
            "",
            &json!({"a": 1, "b": {"c": [1, 2]}, "d": 1}),
            &json!({"a": 1, "b": {"c": [1, 3]}}),
            &mut found,
        );
        assert_eq!(found, ["b.c.1: 2 -> 3", "d: 1 -> null"]);
    }

    #[test]
    fn of_a_list_only_what_came_and_went_is_named() {
        let mut found = Vec::new();
        differ(
            "",
            &json!({"a": [1, 2, 3], "b": [4]}),
            &json!({"a": [1, 3], "b": [4, {"c": 5}, 6]}),
            &mut found,
        );
        differ("c", &json!([1, 1]), &json!([1]), &mut found);
        assert_eq!(found, ["a: without 2", "b: with {\"c\":5}, with 6", "c: [1,1] -> [1]"]);
    }
}
