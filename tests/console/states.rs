//! Names of others, nothing to show, little to show, and another who shows it.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::kafka;
use crate::service::{Service, now};
use crate::stage::{MINUTE, Stage, open, tell};

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
