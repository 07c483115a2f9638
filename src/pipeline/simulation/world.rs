//! What all instances of one seed share: the records and when they arrive, the group, the files, the clock, and what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::record::Record;
use tidegauge_aggregate::spec::{Journey, Spec, Spike, Window};
use tidegauge_ingest::source::{PartitionReader, PartitionRef, ReadError, ReadState};
use tidegauge_sink::log::{Genesis, Names, Nonce, PartitionStart, Topic};
use tidegauge_sink::store::MemoryStore;
use tokio::time::Instant;

use super::Seen;
use super::group::Group;
use crate::generate::{Generator, Options};
use crate::pipeline::clock::simulated;

const MINUTE: i64 = 60_000;
const RECORDS: u64 = 260;

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// In how many of a hundred cases.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// One record and when it can be read.
pub(super) struct Arrival {
    at: i64,
    timestamp: i64,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

pub(super) struct World {
    pub(super) plan: Arc<Plan>,
    pub(super) names: Names,
    pub(super) files: MemoryStore,
    pub(super) group: Mutex<Group>,
    /// When the last record has arrived.
    pub(super) end: i64,
    disturbed: AtomicBool,
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

fn spec() -> Spec {
    let mut groupings = Spec::default_groupings();
    groupings.truncate(2);
    let window = |name: &str, size, slide, groupings: &[usize]| Window {
        name: name.to_owned(),
        size,
        slide,
        groupings: groupings.to_vec(),
    };
    Spec {
        attempt_timeout: 10 * MINUTE,
        revision_horizon: 90 * MINUTE,
        windows: vec![
            window("10m", 10 * MINUTE, 10 * MINUTE, &[0, 1]),
            window("40m", 40 * MINUTE, 20 * MINUTE, &[0]),
        ],
        spike: Some(Spike {
            window: 0,
            baseline: 30 * MINUTE,
        }),
        journeys: vec![Journey {
            name: "buy".to_owned(),
            steps: vec!["search".to_owned(), "add_to_cart".to_owned()],
            within: 15 * MINUTE,
        }],
        groupings,
        ..Spec::default()
    }
}

impl World {
    pub(super) fn new(seed: u64, disturbed: bool) -> Arc<World> {
        let mut random = Random(seed);
        let options = Options {
            seed,
            // At noon, when there is traffic.
            start: Options::default().start + 12 * 60 * MINUTE,
            rate: 0.05,
            users: 30,
            partitions: random.between(1, 3) as u32,
            bad: 0.05,
            ..Options::default()
        };
        let mut generator = Generator::new(&options).unwrap();
        let mut records: BTreeMap<PartitionRef, Vec<Arrival>> = BTreeMap::new();
        for topic in crate::generate::TOPICS {
            for partition in 0..options.partitions {
                records.insert(PartitionRef::new(topic, partition as i32), Vec::new());
            }
        }
        // Now and then a partition hears nothing for a while, and then everything at once.
        let held = records
            .keys()
            .nth(random.between(0, records.len() as u64 - 1) as usize)
            .cloned()
            .unwrap();
        let hold = options.start + random.between(5, 60) as i64 * MINUTE;
        let until = hold + random.between(1, 80) as i64 * MINUTE;
        let mut end = options.start;
        for _ in 0..RECORDS {
            let record = generator.draw();
            let partition = PartitionRef::new(record.topic, record.partition);
            let mut at = record.timestamp.max(end);
            end = at;
            if partition == held && at >= hold {
                at = at.max(until);
            }
            let log = records.get_mut(&partition).unwrap();
            at = log.last().map_or(at, |last: &Arrival| last.at.max(at));
            log.push(Arrival {
                at,
                timestamp: record.timestamp,
                key: record.key().to_vec(),
                value: record.value().map(<[u8]>::to_vec),
            });
        }
        let end = records.values().flatten().map(|record| record.at).max().unwrap() + 10 * MINUTE;
        simulated::set(Some(options.start));
        let group = Group::new(records.keys().cloned().collect(), Random(seed ^ 0x6E0));
        Arc::new(World {
            plan: Arc::new(Plan::new(spec())),
            names: Names::seeded(seed),
            files: MemoryStore::new(),
            group: Mutex::new(group),
            end,
            disturbed: AtomicBool::new(disturbed),
            random: Mutex::new(Random(seed ^ 0xFA017)),
            entries: Mutex::default(),
            records: Arc::new(records),
            start: (Instant::now(), options.start),
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
            arrived: if self.is_disturbed() {
                self.start
            } else {
                (self.start.0, i64::MAX / 2)
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
