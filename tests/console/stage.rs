//! What the tests are played on.

use std::path::PathBuf;
use std::sync::OnceLock;

use rdkafka::producer::Producer;
use serde_json::Value;
use tempfile::TempDir;
use tidegauge::generate::{FEEDBACK, Generator, Options, TELEMETRY};

use crate::browser::Browser;
use crate::kafka;
use crate::producing::{Message, produce, producer, send};
use crate::service::{LIMIT, Service, configuration};

pub(crate) const MINUTE: i64 = 60_000;
/// What the pipeline of every test is asked for besides.
const WANTED: &str = r#"
time.lateness = "30s"
time.idle_after = "2s"
[[journey]]
name = "buy"
steps = ["search", "add_to_cart", "checkout"]
[[target]]
metric = "task_success_ratio"
window = "1h"
grouping = "product+task"
where = { task = "checkout" }
at_least = 0.9
[[target]]
metric = "crash_free_user_ratio"
window = "1h"
grouping = "product"
at_least = 0.5
"#;

/// A configuration of its own, and where its output is.
pub(crate) struct Stage {
    directory: TempDir,
    pub(crate) configuration: PathBuf,
}

impl Stage {
    pub(crate) fn new(topics: &[&str], group: &str) -> Stage {
        let directory = TempDir::new().unwrap();
        let output = directory.path().join("output");
        let more = format!("kafka.group_id = \"{group}\"\n{WANTED}");
        let configuration = configuration(directory.path(), &kafka::shared().bootstrap(), topics, &output, &more);
        Stage { directory, configuration }
    }

    /// A topic of its own, with nothing in it.
    pub(crate) fn quiet(topic: &str) -> Stage {
        kafka::shared().create_topic(topic, 1, &[]);
        Stage::new(&[topic], topic)
    }

    /// What the events of two hours and a half make, of which the last minutes hold an outage.
    pub(crate) fn busy(group: &str) -> (Stage, Service) {
        let sent = *SENT.get_or_init(send_events);
        let stage = Stage::new(&[TELEMETRY, FEEDBACK], group);
        let mut service = Service::run(&stage.configuration);
        service.until("read and commit everything", |s| {
            s.json("/api/v1/status")["committed"]["records"] == sent
        });
        service.until("publish", |s| published(s).is_some());
        (stage, service)
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.directory.path().join("output")
    }
}

/// How many records are in the topics that tests share.
static SENT: OnceLock<u64> = OnceLock::new();

fn send_events() -> u64 {
    let broker = kafka::shared();
    [TELEMETRY, FEEDBACK].iter().for_each(|topic| broker.create_topic(topic, 2, &[]));
    let begun = Options::default().start + 600 * MINUTE;
    let options = Options {
        seed: 5,
        start: begun,
        rate: 3.0,
        users: 300,
        partitions: 2,
        bad: 0.002,
        incidents: vec!["checkout_outage@144m+10m:shop/checkout*0.9".parse().unwrap()],
        ..Options::default()
    };
    let mut generator = Generator::new(&options).unwrap();
    let producer = producer(&broker.bootstrap(), &[]);
    let mut sent = 0;
    loop {
        let record = generator.draw();
        if record.timestamp > begun + 149 * MINUTE {
            producer.flush(LIMIT).unwrap();
            return sent;
        }
        sent += 1;
        let message = Message {
            key: Some(record.key().to_vec()),
            value: record.value().map(<[u8]>::to_vec),
            timestamp: Some(record.timestamp),
            headers: vec![],
        };
        send(&producer, record.topic, record.partition, &message);
    }
}

/// Produces values, each with its time.
pub(crate) fn tell(topic: &str, values: &[(Value, i64)]) {
    let messages: Vec<Message> = values
        .iter()
        .map(|(value, time)| Message {
            timestamp: Some(*time),
            ..Message::text(&value.to_string())
        })
        .collect();
    produce(&producer(&kafka::shared().bootstrap(), &[]), topic, 0, &messages);
}

/// The newest position of the hour that is published for products.
pub(crate) fn published(service: &Service) -> Option<String> {
    let answer = service.json("/api/v1/history?metric=task_success_ratio&window=1h&grouping=product");
    Some(answer["newest"].as_str()?.to_owned())
}

pub(crate) fn page(service: &Service, view: &str) -> String {
    format!("http://{}/#/{view}", service.address())
}

/// Opens a view and waits until it shows something.
pub(crate) fn open(browser: &mut Browser, service: &Service, view: &str) {
    browser.open("about:blank");
    browser.open(&page(service, view));
    browser.until("document.querySelector('#view section') !== null && document.querySelector('#view svg, #view table, #view canvas, #view p') !== null");
}
