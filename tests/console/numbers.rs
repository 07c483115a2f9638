//! What the console says is what the tables say.

use std::path::Path;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::output;
use crate::reference::RefRow;
use crate::service::Service;
use crate::stage::{Stage, open, page, published};

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
    browser.reads("What is shown below is old");
    browser.open("about:blank");
    // Requests to a service that is gone are no mistake of the page.
    browser.complaints.retain(|complaint| !complaint.contains("ERR_CONNECTION_REFUSED"));
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
