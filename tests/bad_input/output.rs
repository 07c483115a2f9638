//! An output that is full, that may not be written to, or whose file system lacks what the commit log needs.
//!
//! Each process under test sees a file system of its own, mounted where nobody else sees it, which goes away together with the process.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tempfile::TempDir;
use tidegauge_ingest::embedded::EmbeddedBroker;

use crate::output_files::{rows_in, table};
use crate::service::{Said, Service, configuration, isolated, now, tidegauge};

/// The ways to mount that the user of the tests has: root, or else a user namespace.
fn unshare() -> Command {
    static WAY: OnceLock<&str> = OnceLock::new();
    let way = WAY.get_or_init(|| {
        let works = |flags: &&str| {
            let mut tried = Command::new("unshare");
            tried
                .arg(flags)
                .args(["sh", "-c", "mount -t tmpfs tmpfs /mnt"])
                .stderr(Stdio::null());
            tried.status().is_ok_and(|status| status.success())
        };
        let found = ["-m", "-Urm"].into_iter().find(works);
        found.expect("these tests mount file systems: run them as root, or where user namespaces are allowed")
    });
    let mut command = Command::new("unshare");
    command.arg(way);
    command
}

struct Place {
    broker: EmbeddedBroker,
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            broker: EmbeddedBroker::start(&[("t", 1)]).unwrap(),
            directory: TempDir::new().unwrap(),
        };
        fs::create_dir(place.mount()).unwrap();
        place
    }

    fn mount(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    fn produce(&self, count: usize) {
        let config = ClientConfig::new()
            .set("bootstrap.servers", self.broker.bootstrap_servers().unwrap())
            .create();
        let producer: BaseProducer = config.unwrap();
        for _ in 0..count {
            let payload = format!(r#"{{"type":"interaction","action":"click","time":{}}}"#, now());
            let record = BaseRecord::<(), str>::to("t").partition(0).payload(&payload);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(10)).unwrap();
    }

    /// The service with a disk of `size`, after `preparation` in the shell that mounted it.
    fn run(&self, size: &str, preparation: &str) -> Command {
        let output = self.mount().join("output");
        let brokers = self.broker.bootstrap_servers().unwrap();
        let file = configuration(
            self.directory.path(),
            &brokers,
            &["t"],
            &output,
            "runtime.shutdown_timeout = \"2s\"\n",
        );
        let mut command = isolated(unshare());
        let script = format!(r#"mount -t tmpfs -o size={size} tmpfs "$1" || exit 9; {preparation}; exec "$2" run -c "$3""#);
        command.args(["sh", "-c", &script, "sh"]).arg(self.mount());
        command.arg(tidegauge().get_program()).arg(file);
        command
    }

    /// The output as the process sees it.
    fn seen_by(&self, service: &Service) -> PathBuf {
        Path::new("/proc")
            .join(service.id().to_string())
            .join("root")
            .join(self.mount().strip_prefix("/").unwrap())
    }
}

/// Takes all the room that there is.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

/// Breaks the output of a running service, sees it wait and say so, mends it, and sees that it goes on with nothing lost and nothing twice.
fn survives(breaks: impl Fn(&Service, &Path), says: &str, mends: impl Fn(&Service, &Path)) {
    let place = Place::new();
    place.produce(1_000);
    let mut service = Service::start(place.run("16m", "true"));
    let disk = place.seen_by(&service);
    let output = disk.join("output");
    service.until("commit the first records", |_| rows_in(&output, "events") == 1_000);
    service.until("get ready", Service::is_ready);

    breaks(&service, &disk);
    place.produce(2_000);
    service.until("report that it is not ready", |s| {
        let (status, body) = s.get("/readyz");
        status == 503 && body.contains(says)
    });
    service.until("try again", |s| s.sample("tidegauge_commit_failures_total") > Some(2.0));
    let log = service.log();
    assert!(
        log.contains(says) && log.contains("the commit is tried again") && log.contains("nothing is lost"),
        "{log}"
    );
    assert_eq!(service.get("/healthz").0, 200, "a restart would not help");
    assert_eq!(service.sample("tidegauge_ready"), Some(0.0));
    assert_eq!(service.json("/api/v1/status")["ready"], false);

    mends(&service, &disk);
    service.until("get ready again", Service::is_ready);
    service.until("commit the rest", |_| rows_in(&output, "events") == 3_000);
    let mut rows = table(&output, "events");
    rows.dedup();
    assert_eq!(rows.len(), 3_000, "some rows are there twice");
    let left: Vec<_> = fs::read_dir(output.join("_tidegauge/tmp")).unwrap().collect();
    assert!(left.is_empty(), "tries that failed left files behind: {left:?}");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_disk_that_gets_full_is_waited_for_and_nothing_is_lost() {
    let ballast = |disk: &Path| disk.join("ballast");
    survives(
        |_, disk| fill(&ballast(disk)),
        "No space left on device",
        |_, disk| fs::remove_file(ballast(disk)).unwrap(),
    );
}

#[test]
fn a_disk_that_becomes_read_only_is_waited_for_and_nothing_is_lost() {
    let remount = |service: &Service, disk: &Path, mode: &str| {
        let inside = Path::new("/").join(disk.components().skip(4).collect::<PathBuf>());
        let id = service.id().to_string();
        let script = r#"for try in 1 2 3 4 5 6 7 8 9 10; do mount -o "remount,$1" "$2" && exit 0; sleep 0.2; done; exit 1"#;
        let done = Command::new("nsenter")
            .args(["-t", &id, "-m", "sh", "-c", script, "sh", mode])
            .arg(inside)
            .status();
        assert!(done.unwrap().success());
    };
    survives(
        |service, disk| remount(service, disk, "ro"),
        "Read-only file system",
        |service, disk| remount(service, disk, "rw"),
    );
}

#[test]
fn a_stop_while_the_disk_is_full_ends_in_time_and_tells_that_nothing_is_lost() {
    let place = Place::new();
    place.produce(10);
    let mut service = Service::start(place.run("16m", "true"));
    let disk = place.seen_by(&service);
    service.until("commit", |_| rows_in(&disk.join("output"), "events") == 10);
    fill(&disk.join("ballast"));
    place.produce(10);
    service.until("notice", |s| !s.is_ready());
    service.terminate();
    assert_eq!(service.end(), Some(1), "{}", service.log());
    let log = service.log();
    for part in ["stopped without a last commit", "No space left on device", "Nothing is lost"] {
        assert!(log.contains(part), "{part}: {log}");
    }
}

fn refused(mut command: Command, parts: &[&str]) {
    Said::of(&command.output().unwrap()).assert(1, parts);
}

#[test]
fn an_output_that_is_full_at_the_start_is_refused() {
    let place = Place::new();
    let fill = r#"head -c 100000000 /dev/zero > "$1/ballast" 2>/dev/null"#;
    let output = place.mount().join("output");
    let shown = output.to_str().unwrap();
    refused(place.run("1m", fill), &[shown, "No space left on device", "free some space"]);
}

#[test]
fn a_read_only_output_is_refused() {
    let place = Place::new();
    let output = place.mount().join("output");
    let shown = output.to_str().unwrap();
    let expected = [shown, "Read-only file system", "mount that file system for writing", "output.url"];
    refused(place.run("1m", r#"mount -o remount,ro "$1""#), &expected);
    refused(place.run("1m", r#"mkdir "$1/output"; mount -o remount,ro "$1""#), &expected);
}

#[test]
fn an_output_where_no_directory_can_be_made_is_refused() {
    let place = Place::new();
    let records = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/defaults/records");
    let mut command = tidegauge();
    command.args(["replay", records, "--output", "/proc/tidegauge"]);
    refused(command, &["the output /proc/tidegauge cannot be created", "choose another"]);
    drop(place);
}

#[test]
fn an_output_that_is_a_file_is_refused() {
    let place = Place::new();
    let output = place.mount().join("output");
    fs::write(&output, "mine").unwrap();
    let records = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/defaults/records");
    let mut command = tidegauge();
    command.args(["replay", records, "--output"]).arg(&output);
    refused(command, &[output.to_str().unwrap(), "not a directory"]);
    assert_eq!(fs::read(&output).unwrap(), b"mine");
}

/// Answers every link as a file system without links does (FAT, exFAT), which few kernels of test machines have.
const NO_LINKS: &str = r"
#include <errno.h>
int link(const char *from, const char *to) { errno = EPERM; return -1; }
int linkat(int a, const char *from, int b, const char *to, int flags) { errno = EPERM; return -1; }
";

#[test]
fn a_file_system_without_hard_links_is_refused() {
    let place = Place::new();
    let (source, library) = (place.directory.path().join("links.c"), place.directory.path().join("links.so"));
    fs::write(&source, NO_LINKS).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .status();
    assert!(built.unwrap().success());
    let records = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/defaults/records");
    let output = place.directory.path().join("output");
    let mut command = tidegauge();
    command
        .args(["replay", records, "--output"])
        .arg(&output)
        .env("LD_PRELOAD", &library);
    refused(
        command,
        &[
            output.to_str().unwrap(),
            "has no proper hard links",
            "Operation not permitted",
            "ext4",
        ],
    );
    assert!(!output.join("metrics").exists() && !output.join("_tidegauge/log").exists());
}
