//! What becomes of one partition's events: lateness, duplicates and the three trackers, told by counters and attempt facts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use tidegauge_aggregate::event::{Body, Effort, Event, Outcome, Severity, TicketAction};
use tidegauge_aggregate::merger::Merger;
use tidegauge_aggregate::partition::{PartitionState, Verdict};
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::{Grouping, Journey, Spec, Window};
use tidegauge_aggregate::time::EventTime;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

fn spec() -> Spec {
    let groupings = vec![Grouping { dimensions: vec![] }];
    let windows = vec![Window {
        name: "1h".to_owned(),
        size: 60 * MINUTE,
        slide: 60 * MINUTE,
        groupings: vec![0],
    }];
    let journeys = vec![Journey {
        name: "buy".to_owned(),
        steps: vec!["search".to_owned(), "pay".to_owned()],
        within: 10 * MINUTE,
    }];
    Spec {
        lateness: MINUTE,
        attempt_timeout: 5 * MINUTE,
        groupings,
        windows,
        journeys,
        spike: None,
        ..Spec::default()
    }
}

/// A partition under test.
struct Bench {
    state: PartitionState,
    attempts: Vec<(i64, Outcome, bool, Option<i64>, i64)>,
    offset: i64,
}

fn event(time: i64, body: Body<'_>) -> Event<'_> {
    Event {
        time: EventTime(time),
        event_id: None,
        user_id: Some("u"),
        session_id: None,
        common: [None; 6],
        attributes: &[],
        body,
    }
}

fn start(id: &str) -> Body<'_> {
    Body::TaskStarted {
        task: "search",
        attempt_id: id,
    }
}

fn end<'a>(task: &'a str, id: &'a str, success: bool) -> Body<'a> {
    Body::TaskFinished {
        task,
        attempt_id: id,
        success,
        effort: Effort::default(),
    }
}

fn ticket(action: TicketAction) -> Body<'static> {
    Body::Ticket {
        action,
        ticket_id: "t-1",
        category: None,
        priority: None,
        touchpoint: None,
    }
}

impl Bench {
    fn new(spec: Spec) -> Bench {
        Bench {
            state: PartitionState::new(Arc::new(Plan::new(spec))),
            attempts: Vec::new(),
            offset: 0,
        }
    }

    fn apply(&mut self, event: Event<'_>) -> Verdict {
        let attempts = &mut self.attempts;
        self.offset += 1;
        self.state.apply(Some(event.time.0), self.offset, &event, &mut |a| {
            attempts.push((a.time.0, a.outcome, a.inferred, a.duration_ms, a.errors));
        })
    }

    fn at(&mut self, time: i64, body: Body<'_>) -> Verdict {
        self.apply(event(time, body))
    }

    /// Moves the watermark without doing anything else.
    fn tick(&mut self, time: i64) {
        assert_eq!(self.at(time, Body::SignedUp), Verdict::Accepted);
    }

    fn rows(mut self) -> Vec<MetricRow> {
        self.state.close(&mut |_| ());
        let mut merger = Merger::new(Arc::clone(self.state.plan()));
        merger.apply(&self.state.take_delta());
        merger.publish(EventTime::MAX).rows
    }

    fn value(self, metric: &str) -> Option<f64> {
        self.rows()
            .into_iter()
            .find(|r| r.metric == metric && r.stat == "value")
            .and_then(|r| r.value)
    }
}

#[test]
fn an_event_is_late_only_below_the_watermark_minus_the_lateness() {
    let mut p = Bench::new(spec());
    p.tick(10 * MINUTE);
    assert_eq!(p.at(9 * MINUTE, Body::SignedUp), Verdict::Accepted);
    assert_eq!(p.at(9 * MINUTE - 1, Body::SignedUp), Verdict::Late);
    assert_eq!(
        p.state.watermark(),
        EventTime(10 * MINUTE),
        "an older event does not move the watermark back"
    );
}

#[test]
fn a_clock_that_runs_ahead_of_its_record_does_not_make_the_others_late() {
    let mut p = Bench::new(spec());
    let ahead = event(60 * MINUTE, Body::SignedUp);
    p.state.apply(Some(10 * MINUTE), 0, &ahead, &mut |_| ());
    assert_eq!(p.state.watermark(), EventTime(10 * MINUTE));
    p.state.apply(None, 1, &ahead, &mut |_| ());
    assert_eq!(
        p.state.watermark(),
        EventTime(60 * MINUTE),
        "without a record timestamp the event's own time counts"
    );
}

#[test]
fn a_resent_event_is_a_duplicate_while_its_first_copy_is_within_the_lateness() {
    let mut p = Bench::new(spec());
    let sent = |time| Event {
        event_id: Some("e-1"),
        ..event(time, Body::SignedUp)
    };
    assert_eq!(p.apply(sent(0)), Verdict::Accepted);
    assert_eq!(p.apply(sent(0)), Verdict::Duplicate);
    p.tick(MINUTE);
    assert_eq!(
        p.apply(sent(30 * SECOND)),
        Verdict::Duplicate,
        "the first copy is exactly at the bound"
    );
    p.tick(MINUTE + 1);
    assert_eq!(p.apply(sent(0)), Verdict::Late);
    assert_eq!(
        p.apply(sent(30 * SECOND)),
        Verdict::Accepted,
        "an id whose event fell behind is new again"
    );
}

#[test]
fn silence_ends_an_attempt_as_abandoned_at_exactly_its_timeout() {
    let mut p = Bench::new(spec());
    p.at(0, start("a"));
    p.at(
        SECOND,
        Body::Error {
            code: "e",
            severity: Severity::Minor,
            task: None,
            attempt_id: Some("a"),
            message: None,
        },
    );
    p.tick(6 * MINUTE);
    assert!(p.attempts.is_empty(), "watermark minus lateness is at the timer, not past it");
    p.tick(6 * MINUTE + 1);
    assert_eq!(p.attempts, [(5 * MINUTE, Outcome::Abandoned, true, None, 1)]);
    p.at(6 * MINUTE + 2, end("search", "a", true));
    assert_eq!(p.state.counters.late_end, 1);
}

#[test]
fn ends_are_told_apart_as_orphan_repeated_and_late() {
    let mut p = Bench::new(spec());
    p.at(0, end("search", "orphan", true));
    p.at(SECOND, end("search", "orphan", false));
    p.at(2 * SECOND, start("orphan"));
    p.at(2 * SECOND, start("a"));
    p.at(3 * SECOND, start("a"));
    p.at(5 * MINUTE + 2 * SECOND + 1, end("search", "a", true));
    let c = &p.state.counters;
    assert_eq!(
        (c.orphan_end, c.repeated_end, c.start_after_end, c.repeated_start, c.late_end),
        (1, 1, 1, 1, 1)
    );
    assert_eq!(p.attempts.len(), 1, "only the orphan end made a fact");
}

#[test]
fn an_attempt_is_unknown_again_once_its_memory_is_due() {
    let mut p = Bench::new(spec());
    p.at(0, end("search", "a", true));
    p.tick(6 * MINUTE);
    p.at(6 * MINUTE, start("a"));
    assert_eq!(p.state.counters.start_after_end, 1);
    p.tick(6 * MINUTE + 1);
    p.at(6 * MINUTE + 1, start("a"));
    assert_eq!(p.state.counters.start_after_end, 1, "the second start opened it anew");
}

#[test]
fn time_on_task_is_what_the_end_says_else_what_the_clock_says_and_never_negative() {
    let mut p = Bench::new(spec());
    for (id, started, ended, said) in [("said", 0, 9, Some(4)), ("clock", 0, 9, None), ("skewed", 9, 0, None)] {
        p.at(started * SECOND, start(id));
        let effort = Effort {
            duration_ms: said,
            ..Effort::default()
        };
        p.at(
            ended * SECOND,
            Body::TaskFinished {
                task: "search",
                attempt_id: id,
                success: true,
                effort,
            },
        );
    }
    assert_eq!(
        p.attempts.iter().map(|a| a.3).collect::<Vec<_>>(),
        [Some(4), Some(9 * SECOND), None]
    );
}

#[test]
fn a_bound_on_attempts_is_counted_and_its_ends_are_orphans() {
    let mut p = Bench::new(Spec { max_attempts: 1, ..spec() });
    p.at(0, start("a"));
    p.at(0, start("b"));
    p.at(SECOND, end("search", "b", true));
    assert_eq!(
        (p.state.counters.untracked, p.state.counters.orphan_end),
        (2, 1),
        "neither start nor end of b could be remembered"
    );
}

#[test]
fn a_ticket_waits_from_its_first_opening_and_skewed_clocks_wait_nothing() {
    let mut p = Bench::new(spec());
    p.at(10 * SECOND, ticket(TicketAction::Opened));
    p.at(11 * SECOND, ticket(TicketAction::Opened));
    p.at(5 * SECOND, ticket(TicketAction::Responded));
    p.at(40 * SECOND, ticket(TicketAction::Resolved));
    let c = &p.state.counters;
    assert_eq!((c.repeated_open, c.negative_wait), (1, 1));
    let rows = p.rows();
    let find = |metric: &str, stat: &str| rows.iter().find(|r| r.metric == metric && r.stat == stat).and_then(|r| r.value);
    assert_eq!(find("first_response_seconds", "mean"), Some(0.0));
    assert_eq!(find("resolution_seconds", "mean"), Some(30.0));
    assert_eq!(find("first_contact_resolution_ratio", "value"), Some(1.0));
    assert_eq!(find("tickets_opened", "value"), Some(1.0));
}

#[test]
fn a_resolution_without_its_opening_counts_but_waits_for_nothing() {
    let mut p = Bench::new(spec());
    p.at(0, ticket(TicketAction::Resolved));
    let rows = p.rows();
    assert!(rows.iter().any(|r| r.metric == "tickets_resolved" && r.value == Some(1.0)));
    assert!(
        !rows
            .iter()
            .any(|r| r.metric == "resolution_seconds" || r.metric == "first_contact_resolution_ratio")
    );
}

#[test]
fn a_ticket_is_forgotten_after_its_retention_which_every_event_extends() {
    let mut p = Bench::new(Spec {
        ticket_retention: 10 * MINUTE,
        ..spec()
    });
    p.at(0, ticket(TicketAction::Opened));
    p.at(8 * MINUTE, ticket(TicketAction::Opened));
    p.tick(19 * MINUTE);
    p.at(19 * MINUTE, ticket(TicketAction::Opened));
    assert_eq!(
        p.state.counters.repeated_open, 2,
        "still known at exactly 8 min + 10 min + lateness"
    );
    p.tick(40 * MINUTE);
    p.at(40 * MINUTE, ticket(TicketAction::Opened));
    assert_eq!(p.state.counters.repeated_open, 2);
}

fn journey(successes: &[(i64, &str)]) -> Option<f64> {
    let mut p = Bench::new(spec());
    for (i, (time, task)) in successes.iter().enumerate() {
        p.at(*time, end(task, &format!("a-{i}"), true));
    }
    p.value("journey_step_ratio")
}

#[test]
fn a_journey_is_completed_by_its_steps_in_order_and_in_time() {
    assert_eq!(journey(&[(0, "search"), (MINUTE, "pay")]), Some(1.0));
    assert_eq!(
        journey(&[(0, "search"), (10 * MINUTE, "pay")]),
        Some(1.0),
        "exactly at the end of its time"
    );
    assert_eq!(journey(&[(0, "search"), (10 * MINUTE + 1, "pay")]), Some(0.0));
    assert_eq!(
        journey(&[(0, "pay"), (SECOND, "search")]),
        Some(0.0),
        "paying before searching does not count"
    );
    assert_eq!(
        journey(&[(30 * SECOND, "search"), (0, "pay")]),
        Some(0.0),
        "a step before the start does not count"
    );
    assert_eq!(journey(&[(0, "pay")]), None);
}

#[test]
fn what_somebody_without_an_id_does_is_no_journey() {
    let mut p = Bench::new(spec());
    p.apply(Event {
        user_id: None,
        ..event(0, end("search", "a", true))
    });
    assert_eq!(p.value("journey_runs"), None);
}

#[test]
fn an_inferred_abandonment_is_no_activity_of_its_user() {
    let mut p = Bench::new(Spec {
        attempt_timeout: 60 * MINUTE,
        ..spec()
    });
    p.at(30 * MINUTE, start("a"));
    let rows = p.rows();
    let of = |metric: &str| {
        rows.iter()
            .filter(|r| r.metric == metric)
            .map(|r| r.window_start.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("task_abandonment_ratio"), [60 * MINUTE], "the abandonment is an hour later");
    assert_eq!(of("active_users"), [0]);
    assert_eq!(of("users"), [0]);
}
