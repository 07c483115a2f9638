//! What all instances of one seed share: the records and when they arrive, the group, the files, the clock, and what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::record::Record;
use tidegauge_ingest::source::{PartitionReader, PartitionRef, ReadError, ReadState};
use tidegauge_sink::log::{Genesis, Names, Nonce, PartitionStart, Topic};
use tidegauge_sink::store::MemoryStore;
use tokio::time::Instant;

use super::Seen;
use super::group::Group;
use super::setup::{Arrival, Random, Setup};
use crate::pipeline::clock::simulated;

const MINUTE: i64 = 60_000;

pub(super) struct World {
    pub(super) plan: Arc<Plan>,
    pub(super) names: Names,
    pub(super) files: MemoryStore,
    pub(super) group: Mutex<Group>,
    /// When the last record has arrived.
    pub(super) end: i64,
    pub(super) commit_interval: Duration,
    disturbed: AtomicBool,
    /// All records have arrived, whatever the time.
    arrived: AtomicBool,
    pub(super) random: Mutex<Random>,
    /// Every entry of the log that was ever created, in order of creation.
    pub(super) entries: Mutex<Vec<Vec<u8>>>,
    records: Arc<BTreeMap<PartitionRef, Vec<Arrival>>>,
    start: (Instant, i64),
    dead: Mutex<BTreeSet<u64>>,
    stopping: Mutex<BTreeSet<u64>>,
    seen: Mutex<Seen>,
    traced: bool,
}

impl World {
    pub(super) fn with(setup: Setup, disturbed: bool) -> Arc<World> {
        let Setup {
            seed,
            spec,
            start,
            records,
            commit_interval,
        } = setup;
        let end = records.values().flatten().map(|record| record.at).max().unwrap_or(start) + 10 * MINUTE;
        simulated::set(Some(start));
        let group = Group::new(records.keys().cloned().collect(), Random(seed ^ 0x6E0));
        Arc::new(World {
            plan: Arc::new(Plan::new(spec)),
            names: Names::seeded(seed),
            files: MemoryStore::new(),
            group: Mutex::new(group),
            end,
            commit_interval,
            disturbed: AtomicBool::new(disturbed),
            arrived: AtomicBool::new(false),
            random: Mutex::new(Random(seed ^ 0xFA017)),
            entries: Mutex::default(),
            records: Arc::new(records),
            start: (Instant::now(), start),
            dead: Mutex::default(),
            stopping: Mutex::default(),
            seen: Mutex::default(),
            traced: std::env::var_os("TIDEGAUGE_TRACE").is_some(),
        })
    }

    /// True time; instances see a clock that jumps.
    pub(super) fn now(&self) -> i64 {
        self.start.1 + self.start.0.elapsed().as_millis() as i64
    }

    pub(super) fn jump(&self, by: i64) {
        self.see("clock jumps", 1);
        simulated::set(Some(self.now() + by));
    }

    /// From now on nothing goes wrong, and all records have arrived.
    pub(super) fn calm(&self) {
        self.disturbed.store(false, Ordering::Relaxed);
        self.arrived.store(true, Ordering::Relaxed);
        self.group.lock().unwrap().clear();
        simulated::set(Some(self.now().max(self.end)));
    }

    pub(super) fn is_disturbed(&self) -> bool {
        self.disturbed.load(Ordering::Relaxed)
    }

    /// Prints what happens, where `TIDEGAUGE_TRACE` is set: to follow a seed that fails.
    pub(super) fn trace(&self, what: impl FnOnce() -> String) {
        if self.traced && self.is_disturbed() {
            println!("{:>9.3} s  {}", self.start.0.elapsed().as_secs_f64(), what());
        }
    }

    pub(super) fn see(&self, what: &'static str, n: u64) {
        *self.seen.lock().unwrap().entry(what).or_default() += n;
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn die(&self, id: u64) {
        self.dead.lock().unwrap().insert(id);
    }

    pub(super) fn is_dead(&self, id: u64) -> bool {
        self.dead.lock().unwrap().contains(&id)
    }

    pub(super) fn ask_to_stop(&self, id: u64) {
        self.stopping.lock().unwrap().insert(id);
    }

    pub(super) fn is_asked_to_stop(&self, id: u64) -> bool {
        self.stopping.lock().unwrap().contains(&id)
    }

    pub(super) fn partitions(&self) -> Vec<PartitionRef> {
        self.records.keys().cloned().collect()
    }

    pub(super) fn end_offset(&self, partition: &PartitionRef) -> i64 {
        self.records[partition].len() as i64
    }

    pub(super) fn genesis(&self) -> Genesis {
        let topics = crate::generate::TOPICS.map(|topic| Topic {
            topic: topic.to_owned(),
            id: None,
            partitions: self
                .records
                .keys()
                .filter(|p| &*p.topic == topic)
                .map(|p| PartitionStart {
                    partition: p.partition,
                    start: 0,
                })
                .collect(),
        });
        Genesis {
            pipeline: Nonce(1),
            cluster: Some("simulated".to_owned()),
            topics: topics.to_vec(),
            least_reader: 1,
            least_writer: 1,
            spec: serde_json::to_value(&self.plan.spec).unwrap(),
        }
    }

    pub(super) fn reader(&self, partition: &PartitionRef, offset: i64) -> Box<dyn PartitionReader> {
        // Everything has arrived once the run is calm, whatever the clock says.
        Box::new(Reader {
            partition: partition.clone(),
            records: Arc::clone(&self.records),
            position: offset,
            arrived: if self.arrived.load(Ordering::Relaxed) {
                (self.start.0, i64::MAX / 2)
            } else {
                self.start
            },
        })
    }
}

/// Reads what has arrived of one partition.
struct Reader {
    partition: PartitionRef,
    records: Arc<BTreeMap<PartitionRef, Vec<Arrival>>>,
    position: i64,
    arrived: (Instant, i64),
}

impl PartitionReader for Reader {
    fn topic(&self) -> &str {
        &self.partition.topic
    }

    fn partition(&self) -> i32 {
        self.partition.partition
    }

    fn read(&mut self, limit: usize, each: &mut dyn FnMut(&Record<'_>)) -> Result<ReadState, ReadError> {
        let now = self.arrived.1 + self.arrived.0.elapsed().as_millis() as i64;
        let log = &self.records[&self.partition];
        let left = &log[(self.position as usize).min(log.len())..];
        let mut records = 0;
        for (offset, record) in (self.position..).zip(left.iter().take_while(|record| record.at <= now).take(limit)) {
            each(&Record {
                topic: &self.partition.topic,
                partition: self.partition.partition,
                offset,
                timestamp: Some(record.timestamp),
                key: Some(&record.key),
                value: record.value.as_deref(),
                headers: &[],
            });
            records += 1;
        }
        self.position += records as i64;
        Ok(ReadState {
            records,
            position: self.position,
            at_end: log.get(self.position as usize).is_none_or(|next| next.at > now),
        })
    }

    fn seek(&mut self, offset: i64) -> Result<(), ReadError> {
        self.position = offset;
        Ok(())
    }
}
