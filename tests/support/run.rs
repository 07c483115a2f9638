//! The real binary as a child process that can be told to stop, killed, and started again.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before the test fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// One pipeline: its configuration, its output, and what its processes printed.
pub struct Pipeline {
    directory: tempfile::TempDir,
    /// Everything of the configuration but `[output] url` and `[http]`.
    pub configuration: String,
    starts: u32,
}

/// A configuration under which every stage of committing is gone through many times a second: commits at 8 KiB of rows, a checkpoint at
/// every few entries, and a restart that takes the group over at once.
pub fn busy(brokers: &str, topics: &[&str], group: &str) -> String {
    format!(
        r#"
[kafka]
brokers = "{brokers}"
topics = {topics:?}
group_id = "{group}"
[kafka.client]
"group.instance.id" = "{group}-1"
"session.timeout.ms" = 6000
"topic.metadata.refresh.interval.ms" = 500
[[window]]
name = "1m"
size = "1m"
groupings = ["overall", "product"]
[[window]]
name = "5m"
size = "5m"
slide = "1m"
[[grouping]]
dimensions = []
[[grouping]]
dimensions = ["product"]
[[grouping]]
dimensions = ["product", "task"]
[[journey]]
name = "buy"
steps = ["search", "add_to_cart", "checkout"]
[spike]
window = "5m"
baseline = "10m"
[task]
attempt_timeout = "3m"
[time]
lateness = "30s"
idle_after = "1s"
[output]
commit_interval = "1s"
snapshot_interval = "1s"
checkpoint_every = 5
abandoned_after = "0s"
target_file_size = "8KiB"
"#
    )
}

impl Pipeline {
    pub fn new(configuration: String) -> Pipeline {
        let directory = tempfile::Builder::new().prefix("tidegauge-run-").tempdir().unwrap();
        Pipeline {
            directory,
            configuration,
            starts: 0,
        }
    }

    pub fn output(&self) -> PathBuf {
        self.directory.path().join("output")
    }

    /// Replaces a part of the configuration, which must be there.
    pub fn change(&mut self, from: &str, to: &str) {
        assert!(self.configuration.contains(from), "{from}");
        self.configuration = self.configuration.replace(from, to);
    }

    fn write_configuration(&self) -> PathBuf {
        let url = format!("[output]\nurl = \"file://{}\"\n", self.output().display());
        let text = self.configuration.replace("[output]\n", &url);
        assert!(text.contains(&url), "the configuration has no [output]");
        let path = self.directory.path().join("tidegauge.toml");
        let text = text + "[http]\nlisten = \"127.0.0.1:0\"\n";
        // A process that was just started may be reading it.
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            fs::write(&path, text).unwrap();
        }
        path
    }

    /// Starts `tidegauge run`.
    pub fn run(&mut self, arguments: &[&str]) -> Process {
        self.command("run", arguments)
    }

    /// Starts a command that takes the configuration.
    pub fn command(&mut self, name: &str, arguments: &[&str]) -> Process {
        let configuration = self.write_configuration();
        let mut all = vec![name, "-c", configuration.to_str().unwrap()];
        all.extend(arguments);
        self.start(&all)
    }

    /// Starts `tidegauge replay` of recorded events with this configuration.
    pub fn replay(&mut self, records: &Path) -> Process {
        let configuration = self.write_configuration();
        let output = self.output();
        self.start(&[
            "replay",
            records.to_str().unwrap(),
            "--output",
            output.to_str().unwrap(),
            "-c",
            configuration.to_str().unwrap(),
            "--json",
        ])
    }

    /// Runs to the end and gives its summary.
    pub fn run_to_end(&mut self, arguments: &[&str]) -> Value {
        let mut all = vec!["--until-end", "--json"];
        all.extend(arguments);
        self.run(&all).summary()
    }

    fn start(&mut self, arguments: &[&str]) -> Process {
        self.starts += 1;
        let path = |kind: &str| self.directory.path().join(format!("{}.{kind}", self.starts));
        let (out, err) = (path("out"), path("err"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDEGAUGE_")) {
            command.env_remove(name);
        }
        let child = command
            .args(arguments)
            .env_remove("RUST_LOG")
            .env("TIDEGAUGE_LOG", "info")
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Process {
            child,
            out,
            err,
            log: self.output().join("_tidegauge/log"),
        }
    }

    /// Numbers of the entries that the log directory holds.
    pub fn entries(&self) -> Vec<u64> {
        numbers(&self.output().join("_tidegauge/log"))
    }

    /// Numbers of the checkpoints that there are.
    pub fn checkpoints(&self) -> Vec<u64> {
        numbers(&self.output().join("_tidegauge/checkpoint"))
    }

    /// What one entry of the log says.
    pub fn entry(&self, seq: u64) -> Value {
        let path = self.output().join(format!("_tidegauge/log/{seq:020}.json"));
        let text = fs::read_to_string(&path).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// The numbers that files of a directory are named by.
pub fn numbers(directory: &Path) -> Vec<u64> {
    let mut found: Vec<u64> = directory
        .read_dir()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str()?.parse().ok())
        .collect();
    found.sort_unstable();
    found
}

/// Waits for something by looking again and again.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A running `tidegauge`; dropping it kills it.
pub struct Process {
    pub child: Child,
    out: PathBuf,
    err: PathBuf,
    log: PathBuf,
}

impl Process {
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL: what `kill -9` does. Gives whether it was still running.
    pub fn kill(mut self) -> bool {
        let running = self.ended().is_none();
        let _ = self.child.kill();
        let _ = self.child.wait();
        running
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end and gives the exit code.
    pub fn wait(&mut self, limit: Duration) -> i32 {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "still running after {limit:?}:\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal("TERM");
        self.wait(LIMIT)
    }

    /// Waits for a good end and gives the JSON that it printed.
    pub fn summary(mut self) -> Value {
        let code = self.wait(LIMIT * 2);
        assert_eq!(code, 0, "{}", self.stderr());
        let printed = self.stdout();
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed:?}\n{}", self.stderr()))
    }

    /// Waits for an end that is none, and gives the message.
    pub fn failure(mut self) -> String {
        let code = self.wait(LIMIT);
        assert_ne!(code, 0, "{}", self.stdout());
        self.stderr()
    }

    /// Fails the test with what was logged unless the condition comes to hold while the process runs.
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&Process) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition(self) {
            let ended = self.ended();
            assert!(ended.is_none(), "{what}: it ended with {ended:?}:\n{}", self.stderr());
            assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}:\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The answer to a request of its own HTTP server; none while it is not up.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let log = self.stderr();
        let address = log.split("gauges on http://").nth(1)?.split('/').next()?;
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(LIMIT)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let code = head.split(' ').nth(1)?.parse().ok()?;
        Some((code, body.to_owned()))
    }

    /// `/api/v1/status`.
    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.get("/api/v1/status")?.1).ok()
    }

    /// The highest entry of the log.
    pub fn head(&self) -> Option<u64> {
        numbers(&self.log).last().copied()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
