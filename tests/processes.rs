//! Three processes over one output, on a real Kafka: killed, frozen, restarted one after the other, with partitions added and the broker restarted,
//! while records arrive and a reader polls the tables. In the end they are row for row those of one process that nothing disturbed.
//!
//! `TIDEGAUGE_KILLS` says how often one is killed; there are as many other disturbances.
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

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kafka::Broker;
use producing::{Message, produce, producer};
use run::{LIMIT, Pipeline, Process, busy, wait_until};
use same::{assert_same, counted};
use serde_json::Value;
use tidegauge::generate::{FEEDBACK, Generator, Options};

const PARTITIONS: u32 = 3;
const PROCESSES: usize = 3;
const RECORDS: usize = 40_000;

/// Members of one group that Kafka takes for dead after six seconds, and that share what is not committed every half second.
fn shared(brokers: &str, topics: &[&str], group: &str) -> String {
    let alone = format!("\"group.instance.id\" = \"{group}-1\"\n");
    let configuration = busy(brokers, topics, group);
    assert!(configuration.contains(&alone));
    configuration
        .replace(&alone, "")
        .replace("abandoned_after = \"0s\"", "abandoned_after = \"5s\"\nlive_interval = \"500ms\"")
}

type Records = BTreeMap<(&'static str, i32), Vec<Message>>;

fn generated(seed: u64) -> Records {
    let options = Options {
        seed,
        rate: 40.0,
        users: 500,
        partitions: PARTITIONS,
        bad: 0.01,
        ..Options::default()
    };
    let mut generator = Generator::new(&options).unwrap();
    let mut records: Records = BTreeMap::new();
    for _ in 0..RECORDS {
        let record = generator.draw();
        let log = records.entry((record.topic, record.partition)).or_default();
        log.push(Message {
            key: Some(record.key().to_vec()),
            value: record.value().map(<[u8]>::to_vec),
            timestamp: Some(record.timestamp),
            headers: vec![],
        });
    }
    records
}

/// Reads the table of events again and again, as its users do: every file is whole from the moment it is seen, is never changed, never goes away,
/// and no row is in two of them.
fn poll_the_tables(output: PathBuf, stop: Arc<AtomicBool>) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut files: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let mut rows: BTreeSet<String> = BTreeSet::new();
        loop {
            let last = stop.load(Ordering::Relaxed);
            let seen: BTreeSet<PathBuf> = output::files(&output, "events").into_iter().collect();
            for (file, bytes) in &files {
                assert_eq!(
                    std::fs::metadata(file).map(|about| about.len()).ok(),
                    Some(*bytes),
                    "{}",
                    file.display()
                );
            }
            for file in seen {
                if files.contains_key(&file) {
                    continue;
                }
                files.insert(file.clone(), std::fs::metadata(&file).unwrap().len());
                for row in output::batches(&file).iter().flat_map(places) {
                    assert!(rows.insert(row.clone()), "{row} is there twice, again in {}", file.display());
                }
            }
            if last {
                return rows.len();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    })
}

/// Topic, partition and offset of every row.
fn places(batch: &arrow::array::RecordBatch) -> Vec<String> {
    let options = arrow::util::display::FormatOptions::default();
    let columns = ["topic", "partition", "offset"].map(|name| {
        let column = batch.column_by_name(name).unwrap();
        arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap()
    });
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|c| format!("{}/", c.value(row))).collect())
        .collect()
}

/// Sends the records of a partition bit by bit, in about so many steps, until all are sent.
fn send(broker: &Broker, records: Records, steps: usize, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (brokers, stop) = (broker.bootstrap(), Arc::clone(stop));
    std::thread::spawn(move || {
        let sender = producer(&brokers, &[("message.timeout.ms", "120000")]);
        let step = records.values().map(Vec::len).max().unwrap_or(0).div_ceil(steps);
        let mut records = records;
        while records.values().any(|left| !left.is_empty()) {
            for ((topic, partition), left) in &mut records {
                let share = if stop.load(Ordering::Relaxed) {
                    left.len()
                } else {
                    left.len().min(step)
                };
                produce(&sender, topic, *partition, &left.drain(..share).collect::<Vec<_>>());
            }
            std::thread::sleep(Duration::from_millis(150));
        }
    })
}

fn reporters(processes: &[Process]) -> usize {
    let pages = processes.iter().filter_map(|process| process.get("/metrics"));
    pages
        .filter(|(_, page)| page.lines().any(|line| line == "tidegauge_reporter 1"))
        .count()
}

fn head(output: &Path) -> Option<u64> {
    run::numbers(&output.join("_tidegauge/log")).last().copied()
}

/// A number that looks like chance and is the same in every run.
fn random(turn: u32) -> usize {
    (u64::from(turn + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as usize
}

/// Stops a process, once it is far enough to hear of it.
fn end_well(process: &mut Process) {
    wait_until("it has started", LIMIT, || !process.stderr().is_empty());
    assert_eq!(process.stop(), 0, "{}", process.stderr());
}

#[test]
fn three_processes_that_are_killed_frozen_and_restarted_write_the_tables_of_an_undisturbed_one() {
    // Every other disturbance is a kill.
    let disturbances: u32 = std::env::var("TIDEGAUGE_KILLS").map_or(4, |text| text.parse::<u32>().unwrap()) * 2;
    let broker = kafka::shared();
    let topics = ["three.telemetry", "three.feedback"];
    for topic in topics {
        broker.create_topic(topic, PARTITIONS as i32, &[]);
    }
    let renamed =
        |((topic, partition), log): ((&'static str, i32), Vec<Message>)| ((topics[usize::from(topic == FEEDBACK)], partition), log);
    let records: Records = generated(7).into_iter().map(renamed).collect();
    let finish = Arc::new(AtomicBool::new(false));
    let sending = send(broker, records, disturbances as usize * 60, &finish);

    let mut pipeline = Pipeline::new(shared(&broker.bootstrap(), &topics, "three"));
    let output = pipeline.output();
    let stop = Arc::new(AtomicBool::new(false));
    let polling = poll_the_tables(output.clone(), Arc::clone(&stop));
    let mut processes: Vec<Process> = (0..PROCESSES).map(|_| pipeline.run(&[])).collect();
    wait_until("one of three is the reporter", LIMIT, || reporters(&processes) == 1);
    wait_until("the reporter shows what others have not committed", LIMIT, || {
        output.join("_tidegauge/live").read_dir().is_ok_and(|found| found.count() > 0)
    });

    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for turn in 0..disturbances {
        let chosen = random(turn) % PROCESSES;
        let before = head(&output);
        let what = match turn % 4 {
            0 | 2 => {
                let process = std::mem::replace(&mut processes[chosen], pipeline.run(&[]));
                assert!(process.kill());
                "kill -9"
            }
            1 => {
                end_well(&mut processes[chosen]);
                processes[chosen] = pipeline.run(&[]);
                "restarts"
            }
            _ => {
                // Longer than the session timeout: others take its partitions over, and it wakes up as a zombie.
                processes[chosen].signal("STOP");
                std::thread::sleep(Duration::from_secs(8));
                processes[chosen].signal("CONT");
                "frozen"
            }
        };
        *counts.entry(what).or_default() += 1;
        if turn == disturbances / 3 {
            broker.add_partitions(topics[0], PARTITIONS as usize + 1);
            let added: Vec<Message> = (0..200).map(|n| purchase(1_767_225_600_000 + n * 500)).collect();
            produce(&producer(&broker.bootstrap(), &[]), topics[0], PARTITIONS as i32, &added);
        }
        if turn == disturbances / 2 {
            broker.kill();
            broker.start_again();
        }
        wait_until("the others go on", LIMIT, || head(&output) > before);
        for process in &mut processes {
            let Some(ended) = process.ended() else { continue };
            // Whoever starts while the broker is away says so and ends; a supervisor starts it again.
            let away = process.stderr().contains("check kafka.brokers");
            assert!(away, "after {counts:?}: {ended:?}:\n{}", process.stderr());
            *process = pipeline.run(&[]);
        }
    }
    finish.store(true, Ordering::Relaxed);
    sending.join().unwrap();
    processes.iter_mut().for_each(end_well);
    let summary = pipeline.run_to_end(&["--close"]);
    stop.store(true, Ordering::Relaxed);
    let rows = polling.join().unwrap();

    let mut undisturbed = Pipeline::new(busy(&broker.bootstrap(), &topics, "three-undisturbed"));
    let expected = undisturbed.run_to_end(&["--close"]);
    // A producer sends again what a broker that was killed may have taken.
    assert!(expected["counters"]["records"].as_u64() >= Some(RECORDS as u64 + 200), "{expected}");
    assert_same(&undisturbed.output(), &output);
    assert_eq!(counted(&summary), counted(&expected));
    assert_eq!(
        Value::from(rows),
        expected["tables"]["events"]["rows"],
        "the reader saw every row once"
    );
    println!("{counts:?}, {:?} entries", head(&output));
}

/// A purchase for 1.00 at a time.
fn purchase(time: i64) -> Message {
    Message {
        value: Some(format!(r#"{{"type":"purchased","time":{time},"user_id":"u{time}","amount":1}}"#).into_bytes()),
        timestamp: Some(time),
        ..Message::default()
    }
}

#[test]
fn gauges_of_the_reporter_hold_what_others_have_read_and_not_committed() {
    let broker = kafka::shared();
    let topic = "shared.telemetry";
    broker.create_topic(topic, 2, &[]);
    let brokers = broker.bootstrap();
    let mut pipeline = Pipeline::new(
        shared(&brokers, &[topic], "shared")
            .replace("commit_interval = \"1s\"", "commit_interval = \"1h\"")
            .replace("target_file_size = \"8KiB\"", "")
            .replace("idle_after = \"1s\"", "idle_after = \"1h\""),
    );
    let processes = [pipeline.run(&[]), pipeline.run(&[])];
    let begun = Instant::now();
    let assigned = |process: &Process| process.status().and_then(|s| s["partitions"].as_array().map(Vec::len)) == Some(1);
    wait_until("each has a partition", LIMIT, || processes.iter().all(assigned));
    println!("shared out after {:?}", begun.elapsed());
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64;
    let sender = producer(&brokers, &[]);
    for partition in 0..2 {
        let some: Vec<Message> = (0..30).map(|n| purchase(now - 500 + 100 * i64::from(partition) + n)).collect();
        produce(&sender, topic, partition, &some);
    }
    let sample = "tidegauge_repeat_purchase_ratio_samples{";
    let shows = |process: &Process| {
        let page = process.get("/metrics").map(|(_, page)| page).unwrap_or_default();
        let line = page
            .lines()
            .find(|line| line.starts_with(sample) && line.contains("grouping=\"overall\"") && line.contains("window=\"5m\""));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    wait_until("one page shows both partitions' purchases", LIMIT, || {
        processes.iter().filter_map(shows).collect::<Vec<_>>() == [60.0]
    });
}
