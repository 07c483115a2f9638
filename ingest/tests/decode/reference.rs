//! A second decoder, slow and straightforward, on `serde_json::Value`: what the contract says, field by field, as a table.
//!
//! A `Value` forgets how numbers were written, so this one is only right where that can be told from it: floats of at most six
//! decimal places and moderate size.

use serde_json::{Map, Value};
use tidegauge_aggregate::event::{
    Action, Attribute, AttributeValue, Body, Common, Effort, Event, EventType, Instrument, Scope, Severity, TicketAction,
};
use tidegauge_aggregate::time::EventTime;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Id,
    Dimension,
    Text,
    OneOf(&'static [&'static str]),
    Integer(u64),
    Number,
    Sentiment,
    Amount,
    Answers,
    Attributes,
}

const COMMON: [(&str, Kind); 10] = [
    ("event_id", Kind::Id),
    ("user_id", Kind::Id),
    ("session_id", Kind::Id),
    ("product", Kind::Dimension),
    ("platform", Kind::Dimension),
    ("channel", Kind::Dimension),
    ("version", Kind::Dimension),
    ("country", Kind::Dimension),
    ("segment", Kind::Dimension),
    ("attributes", Kind::Attributes),
];

const COUNT: Kind = Kind::Integer(1 << 31);
const MILLIS: Kind = Kind::Integer(1 << 40);
const SCOPE: Kind = Kind::OneOf(&["brand", "product", "task", "touchpoint"]);
const INSTRUMENT: Kind = Kind::OneOf(&["nps", "csat", "ces", "sus", "seq"]);

/// Required and optional fields of a type, beyond the common ones.
fn listed(event_type: EventType) -> (&'static [&'static str], &'static [(&'static str, Kind)]) {
    match event_type {
        EventType::TaskStarted => (&["task", "attempt_id"], &[("task", Kind::Id), ("attempt_id", Kind::Id)]),
        EventType::TaskFinished => (
            &["task", "attempt_id", "outcome"],
            &[
                ("task", Kind::Id),
                ("attempt_id", Kind::Id),
                ("outcome", Kind::OneOf(&["success", "failure"])),
                ("duration_ms", MILLIS),
                ("clicks", COUNT),
                ("errors", COUNT),
            ],
        ),
        EventType::TaskAbandoned => (
            &["task", "attempt_id"],
            &[
                ("task", Kind::Id),
                ("attempt_id", Kind::Id),
                ("reason", Kind::Text),
                ("duration_ms", MILLIS),
                ("clicks", COUNT),
                ("errors", COUNT),
            ],
        ),
        EventType::Error => (
            &["code"],
            &[
                ("code", Kind::Id),
                ("severity", Kind::OneOf(&["minor", "major", "fatal"])),
                ("task", Kind::Id),
                ("attempt_id", Kind::Id),
                ("message", Kind::Text),
            ],
        ),
        EventType::Interaction => (
            &["action"],
            &[
                (
                    "action",
                    Kind::OneOf(&["impression", "view", "click", "rage_click", "dead_click", "error_click"]),
                ),
                ("target", Kind::Dimension),
                ("latency_ms", MILLIS),
            ],
        ),
        EventType::SurveyShown => (
            &["instrument"],
            &[
                ("instrument", INSTRUMENT),
                ("scope", SCOPE),
                ("task", Kind::Id),
                ("touchpoint", Kind::Dimension),
            ],
        ),
        EventType::SurveyResponse => (
            &["instrument"],
            &[
                ("instrument", INSTRUMENT),
                ("score", Kind::Number),
                ("answers", Kind::Answers),
                ("scope", SCOPE),
                ("task", Kind::Id),
                ("touchpoint", Kind::Dimension),
                ("comment", Kind::Text),
            ],
        ),
        EventType::Feedback => (
            &[],
            &[
                ("text", Kind::Text),
                ("sentiment", Kind::Sentiment),
                ("touchpoint", Kind::Dimension),
            ],
        ),
        EventType::TicketOpened
        | EventType::TicketResponded
        | EventType::TicketResolved
        | EventType::TicketReopened
        | EventType::TicketEscalated => (
            &["ticket_id"],
            &[
                ("ticket_id", Kind::Id),
                ("category", Kind::Dimension),
                ("priority", Kind::Dimension),
                ("touchpoint", Kind::Dimension),
            ],
        ),
        EventType::SignedUp | EventType::Referred => (&["user_id"], &[]),
        EventType::Converted => (&["user_id"], &[("plan", Kind::Dimension)]),
        EventType::Purchased => (&["user_id", "amount"], &[("amount", Kind::Amount), ("currency", Kind::Dimension)]),
        EventType::Churned => (&["user_id"], &[("reason", Kind::Text)]),
    }
}

/// Milliseconds of an RFC 3339 text whose fraction has at most three digits, counted day by day.
fn time(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let zone = text.get(19..)?.find(['Z', '+', '-'])? + 19;
    let fraction = format!("{:0<3}", text.get(20..zone).unwrap_or("")).parse::<i64>().ok()?;
    let offset = match text.get(zone..)? {
        "Z" => 0,
        written => {
            let (hours, minutes) = (number(zone + 1, zone + 3)?, number(zone + 4, zone + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if written.starts_with('-') { -1 } else { 1 }
        }
    };
    let leap = |year: i64| year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
    let length = |year: i64, month: i64| match month {
        2 => 28 + i64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=length(year, month)).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let years: i64 = (1900..year).map(|year| 365 + i64::from(leap(year))).sum();
    let months: i64 = (1..month).map(|month| length(year, month)).sum();
    let from_1900_to_1970 = 25_567;
    let days = years + months + day - 1 - from_1900_to_1970;
    Some((((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + fraction)
}

/// The millionths of a float of at most six decimal places.
fn micros(value: &Value) -> i128 {
    (value.as_f64().unwrap() * 1e6).round() as i128
}

fn is_valid(value: &Value, kind: Kind) -> bool {
    match kind {
        Kind::Id => value.as_str().is_some_and(|text| (1..=128).contains(&text.len())),
        Kind::Dimension => value.as_str().is_some_and(|text| text.len() <= 128),
        Kind::Text => value.is_string(),
        Kind::OneOf(names) => value.as_str().is_some_and(|text| names.contains(&text)),
        Kind::Integer(greatest) => value.as_u64().is_some_and(|number| number <= greatest),
        Kind::Number => value.is_number(),
        Kind::Sentiment => value.as_f64().is_some_and(|number| (-1.0..=1.0).contains(&number)),
        Kind::Amount => match value {
            Value::String(text) => {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                let inside = !text.is_empty() && !text.starts_with('.') && !text.ends_with('.') && text.matches('.').count() <= 1;
                digits && inside && text.parse::<f64>().unwrap() <= 1e15
            }
            other => other.as_f64().is_some_and(|number| (0.0..=1e15).contains(&number)),
        },
        Kind::Answers => value
            .as_array()
            .is_some_and(|items| items.len() == 10 && items.iter().all(|item| item.as_u64().is_some_and(|item| (1..=5).contains(&item)))),
        Kind::Attributes => value
            .as_object()
            .is_some_and(|attributes| attributes.values().all(|value| !value.is_object() && !value.is_array())),
    }
}

/// The event that `object` is, or the reason why it is none. Attributes come in the order of their names.
pub(crate) fn decode(object: &Map<String, Value>) -> Result<Event<'_>, &'static str> {
    let get = |name: &str| object.get(name).filter(|value| !value.is_null());
    let name = get("type").ok_or("missing_field")?.as_str().ok_or("invalid_field")?;
    let event_type = EventType::parse(name).ok_or("unknown_type")?;
    let time = match get("time").ok_or("missing_field")? {
        Value::Number(number) => match (number.as_i64(), number.is_f64()) {
            (Some(time), _) => time,
            (None, false) => return Err("bad_time"),
            (None, true) => return Err("invalid_field"),
        },
        Value::String(text) => time(text).ok_or("bad_time")?,
        _ => return Err("invalid_field"),
    };
    if !(0..9_214_646_400_000).contains(&time) {
        return Err("bad_time");
    }
    let (required, fields) = listed(event_type);
    if required.iter().any(|name| get(name).is_none()) {
        return Err("missing_field");
    }
    if COMMON
        .iter()
        .chain(fields)
        .any(|&(name, kind)| get(name).is_some_and(|value| !is_valid(value, kind)))
    {
        return Err("invalid_field");
    }
    let text = |name: &str| get(name).and_then(Value::as_str);
    let dimension = |name: &str| text(name).filter(|text| !text.is_empty());
    let integer = |name: &str| get(name).and_then(Value::as_i64);
    let effort = || Effort {
        duration_ms: integer("duration_ms"),
        clicks: integer("clicks"),
        errors: integer("errors"),
    };
    let scope = || Scope::parse(text("scope").unwrap_or("brand")).unwrap();
    let ticket = |action| Body::Ticket {
        action,
        ticket_id: text("ticket_id").unwrap(),
        category: dimension("category"),
        priority: dimension("priority"),
        touchpoint: dimension("touchpoint"),
    };
    let body = match event_type {
        EventType::TaskStarted => Body::TaskStarted {
            task: text("task").unwrap(),
            attempt_id: text("attempt_id").unwrap(),
        },
        EventType::TaskFinished => Body::TaskFinished {
            task: text("task").unwrap(),
            attempt_id: text("attempt_id").unwrap(),
            success: text("outcome") == Some("success"),
            effort: effort(),
        },
        EventType::TaskAbandoned => Body::TaskAbandoned {
            task: text("task").unwrap(),
            attempt_id: text("attempt_id").unwrap(),
            reason: text("reason"),
            effort: effort(),
        },
        EventType::Error => Body::Error {
            code: text("code").unwrap(),
            severity: Severity::parse(text("severity").unwrap_or("major")).unwrap(),
            task: text("task"),
            attempt_id: text("attempt_id"),
            message: text("message"),
        },
        EventType::Interaction => Body::Interaction {
            action: Action::parse(text("action").unwrap()).unwrap(),
            target: dimension("target"),
            latency_ms: integer("latency_ms"),
        },
        EventType::SurveyShown => Body::SurveyShown {
            instrument: Instrument::parse(text("instrument").unwrap()).unwrap(),
            scope: scope(),
            task: text("task"),
            touchpoint: dimension("touchpoint"),
        },
        EventType::SurveyResponse => {
            let instrument = Instrument::parse(text("instrument").unwrap()).unwrap();
            Body::SurveyResponse {
                instrument,
                score_micros: score(instrument, get("score"), get("answers"))?,
                scope: scope(),
                task: text("task"),
                touchpoint: dimension("touchpoint"),
                comment: text("comment"),
            }
        }
        EventType::Feedback => {
            if get("text").or(get("sentiment")).is_none() {
                return Err("missing_field");
            }
            let sentiment_micros = get("sentiment").map(|value| micros(value) as i64);
            Body::Feedback {
                text: text("text"),
                sentiment_micros,
                touchpoint: dimension("touchpoint"),
            }
        }
        EventType::TicketOpened => ticket(TicketAction::Opened),
        EventType::TicketResponded => ticket(TicketAction::Responded),
        EventType::TicketResolved => ticket(TicketAction::Resolved),
        EventType::TicketReopened => ticket(TicketAction::Reopened),
        EventType::TicketEscalated => ticket(TicketAction::Escalated),
        EventType::SignedUp => Body::SignedUp,
        EventType::Referred => Body::Referred,
        EventType::Converted => Body::Converted { plan: dimension("plan") },
        EventType::Purchased => Body::Purchased {
            amount_micros: amount(get("amount").unwrap()),
            currency: dimension("currency"),
        },
        EventType::Churned => Body::Churned { reason: text("reason") },
    };
    Ok(Event {
        time: EventTime(time),
        event_id: text("event_id"),
        user_id: text("user_id"),
        session_id: text("session_id"),
        common: Common::ALL.map(|common| dimension(common.as_str())),
        attributes: attributes(get("attributes")),
        body,
    })
}

fn amount(value: &Value) -> i128 {
    match value {
        Value::String(text) => micros(&Value::from(text.parse::<f64>().unwrap())),
        number => micros(number),
    }
}

fn score(instrument: Instrument, score: Option<&Value>, answers: Option<&Value>) -> Result<i64, &'static str> {
    let (range, whole) = match instrument {
        Instrument::Nps => (0.0..=10.0, true),
        Instrument::Csat => (1.0..=5.0, true),
        Instrument::Ces | Instrument::Seq => (1.0..=7.0, true),
        Instrument::Sus => (0.0..=100.0, false),
    };
    match (score, answers) {
        (Some(score), _) => {
            let value = score.as_f64().unwrap();
            if range.contains(&value) && (!whole || value.fract() == 0.0) {
                Ok(micros(score) as i64)
            } else {
                Err("invalid_field")
            }
        }
        (None, Some(answers)) if instrument == Instrument::Sus => {
            let answers: Vec<i64> = answers.as_array().unwrap().iter().map(|answer| answer.as_i64().unwrap()).collect();
            let odd: i64 = answers.iter().step_by(2).map(|answer| answer - 1).sum();
            let even: i64 = answers.iter().skip(1).step_by(2).map(|answer| 5 - answer).sum();
            Ok((odd + even) * 2_500_000)
        }
        _ => Err("missing_field"),
    }
}

/// Leaked, since an event only borrows them; the tests that do this are short.
fn attributes(value: Option<&Value>) -> &[Attribute<'_>] {
    let Some(Value::Object(attributes)) = value else { return &[] };
    let list: Vec<_> = attributes
        .iter()
        .filter_map(|(name, value)| {
            let value = match value {
                Value::String(text) => AttributeValue::Text(text),
                Value::Bool(value) => AttributeValue::Bool(*value),
                Value::Number(number) => AttributeValue::Number(number.to_string().leak()),
                _ => return None,
            };
            Some(Attribute { name, value })
        })
        .collect();
    list.leak()
}
