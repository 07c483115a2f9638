//! Everybody can use every view, and nobody else is asked.

use crate::browser::Browser;
use crate::stage::{Stage, open, page};

#[test]
fn everybody_can_use_every_view_and_no_request_leaves_the_host() {
    let (_stage, mut service) = Stage::busy("views");
    service.until("show live results", |s| {
        s.json("/api/v1/metrics")["rows"].as_array().is_some_and(|rows| !rows.is_empty())
    });
    let mut browser = Browser::start();
    let views = [
        ("overview", "UX: how it works"),
        (
            "explore?metric=task_success_ratio&window=1h&grouping=product%2Btask&product=shop&task=checkout",
            "The same numbers as a table",
        ),
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
