//! An incident in real traffic, seen by a real Prometheus.

use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tidegauge::generate::TOPICS;
use tidegauge_ingest::embedded::EmbeddedBroker;

use crate::file::rules;
use crate::prometheus::Prometheus;
use crate::service::{Service, configuration, now, tidegauge};

const PARTITIONS: i32 = 2;

/// Generated traffic on its way into Kafka, ended when dropped.
struct Traffic(Child);

impl Drop for Traffic {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_incident_fires_an_alert_that_ends_after_it() {
    let broker = EmbeddedBroker::start(&TOPICS.map(|topic| (topic, PARTITIONS))).unwrap();
    let brokers = broker.bootstrap_servers().unwrap();
    let directory = TempDir::new().unwrap();
    let more = "time.lateness = \"2s\"\ntime.idle_after = \"5s\"\n\
                [[window]]\nname = \"10s\"\nsize = \"10s\"\nslide = \"1s\"\n\
                [spike]\nwindow = \"10s\"\nbaseline = \"60s\"\n[prometheus]\nwindows = [\"10s\"]\n";
    let file = configuration(directory.path(), &brokers, &TOPICS, &directory.path().join("output"), more);
    let service = Service::run(&file);

    // A minute to compare with, sent at once; then in real time, with nobody able to pay from the 75th second to the 95th.
    let start = jiff::Timestamp::from_millisecond(now() - 65_000).unwrap().to_string();
    let mut generate = tidegauge();
    generate.args([
        "generate",
        "--quiet",
        "--rate",
        "300",
        "--users",
        "5000",
        "--brokers",
        &brokers,
        "--start",
        &start,
    ]);
    generate.args([
        "--partitions",
        &PARTITIONS.to_string(),
        "--incident",
        "checkout_outage@75s+20s:shop/checkout*1",
    ]);
    let traffic = Traffic(generate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());

    let rules = rules(&["-c", file.to_str().unwrap()]);
    let prometheus = Prometheus::watching(service.address(), &rules);
    let firing =
        r#"ALERTS{alertname="TidegaugeTaskFailureSpike",alertstate="firing",grouping="product+task",product="shop",task="checkout"}"#;
    let seen = format!("count_over_time({firing}[5m])");
    prometheus.until("fire an alert", |p| p.value(firing).is_some());
    let alert = find(&prometheus.ask("/api/v1/alerts"), "TidegaugeTaskFailureSpike").expect("it still fires");
    let annotations = &alert["annotations"];
    let (summary, description) = (
        annotations["summary"].as_str().unwrap(),
        annotations["description"].as_str().unwrap(),
    );
    assert_eq!(summary, "More tasks fail than before, product shop, task checkout");
    assert!(description.contains("% above its own recent past"), "{description}");
    prometheus.until("resolve it", |p| p.value(firing).is_none());
    assert!(prometheus.value(&seen).is_some());

    // No rule fails on real series.
    let groups = prometheus.ask("/api/v1/rules");
    let groups = groups["data"]["groups"].as_array().unwrap();
    let evaluated: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(evaluated.len() > 20);
    for rule in evaluated {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    drop(traffic);
    assert_eq!(service.stop(), Some(0));
    prometheus.until("see it gone", |p| {
        p.value(r#"ALERTS{alertname="TidegaugeDown",alertstate="pending"}"#) == Some(1.0)
    });
}

/// The checkout's alert of that name.
fn find(answer: &Value, name: &str) -> Option<Value> {
    let alerts = answer["data"]["alerts"].as_array()?;
    let is = |alert: &&Value| alert["labels"]["alertname"] == name && alert["labels"]["task"] == "checkout";
    alerts.iter().find(is).cloned()
}
