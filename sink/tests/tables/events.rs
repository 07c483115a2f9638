//! What the `events` table keeps of each type of event.

use tidegauge_aggregate::event::{
    Action, Attribute, AttributeValue, Body, Effort, Event, EventType, Instrument, Scope, Severity, TicketAction,
};
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::table::{TableOptions, WorkerTables};

use crate::support::{EIGHT, cell, event, files_of, filled, options, read, record};

const ALWAYS: [&str; 6] = ["type", "time", "topic", "partition", "offset", "record_timestamp"];

/// An event of every type with every field, and what is to be read back besides the fields that all have.
fn one_of_each() -> Vec<(Body<'static>, &'static [&'static str])> {
    let effort = Effort {
        duration_ms: Some(1 << 40),
        clicks: Some(1 << 31),
        errors: Some(0),
    };
    let ticket = |action| Body::Ticket {
        action,
        ticket_id: "T1",
        category: Some("billing"),
        priority: Some("high"),
        touchpoint: Some("mail"),
    };
    let of_ticket: &[&str] = &["touchpoint=mail", "ticket_id=T1", "category=billing", "priority=high"];
    vec![
        (
            Body::TaskStarted {
                task: "pay",
                attempt_id: "a1",
            },
            &["task=pay", "attempt_id=a1"],
        ),
        (
            Body::TaskFinished {
                task: "pay",
                attempt_id: "a1",
                success: false,
                effort,
            },
            &[
                "task=pay",
                "attempt_id=a1",
                "outcome=failure",
                "duration_ms=1099511627776",
                "clicks=2147483648",
                "errors=0",
            ],
        ),
        (
            Body::TaskAbandoned {
                task: "pay",
                attempt_id: "a1",
                reason: Some("too slow"),
                effort: Effort::default(),
            },
            &["task=pay", "attempt_id=a1", "reason=too slow"],
        ),
        (
            Body::Error {
                code: "E1",
                severity: Severity::Fatal,
                task: Some("pay"),
                attempt_id: Some("a1"),
                message: Some("äh\n\""),
            },
            &["task=pay", "attempt_id=a1", "code=E1", "severity=fatal", "message=äh\n\""],
        ),
        (
            Body::Interaction {
                action: Action::RageClick,
                target: Some("buy"),
                latency_ms: Some(17),
            },
            &["action=rage_click", "target=buy", "latency_ms=17"],
        ),
        (
            Body::SurveyShown {
                instrument: Instrument::Csat,
                scope: Scope::Task,
                task: Some("pay"),
                touchpoint: Some("end"),
            },
            &["task=pay", "instrument=csat", "scope=task", "touchpoint=end"],
        ),
        (
            Body::SurveyResponse {
                instrument: Instrument::Sus,
                score_micros: 72_500_001,
                scope: Scope::Product,
                task: Some("pay"),
                touchpoint: Some("end"),
                comment: Some("😀"),
            },
            &[
                "task=pay",
                "instrument=sus",
                "scope=product",
                "score=72.500001",
                "touchpoint=end",
                "comment=😀",
            ],
        ),
        (
            Body::Feedback {
                text: Some("meh"),
                sentiment_micros: Some(-333_333),
                touchpoint: Some("end"),
            },
            &["touchpoint=end", "text=meh", "sentiment=-0.333333"],
        ),
        (ticket(TicketAction::Opened), of_ticket),
        (ticket(TicketAction::Responded), of_ticket),
        (ticket(TicketAction::Resolved), of_ticket),
        (ticket(TicketAction::Reopened), of_ticket),
        (ticket(TicketAction::Escalated), of_ticket),
        (Body::SignedUp, &[]),
        (Body::Referred, &[]),
        (Body::Converted { plan: Some("pro") }, &["plan=pro"]),
        (
            Body::Purchased {
                amount_micros: 1_000_000_000_000_000_000_001,
                currency: Some("EUR"),
            },
            &["amount=1000000000000000.000001", "currency=EUR"],
        ),
        (Body::Churned { reason: Some("price") }, &["reason=price"]),
    ]
}

#[test]
fn every_type_of_event_comes_back_with_its_fields_and_no_others() {
    let cases = one_of_each();
    let mut tables = WorkerTables::new(&options()).unwrap();
    for (i, (body, _)) in cases.iter().enumerate() {
        tables
            .append_event(&record(i as i64, Some(EIGHT + 5)), &event(EIGHT + i as i64, *body))
            .unwrap();
    }
    let files = files_of(tables);
    assert_eq!(files.len(), 1);
    let batch = read(&files[0]);
    assert_eq!(batch.num_rows(), EventType::ALL.len());
    for (row, (kind, (_, expected))) in EventType::ALL.iter().zip(&cases).enumerate() {
        assert_eq!(cell(&batch, "type", row).as_deref(), Some(kind.as_str()));
        assert_eq!(
            cell(&batch, "time", row).unwrap(),
            format!("2025-01-29T08:00:00.{row:03}Z").replace(".000Z", "Z")
        );
        assert_eq!(cell(&batch, "offset", row).unwrap(), row.to_string());
        assert_eq!(filled(&batch, row, &ALWAYS), *expected, "{kind:?}");
    }
}

#[test]
fn common_fields_position_and_attributes_are_kept() {
    let attributes = [
        Attribute {
            name: "seats",
            value: AttributeValue::Number("1.0"),
        },
        Attribute {
            name: "a \"b\"",
            value: AttributeValue::Text("c\\d"),
        },
    ];
    let full = Event {
        time: EventTime(EIGHT),
        event_id: Some("e1"),
        user_id: Some("u1"),
        session_id: Some("s1"),
        common: [Some("shop"), Some("ios"), Some("app"), Some("4.2"), Some("DE"), Some("new")],
        attributes: &attributes,
        body: Body::SignedUp,
    };
    let mut tables = WorkerTables::new(&options()).unwrap();
    tables.append_event(&record(77, None), &full).unwrap();
    let batch = read(&files_of(tables)[0]);
    let expected = [
        "type=signed_up",
        "time=2025-01-29T08:00:00Z",
        "event_id=e1",
        "user_id=u1",
        "session_id=s1",
        "product=shop",
        "platform=ios",
        "channel=app",
        "version=4.2",
        "country=DE",
        "segment=new",
        r#"attributes={"seats": 1.0, "a \"b\"": "c\\d"}"#,
        "topic=product.telemetry",
        "partition=3",
        "offset=77",
    ];
    assert_eq!(filled(&batch, 0, &[]), expected);
}

#[test]
fn a_column_can_be_null_a_million_times_around_one_value() {
    const ROWS: i64 = 1_000_001;
    let options = TableOptions {
        row_group_rows: usize::MAX,
        row_group_bytes: usize::MAX,
        ..options()
    };
    let mut tables = WorkerTables::new(&options).unwrap();
    for i in 0..ROWS {
        let body = if i == ROWS / 2 {
            Body::Converted { plan: Some("pro") }
        } else {
            Body::SignedUp
        };
        tables.append_event(&record(i, None), &event(EIGHT, body)).unwrap();
    }
    let files = files_of(tables);
    assert_eq!(files[0].rows, ROWS as u64);
    let batch = read(&files[0]);
    let plan = batch.column_by_name("plan").unwrap();
    assert_eq!((plan.len(), plan.null_count()), (ROWS as usize, ROWS as usize - 1));
    assert_eq!(cell(&batch, "plan", ROWS as usize / 2).as_deref(), Some("pro"));
    assert_eq!(batch.column_by_name("score").unwrap().null_count(), ROWS as usize);
}
