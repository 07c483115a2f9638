//! `kill -9` at any moment and a start again give the tables of an undisturbed run, row for row: on a real Kafka, and for replays.
//!
//! Moments are random; the seed is printed, and `RECOVERY_SEED` repeats it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/output.rs"]
mod output;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/reference/mod.rs"]
mod reference;
#[path = "support/run.rs"]
mod run;
#[path = "support/same.rs"]
mod same;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use producing::{Message, produce, producer};
use run::{Pipeline, Process, busy, numbers};
use same::{assert_same, counted};
use serde_json::Value;
use tidegauge::generate::{FEEDBACK, Generator, Options, TELEMETRY, write_files};

const KILLS: u32 = 20;
const PARTITIONS: u32 = 3;

/// xorshift: moments need no better.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let given = std::env::var("RECOVERY_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_nanos() as u64
        };
        let seed = given.unwrap_or_else(clock) | 1;
        println!("RECOVERY_SEED={seed}");
        Random(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn options(seed: u64) -> Options {
    Options {
        seed,
        rate: 40.0,
        users: 500,
        partitions: PARTITIONS,
        bad: 0.01,
        ..Options::default()
    }
}

/// Lets a process run to a random moment: some time after its start, after the log grew, when files are staged, or when a checkpoint appears.
fn let_run(process: &mut Process, output: &Path, random: &mut Random) -> &'static str {
    let private = output.join("_tidegauge");
    let head = process.head().unwrap_or(0);
    let checkpoint = numbers(&private.join("checkpoint")).last().copied();
    let wanted = random.below(3) + 1;
    let staged = || {
        private.join("staging").read_dir().map_or(0, |entries| {
            entries
                .flatten()
                .filter_map(|e| e.path().read_dir().ok())
                .map(Iterator::count)
                .sum::<usize>()
        })
    };
    let late = Duration::from_micros(random.below(20_000));
    let (name, limit): (_, u64) = match random.below(4) {
        0 => ("after a time", random.below(2_000)),
        1 => ("after some entries", 10_000),
        2 => ("with files staged", 10_000),
        _ => ("after a checkpoint", 10_000),
    };
    let deadline = Instant::now() + Duration::from_millis(limit);
    while Instant::now() < deadline && process.ended().is_none() {
        let reached = match name {
            "after some entries" => process.head().unwrap_or(0) >= head + wanted,
            "with files staged" => process.head().unwrap_or(0) >= head + wanted - 1 && staged() > 0,
            "after a checkpoint" => numbers(&private.join("checkpoint")).last().copied() > checkpoint,
            _ => false,
        };
        if reached {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(late);
    name
}

/// Kills and starts again until it has been killed so often or has come to its end; then lets it end. Gives the summary and the kills.
fn disturb(pipeline: &mut Pipeline, kills: u32, random: &mut Random, mut start: impl FnMut(&mut Pipeline) -> Process) -> (Value, u32) {
    let output = pipeline.output();
    let mut killed = 0;
    let mut moments: BTreeMap<&str, u32> = BTreeMap::new();
    while killed < kills {
        let mut process = start(pipeline);
        let moment = let_run(&mut process, &output, random);
        if let Some(status) = process.ended() {
            assert!(status.success(), "after {killed} kills: {}", process.stderr());
            break;
        }
        process.kill();
        killed += 1;
        *moments.entry(moment).or_default() += 1;
    }
    let summary = start(pipeline).summary();
    println!("{killed} kills: {moments:?}; {:?} entries", pipeline.checkpoints().last());
    (summary, killed)
}

/// Growth is bounded by checkpoints, and a start reads nothing from before the newest one.
fn assert_bounded(pipeline: &Pipeline) {
    let checkpoints = pipeline.checkpoints();
    let entries = pipeline.entries();
    let newest = *checkpoints.last().expect("there are checkpoints");
    assert_eq!(checkpoints.len(), 1, "older checkpoints are gone");
    assert!(newest > 20 && entries.iter().all(|entry| *entry > newest), "{newest}: {entries:?}");
    assert!(entries.len() <= 8, "{entries:?}");
    let count = |directory: &str| {
        let directory = pipeline.output().join("_tidegauge").join(directory);
        let writers = directory.read_dir().unwrap().map(|writer| writer.unwrap().path());
        writers.map(|writer| writer.read_dir().unwrap().count()).sum::<usize>()
    };
    // Each partition has a snapshot, and each of the few entries may have brought a newer one.
    let parts = 2 * PARTITIONS as usize;
    assert_eq!(count("staging"), 0);
    assert!(count("delta") <= entries.len(), "{} deltas", count("delta"));
    assert!(count("state") <= 1 + parts * (1 + entries.len()), "{} state files", count("state"));
}

#[test]
fn entries_before_the_newest_checkpoint_are_not_read_again() {
    let records = tempfile::tempdir().unwrap();
    let mut generator = Generator::new(&options(5)).unwrap();
    write_files(records.path(), &mut generator, 30_000, &mut |_| ()).unwrap();
    let mut pipeline = Pipeline::new(busy("127.0.0.1:9", &[TELEMETRY], "none"));
    let expected = pipeline.replay(records.path()).summary();
    let log = pipeline.output().join("_tidegauge/log");
    for seq in 0..*pipeline.checkpoints().last().unwrap() {
        std::fs::write(log.join(format!("{seq:020}.json")), "not an entry").unwrap();
    }
    assert_eq!(pipeline.replay(records.path()).summary(), expected);
}

#[test]
fn killed_at_twenty_random_moments_a_run_over_kafka_gives_the_same_tables() {
    let mut random = Random::new();
    let begun = Instant::now();
    let broker = kafka::shared();
    for topic in [TELEMETRY, FEEDBACK] {
        broker.create_topic(topic, PARTITIONS as i32, &[]);
    }
    let mut partitions: BTreeMap<(&str, i32), Vec<Message>> = BTreeMap::new();
    let mut generator = Generator::new(&options(random.below(1_000))).unwrap();
    for _ in 0..120_000 {
        let record = generator.draw();
        partitions.entry((record.topic, record.partition)).or_default().push(Message {
            key: Some(record.key().to_vec()),
            value: record.value().map(<[u8]>::to_vec),
            timestamp: Some(record.timestamp),
            headers: vec![],
        });
    }
    let sender = producer(&broker.bootstrap(), &[]);
    for ((topic, partition), messages) in &partitions {
        produce(&sender, topic, *partition, messages);
    }

    println!("{:?} to produce", begun.elapsed());
    let mut undisturbed = Pipeline::new(busy(&broker.bootstrap(), &[TELEMETRY, FEEDBACK], "undisturbed"));
    let expected = undisturbed.run_to_end(&["--close"]);
    assert_eq!(expected["counters"]["records"], 120_000);
    println!("{:?} undisturbed", begun.elapsed());
    let mut disturbed = Pipeline::new(busy(&broker.bootstrap(), &[TELEMETRY, FEEDBACK], "disturbed"));
    let (summary, killed) = disturb(&mut disturbed, KILLS, &mut random, |pipeline| {
        pipeline.run(&["--until-end", "--close", "--json"])
    });
    println!("{:?} disturbed", begun.elapsed());
    assert_same(&undisturbed.output(), &disturbed.output());
    assert_eq!(counted(&summary), counted(&expected));
    assert_eq!(
        killed, KILLS,
        "it came to its end before it was killed so often: the log is too short for this machine"
    );
}

#[test]
fn killed_at_random_moments_a_replay_goes_on_and_gives_the_same_tables() {
    let mut random = Random::new();
    let records = tempfile::tempdir().unwrap();
    let mut generator = Generator::new(&options(random.below(1_000))).unwrap();
    write_files(records.path(), &mut generator, 100_000, &mut |_| ()).unwrap();

    let mut undisturbed = Pipeline::new(busy("127.0.0.1:9", &[TELEMETRY], "none"));
    let expected = undisturbed.replay(records.path()).summary();
    let mut disturbed = Pipeline::new(busy("127.0.0.1:9", &[TELEMETRY], "none"));
    let (summary, killed) = disturb(&mut disturbed, KILLS, &mut random, |pipeline| pipeline.replay(records.path()));
    assert_same(&undisturbed.output(), &disturbed.output());
    assert_eq!(counted(&summary), counted(&expected));
    assert!(
        killed >= 10,
        "it came to its end after {killed} kills: the log is too short for this machine"
    );
}
