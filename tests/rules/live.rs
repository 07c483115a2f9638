//! An incident in real traffic, seen by a real Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use tempfile::TempDir;
use tidegauge::generate::{Generator, Options, TOPICS, volume};
use tidegauge_ingest::embedded::EmbeddedBroker;

use crate::file::rules;
use crate::prometheus::Prometheus;
use crate::service::{LIMIT, Service, configuration, now};

const PARTITIONS: i32 = 8;

/// Generated traffic on its way into Kafka: what lies in the past at once, the rest in its time. Ended when dropped.
struct Traffic {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Traffic {
    fn start(brokers: &str, options: &Options) -> Traffic {
        let mut generator = Generator::new(options).unwrap();
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let record = generator.draw();
                while record.timestamp > now() && !stopped.load(Ordering::Relaxed) {
                    producer.poll(Duration::from_millis(10));
                }
                let message = BaseRecord::to(record.topic).partition(record.partition).timestamp(record.timestamp);
                let value = record.value().unwrap_or_default();
                producer
                    .send(message.key(record.key()).payload(value))
                    .map_err(|(error, _)| error)
                    .unwrap();
            }
            producer.flush(LIMIT).unwrap();
        });
        Traffic {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn an_incident_fires_an_alert_that_ends_after_it() {
    let broker = EmbeddedBroker::start(&TOPICS.map(|topic| (topic, PARTITIONS))).unwrap();
    let brokers = broker.bootstrap_servers().unwrap();
    let directory = TempDir::new().unwrap();
    let more = "time.lateness = \"2s\"\ntime.idle_after = \"5s\"\n\
                [[window]]\nname = \"10s\"\nsize = \"10s\"\nslide = \"1s\"\n\
                [spike]\nwindow = \"10s\"\nbaseline = \"120s\"\n[prometheus]\nwindows = [\"10s\"]\n";
    let file = configuration(directory.path(), &brokers, &TOPICS, &directory.path().join("output"), more);
    let mut service = Service::run(&file);

    // Four minutes, in which those who were there from the beginning spread out and a baseline fills, as much as the embedded broker keeps; then
    // nobody who is able to pay, for as long as it takes until most attempts have begun after that.
    let traffic = Traffic::start(
        &brokers,
        &Options {
            start: now() - 240_000,
            // As many records at any hour of the day.
            rate: 400.0 / volume(now()),
            users: 5_000,
            partitions: PARTITIONS.unsigned_abs(),
            incidents: vec!["checkout_outage@250s+40s:shop/checkout*1".parse().unwrap()],
            ..Options::default()
        },
    );

    // What is recorded of the counters waits for five minutes after a scrape that finds the service behind.
    service.until("catch up", |service| {
        service.get("/metrics").1.contains("\ntidegauge_caught_up 1\n")
    });
    let rules = rules(&["-c", file.to_str().unwrap()]).replace("interval: 1m", "interval: 1s");
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

    // Events a second of each product: there are attempts and sessions, and some of the attempts went wrong.
    let recorded = |part: &str, slo: &str| {
        let series = format!("job:tidegauge_slo_{part}:rate5m{{slo=\"{slo}\",grouping=\"product\",product=\"shop\"}}");
        prometheus.value(&series).unwrap_or_else(|| panic!("no {series}"))
    };
    let [attempts, bad, sessions, crashed] = [
        ("events", "task_success_ratio"),
        ("bad_events", "task_success_ratio"),
        ("events", "crash_free_session_ratio"),
        ("bad_events", "crash_free_session_ratio"),
    ]
    .map(|(part, slo)| recorded(part, slo));
    assert!(0.0 < bad && bad < attempts, "{bad} of {attempts}");
    assert!(0.0 < sessions && 0.0 <= crashed && crashed < sessions, "{crashed} of {sessions}");

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
