//! What is done with a file of the log once it is decoded. Each function takes bytes of any kind and gives whether they were accepted: then
//! everything that a start and its commits do with them has been done, so that a caller need only look for panics and for memory. The fuzz
//! targets share this file.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tidegauge_aggregate::live::{group_facts, held_groups, live_rows};
use tidegauge_aggregate::merger::{Merger, MergerState};
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::snapshot::PartitionSnapshot;
use tidegauge_aggregate::spec::{Dimension, Grouping};
use tidegauge_aggregate::time::EventTime;
use tidegauge_aggregate::totals::Totals;
use tidegauge_sink::log::checkpoint::Checkpoint;
use tidegauge_sink::log::{BlobKind, Entry, Genesis, Kind, LogState, Nonce, PartitionStart, Topic, WriterId, blob, codec};

use crate::support::{HOUR, MINUTE, Random, START, events, feed, spec};

const LIMIT: u64 = 64 << 20;
const PATH: &str = "_tidegauge/some/file";

/// The plan of everything here: three levels, few groups, a journey, an attribute.
pub(crate) fn plan() -> Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    let make = || {
        let mut spec = spec(3 * HOUR, 4, 32);
        spec.groupings.push(Grouping {
            dimensions: vec![Dimension::Attribute("plan".to_owned())],
        });
        let last = spec.groupings.len() - 1;
        spec.windows[2].groupings.push(last);
        Arc::new(Plan::new(spec))
    };
    Arc::clone(PLAN.get_or_init(make))
}

/// Up to when the events of the seeds reach, more or less.
pub(crate) const NOW: EventTime = EventTime(START + 3 * HOUR);

/// A JSON file: as it is, and as the body of a file with the right checksum.
fn json<T: DeserializeOwned + Serialize>(bytes: &[u8], accept: impl Fn(&T) -> bool) -> bool {
    let mut accepted = false;
    let body = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    let file = body.and_then(|body| codec::encode(&body, PATH).ok());
    for file in [Some(bytes), file.as_deref()].into_iter().flatten() {
        if let Ok(content) = codec::decode::<T>(file, PATH)
            && accept(&content)
        {
            let again = codec::encode(&content, PATH).expect("what was read can be written");
            assert!(accept(&codec::decode(&again, PATH).expect("what was written can be read")));
            accepted = true;
        }
    }
    accepted
}

/// A binary file: as it is, and as the payload of a file with the right checksum.
fn binary<T: DeserializeOwned>(bytes: &[u8], kind: BlobKind, mut accept: impl FnMut(T) -> bool) -> bool {
    let mut accepted = false;
    let packed = blob::encode(kind, bytes).expect("small");
    for file in [bytes, &packed] {
        if let Ok(payload) = blob::decode(file, kind, PATH, LIMIT)
            && let Ok(content) = postcard::from_bytes(&payload)
        {
            accepted |= accept(content);
        }
    }
    accepted
}

pub(crate) fn entry(bytes: &[u8]) -> bool {
    json(bytes, |entry: &Entry| {
        if entry.check(PATH).is_err() {
            return false;
        }
        entry.binary_files().for_each(|file| assert!(!file.path.is_empty()));
        if let Some(mut state) = LogState::begin(entry) {
            let _ = state.apply(entry);
            look_up(&state);
        }
        // On a state that it may follow, where there is one.
        let mut state = before(entry);
        if state.apply(entry).is_ok() {
            assert_eq!((state.head.seq, state.head.nonce), (entry.seq, entry.nonce));
            look_up(&state);
        }
        true
    })
}

pub(crate) fn genesis() -> Entry {
    let start = |partition, start| PartitionStart { partition, start };
    let topic = Topic {
        topic: "t".to_owned(),
        id: Some("id-1".to_owned()),
        partitions: vec![start(0, 0), start(1, 100)],
    };
    Entry {
        results: 1,
        epoch: 0,
        seq: 0,
        nonce: Nonce(1),
        previous: Nonce::NONE,
        writer: WriterId(9),
        written_at: 1_738_137_600_000,
        kind: Kind::Genesis {
            genesis: Genesis {
                pipeline: Nonce(7),
                cluster: Some("cluster-1".to_owned()),
                topics: vec![topic],
                least_reader: 1,
                least_writer: 1,
                spec: serde_json::json!({"lateness": 120_000, "windows": ["1m", "5m"]}),
            },
        },
        partitions: Vec::new(),
        files: Vec::new(),
        delta: None,
        publication: None,
    }
}

/// The state after all that an entry says that it follows.
fn before(entry: &Entry) -> LogState {
    let mut state = LogState::begin(&genesis()).expect("a genesis entry");
    state.head.seq = entry.seq.saturating_sub(1);
    state.head.nonce = entry.previous;
    state.epoch = entry.epoch;
    state.results = entry.results;
    state
}

fn look_up(state: &LogState) {
    for (topic, partition) in state.partitions.keys() {
        let _ = state.next_offset(topic, *partition);
    }
}

pub(crate) fn checkpoint(bytes: &[u8]) -> bool {
    json(bytes, |checkpoint: &Checkpoint| {
        if checkpoint.check(PATH).is_err() {
            return false;
        }
        look_up(&checkpoint.state);
        let follower = Entry {
            seq: checkpoint.state.head.seq + 1,
            previous: checkpoint.state.head.nonce,
            epoch: checkpoint.state.epoch,
            kind: Kind::Commit,
            ..genesis()
        };
        let _ = checkpoint.state.clone().apply(&follower);
        true
    })
}

pub(crate) fn snapshot(bytes: &[u8]) -> bool {
    binary(bytes, BlobKind::Snapshot, |snapshot: PartitionSnapshot| {
        let Ok(mut state) = PartitionState::restore(plan(), &snapshot) else {
            return false;
        };
        let taken = state.snapshot();
        let again = PartitionState::restore(plan(), &taken).expect("what was restored can be restored");
        assert_eq!(again.tracked(), state.tracked());
        feed(&mut state, &events(&mut Random(3), 0, 40));
        assert!(state.take_delta().fits(&plan()));
        state.close(&mut |_| ());
        assert!(state.take_delta().fits(&plan()));
        state.counters.merge(&snapshot_counters(&taken));
        true
    })
}

fn snapshot_counters(snapshot: &PartitionSnapshot) -> tidegauge_aggregate::counters::Counters {
    PartitionState::restore(plan(), snapshot).expect("restored before").counters
}

/// Whether what was read still fits once it is added as often as [`go_on`] does it. Counts at the very bound do not, and none that were
/// counted come near it.
fn counts_stay_small<'a>(plan: &Plan, stores: impl Iterator<Item = &'a PaneStore>) -> bool {
    let mut sum = PaneStore::default();
    stores.for_each(|store| sum.merge(store, plan.spec.max_groups));
    for _ in 0..2 {
        let twice = sum.clone();
        sum.merge(&twice, plan.spec.max_groups);
    }
    sum.fits(plan)
}

/// What comes after what was read: more deltas, publications, panes taken out and given back, live rows.
fn go_on(merger: &mut Merger, delta: &PaneStore) {
    let plan = plan();
    let mut totals = Totals::new(100);
    let small = counts_stay_small(&plan, [delta].into_iter().chain(merger.stores()));
    totals.add(&plan, delta, &[0, 1]);
    for watermark in [NOW, EventTime(NOW.0 + 30 * MINUTE), EventTime::MAX] {
        let _ = live_rows(&plan, &merger.stores(), watermark, &[0, 1, 2, 3], &[0, 1, 2]);
        let _ = group_facts(&plan, &merger.stores(), watermark, 1, &[0, 1]);
        let _ = held_groups(&plan, &merger.stores(), 1, &[0, 1]);
        for key in merger.cold_needed(delta) {
            merger.give_back(key, PaneStore::default());
        }
        merger.apply(delta);
        merger.publish(watermark);
        for part in merger.take_cold() {
            assert!(!small || part.panes.fits(&plan), "{:?}", part.key);
            merger.put_back(part);
        }
        let _ = merger.cold_ready();
        let _ = merger.approximate_bytes();
        postcard::to_allocvec(&merger.state()).expect("a state can be written");
    }
    merger.skip_to(EventTime::MAX);
}

fn panes(delta: &PaneStore) -> bool {
    if !delta.fits(&plan()) {
        return false;
    }
    let mut merger = Merger::new(plan());
    let mut known = PartitionState::new(plan());
    feed(&mut known, &events(&mut Random(5), 0, 60));
    merger.apply(&known.take_delta());
    merger.publish(EventTime(START + HOUR));
    go_on(&mut merger, delta);
    true
}

pub(crate) fn delta(bytes: &[u8]) -> bool {
    binary(bytes, BlobKind::Delta, |delta: PaneStore| panes(&delta))
}

pub(crate) fn merger(bytes: &[u8]) -> bool {
    binary(bytes, BlobKind::State, |state: MergerState<'static>| {
        let Some(mut merger) = Merger::restore(plan(), state) else {
            return false;
        };
        let bytes = postcard::to_allocvec(&merger.state()).expect("a state can be written");
        let again = Merger::restore(plan(), postcard::from_bytes(&bytes).expect("what was written can be read"));
        assert!(again.is_some_and(|again| again.cold().eq(merger.cold())));
        let mut more = PartitionState::new(plan());
        feed(&mut more, &events(&mut Random(7), 1, 60));
        go_on(&mut merger, &more.take_delta());
        true
    })
}

/// Epoch; topic, partition, committed offset, watermark and idleness of each lane; panes. The root package's own type has the same form, and
/// a test there reads the seeds with it.
pub(crate) type Share = (u64, Vec<(String, i32, i64, EventTime, bool)>, PaneStore);

pub(crate) fn share(bytes: &[u8]) -> bool {
    binary(bytes, BlobKind::Live, |(_, _, delta): Share| panes(&delta))
}

/// Uses what bytes stand for, and says whether they stood for anything.
pub(crate) type Use = fn(&[u8]) -> bool;

/// Every kind of file by the name of its seeds.
pub(crate) const ALL: [(&str, Use); 6] = [
    ("entry", entry),
    ("checkpoint", checkpoint),
    ("snapshot", snapshot),
    ("delta", delta),
    ("merger", merger),
    ("share", share),
];
