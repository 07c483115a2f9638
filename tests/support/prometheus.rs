//! A real Prometheus that scrapes a running service.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::service::{LIMIT, get};

/// A running Prometheus with a data directory of its own.
pub struct Prometheus {
    child: Child,
    address: String,
    directory: TempDir,
}

impl Prometheus {
    /// Scrapes a target every second.
    pub fn scraping(target: &str) -> Prometheus {
        Prometheus::watching(target, "")
    }

    /// Scrapes a target and evaluates rules every second.
    pub fn watching(target: &str, rules: &str) -> Prometheus {
        let directory = TempDir::new().unwrap();
        let rule_file = directory.path().join("rules.yml");
        fs::write(&rule_file, rules).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n- job_name: tidegauge\n  static_configs: [{{targets: ['{target}']}}]\n",
            rule_file.display()
        );
        let (file, log) = (directory.path().join("prometheus.yml"), directory.path().join("log"));
        fs::write(&file, configuration).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(log).unwrap())
            .spawn()
            .expect("prometheus is missing: run `cargo xtask install`");
        let prometheus = Prometheus { child, address, directory };
        prometheus.until("scrape", |p| p.value("up") == Some(1.0));
        prometheus
    }

    /// The answer of its HTTP API.
    pub fn ask(&self, path: &str) -> Value {
        let answer = get(&self.address, path, "*/*");
        answer
            .ok()
            .and_then(|(_, body)| serde_json::from_str(&body).ok())
            .unwrap_or(Value::Null)
    }

    /// The whole answer to a query.
    pub fn ask_query(&self, query: &str) -> Value {
        let escape = |byte: u8| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        };
        self.ask(&format!("/api/v1/query?query={}", query.bytes().map(escape).collect::<String>()))
    }

    /// The series that a query gives, each with its labels and value.
    pub fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let answer = self.ask_query(query);
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |one: &Value| one["value"][1].as_str().unwrap().parse().unwrap();
        series.iter().map(|one| (one["metric"].clone(), value(one))).collect()
    }

    /// The value of the only series that a query gives.
    pub fn value(&self, query: &str) -> Option<f64> {
        match self.query(query).as_slice() {
            [(_, value)] => Some(*value),
            _ => None,
        }
    }

    /// Waits until a condition holds.
    #[track_caller]
    pub fn until(&self, what: &str, mut condition: impl FnMut(&Prometheus) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition(self) {
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "Prometheus did not {what}: {}\n{}",
                self.ask("/api/v1/targets"),
                log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
