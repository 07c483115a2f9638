//! The binary as a service under test: what it says, what it answers, how it ends.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take that is waited for.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The binary in an environment of its own.
pub fn tidegauge() -> Command {
    isolated(Command::new(env!("CARGO_BIN_EXE_tidegauge")))
}

/// A command that knows nothing of the settings of whoever runs the tests.
pub fn isolated(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGAUGE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// What a finished process said and how it ended.
pub struct Said {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: &Output) -> Said {
        Said {
            status: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails unless the process ended with this status and said all of that somewhere.
    #[track_caller]
    pub fn assert(&self, status: i32, parts: &[&str]) {
        let Said { out, err, .. } = self;
        assert_eq!(self.status, Some(status), "{out}\n{err}");
        for part in parts {
            assert!(out.contains(part) || err.contains(part), "{part:?} is not in:\n{out}\n{err}");
        }
        assert!(!err.contains("panicked"), "{err}");
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Said {
    Said::of(&tidegauge().args(arguments).output().unwrap())
}

/// A configuration file in a directory, with `more` behind what every run over a broker of a test needs.
pub fn configuration(directory: &Path, brokers: &str, topics: &[&str], output: &Path, more: &str) -> PathBuf {
    let path = directory.join("tidegauge.toml");
    let text = format!(
        r#"kafka.brokers = "{brokers}"
kafka.topics = {topics:?}
kafka.client = {{ "fetch.wait.max.ms" = "20", "topic.metadata.refresh.interval.ms" = "5000", "session.timeout.ms" = "10000" }}
output.url = "file://{}"
output.commit_interval = "1s"
http.listen = "127.0.0.1:0"
{more}"#,
        output.display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// A running `tidegauge`, killed when dropped.
pub struct Service {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Service {
    /// `tidegauge run -c FILE`, once its page answers.
    pub fn run(configuration: &Path) -> Service {
        let mut command = tidegauge();
        command.arg("run").arg("-c").arg(configuration);
        Service::start(command)
    }

    /// Any command that ends in a service, once its page answers.
    pub fn start(command: Command) -> Service {
        let mut service = Service::spawn(command, "");
        service.address = service.wait("tell its address", |service| {
            let log = service.log();
            let (_, rest) = log.split_once("gauges on http://")?;
            Some(rest.split_once("/metrics")?.0.to_owned())
        });
        service
    }

    /// A command that serves at a known address, once its page answers.
    pub fn at(command: Command, address: &str) -> Service {
        let mut service = Service::spawn(command, address);
        service.until("answer", |service| {
            get(&service.address, "/metrics", "*/*").is_ok_and(|(status, _)| status == 200)
        });
        service
    }

    fn spawn(mut command: Command, address: &str) -> Service {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Service {
            child,
            address: address.to_owned(),
            log,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Status and body of an answer.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(&self.address, path, "*/*").unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    pub fn json(&self, path: &str) -> Value {
        let (_, body) = self.get(path);
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    pub fn is_ready(&self) -> bool {
        self.get("/readyz").0 == 200
    }

    /// A sample of the page by its beginning, as `name` or `name{label="value"`.
    pub fn sample(&self, series: &str) -> Option<f64> {
        let (_, page) = self.get("/metrics");
        sample(&page, series)
    }

    /// Waits until `found` gives something.
    #[track_caller]
    pub fn wait<T>(&mut self, what: &str, mut found: impl FnMut(&Service) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?} and did not {what}:\n{}", self.log());
            assert!(Instant::now() < deadline, "it did not {what} in time:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&Service) -> bool) {
        self.wait(what, |service| condition(service).then_some(()));
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Stops it as an operator does, and gives its exit status.
    pub fn stop(mut self) -> Option<i32> {
        self.terminate();
        self.end()
    }

    /// Waits for its end.
    pub fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request; status and body of its answer.
pub fn get(address: &str, path: &str, accept: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}

/// The value of the first sample whose name and labels begin like this.
pub fn sample(page: &str, series: &str) -> Option<f64> {
    let ends = |rest: &str| series.contains('{') || rest.starts_with(['{', ' ']);
    let line = page.lines().find(|line| line.strip_prefix(series).is_some_and(ends))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
