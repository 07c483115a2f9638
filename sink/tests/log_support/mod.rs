//! What the tests of the commit log share.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tidegauge_sink::log::stager::SnapshotAt;
use tidegauge_sink::log::{
    Blob, CommitError, CommitLog, Draft, Genesis, Hour, LogError, Names, Nonce, Options, PartitionEntry, PartitionStart, Publication,
    Recovered, Stager, Topic,
};
use tidegauge_sink::store::{MemoryStore, Store};

pub const TOPIC: &str = "product.telemetry";

pub fn genesis() -> Genesis {
    let start = |partition, start| PartitionStart { partition, start };
    let topic = Topic {
        topic: TOPIC.to_owned(),
        id: Some("id-1".to_owned()),
        partitions: vec![start(0, 0), start(1, 100)],
    };
    Genesis {
        pipeline: Nonce(7),
        cluster: Some("cluster-1".to_owned()),
        topics: vec![topic],
        least_reader: 1,
        least_writer: 1,
        spec: json!({"lateness": 120_000}),
    }
}

pub fn options() -> Options {
    Options {
        results: 1,
        reconfigure: false,
        checkpoint_every: 3,
        attempts: 3,
        backoff: Duration::ZERO,
        names: Names::default(),
    }
}

pub async fn open(store: &MemoryStore) -> Result<(CommitLog, Recovered), LogError> {
    CommitLog::open(Arc::new(store.clone()), genesis(), options()).await
}

pub fn range(partition: i32, from: i64, to: i64) -> PartitionEntry {
    PartitionEntry {
        topic: TOPIC.to_owned(),
        partition,
        from,
        to,
        watermark: Some(to * 1_000),
        idle: false,
        last: None,
        counters: BTreeMap::from([("records".to_owned(), to.unsigned_abs())]),
        snapshot: None,
    }
}

/// A draft that moves a partition on, with one data file that says which offsets it holds, and a delta.
pub async fn staged(log: &CommitLog, partition: i32, from: i64, to: i64) -> Result<Draft, LogError> {
    let mut draft = log.draft()?;
    let content = Bytes::from(format!("{partition} {from} {to}"));
    let stager = log.stager();
    draft.files.push(
        stager
            .data(draft.nonce, "events", Hour::of(0), 0, (to - from).unsigned_abs(), content)
            .await?,
    );
    draft.delta = Some(
        stager
            .delta(draft.nonce, format!("delta {partition} {from} {to}").as_bytes())
            .await?,
    );
    draft.partitions.push(range(partition, from, to));
    Ok(draft)
}

pub async fn snapshot(stager: &Stager, draft: &mut Draft, payload: &str) -> Result<(), LogError> {
    for p in &mut draft.partitions {
        let at = SnapshotAt {
            topic: &p.topic,
            partition: p.partition,
            offset: p.to,
            epoch: 0,
            results: 1,
        };
        p.snapshot = Some(stager.snapshot(draft.nonce, at, payload.as_bytes()).await?);
    }
    Ok(())
}

pub fn publication(previous: Option<u64>, through: u64) -> Publication {
    Publication {
        previous,
        through,
        watermark: Some(1),
        windows: Vec::new(),
        revisions: Vec::new(),
    }
}

/// What a process does from start to end: takes a partition up where the log says, and commits ten offsets at a time up to `target`, with a
/// snapshot now and then and a checkpoint when one is due.
pub async fn drive(store: &MemoryStore, partition: i32, target: i64, alone: bool) -> Result<(), CommitError> {
    let (mut log, _) = open(store).await?;
    if alone {
        log.clear_abandoned(i64::MAX).await?;
    }
    loop {
        let from = log.state().next_offset(TOPIC, partition).expect("the topic is known");
        if from >= target {
            return Ok(());
        }
        let mut draft = staged(&log, partition, from, from + 10).await?;
        if from % 20 == 0 {
            snapshot(&log.stager(), &mut draft, &format!("state before {}", from + 10)).await?;
        }
        let mut tries = 0;
        loop {
            match log.commit(&draft).await {
                Ok(_) => break,
                Err(error) if error.is_transient() && tries < 5 => tries += 1,
                Err(error) => return Err(error),
            }
        }
        log.take_others();
        if log.checkpoint_due() {
            // The entry that announces the checkpoint adds nothing to them.
            let payload = Bytes::from(format!("panes before {}", log.state().head.seq + 1));
            log.checkpoint(vec![Blob::New {
                name: "panes".to_owned(),
                payload,
            }])
            .await?;
            log.collect_garbage().await?;
        }
    }
}

/// The offset ranges that the visible files hold, sorted.
pub fn visible(store: &MemoryStore) -> Vec<(i32, i64, i64)> {
    let files = store.files();
    let shown = files.iter().filter(|(path, _)| !path.starts_with("_tidegauge/"));
    let mut ranges: Vec<(i32, i64, i64)> = shown
        .map(|(path, bytes)| {
            assert!(
                path.starts_with("events/date=1970-01-01/hour=00/") && path.ends_with(".parquet"),
                "{path}"
            );
            let text = String::from_utf8(bytes.to_vec()).expect("text");
            let mut numbers = text.split(' ').map(|n| n.parse::<i64>().expect("a number"));
            let mut next = || numbers.next().expect("three numbers");
            (i32::try_from(next()).expect("a partition"), next(), next())
        })
        .collect();
    ranges.sort_unstable();
    ranges
}

/// The paths below a directory.
pub async fn below(store: &MemoryStore, directory: &str) -> Vec<String> {
    store
        .list(directory)
        .await
        .expect("a listing")
        .into_iter()
        .map(|file| file.path)
        .collect()
}
