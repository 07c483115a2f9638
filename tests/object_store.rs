//! The whole pipeline on an object store: a golden case is right there too, also when the process is killed between a copy and a deletion, and
//! `check --connect` tries the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/moto.rs"]
mod moto;
#[path = "support/output.rs"]
mod output;
#[path = "support/reference/mod.rs"]
mod reference;
#[path = "support/service.rs"]
mod service;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use moto::{BUCKET, Fate, Proxy};
use reference::{compare, golden};
use serde_json::Value;
use service::{LIMIT, Said, isolated, tidegauge};
use tidegauge_sink::store::{BucketStore, Provider, Store};

fn case() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tour")
}

/// `tidegauge replay` of the case into the bucket, committing as often as it can.
fn replay(prefix: &str, variables: Vec<(String, String)>) -> Command {
    let mut command = tidegauge();
    command
        .arg("replay")
        .arg(case().join("records"))
        .arg("-c")
        .arg(case().join("config.toml"));
    command.args(["--output", &format!("s3://{BUCKET}/{prefix}"), "--json"]);
    command.envs(variables);
    command.envs([
        ("TIDEGAUGE_OUTPUT__TARGET_FILE_SIZE", "4KiB"),
        ("TIDEGAUGE_OUTPUT__CHECKPOINT_EVERY", "2"),
    ]);
    command
}

/// Brings what a reader would see here.
fn download(prefix: &str) -> tempfile::TempDir {
    let store = BucketStore::open(Provider::S3, BUCKET, prefix, moto::shared().variables()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert_eq!(store.list("_tidegauge/staging").await.unwrap(), []);
        assert_eq!(store.list("_tidegauge/probe").await.unwrap(), []);
        for table in ["metrics", "events", "attempts", "late", "rejects"] {
            for file in store.list(table).await.unwrap() {
                let path = directory.path().join(&file.path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, store.get(&file.path, 1 << 30).await.unwrap()).unwrap();
            }
        }
    });
    directory
}

fn assert_golden(prefix: &str, summary: &Value) {
    let here = download(prefix);
    compare(&output::metrics(here.path()), &golden::expected(&case()).rows).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        output::rows_in(here.path(), "events") as u64,
        summary["counters"]["accepted"].as_u64().unwrap()
    );
}

#[test]
fn a_golden_case_matches_on_an_object_store() {
    let proxy = Proxy::before(moto::shared());
    let requests: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let counted = Arc::clone(&requests);
    proxy.rule(move |head| {
        let kind = match head.0[0].split(' ').next().unwrap() {
            "PUT" if head.header("x-amz-copy-source").is_some() => "copy",
            "GET" if head.0[0].contains("list-type") => "list",
            method => method,
        };
        *counted.lock().unwrap().entry(kind.to_owned()).or_default() += 1;
        Fate::Pass
    });
    let said = Said::of(&replay("golden", proxy.variables()).output().unwrap());
    said.assert(0, &[]);
    println!("requests: {:?}; {}", requests.lock().unwrap(), said.json()["tables"]);
    assert_golden("golden", &said.json());

    let again = Said::of(&replay("golden", moto::shared().variables()).output().unwrap());
    again.assert(0, &[]);
    assert_eq!(again.json(), said.json(), "a replay that is complete says the same again");
}

#[test]
fn a_process_that_is_killed_between_a_copy_and_a_deletion_leaves_nothing_twice() {
    let proxy = Proxy::before(moto::shared());
    let reached = Arc::new(Mutex::new(false));
    let cut = Arc::clone(&reached);
    proxy.rule(move |head| {
        let mut cut = cut.lock().unwrap();
        *cut |= head.is("DELETE") && head.0[0].contains("/staging/");
        if *cut { Fate::Drop } else { Fate::Pass }
    });
    let mut command = replay("killed", proxy.variables());
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + LIMIT;
    while !*reached.lock().unwrap() {
        assert!(Instant::now() < deadline, "nothing was moved");
        assert!(process.try_wait().unwrap().is_none(), "it ended before anything was moved");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    process.kill().unwrap();
    process.wait().unwrap();

    let said = Said::of(&replay("killed", moto::shared().variables()).output().unwrap());
    said.assert(0, &[]);
    assert_golden("killed", &said.json());
}

#[test]
fn a_mistake_in_the_output_of_a_replay_is_shown_before_anything_is_read() {
    let replay = |output: &str, variables: &[(&str, &str)]| {
        let mut command = tidegauge();
        command.arg("replay").arg(case().join("records")).args(["--output", output]);
        Said::of(&command.envs(variables.iter().copied()).output().unwrap())
    };
    replay("gcs://bucket/a", &[]).assert(2, &["--output", "did you mean `gs://bucket/a`?"]);
    replay("s3://key:secret@bucket", &[]).assert(2, &["a URL with credentials"]);
    replay("s3://bucket/a", &[("AWS_ACCESS_KEY_ID", "AKIA")])
        .assert(2, &["the output s3://bucket/a cannot be used", "environment variables"]);
}

#[test]
fn check_tries_the_store_and_shows_no_hidden_name() {
    let check = |url: &str| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidegauge.toml");
        // Nobody listens there: what Kafka says is not what this is about.
        std::fs::write(&path, "kafka.brokers = \"127.0.0.1:1\"\noutput.url = \"${WHERE}\"\n").unwrap();
        let mut command = isolated(Command::new(env!("CARGO_BIN_EXE_tidegauge")));
        command.args(["check", "--connect", "--json", "-c"]).arg(&path);
        Said::of(&command.envs(moto::shared().variables()).env("WHERE", url).output().unwrap())
    };
    std::thread::scope(|scope| {
        let good = scope.spawn(|| check(&format!("s3://{BUCKET}/check")));
        let bad = scope.spawn(|| check("s3://no-such-bucket/check"));
        let good = good.join().unwrap();
        assert_eq!(good.json()["output"]["problem"], Value::Null, "{}", good.out);
        let bad = bad.join().unwrap();
        bad.assert(1, &["NoSuchBucket", "create the bucket"]);
        assert!(
            !bad.out.contains("no-such-bucket") && !bad.err.contains("no-such-bucket"),
            "{}",
            bad.out
        );
    });
}
