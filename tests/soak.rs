//! A soak: records as fast as they are read, ten thousand groups, many open attempts, and a store that stalls for a sixth of the time, at least 14 seconds, in the middle.
//! Nothing is lost, readiness tells of the stall, and after warm-up memory does not grow.
//!
//! `TIDEGAUGE_SOAK_SECONDS` says for how long (`cargo xtask soak MINUTES`), `TIDEGAUGE_BINARY` names another build to soak.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::Value;
use service::{Said, Service, isolated};

const TOPIC: &str = "soak.telemetry";
const PARTITIONS: u64 = 4;
/// So far the producer may be ahead of the reader.
const AHEAD: u64 = 300_000;

/// A disk whose syncs do not come back while a file is there.
const STALL: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int fsync(int fd) {
    static int (*sync)(int);
    const char *flag = getenv("STALL_WHILE");
    if (!sync) sync = dlsym(RTLD_NEXT, "fsync");
    while (flag && access(flag, F_OK) == 0) usleep(10000);
    return sync(fd);
}
"#;

const CONFIGURATION: &str = r#"
output.target_file_size = "32MiB"
limits.max_groups = 20000
prometheus.groupings = ["overall"]
# Everything that is kept for some time is all there before the first half of a soak of half an hour is over.
time.revision_horizon = "1m"
spike = { window = "1m", baseline = "5m" }
[[grouping]]
dimensions = []
[[grouping]]
dimensions = ["product"]
[[grouping]]
dimensions = ["product", "task"]
[[window]]
name = "1m"
size = "1m"
[[window]]
name = "5m"
size = "5m"
"#;

fn soaked_for() -> Duration {
    let given = std::env::var("TIDEGAUGE_SOAK_SECONDS").ok().map(|text| text.parse().unwrap());
    Duration::from_secs(given.unwrap_or(45))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Starts attempt after attempt, and ends each when so many others are open.
struct Traffic {
    sent: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Traffic {
    fn start(&self, brokers: String, open: u64) -> JoinHandle<()> {
        let (sent, read, stop) = (Arc::clone(&self.sent), Arc::clone(&self.read), Arc::clone(&self.stop));
        std::thread::spawn(move || {
            let properties = [
                ("linger.ms", "20"),
                ("compression.type", "lz4"),
                ("acks", "1"),
                ("queue.buffering.max.messages", "200000"),
            ];
            let producer = producing::producer(&brokers, &properties);
            for n in 0_u64.. {
                if n % 512 == 0 {
                    producer.poll(Duration::ZERO);
                    while sent.load(Ordering::Relaxed) > read.load(Ordering::Relaxed) + AHEAD && !stop.load(Ordering::Relaxed) {
                        producer.poll(Duration::from_millis(10));
                    }
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                for (attempt, ends) in [(Some(n), false), (n.checked_sub(open), true)] {
                    let Some(attempt) = attempt else { continue };
                    send(&producer, attempt, ends);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
            producer.flush(Duration::from_secs(60)).unwrap();
        })
    }
}

fn send(producer: &rdkafka::producer::BaseProducer<producing::Strict>, attempt: u64, ends: bool) {
    let (kind, outcome) = if ends {
        ("task_finished", r#","outcome":"success""#)
    } else {
        ("task_started", "")
    };
    let (product, task, user) = (attempt % 100, attempt / 100 % 100, attempt % 50_000);
    let value = format!(
        r#"{{"type":"{kind}","time":{},"user_id":"u{user}","product":"p{product}","task":"t{task}","attempt_id":"a{attempt}"{outcome}}}"#,
        now()
    );
    let key = attempt.to_le_bytes();
    let mut record = BaseRecord::to(TOPIC)
        .partition((attempt % PARTITIONS) as i32)
        .key(&key)
        .payload(&value);
    while let Err((error, back)) = producer.send(record) {
        assert!(
            matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)),
            "{error}"
        );
        producer.poll(Duration::from_millis(10));
        record = back;
    }
}

/// Resident memory in MiB.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn build_stall(directory: &Path) -> PathBuf {
    let (source, library) = (directory.join("stall.c"), directory.join("stall.so"));
    fs::write(&source, STALL).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .status();
    assert!(built.expect("a C compiler; run: cargo xtask install").success());
    library
}

fn binary() -> PathBuf {
    std::env::var_os("TIDEGAUGE_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_tidegauge")), PathBuf::from)
}

#[test]
fn at_full_speed_with_a_store_that_stalls_nothing_is_lost_and_memory_stays_flat() {
    let time = soaked_for();
    // A million where there is time for so many.
    let open = (time.as_secs() * 1_000).min(1_000_000);
    let broker = kafka::shared();
    let bounded = [("retention.bytes", "536870912"), ("segment.bytes", "67108864")];
    broker.create_topic(TOPIC, PARTITIONS as i32, &bounded);
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("output");
    // What is remembered of ended attempts is to be all there when the first half is over.
    let timeout = (time.as_secs() / 8).clamp(5, 60);
    let more = format!("task.attempt_timeout = \"{timeout}s\"\n{CONFIGURATION}");
    let configuration = service::configuration(directory.path(), &broker.bootstrap(), &[TOPIC], &output, &more);
    let flag = directory.path().join("stalled");
    let mut command = isolated(Command::new(binary()));
    command.arg("run").arg("-c").arg(&configuration);
    command.env("LD_PRELOAD", build_stall(directory.path())).env("STALL_WHILE", &flag);
    let service = Service::start(command);

    let traffic = Traffic {
        sent: Arc::default(),
        read: Arc::default(),
        stop: Arc::default(),
    };
    let producing = traffic.start(broker.bootstrap(), open);
    let records = |service: &Service| service.json("/api/v1/status")["records"].as_u64().unwrap_or(0);
    let begun = Instant::now();
    let half = time.mul_f64(0.5);
    let stall = half..half + time.mul_f64(1.0 / 6.0).max(Duration::from_secs(14));
    let (mut memory, mut unready) = (Vec::new(), None);
    while begun.elapsed() < time {
        let at = begun.elapsed();
        if stall.contains(&at) && !flag.exists() {
            fs::write(&flag, "").unwrap();
        } else if at >= stall.end && flag.exists() {
            fs::remove_file(&flag).unwrap();
        }
        traffic.read.store(records(&service), Ordering::Relaxed);
        memory.push((at, resident(service.id())));
        let (code, why) = service.get("/readyz");
        if stall.contains(&at) && code == 503 {
            unready = Some(why);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    traffic.stop.store(true, Ordering::Relaxed);
    producing.join().unwrap();
    let sent = traffic.sent.load(Ordering::Relaxed);
    let read = traffic.read.load(Ordering::Relaxed);
    let mut service = service;
    service.until("read everything", |service| records(service) == sent);
    let shown = service.sample("tidegauge_state_bytes{part=\"attempts\"").unwrap_or(0.0);
    assert_eq!(service.stop(), Some(0));

    let mut status = isolated(Command::new(binary()));
    status.args(["status", "--json", "--no-connect", "-c"]).arg(&configuration);
    let status: Value = Said::of(&status.output().unwrap()).json();
    let counted = |name: &str| {
        status["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|p| p[name].as_u64())
            .sum::<u64>()
    };
    assert_eq!(counted("records"), sent, "{status}");
    assert_eq!(
        counted("accepted") + counted("late") + counted("duplicate"),
        sent,
        "nothing was refused: {status}"
    );
    assert_eq!(status["tables"]["events"]["rows"].as_u64(), Some(counted("accepted")));

    let most = |from: f64, to: f64| {
        let within = memory.iter().filter(|(at, _)| *at >= time.mul_f64(from) && *at < time.mul_f64(to));
        within.map(|(_, mib)| *mib).max().unwrap()
    };
    let (warm, last) = (most(0.3, 0.5), most(0.8, 1.0));
    println!(
        "{sent} records in {time:?}, {:.0} a second; {open} attempts open, {:.0} MB of them; memory at most {warm} MiB before the stall, {} MiB in it and \
         {last} MiB at the end",
        read as f64 / time.as_secs_f64(),
        shown / 1e6,
        most(0.5, 0.7)
    );
    println!("unready in the stall: {}", unready.as_deref().unwrap_or("never"));
    assert!(unready.is_some(), "the stall was not told");
    assert!(last <= warm * 6 / 5 + 32, "memory grew from {warm} to {last} MiB");
}
