//! The console in a real Chromium: what it shows is what the tables say, for everybody, and nobody else is asked.
//!
//! With `TIDEGAUGE_SCREENSHOTS` its pictures are kept in that directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/output.rs"]
mod output;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/reference/mod.rs"]
mod reference;
#[path = "support/service.rs"]
mod service;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use browser::Browser;
use producing::{Message, produce, producer, send};
use rdkafka::producer::Producer;
use reference::RefRow;
use serde_json::{Value, json};
use service::{LIMIT, Service, configuration, now};
use tempfile::TempDir;
use tidegauge::generate::{FEEDBACK, Generator, Options, TELEMETRY};

const MINUTE: i64 = 60_000;
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
struct Stage {
    directory: TempDir,
    configuration: PathBuf,
}

impl Stage {
    fn new(topics: &[&str], group: &str) -> Stage {
        let directory = TempDir::new().unwrap();
        let output = directory.path().join("output");
        let more = format!("kafka.group_id = \"{group}\"\n{WANTED}");
        let configuration = configuration(directory.path(), &kafka::shared().bootstrap(), topics, &output, &more);
        Stage { directory, configuration }
    }

    /// A topic of its own, with nothing in it.
    fn quiet(topic: &str) -> Stage {
        kafka::shared().create_topic(topic, 1, &[]);
        Stage::new(&[topic], topic)
    }

    /// What the events of two hours and a half make, of which the last minutes hold an outage.
    fn busy(group: &str) -> (Stage, Service) {
        let sent = *SENT.get_or_init(send_events);
        let stage = Stage::new(&[TELEMETRY, FEEDBACK], group);
        let mut service = Service::run(&stage.configuration);
        service.until("read and commit everything", |s| {
            s.json("/api/v1/status")["committed"]["records"] == sent
        });
        service.until("publish", |s| published(s).is_some());
        (stage, service)
    }

    fn output(&self) -> PathBuf {
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
fn tell(topic: &str, values: &[(Value, i64)]) {
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
fn published(service: &Service) -> Option<String> {
    let answer = service.json("/api/v1/history?metric=task_success_ratio&window=1h&grouping=product");
    Some(answer["newest"].as_str()?.to_owned())
}

fn page(service: &Service, view: &str) -> String {
    format!("http://{}/#/{view}", service.address())
}

/// Opens a view and waits until it shows something.
fn open(browser: &mut Browser, service: &Service, view: &str) {
    browser.open("about:blank");
    browser.open(&page(service, view));
    browser.until("document.querySelector('#view section') !== null && document.querySelector('#view svg, #view table, #view canvas, #view p') !== null");
}

fn millis(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// Rows of the tables that a question is about, oldest first.
fn in_tables(rows: &[RefRow], asked: &Asked) -> Vec<RefRow> {
    let is = |row: &&RefRow| {
        let dims: Vec<(&str, &str)> = row.dims.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        (row.metric.as_str(), row.stat.as_str(), row.window.as_str(), row.grouping.as_str())
            == (asked.metric, asked.stat, asked.window, asked.grouping)
            && dims == asked.group
    };
    let mut rows: Vec<RefRow> = rows.iter().filter(is).cloned().collect();
    rows.sort_by_key(|row| row.window_end);
    rows
}

/// A line of numbers.
struct Asked {
    metric: &'static str,
    stat: &'static str,
    window: &'static str,
    grouping: &'static str,
    /// By name of the dimension, in the order of names.
    group: &'static [(&'static str, &'static str)],
}

impl Asked {
    fn query(&self) -> String {
        let Asked {
            metric,
            stat,
            window,
            grouping,
            group,
        } = self;
        let group: String = group.iter().map(|(name, value)| format!("&{name}={value}")).collect();
        format!(
            "metric={metric}&stat={stat}&window={window}&grouping={}{group}",
            grouping.replace('+', "%2B")
        )
    }
}

const SHOP: &[(&str, &str)] = &[("product", "shop")];
const LINES: [Asked; 5] = [
    Asked {
        metric: "task_success_ratio",
        stat: "value",
        window: "1h",
        grouping: "product+task",
        group: &[("product", "shop"), ("task", "checkout")],
    },
    Asked {
        metric: "time_on_task_seconds",
        stat: "p90",
        window: "5m",
        grouping: "product",
        group: SHOP,
    },
    Asked {
        metric: "time_on_task_seconds",
        stat: "mean",
        window: "1h",
        grouping: "product+platform",
        group: &[("platform", "ios"), ("product", "shop")],
    },
    Asked {
        metric: "active_users",
        stat: "value",
        window: "1h",
        grouping: "overall",
        group: &[],
    },
    Asked {
        metric: "contact_ratio",
        stat: "value",
        window: "1m",
        grouping: "product",
        group: SHOP,
    },
];

/// Fails unless the answer about the past is the tables, number for number. Gives the newest position.
fn assert_as_in_tables(service: &Service, output: &Path) -> i64 {
    let answers: Vec<Value> = LINES
        .iter()
        .map(|asked| service.json(&format!("/api/v1/history?{}", asked.query())))
        .collect();
    let rows = output::metrics(output);
    let mut newest = 0;
    for (asked, answer) in LINES.iter().zip(&answers) {
        let query = asked.query();
        let points = answer["series"][0]["points"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {answer}"));
        let table = in_tables(&rows, asked);
        assert_eq!(answer["series"].as_array().unwrap().len(), 1, "{query}");
        for point in points {
            let row = table
                .iter()
                .find(|row| row.window_end == millis(&point["end"]))
                .unwrap_or_else(|| panic!("{query}: {point}"));
            // Written and read as the answer is: reading alone may be off in the last digit.
            let told = json!({"value": row.value, "lower": row.lower, "upper": row.upper, "n": row.n, "numerator": row.numerator, "denominator": row.denominator});
            let told: Value = serde_json::from_str(&told.to_string()).unwrap();
            for (name, value) in told.as_object().unwrap() {
                assert_eq!(&point[name], value, "{name} of {query} at {}", point["end"]);
            }
        }
        let last = millis(&points.last().unwrap()["end"]);
        let recent = table.iter().filter(|row| row.window_end <= last).rev().take(20);
        for row in recent {
            let told = points.iter().any(|point| millis(&point["end"]) == row.window_end);
            assert!(told, "{query}: {} is not told", row.window_end);
        }
        newest = newest.max(last);
    }
    newest
}

/// The exact numbers in the table below the chart, newest first.
fn listed(browser: &mut Browser) -> Vec<f64> {
    let numbers = browser.eval("[...document.querySelectorAll('#view tbody data')].map(number => number.value)");
    numbers
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_str().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn the_console_shows_what_the_tables_say_and_a_restart_does_not_empty_it() {
    let (stage, mut service) = Stage::busy("restarts");
    let before = assert_as_in_tables(&service, &stage.output());
    let mut browser = Browser::start();
    browser.look(1280, 900, false);

    // The chart's own table is the table on disk.
    for asked in &LINES[..2] {
        open(&mut browser, &service, &format!("explore?{}", asked.query()));
        browser.until("document.querySelectorAll('#view tbody data').length > 20 && document.querySelector('canvas') !== null");
        let shown = listed(&mut browser);
        let rows = in_tables(&output::metrics(&stage.output()), asked);
        let newest = rows.iter().rev().map(|row| row.value);
        let skipped = newest.clone().position(|value| value == shown[0]).unwrap();
        assert!(
            newest.skip(skipped).zip(&shown).take(10).all(|(row, shown)| row == *shown),
            "{}: {shown:?}",
            asked.query()
        );
    }

    // What is missed and what spikes is at the top.
    open(&mut browser, &service, "overview");
    browser.reads("Needs attention");
    browser.reads("Spikes: worse than the recent past");
    let text = browser.text();
    for part in [
        "1 target is missed",
        "Tasks failed in shop / checkout",
        "missed",
        "at least 90.0\u{a0}%",
        "UX: how it works",
        "CX: what they make of it",
        "Worse",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    browser.picture("overview-light");

    // After a restart the same past is there, read from the tables.
    assert_eq!(service.stop(), Some(0));
    service = Service::run(&stage.configuration);
    service.until("bring the history back", |s| {
        published(s).is_some() && s.json("/api/v1/overview")["loading"] == false
    });
    assert!(assert_as_in_tables(&service, &stage.output()) >= before);
    browser.open("about:blank");
    browser.open(&page(&service, &format!("explore?{}", LINES[0].query())));
    browser.until("document.querySelectorAll('#view tbody data').length > 20");
    assert_eq!(browser.complaints, Vec::<String>::new());
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn everybody_can_use_every_view_and_no_request_leaves_the_host() {
    let (_stage, mut service) = Stage::busy("views");
    service.until("show live results", |s| {
        s.json("/api/v1/metrics")["rows"].as_array().is_some_and(|rows| !rows.is_empty())
    });
    let mut browser = Browser::start();
    let shop = LINES[0].query();
    let views = [
        ("overview", "UX: how it works"),
        (&format!("explore?{shop}"), "The same numbers as a table"),
        (
            "explore?metric=task_success_ratio&window=1h&grouping=product%2Bplatform",
            "The same numbers as a table",
        ),
        ("journeys", "Most are lost between"),
        ("pipeline", "The newest examples"),
    ];
    for (width, height, dark) in [
        (1280, 900, false),
        (1280, 900, true),
        (375, 800, false),
        (375, 800, true),
        (360, 740, false),
    ] {
        browser.look(width, height, dark);
        for (at, (view, says)) in views.iter().enumerate() {
            open(&mut browser, &service, view);
            browser.reads(says);
            let name = format!(
                "{at}-{}-{width}-{}",
                view.split('?').next().unwrap(),
                if dark { "dark" } else { "light" }
            );
            browser.picture(&name);
            // The narrowest differs from the next by its width only.
            if width != 360 {
                browser.assert_accessible(&name);
            }
        }
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
    let own = format!("http://{}/", service.address());
    let foreign: Vec<&String> = browser
        .requests
        .iter()
        .filter(|url| !url.starts_with(&own) && !url.starts_with("data:") && !url.starts_with("about:"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(browser.requests.len() > 100, "{} requests", browser.requests.len());
    assert_eq!(service.stop(), Some(0));
}

/// Presses Tab until an element has the keyboard.
fn tab_to(browser: &mut Browser, selector: &str) {
    for _ in 0..200 {
        browser.press("Tab");
        if browser.eval(&format!("document.activeElement?.matches({selector:?}) === true")) == true {
            let outlined = browser.eval("getComputedStyle(document.activeElement).outlineStyle !== 'none'");
            assert_eq!(outlined, true, "{selector} does not show that it has the keyboard");
            return;
        }
    }
    panic!("the keyboard does not reach {selector}");
}

#[test]
fn the_keyboard_alone_reaches_and_works_what_there_is_to_choose() {
    let (_stage, service) = Stage::busy("keyboard");
    let mut browser = Browser::start();
    browser.look(1280, 900, false);
    open(&mut browser, &service, "overview");
    tab_to(&mut browser, "#skip");
    tab_to(&mut browser, "nav a[href='#/explore']");
    browser.press("Enter");
    browser.until("document.querySelector('h1').textContent === 'Explore' && document.querySelector('#choice-grouping') !== null");
    browser.until("document.querySelector('#choice-grouping').value === 'overall'");
    tab_to(&mut browser, "#choice-metric");
    browser.press("ArrowDown");
    browser.until("location.hash.includes('metric=task_failure_ratio') && document.activeElement.id === 'choice-metric'");
    browser.until("document.querySelector('#view h2').textContent.startsWith('Tasks failed')");
    tab_to(&mut browser, "#choice-grouping");
    browser.press("ArrowDown");
    browser.until("location.hash.includes('grouping=product') && document.querySelectorAll('#choice-group option').length > 2");
    tab_to(&mut browser, "#choice-group");
    browser.press("ArrowDown");
    browser.until("/product=[a-z]/.test(location.hash)");
    tab_to(&mut browser, "summary");
    browser.press("Enter");
    browser.until("document.querySelector('details').open && document.querySelector('tbody data').checkVisibility()");
    tab_to(&mut browser, "#theme");
    browser.press("Enter");
    browser.press("Enter");
    browser.until("document.documentElement.dataset.theme === 'dark'");
    browser.open("about:blank");
    browser.open(&page(&service, "overview"));
    browser.until("document.documentElement.dataset.theme === 'dark'");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// An ended attempt of one person.
fn attempt(product: &str, task: &str, user: usize, time: i64) -> Value {
    json!({"type": "task_finished", "time": time, "attempt_id": format!("{product}{user}"), "task": task, "outcome": "success", "product": product,
        "user_id": format!("u{user}"), "duration_ms": 1000, "platform": "<b>web</b>"})
}

#[test]
fn names_of_others_are_text_wherever_they_come_up() {
    let stage = Stage::quiet("hostile");
    let names = [
        "<img src=x onerror=alert(1)>",
        "\"><script>alert(2)</script>",
        "'; DROP TABLE",
        "a & b = c + d # e ? f % g",
        "\u{202e}gnp.exe",
        "[[target]]\n{{ x }}",
    ];
    let begun = now() - 20 * MINUTE;
    let mut values = Vec::new();
    for (at, name) in names.iter().enumerate() {
        values.extend((0..40).map(|user| (attempt(name, name, user, begun + (at * 40 + user) as i64), begun)));
    }
    values.push((attempt("last", "last", 0, begun + 10 * MINUTE), begun + 10 * MINUTE));
    values.push((json!({"type": "<script>alert(3)</script>", "time": begun}), begun));
    tell("hostile", &values);
    let mut service = Service::run(&stage.configuration);
    service.until("publish", |s| {
        let answer = s.json("/api/v1/history?metric=task_success_ratio&window=5m&grouping=product");
        answer["groups"].as_array().is_some_and(|groups| groups.len() >= names.len())
    });
    let mut browser = Browser::start();
    browser.look(1280, 900, false);
    browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({"source": "window.alerts = 0; window.alert = () => { window.alerts += 1; };"}),
    );
    for view in [
        "overview",
        "explore?metric=task_success_ratio&window=5m&grouping=product",
        "explore?metric=task_success_ratio&window=5m&grouping=product%2Btask",
        "pipeline",
    ] {
        open(&mut browser, &service, view);
        browser.reads(if view == "pipeline" {
            "<script>alert(3)</script>"
        } else {
            names[0]
        });
        assert_eq!(
            browser.eval("document.querySelectorAll('main img, main script, main b b').length"),
            0,
            "{view}"
        );
        assert_eq!(browser.eval("window.alerts"), 0, "{view}");
    }
    // A name can be chosen, and is asked for as it is.
    open(
        &mut browser,
        &service,
        "explore?metric=task_success_ratio&window=5m&grouping=product",
    );
    browser.until("document.querySelectorAll('#choice-group option').length > 6");
    for name in names {
        let chosen = browser.eval(&format!(
            "(() => {{ const select = document.querySelector('#choice-group'); const option = [...select.options].find(o => o.textContent === {0});
               select.value = option.value; select.dispatchEvent(new Event('change')); return option.textContent; }})()",
            json!(name)
        ));
        assert_eq!(chosen, name);
        browser.until(&format!(
            "document.querySelector('#view h2').textContent.endsWith({})",
            json!(format!(" of {name}"))
        ));
    }
    browser.picture("hostile");
    assert_eq!(browser.complaints, Vec::<String>::new());
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn it_is_useful_while_there_is_nothing_and_while_there_is_little() {
    let stage = Stage::quiet("thin");
    let mut service = Service::run(&stage.configuration);
    service.until("be ready", Service::is_ready);
    let mut browser = Browser::start();
    browser.look(1280, 900, false);
    for (view, says) in [
        (
            "overview",
            vec![
                "No results yet",
                "They appear with the first accepted events",
                "no data in this window",
            ],
        ),
        ("explore", vec!["Nothing published yet"]),
        ("journeys", vec!["No runs yet", "search → add_to_cart → checkout"]),
        (
            "pipeline",
            vec!["no events yet", "None since this process took its partitions over"],
        ),
    ] {
        open(&mut browser, &service, view);
        says.iter().for_each(|text| browser.reads(text));
        browser.picture(&format!("empty-{view}"));
        browser.assert_accessible(view);
    }
    let time = now();
    tell(
        "thin",
        &(0..5)
            .map(|user| (attempt("shop", "checkout", user, time), time))
            .collect::<Vec<_>>(),
    );
    open(&mut browser, &service, "overview");
    for text in [
        "Too few samples to judge the targets yet",
        "too few samples to judge",
        "n 5",
        "Nothing to compare yet",
    ] {
        browser.reads(text);
    }
    browser.picture("thin");
    assert_eq!(browser.complaints, Vec::<String>::new());
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_process_that_leaves_publishing_to_another_says_so() {
    kafka::shared().create_topic("shared", 2, &[]);
    let stage = Stage::new(&["shared"], "shared");
    let mut first = Service::run(&stage.configuration);
    first.until("be ready", Service::is_ready);
    let mut second = Service::run(&stage.configuration);
    second.until("be ready", Service::is_ready);
    first.until("share", |s| {
        s.json("/api/v1/status")["partitions"].as_array().is_some_and(|all| all.len() == 1)
    });
    let reporter = |service: &Service| service.json("/api/v1/metrics")["reporter"] == true;
    second.until("agree on who publishes", |second| reporter(&first) != reporter(second));
    let other = if reporter(&first) { &second } else { &first };
    let told = other.json("/api/v1/metrics")["no_report"].as_str().unwrap().to_owned();
    assert!(told.contains("the one that reads shared[0]"), "{told}");
    let mut browser = Browser::start();
    for view in ["overview", "explore", "journeys", "pipeline"] {
        open(&mut browser, other, view);
        browser.reads("nother process publishes");
        browser.reads("the one that reads shared[0]");
    }
    open(&mut browser, other, "overview");
    browser.picture("not-the-reporter");
    assert_eq!((first.stop(), second.stop()), (Some(0), Some(0)));
}
