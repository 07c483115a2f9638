//! The committer over a store in memory: neither checkpoints, nor panes kept in them, nor restarts change a publication.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../aggregate/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use support::{HOUR, Random, Step, history, spec};
use tidegauge_aggregate::merger::Merger;
use tidegauge_sink::log::{Genesis, Options, Recovered};
use tidegauge_sink::store::{MemoryStore, Store};

use super::super::recover;
use super::*;

async fn open(store: &MemoryStore, plan: &Plan) -> (CommitLog, Recovered) {
    let genesis = Genesis::new(None, Vec::new(), serde_json::to_value(&plan.spec).unwrap()).unwrap();
    let options = Options {
        results: RESULTS_VERSION,
        checkpoint_every: 4,
        ..Options::default()
    };
    CommitLog::open(Arc::new(store.clone()), genesis, options).await.unwrap()
}

async fn start(store: &MemoryStore, plan: &Arc<Plan>) -> Committer {
    let (log, _) = open(store, plan).await;
    let mut committer = Committer::new(
        Arc::clone(plan),
        log,
        TableOptions::new(Arc::new(plan.spec.clone())),
        Duration::ZERO,
    );
    committer.be_reporter(true).await.unwrap();
    committer
}

fn cold_files(store: &MemoryStore) -> BTreeSet<String> {
    store.files().into_keys().filter(|path| path.contains("panes")).collect()
}

#[derive(Debug, Default)]
struct Seen {
    corrections: usize,
    cold: usize,
    removed: usize,
    replayed: usize,
}

async fn assert_undisturbed(seed: u64, seen: &mut Seen) {
    let mut random = Random(seed);
    let plan = Arc::new(Plan::new(spec(3 * HOUR, 4, 65_536)));
    let mut steady = Merger::new(Arc::clone(&plan));
    let store = MemoryStore::new();
    let mut committer = start(&store, &plan).await;
    let mut known = BTreeSet::new();
    for step in history(&plan, &mut random) {
        match step {
            Step::Apply(delta) => {
                steady.apply(&delta);
                committer.commit(Drained::default(), &delta, Kind::Commit).await.unwrap();
            }
            Step::Publish(watermark) => {
                let expected = steady.publish(watermark);
                let corrected = expected.rows.iter().filter(|r| r.revision > 0).count();
                if random.chance(30) {
                    // What another process would publish that starts now.
                    let (_, recovered) = open(&store, &plan).await;
                    let mut merger = recover::merger(&plan, &store, &recovered).await.unwrap();
                    assert_eq!(merger.publish(watermark).rows, expected.rows, "seed {seed}");
                    seen.replayed += usize::from(corrected > 0);
                }
                let before = committer.stats.clone();
                let any = committer.publish(watermark).await.unwrap();
                assert_eq!(any, !expected.rows.is_empty());
                let rows = |stats: &CommitStats| stats.rows.get("metrics").copied().unwrap_or(0);
                assert_eq!(rows(&committer.stats) - rows(&before), expected.rows.len() as u64);
                assert_eq!(committer.stats.revisions - before.revisions, corrected as u64);
                seen.corrections += corrected;
                committer.checkpoint().await.unwrap();
                let files = cold_files(&store);
                seen.cold += files.difference(&known).count();
                seen.removed += known.difference(&files).count();
                known = files;
            }
        }
        if random.chance(10) {
            committer = start(&store, &plan).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_cold_panes_and_restarts_change_no_publication() {
    let mut seen = Seen::default();
    for seed in 0..6 {
        assert_undisturbed(seed, &mut seen).await;
    }
    assert!(
        seen.corrections > 100 && seen.cold > 10 && seen.removed > 5 && seen.replayed > 0,
        "{seen:?}"
    );
}

/// Everything that may happen to a part with cold panes; `other` is what another part holds.
fn damaged(whole: &[u8], other: &[u8]) -> Vec<Option<Vec<u8>>> {
    let cut = |length: usize| Some(whole[..length].to_vec());
    let flipped = |at: usize| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        Some(bytes)
    };
    let last = whole.len() - 1;
    vec![
        None,
        Some(other.to_vec()),
        cut(0),
        cut(whole.len() / 2),
        cut(last),
        flipped(0),
        flipped(20),
        flipped(whole.len() / 2),
        flipped(last),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_part_with_cold_panes_is_named_and_never_merged() {
    let plan = Arc::new(Plan::new(spec(3 * HOUR, 4, 65_536)));
    let mut looked_at = 0;
    for seed in 0..6 {
        let store = MemoryStore::new();
        let mut committer = start(&store, &plan).await;
        for step in history(&plan, &mut Random(seed)) {
            match step {
                Step::Apply(delta) => {
                    let (_, recovered) = open(&store, &plan).await;
                    let mut merger = recover::merger(&plan, &store, &recovered).await.unwrap();
                    let files = store.files();
                    if let Some(key) = merger.cold_needed(&delta).first() {
                        let blob = recovered.blobs.iter().find(|blob| blob.name == recover::cold_name(*key)).unwrap();
                        let path = &blob.file.path;
                        let other = recovered.blobs.iter().find(|other| other.name != blob.name).unwrap();
                        for damaged in damaged(&files[path], &files[&other.file.path]) {
                            match damaged {
                                Some(bytes) => store.overwrite(path, bytes),
                                None => store.delete(path).await.unwrap(),
                            }
                            let error = recover::load_cold(&mut merger, &store, &recovered.blobs, &delta).await.unwrap_err();
                            assert!(PipelineError::from(error).message.contains(path));
                            store.overwrite(path, files[path].clone());
                            looked_at += 1;
                        }
                        assert!(merger.cold_needed(&delta).contains(key), "it was given back");
                    }
                    committer.commit(Drained::default(), &delta, Kind::Commit).await.unwrap();
                }
                Step::Publish(watermark) => {
                    committer.publish(watermark).await.unwrap();
                    committer.checkpoint().await.unwrap();
                }
            }
        }
    }
    assert!(looked_at >= 9, "no delta needed cold panes");
}
