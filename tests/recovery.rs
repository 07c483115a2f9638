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

/// Generated records by partition.
fn generated(seed: u64, records: usize) -> BTreeMap<(&'static str, i32), Vec<Message>> {
    let mut partitions: BTreeMap<_, Vec<Message>> = BTreeMap::new();
    let mut generator = Generator::new(&options(seed)).unwrap();
    for _ in 0..records {
        let record = generator.draw();
        partitions.entry((record.topic, record.partition)).or_default().push(Message {
            key: Some(record.key().to_vec()),
            value: record.value().map(<[u8]>::to_vec),
            timestamp: Some(record.timestamp),
            headers: vec![],
        });
    }
    partitions
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
        // However fast the machine is, each start gets only so far, so that there is something left for all kills.
        if reached || process.head().unwrap_or(0) >= head + 4 {
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

/// Disturbs one output after the other until there were [`KILLS`] kills in all: a fast machine may end a log before it was killed so often.
fn killed_so_often(random: &mut Random, mut disturbed: impl FnMut(&mut Random, u32, u32) -> u32) {
    let mut killed = 0;
    for round in 0..KILLS {
        killed += disturbed(random, round, KILLS - killed);
        if killed >= KILLS {
            return;
        }
    }
    panic!("no log was long enough to be killed in: {killed} kills in {KILLS} rounds");
}

/// Growth is bounded by checkpoints, and a start reads nothing from before the newest one.
fn assert_bounded(pipeline: &Pipeline) {
    let checkpoints = pipeline.checkpoints();
    let entries = pipeline.entries();
    let newest = *checkpoints.last().expect("there are checkpoints");
    assert_eq!(checkpoints.len(), 1, "older checkpoints are gone");
    assert!(newest > 20 && entries.iter().all(|entry| *entry > newest), "{newest}: {entries:?}");
    assert!(entries.len() <= 8, "{entries:?}");
    // What is left besides tables is named by the checkpoint or by an entry after it.
    let private = pipeline.output().join("_tidegauge");
    let read = |directory: &str, seq: u64| std::fs::read_to_string(private.join(format!("{directory}/{seq:020}.json"))).unwrap();
    let named: String = entries
        .iter()
        .map(|seq| read("log", *seq))
        .chain([read("checkpoint", newest)])
        .collect();
    for directory in ["staging", "delta", "state"] {
        for writer in private.join(directory).read_dir().unwrap().map(|writer| writer.unwrap().path()) {
            for file in writer
                .read_dir()
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
            {
                assert!(directory != "staging" && named.contains(&file), "{directory}: {file} is left");
            }
        }
    }
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
    let broker = kafka::shared();
    for topic in [TELEMETRY, FEEDBACK] {
        broker.create_topic(topic, PARTITIONS as i32, &[]);
    }
    let partitions = generated(random.below(1_000), 120_000);
    let sender = producer(&broker.bootstrap(), &[]);
    for ((topic, partition), messages) in &partitions {
        produce(&sender, topic, *partition, messages);
    }

    let mut undisturbed = Pipeline::new(busy(&broker.bootstrap(), &[TELEMETRY, FEEDBACK], "undisturbed"));
    let expected = undisturbed.run_to_end(&["--close"]);
    assert_eq!(expected["counters"]["records"], 120_000);
    killed_so_often(&mut random, |random, round, kills| {
        let group = format!("disturbed-{round}");
        let mut disturbed = Pipeline::new(busy(&broker.bootstrap(), &[TELEMETRY, FEEDBACK], &group));
        let (summary, killed) = disturb(&mut disturbed, kills, random, |pipeline| {
            pipeline.run(&["--until-end", "--close", "--json"])
        });
        assert_same(&undisturbed.output(), &disturbed.output());
        assert_eq!(counted(&summary), counted(&expected));
        assert_bounded(&disturbed);
        killed
    });
}

#[test]
fn killed_at_random_moments_a_replay_goes_on_and_gives_the_same_tables() {
    let mut random = Random::new();
    let records = tempfile::tempdir().unwrap();
    let mut generator = Generator::new(&options(random.below(1_000))).unwrap();
    write_files(records.path(), &mut generator, 100_000, &mut |_| ()).unwrap();

    let mut undisturbed = Pipeline::new(busy("127.0.0.1:9", &[TELEMETRY], "none"));
    let expected = undisturbed.replay(records.path()).summary();
    killed_so_often(&mut random, |random, _, kills| {
        let mut disturbed = Pipeline::new(busy("127.0.0.1:9", &[TELEMETRY], "none"));
        let (summary, killed) = disturb(&mut disturbed, kills, random, |pipeline| pipeline.replay(records.path()));
        assert_same(&undisturbed.output(), &disturbed.output());
        assert_eq!(counted(&summary), counted(&expected));
        killed
    });
}

#[test]
fn golden_cases_match_through_replays_that_are_killed_and_go_on() {
    let mut random = Random::new();
    for name in ["tour", "hostile", "spike", "wide"] {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let own = std::fs::read_to_string(case.join("config.toml")).unwrap_or_default();
        let output = "[output]\ncommit_interval = \"1s\"\nsnapshot_interval = \"1s\"\ncheckpoint_every = 2\ntarget_file_size = \"4KiB\"\n";
        let mut pipeline = Pipeline::new(format!("{own}\n{output}"));
        let (_, killed) = disturb(&mut pipeline, 8, &mut random, |pipeline| pipeline.replay(&case.join("records")));
        let expected = reference::golden::expected(&case);
        reference::compare(&output::metrics(&pipeline.output()), &expected.rows).unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {killed} kills");
    }
}

/// Partitions that run ahead or are silent for a while, so that windows are published early and corrected later, between kills.
#[test]
fn killed_at_random_moments_a_service_with_silent_partitions_corrects_what_it_published() {
    let mut random = Random::new();
    let broker = kafka::shared();
    let topics = ["live.telemetry", "live.feedback"];
    for topic in topics {
        broker.create_topic(topic, PARTITIONS as i32, &[]);
    }
    let mut waiting = generated(random.below(1_000), 30_000);
    let sender = producer(&broker.bootstrap(), &[]);
    let mut disturbed = Pipeline::new(busy(&broker.bootstrap(), &topics, "live"));
    disturbed.change("idle_after = \"1s\"", "idle_after = \"100ms\"");
    for _ in 0..12 {
        let mut process = disturbed.run(&[]);
        for _ in 0..3 {
            for ((topic, partition), messages) in &mut waiting {
                if random.below(2) == 0 {
                    let some = messages.len().min(random.below(1_000) as usize);
                    let topic = topics[usize::from(*topic == FEEDBACK)];
                    produce(&sender, topic, *partition, &messages.drain(..some).collect::<Vec<_>>());
                }
            }
            std::thread::sleep(Duration::from_millis(random.below(400)));
        }
        let_run(&mut process, &disturbed.output(), &mut random);
        assert!(process.ended().is_none(), "{}", process.stderr());
        process.kill();
    }
    for ((topic, partition), messages) in &waiting {
        produce(&sender, topics[usize::from(*topic == FEEDBACK)], *partition, messages);
    }
    let summary = disturbed.run_to_end(&["--close"]);
    let mut undisturbed = Pipeline::new(busy(&broker.bootstrap(), &topics, "live-undisturbed"));
    let expected = undisturbed.run_to_end(&["--close"]);
    assert_same(&undisturbed.output(), &disturbed.output());
    assert_eq!(counted(&summary), counted(&expected));
    let revised = output::table(&disturbed.output(), "metrics")
        .iter()
        .filter(|row| !row.contains("revision=0"))
        .count();
    println!("{revised} rows are revisions");
    assert!(revised > 0, "nothing was corrected, so nothing was shown");
}

/// Copies a directory as it is.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// Makes an output what it was when its process was killed right after an entry was created, before any of that entry's files were moved, and
/// with everything of the next entry staged already.
fn rewind(pipeline: &Pipeline, to: u64) {
    let output = pipeline.output();
    for seq in pipeline.entries().into_iter().filter(|seq| *seq >= to) {
        let entry = pipeline.entry(seq);
        for file in entry["body"]["files"].as_array().into_iter().flatten() {
            let path = |key: &str| output.join(file[key].as_str().unwrap());
            std::fs::create_dir_all(path("staged").parent().unwrap()).unwrap();
            std::fs::rename(path("path"), path("staged")).unwrap();
        }
        if seq > to {
            std::fs::remove_file(output.join(format!("_tidegauge/log/{seq:020}.json"))).unwrap();
        }
    }
}

#[test]
fn from_every_entry_of_the_log_a_start_gives_the_same_tables() {
    let records = tempfile::tempdir().unwrap();
    let mut generator = Generator::new(&options(11)).unwrap();
    write_files(records.path(), &mut generator, 12_000, &mut |_| ()).unwrap();
    let configuration = busy("127.0.0.1:9", &[TELEMETRY], "none").replace("checkpoint_every = 5", "checkpoint_every = 1000");
    let mut whole = Pipeline::new(configuration.clone());
    let expected = whole.replay(records.path()).summary();
    let entries = whole.entries();
    let kind = |seq: u64| whole.entry(seq)["body"]["kind"].as_str().unwrap_or_default().to_owned();
    let kinds: Vec<String> = entries.iter().map(|seq| kind(*seq)).collect();
    let last_two = [kinds[kinds.len() - 2].as_str(), kinds[kinds.len() - 1].as_str()];
    assert_eq!(last_two, ["close", "publication"]);
    for seq in entries {
        let mut again = Pipeline::new(configuration.clone());
        copy(&whole.output(), &again.output());
        rewind(&again, seq);
        let summary = again.replay(records.path()).summary();
        assert_eq!(counted(&summary), counted(&expected), "from entry {seq} of {kinds:?}");
        assert_same(&whole.output(), &again.output());
        let staged = again.output().join("_tidegauge/staging");
        let left: usize = staged
            .read_dir()
            .unwrap()
            .map(|writer| writer.unwrap().path().read_dir().unwrap().count())
            .sum();
        assert_eq!(left, 0, "what was staged is gone, from entry {seq}");
    }
    println!("{} entries: {kinds:?}", kinds.len());
}
