//! What is computed from which records, and when they arrive.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegauge_aggregate::spec::{Journey, Spec, Spike, Window};
use tidegauge_ingest::source::PartitionRef;

use crate::generate::{GeneratedRecord, Generator, Options, TELEMETRY, TOPICS};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
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
    pub(super) at: i64,
    pub(super) timestamp: i64,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

pub(super) type Records = BTreeMap<PartitionRef, Vec<Arrival>>;

pub(super) struct Setup {
    pub(super) seed: u64,
    pub(super) spec: Spec,
    /// When it begins.
    pub(super) start: i64,
    pub(super) records: Records,
    pub(super) commit_interval: Duration,
}

fn window(name: &str, size: i64, slide: i64, groupings: &[usize]) -> Window {
    Window {
        name: name.to_owned(),
        size,
        slide,
        groupings: groupings.to_vec(),
    }
}

fn buy() -> Journey {
    Journey {
        name: "buy".to_owned(),
        steps: vec!["search".to_owned(), "add_to_cart".to_owned()],
        within: 15 * MINUTE,
    }
}

fn empty(partitions: u32) -> Records {
    let all = TOPICS
        .iter()
        .flat_map(|topic| (0..partitions).map(|p| PartitionRef::new(*topic, p as i32)));
    all.map(|partition| (partition, Vec::new())).collect()
}

/// Adds a record that arrives at a time, or when the one before it does if that is later.
fn add(records: &mut Records, record: &GeneratedRecord, at: i64) {
    let log = records.entry(PartitionRef::new(record.topic, record.partition)).or_default();
    log.push(Arrival {
        at: log.last().map_or(at, |last| last.at.max(at)),
        timestamp: record.timestamp,
        key: record.key().to_vec(),
        value: record.value().map(<[u8]>::to_vec),
    });
}

/// The start of an attempt that never ends.
fn left_open(n: u32, time: i64) -> Arrival {
    let value = format!(
        r#"{{"type":"task_started","time":{time},"user_id":"quiet-{n}","product":"shop","task":"checkout","attempt_id":"quiet-{n}"}}"#
    );
    Arrival {
        at: time,
        timestamp: time,
        key: format!("quiet-{n}").into_bytes(),
        value: Some(value.into_bytes()),
    }
}

impl Setup {
    /// An hour and a half of little traffic, another for each seed.
    pub(super) fn small(seed: u64) -> Setup {
        let mut random = Random(seed);
        let options = Options {
            seed,
            // At noon, when there is traffic.
            start: Options::default().start + 12 * HOUR,
            rate: 0.05,
            users: 30,
            partitions: random.between(1, 3) as u32,
            bad: 0.05,
            ..Options::default()
        };
        let mut generator = Generator::new(&options).unwrap();
        let mut records = empty(options.partitions);
        // Now and then a partition hears nothing for a while, and then everything at once.
        let held = records.keys().nth(random.between(0, records.len() as u64 - 1) as usize).cloned();
        let hold = options.start + random.between(5, 60) as i64 * MINUTE;
        let until = hold + random.between(1, 80) as i64 * MINUTE;
        let mut time = options.start;
        for _ in 0..RECORDS {
            let record = generator.draw();
            time = record.timestamp.max(time);
            let holds = time >= hold
                && held
                    .as_ref()
                    .is_some_and(|held| held.partition == record.partition && &*held.topic == record.topic);
            add(&mut records, record, if holds { time.max(until) } else { time });
        }
        let mut groupings = Spec::default_groupings();
        groupings.truncate(2);
        let spec = Spec {
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
            journeys: vec![buy()],
            groupings,
            ..Spec::default()
        };
        let (start, commit_interval) = (options.start, Duration::from_secs(900));
        Setup {
            seed,
            spec,
            start,
            records,
            commit_interval,
        }
    }

    /// A month: a day of all traffic, one of a tenth of it, one of bursts, and again. From the evening of the thirteenth day one partition is silent for twenty hours, with
    /// attempts open.
    pub(super) fn month() -> Setup {
        let options = Options {
            seed: 11,
            rate: 0.02,
            users: 60,
            partitions: 2,
            bad: 0.01,
            ..Options::default()
        };
        let start = options.start;
        let silence = start + 12 * DAY + 18 * HOUR..start + 13 * DAY + 14 * HOUR;
        let mut generator = Generator::new(&options).unwrap();
        let mut records = empty(options.partitions);
        let mut random = Random(7);
        let mut time = start;
        let mut open = (0..5).map(|n| left_open(n, silence.start - 1_000));
        while time < start + 30 * DAY {
            let record = generator.draw();
            time = record.timestamp.max(time);
            if time >= silence.start {
                records.entry(PartitionRef::new(TELEMETRY, 0)).or_default().extend(&mut open);
            }
            let kept = match (time - start) / DAY % 3 {
                0 => true,
                1 => random.chance(10),
                _ => time % HOUR < 10 * MINUTE,
            };
            let silent = record.topic == TELEMETRY && record.partition == 0 && silence.contains(&time);
            if kept && !silent {
                add(&mut records, record, time);
            }
        }
        let mut groupings = Spec::default_groupings();
        groupings.truncate(3);
        let spec = Spec {
            // Little traffic leaves a partition without a record for more than a day.
            revision_horizon: 4 * DAY,
            windows: vec![window("1h", HOUR, HOUR, &[0, 1]), window("24h", DAY, 6 * HOUR, &[0, 2])],
            spike: None,
            journeys: vec![buy()],
            groupings,
            ..Spec::default()
        };
        Setup {
            seed: 11,
            spec,
            start,
            records,
            commit_interval: Duration::from_secs(1_800),
        }
    }
}
