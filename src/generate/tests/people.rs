//! The people: how their attempts go, and what they do because of it.

use super::*;
use std::collections::{HashMap, HashSet};

fn only<'a>(events: &'a [(GeneratedRecord, Value)], kind: &str) -> impl Iterator<Item = &'a Value> {
    events
        .iter()
        .map(|(_, event)| event)
        .filter(move |event| text(event, "type") == kind)
}

fn of_type<'a>(events: &'a [(GeneratedRecord, Value)], kind: &'a str, task: &'a str) -> impl Iterator<Item = &'a Value> {
    only(events, kind).filter(move |event| text(event, "task") == task)
}

fn failed(event: &Value) -> bool {
    text(event, "outcome") == "failure"
}

#[test]
fn products_tasks_and_places_are_many() {
    let events = &*USUAL;
    for (name, least) in [
        ("product", 3),
        ("platform", 4),
        ("channel", 5),
        ("version", 5),
        ("country", 7),
        ("segment", 7),
        ("task", 12),
    ] {
        let values: HashSet<_> = events
            .iter()
            .map(|(_, event)| text(event, name))
            .filter(|value| !value.is_empty())
            .collect();
        assert!(values.len() >= least, "{name}: {values:?}");
    }
}

#[test]
fn people_come_back() {
    let events = &events(&Options { users: 500, ..options() }, 50_000);
    let mut sessions: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (_, event) in events.iter() {
        if !text(event, "user_id").is_empty() {
            sessions
                .entry(text(event, "user_id"))
                .or_default()
                .insert(text(event, "session_id"));
        }
    }
    let back = sessions.values().filter(|sessions| sessions.len() > 1).count();
    assert!(back > 300, "{back}");
}

#[test]
fn people_search_fill_the_cart_and_check_out() {
    let events = &*USUAL;
    let mut tasks: HashMap<&str, Vec<&str>> = HashMap::new();
    for event in only(events, "task_finished").filter(|event| !failed(event)) {
        tasks.entry(text(event, "session_id")).or_default().push(text(event, "task"));
    }
    let bought = tasks
        .values()
        .filter(|tasks| tasks.windows(3).any(|steps| steps == ["search", "add_to_cart", "checkout"]))
        .count();
    assert!(bought > 300, "{bought}");
}

#[test]
fn some_attempts_are_given_up_with_and_some_without_a_word() {
    let events = &*USUAL;
    let ended: HashSet<_> = only(events, "task_finished")
        .chain(only(events, "task_abandoned"))
        .map(|event| text(event, "attempt_id"))
        .collect();
    // The last ones may be going on.
    let horizon = time(&events[events.len() - 1].1) - 180_000;
    let silent = share(only(events, "task_started").filter(|event| time(event) < horizon), |event| {
        !ended.contains(text(event, "attempt_id"))
    });
    assert!((0.01..0.08).contains(&silent), "{silent}");
    let given_up = only(events, "task_abandoned").count() as f64 / only(events, "task_started").count() as f64;
    assert!((0.01..0.08).contains(&given_up), "{given_up}");
}

#[test]
fn tasks_differ_in_success_and_errors_belong_to_attempts() {
    let events = &*USUAL;
    let checkout = share(of_type(events, "task_finished", "checkout"), failed);
    let cart = share(of_type(events, "task_finished", "add_to_cart"), failed);
    assert!(checkout > cart + 0.02, "{checkout} {cart}");
    let started: HashSet<_> = only(events, "task_started").map(|event| text(event, "attempt_id")).collect();
    let known = share(only(events, "error"), |event| started.contains(text(event, "attempt_id")));
    assert!(known > 0.95, "{known}");
}

#[test]
fn tickets_go_through_their_life() {
    let events = &*LONG;
    let mut steps: HashMap<&str, Vec<&str>> = HashMap::new();
    for (_, event) in events.iter() {
        if let Some(step) = text(event, "type").strip_prefix("ticket_") {
            steps.entry(text(event, "ticket_id")).or_default().push(step);
        }
    }
    let whole = steps
        .values()
        .filter(|steps| steps.starts_with(&["opened", "responded"]) && steps.contains(&"resolved"))
        .count();
    assert!(whole > 20, "{whole} of {}", steps.len());
}

#[test]
fn every_instrument_is_asked_and_answered_within_its_range() {
    let events = &*LONG;
    let counts = counted(only(events, "survey_response").map(|event| format!("{}/{}", text(event, "instrument"), text(event, "scope"))));
    for name in [
        "nps/",
        "nps/product",
        "nps/touchpoint",
        "csat/product",
        "csat/task",
        "csat/touchpoint",
        "ces/touchpoint",
        "seq/task",
        "sus/product",
    ] {
        assert!(counts.contains_key(name), "{name}: {counts:?}");
    }
    for event in only(events, "survey_response") {
        let range = match text(event, "instrument") {
            "nps" => 0.0..=10.0,
            "csat" => 1.0..=5.0,
            "sus" => 0.0..=100.0,
            _ => 1.0..=7.0,
        };
        let score = event["score"].as_f64();
        assert!(score.is_some_and(|score| range.contains(&score)) || event["answers"].as_array().unwrap().len() == 10);
    }
}

/// The link between experience and behaviour that the pipeline is there to find.
#[test]
fn people_with_friction_contact_support_leave_and_score_lower() {
    let events = &events(
        &Options {
            users: 100_000,
            ..options()
        },
        200_000,
    );
    let mut active = HashSet::new();
    let mut friction = HashSet::new();
    let (mut contacts, mut churned) = (HashSet::new(), HashSet::new());
    let mut scores = Vec::new();
    for (_, event) in events.iter() {
        let user = text(event, "user_id");
        match text(event, "type") {
            _ if user.is_empty() => {}
            "task_finished" if !failed(event) => _ = active.insert(user),
            "task_finished" | "task_abandoned" => _ = (active.insert(user), friction.insert(user)),
            "ticket_opened" => _ = contacts.insert(user),
            "churned" => _ = churned.insert(user),
            "survey_response" if text(event, "instrument") == "nps" => scores.push((user, event["score"].as_f64().unwrap())),
            _ => {}
        }
    }
    let chance = |of: &HashSet<&str>, troubled: bool| {
        let group: Vec<_> = active.iter().filter(|user| friction.contains(*user) == troubled).collect();
        group.iter().filter(|user| of.contains(**user)).count() as f64 / group.len() as f64
    };
    assert!(chance(&contacts, true) > 2.0 * chance(&contacts, false));
    assert!(chance(&churned, true) > 1.5 * chance(&churned, false));
    let mean = |troubled: bool| {
        let group: Vec<_> = scores
            .iter()
            .filter(|(user, _)| friction.contains(user) == troubled)
            .map(|(_, score)| score)
            .collect();
        group.iter().copied().sum::<f64>() / group.len() as f64
    };
    assert!(mean(true) < mean(false) - 0.7, "{} {}", mean(true), mean(false));
}

fn with(kind: IncidentKind) -> Vec<(GeneratedRecord, Value)> {
    // From the second minute, so that the first can be compared with it.
    let incident = Incident {
        start_ms: 120_000,
        duration_ms: 240_000,
        ..Incident::usual(kind)
    };
    events(
        &Options {
            incidents: vec![incident],
            rate: 120.0,
            ..options()
        },
        48_000,
    )
}

/// Whether the event is well within the incident, well before it or after it, or neither.
fn during(event: &Value) -> Option<bool> {
    match time(event) - START {
        0..120_000 => Some(false),
        200_000..360_000 => Some(true),
        _ => None,
    }
}

#[test]
fn an_outage_makes_its_task_fail_and_no_other() {
    let events = &with(IncidentKind::CheckoutOutage);
    let failures = |task, when| {
        share(
            of_type(events, "task_finished", task).filter(|event| during(event) == Some(when)),
            failed,
        )
    };
    assert!(failures("checkout", true) > 0.5, "{}", failures("checkout", true));
    assert!(failures("checkout", false) < 0.3);
    assert!(failures("search", true) < 0.15);
}

#[test]
fn an_error_spike_strikes_one_task_on_one_platform() {
    let events = &with(IncidentKind::ErrorSpike);
    let failures = |platform| {
        let ends = of_type(events, "task_finished", "add_to_cart").filter(|event| during(event) == Some(true));
        share(ends.filter(|event| text(event, "platform") == platform), failed)
    };
    assert!(failures("ios") > 0.3, "{}", failures("ios"));
    assert!(failures("android") < 0.15, "{}", failures("android"));
}

#[test]
fn a_slow_spell_shows_in_the_latency_of_its_product() {
    let events = &with(IncidentKind::Slow);
    let slow = |product, when| {
        let waits = only(events, "interaction").filter(|event| event["latency_ms"].is_i64() && during(event) == Some(when));
        share(waits.filter(|event| text(event, "product") == product), |event| {
            event["latency_ms"].as_i64() > Some(500)
        })
    };
    assert!(slow("bank-app", true) > 0.5);
    assert!(slow("bank-app", false) < 0.3);
    assert!(slow("shop", true) < 0.3);
}

#[test]
fn a_churn_wave_and_a_flood_of_tickets_show_in_their_counts() {
    for (kind, name, product) in [
        (IncidentKind::ChurnWave, "churned", "bank-app"),
        (IncidentKind::SupportFlood, "ticket_opened", "shop"),
    ] {
        let events = &with(kind);
        let count = |when| {
            only(events, name)
                .filter(|event| text(event, "product") == product && during(event) == Some(when))
                .count()
        };
        // The spell is longer than the time before it by a third.
        assert!(count(true) > 5 * (count(false) + 1), "{name}: {} {}", count(true), count(false));
    }
}
