//! A real Prometheus scrapes a running service, and what it stores is what the service says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/prometheus.rs"]
mod prometheus;
#[path = "support/service.rs"]
mod service;

use std::io::Write;
use std::process::{Command, Stdio};

use prometheus::Prometheus;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;
use service::{LIMIT, Service, configuration, get, now};
use tempfile::TempDir;
use tidegauge_ingest::embedded::EmbeddedBroker;

const MINUTE: i64 = 60_000;
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5";

struct Traffic {
    broker: EmbeddedBroker,
    producer: BaseProducer,
}

impl Traffic {
    fn start() -> Traffic {
        let broker = EmbeddedBroker::start(&[("t", 2)]).unwrap();
        let servers = broker.bootstrap_servers().unwrap();
        let producer = ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
        Traffic { broker, producer }
    }

    fn send(&self, partition: i32, time: i64, value: &str) {
        let record = BaseRecord::<(), str>::to("t").partition(partition).timestamp(time).payload(value);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    /// Impressions and half as many clicks in a product at a time, on both partitions.
    fn interactions(&self, product: &str, time: i64, count: usize) {
        for number in 0..count {
            for action in if number % 2 == 0 {
                &["impression", "click"][..]
            } else {
                &["impression"]
            } {
                let event =
                    json!({"type": "interaction", "action": action, "product": product, "user_id": format!("u{number}"), "time": time});
                let partition = i32::from(number % 4 > 1);
                self.send(partition, time, &event.to_string());
            }
        }
        self.producer.flush(LIMIT).unwrap();
    }

    fn service(&self, directory: &TempDir, more: &str) -> Service {
        let (brokers, output) = (self.broker.bootstrap_servers().unwrap(), directory.path().join("output"));
        Service::run(&configuration(directory.path(), &brokers, &["t"], &output, more))
    }
}

#[track_caller]
fn lint(page: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn what_prometheus_stores_is_what_the_service_says() {
    let traffic = Traffic::start();
    let then = now() - 20 * MINUTE;
    traffic.interactions("shop", then, 40);
    traffic.send(0, then, "no json");
    traffic.send(0, then, r#"{"time":1}"#);
    traffic.producer.flush(LIMIT).unwrap();
    let directory = TempDir::new().unwrap();
    let mut service = traffic.service(&directory, "");
    service.until("get ready", Service::is_ready);
    service.until("read all", |s| s.json("/api/v1/status")["records"] == 62);
    let prometheus = Prometheus::scraping(service.address());
    let targets = prometheus.ask("/api/v1/targets");
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")));

    let (_, page) = get(service.address(), "/metrics", "text/plain").unwrap();
    lint(&page);
    let (_, open) = get(service.address(), "/metrics", OPEN_METRICS).unwrap();
    assert!(open.ends_with("# EOF\n") && !page.contains("# EOF"));

    prometheus.until("see all records", |p| p.value("sum(tidegauge_records_total)") == Some(62.0));
    operational(&prometheus);
    business(&prometheus, &service);

    // Time goes on without the shop: in the last minutes nothing happened there.
    let shop = r#"{product="shop",window="5m",grouping="product"}"#;
    let (ratio, samples) = (
        format!("tidegauge_click_through_ratio{shop}"),
        format!("tidegauge_click_through_ratio_samples{shop}"),
    );
    assert_eq!((prometheus.value(&ratio), prometheus.value(&samples)), (Some(0.5), Some(40.0)));
    traffic.interactions("bank", now(), 40);
    prometheus.until("see the bank", |p| p.value(&ratio.replace("shop", "bank")) == Some(0.5));
    prometheus.until("drop the shop", |p| p.query(&ratio).is_empty());
    assert_eq!(prometheus.value(&samples), Some(0.0), "nothing is counted where there is nothing");
    assert_eq!(
        prometheus.value(&ratio.replace("5m", "1h")),
        Some(0.5),
        "within the hour it happened"
    );
    prometheus.until("see the counters grow", |p| p.value("sum(tidegauge_records_total)") == Some(122.0));
    assert_eq!(prometheus.value("sum(resets(tidegauge_records_total[5m]))"), Some(0.0));
    let (_, page) = get(service.address(), "/metrics", "text/plain").unwrap();
    lint(&page);
    assert_eq!(service.stop(), Some(0));
    prometheus.until("see it gone", |p| p.value("up") == Some(0.0));
}

fn operational(prometheus: &Prometheus) {
    assert_eq!(prometheus.query("tidegauge_build_info")[0].0["version"], env!("CARGO_PKG_VERSION"));
    for (query, expected) in [
        ("sum(tidegauge_events_accepted_total)", 60.0),
        (r#"tidegauge_rejected_records_total{reason="not_json"}"#, 1.0),
        (r#"tidegauge_rejected_records_total{reason="missing_field"}"#, 1.0),
        (r#"tidegauge_rejected_records_total{reason="future_time"}"#, 0.0),
        ("tidegauge_late_events_total", 0.0),
        ("sum(tidegauge_partition_lag_records)", 0.0),
        ("count(tidegauge_partition_lag_records)", 2.0),
        ("count(tidegauge_partition_watermark_timestamp_seconds)", 2.0),
        ("tidegauge_caught_up", 1.0),
        ("tidegauge_ready", 1.0),
        ("tidegauge_reporter", 1.0),
        ("count(tidegauge_watermark_holder)", 1.0),
        ("tidegauge_series_dropped", 0.0),
        ("tidegauge_commit_failures_total", 0.0),
        ("tidegauge_gaps_total", 0.0),
        (r#"tidegauge_rows_written_total{table="rejects"}"#, 2.0),
    ] {
        prometheus.until(&format!("give {expected} for {query}"), |p| p.value(query) == Some(expected));
    }
    let behind = prometheus.value("time() - tidegauge_watermark_timestamp_seconds").unwrap();
    assert!((1_190.0..1_400.0).contains(&behind), "{behind}");
    let age = prometheus.value("time() - tidegauge_last_commit_timestamp_seconds").unwrap();
    assert!((-1.0..60.0).contains(&age), "{age}");
    for name in [
        "commits_total",
        "state_bytes",
        "series",
        "partition_position_offset",
        "files_written_total",
        "queue_fill_ratio",
    ] {
        assert!(!prometheus.query(&format!("tidegauge_{name}")).is_empty(), "{name}");
    }
}

#[test]
fn counters_tell_the_parts_of_ratios_and_the_sessions_of_each_hour_with_their_crashes() {
    let traffic = Traffic::start();
    let hour = 60 * MINUTE;
    let then = now() / hour * hour - hour + 10 * MINUTE;
    let before = then - hour;
    let send = |time: i64, session: usize, more: serde_json::Value| {
        let mut event = json!({"product": "shop", "session_id": format!("s{session}"), "user_id": format!("u{session}"), "time": time});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        traffic.send(0, time, &event.to_string());
    };
    let fatal = || json!({"type": "error", "code": "c", "severity": "fatal"});
    // Ten attempts in as many sessions: seven succeed, two fail, one is given up.
    for session in 0..10 {
        let of = |mut event: serde_json::Value| {
            event["task"] = json!("pay");
            event["attempt_id"] = json!(format!("a{session}"));
            event
        };
        send(before, session, of(json!({"type": "task_started"})));
        let end = match session {
            0..7 => json!({"type": "task_finished", "outcome": "success"}),
            7..9 => json!({"type": "task_finished", "outcome": "failure"}),
            _ => json!({"type": "task_abandoned"}),
        };
        send(before + 1_000, session, of(end));
    }
    // Three sessions crash, one of them twice; four go on in the next hour, in which one of those crashes again.
    for session in [0, 1, 2, 0] {
        send(before + 2_000, session, fatal());
    }
    send(before + 2_000, 3, json!({"type": "error", "code": "c", "severity": "major"}));
    for session in 0..4 {
        send(then, session, json!({"type": "interaction", "action": "click"}));
    }
    send(then, 0, fatal());
    traffic.producer.flush(LIMIT).unwrap();

    let directory = TempDir::new().unwrap();
    let mut service = traffic.service(&directory, "time.idle_after = \"1s\"\n");
    let counters = [
        ("sessions_total", 14.0),
        ("crashed_sessions_total", 4.0),
        ("task_success_ratio_numerator_total", 7.0),
        ("task_success_ratio_denominator_total", 10.0),
        ("task_failure_ratio_numerator_total", 2.0),
        ("task_abandonment_ratio_numerator_total", 1.0),
        ("task_abandonment_ratio_denominator_total", 10.0),
        ("task_attempts_total", 10.0),
    ];
    let read = |service: &Service| {
        let of = |name| service.sample(&format!("tidegauge_{name}{{grouping=\"product\",product=\"shop\"}}"));
        counters.map(|(name, _)| (name, of(name).unwrap_or_default()))
    };
    service.until("count them all", |s| {
        read(s).iter().zip(counters).all(|(found, all)| found.1 >= all.1)
    });
    assert_eq!(read(&service), counters);
    assert_eq!(service.stop(), Some(0));
}

/// Every value of `/api/v1/metrics` that is exported is in Prometheus, and nothing else.
fn business(prometheus: &Prometheus, service: &Service) {
    let live = service.json("/api/v1/metrics");
    let mut compared = 0;
    for row in live["rows"].as_array().unwrap() {
        let dimensions = row["dimensions"].as_object().unwrap();
        let mut labels = vec![format!("window={}", row["window"]), format!("grouping={}", row["grouping"])];
        labels.extend(
            dimensions
                .iter()
                .map(|(name, value)| format!("{name}={}", if value.is_null() { json!("") } else { value.clone() })),
        );
        if row["metric"] != "click_through_ratio" {
            continue;
        }
        let labels = labels.join(",");
        for (suffix, field) in [("", "value"), ("_lower", "lower"), ("_upper", "upper"), ("_samples", "n")] {
            let query = format!("tidegauge_click_through_ratio{suffix}{{{labels}}}");
            assert_eq!(prometheus.value(&query), row[field].as_f64(), "{query}: {row}");
            compared += 1;
        }
    }
    assert!(compared >= 12, "{live}");
}

#[test]
fn gauges_and_readiness_wait_for_what_is_replayed() {
    let traffic = Traffic::start();
    traffic.interactions("shop", now(), 40);
    let directory = TempDir::new().unwrap();
    // No snapshot but that of the end, so that a kill leaves something to replay.
    let more = "output.snapshot_interval = \"1h\"\n";
    let mut service = traffic.service(&directory, more);
    service.until("commit", |s| s.sample("tidegauge_last_commit_timestamp_seconds").is_some());
    service.until("get ready", Service::is_ready);
    let before = service.sample(r#"tidegauge_click_through_ratio{window="5m",grouping="overall""#);
    drop(service);

    let mut service = traffic.service(&directory, more);
    // Whatever moment is met: without readiness there is no business gauge, and with it there is the old one.
    let mut unready = 0;
    service.until("get ready again", |s| {
        let (ready, (status, page)) = (s.is_ready(), s.get("/metrics"));
        unready += usize::from(!ready);
        let shown = status == 200 && page.contains("tidegauge_click_through_ratio{");
        assert!(!shown || s.is_ready(), "gauges came before readiness:\n{page}");
        ready && shown
    });
    assert!(unready > 0, "it was ready before it had read anything");
    assert_eq!(
        service.sample(r#"tidegauge_click_through_ratio{window="5m",grouping="overall""#),
        before
    );
    assert_eq!(service.stop(), Some(0));
}
