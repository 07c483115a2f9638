//! Record to event or reason, in the order of the table in events.md.

use tidegauge_aggregate::event::{Action, Common, EventType, Instrument, Outcome, Scope, Severity, TicketAction};
use tidegauge_aggregate::spec::Spec;

use super::RefRecord;
use super::decimal::Decimal;
use super::fact::Dims;
use super::json::{self, Json};
use super::time;

/// A record that follows the contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub time: i64,
    pub event_id: Option<String>,
    pub session: Option<String>,
    pub dims: Dims,
    pub telemetry: bool,
    pub body: Body,
}

/// What is particular to the type.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Start {
        attempt: String,
    },
    End {
        attempt: String,
        outcome: Outcome,
        duration: Option<i64>,
        clicks: Option<i64>,
        errors: Option<i64>,
    },
    Error {
        severity: Severity,
        attempt: Option<String>,
    },
    Interaction {
        action: Action,
        latency: Option<i64>,
    },
    SurveyShown {
        instrument: Instrument,
    },
    Survey {
        instrument: Instrument,
        score: i64,
        scope: Scope,
    },
    Feedback {
        sentiment: Option<i64>,
    },
    Ticket {
        action: TicketAction,
        ticket: String,
    },
    SignedUp,
    Referred,
    Converted,
    Purchased {
        amount: i128,
        currency: Option<String>,
    },
    Churned,
}

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Id,
    Dimension,
    Text,
    Count,
    Millis,
    Number,
    Sentiment,
    Amount,
    Answers,
    Attributes,
    OneOf(&'static [&'static str]),
}

const REQUIRED: bool = true;
const OPTIONAL: bool = false;
const INSTRUMENTS: Type = Type::OneOf(&["nps", "csat", "ces", "sus", "seq"]);
const SCOPES: Type = Type::OneOf(&["brand", "product", "task", "touchpoint"]);

/// The fields of each type, as the tables of events.md list them.
fn fields(event_type: EventType) -> Vec<(&'static str, Type, bool)> {
    let user_required = matches!(
        event_type,
        EventType::SignedUp | EventType::Referred | EventType::Converted | EventType::Purchased | EventType::Churned
    );
    let mut fields = vec![
        ("event_id", Type::Id, OPTIONAL),
        ("user_id", Type::Id, user_required),
        ("session_id", Type::Id, OPTIONAL),
    ];
    fields.extend(Common::ALL.iter().map(|c| (c.as_str(), Type::Dimension, OPTIONAL)));
    fields.push(("attributes", Type::Attributes, OPTIONAL));
    let task = ("task", Type::Id, REQUIRED);
    let attempt = ("attempt_id", Type::Id, REQUIRED);
    let effort = [
        ("duration_ms", Type::Millis, OPTIONAL),
        ("clicks", Type::Count, OPTIONAL),
        ("errors", Type::Count, OPTIONAL),
    ];
    let touchpoint = ("touchpoint", Type::Dimension, OPTIONAL);
    let survey = [
        ("instrument", INSTRUMENTS, REQUIRED),
        ("scope", SCOPES, OPTIONAL),
        ("task", Type::Id, OPTIONAL),
        touchpoint,
    ];
    match event_type {
        EventType::TaskStarted => fields.extend([task, attempt]),
        EventType::TaskFinished => {
            fields.extend([task, attempt, ("outcome", Type::OneOf(&["success", "failure"]), REQUIRED)]);
            fields.extend(effort);
        }
        EventType::TaskAbandoned => {
            fields.extend([task, attempt, ("reason", Type::Text, OPTIONAL)]);
            fields.extend(effort);
        }
        EventType::Error => fields.extend([
            ("code", Type::Id, REQUIRED),
            ("severity", Type::OneOf(&["minor", "major", "fatal"]), OPTIONAL),
            ("task", Type::Id, OPTIONAL),
            ("attempt_id", Type::Id, OPTIONAL),
            ("message", Type::Text, OPTIONAL),
        ]),
        EventType::Interaction => fields.extend([
            (
                "action",
                Type::OneOf(&["impression", "view", "click", "rage_click", "dead_click", "error_click"]),
                REQUIRED,
            ),
            ("target", Type::Dimension, OPTIONAL),
            ("latency_ms", Type::Millis, OPTIONAL),
        ]),
        EventType::SurveyShown => fields.extend(survey),
        EventType::SurveyResponse => {
            fields.extend(survey);
            fields.extend([
                ("score", Type::Number, OPTIONAL),
                ("answers", Type::Answers, OPTIONAL),
                ("comment", Type::Text, OPTIONAL),
            ]);
        }
        EventType::Feedback => {
            fields.extend([("text", Type::Text, OPTIONAL), ("sentiment", Type::Sentiment, OPTIONAL), touchpoint]);
        }
        EventType::TicketOpened
        | EventType::TicketResponded
        | EventType::TicketResolved
        | EventType::TicketReopened
        | EventType::TicketEscalated => fields.extend([
            ("ticket_id", Type::Id, REQUIRED),
            ("category", Type::Dimension, OPTIONAL),
            ("priority", Type::Dimension, OPTIONAL),
            touchpoint,
        ]),
        EventType::SignedUp | EventType::Referred => {}
        EventType::Converted => fields.push(("plan", Type::Dimension, OPTIONAL)),
        EventType::Purchased => {
            fields.extend([("amount", Type::Amount, REQUIRED), ("currency", Type::Dimension, OPTIONAL)]);
        }
        EventType::Churned => fields.push(("reason", Type::Text, OPTIONAL)),
    }
    fields
}

fn is_integer(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

/// The integer a JSON value is as written, if it lies in `[low, high]`.
fn integer(value: &Json, low: i64, high: i64) -> Option<i64> {
    let Json::Number(text) = value else { return None };
    let exact = Decimal::parse(text);
    (is_integer(text) && exact.within(low, high)).then(|| (exact.micros() / 1_000_000) as i64)
}

fn amount(value: &Json) -> Option<i128> {
    let exact = match value {
        Json::Number(text) => Decimal::parse(text),
        Json::Text(text) => {
            let parts: Vec<&str> = text.split('.').collect();
            if parts.len() > 2 || parts.iter().any(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
                return None;
            }
            Decimal::parse(text)
        }
        _ => return None,
    };
    exact.within(0, 1_000_000_000_000_000).then(|| exact.micros())
}

fn is_valid(value: &Json, kind: Type) -> bool {
    match (kind, value) {
        (Type::Id, Json::Text(text)) => (1..=128).contains(&text.len()),
        (Type::Dimension, Json::Text(text)) => text.len() <= 128,
        (Type::Text, Json::Text(_)) | (Type::Number, Json::Number(_)) => true,
        (Type::Count, _) => integer(value, 0, 1 << 31).is_some(),
        (Type::Millis, _) => integer(value, 0, 1 << 40).is_some(),
        (Type::Sentiment, Json::Number(text)) => Decimal::parse(text).within(-1, 1),
        (Type::Amount, _) => amount(value).is_some(),
        (Type::Answers, Json::Array(items)) => items.len() == 10 && items.iter().all(|i| integer(i, 1, 5).is_some()),
        (Type::Attributes, Json::Object(members)) => members
            .iter()
            .filter_map(|(name, _)| value.get(name))
            .all(|member| !matches!(member, Json::Array(_) | Json::Object(_))),
        (Type::OneOf(names), Json::Text(text)) => names.contains(&text.as_str()),
        _ => false,
    }
}

/// Decodes one record, or gives the reason of its refusal.
pub fn decode(spec: &Spec, record: &RefRecord) -> Result<Event, &'static str> {
    let bytes = record.value.as_deref().unwrap_or_default();
    if bytes.is_empty() {
        return Err("empty");
    }
    if bytes.len() as u64 > spec.max_record_bytes {
        return Err("too_large");
    }
    let object = json::parse(bytes)
        .filter(|value| matches!(value, Json::Object(_)))
        .ok_or("not_json")?;
    let event_type = match object.get("type") {
        None => return Err("missing_field"),
        Some(Json::Text(name)) => EventType::parse(name).ok_or("unknown_type")?,
        Some(_) => return Err("invalid_field"),
    };
    let time = match object.get("time") {
        None => return Err("missing_field"),
        Some(Json::Text(text)) => time::rfc3339(text),
        Some(Json::Number(text)) if is_integer(text) => {
            let exact = Decimal::parse(text);
            exact.within(0, 1 << 50).then(|| exact.micros() / 1_000_000)
        }
        Some(_) => return Err("invalid_field"),
    };
    let time = time.and_then(time::in_range).ok_or("bad_time")?;
    if record
        .timestamp
        .is_some_and(|t| t >= 0 && time > t.saturating_add(spec.max_future_skew))
    {
        return Err("future_time");
    }
    let fields = fields(event_type);
    if fields.iter().any(|(name, _, required)| *required && object.get(name).is_none()) {
        return Err("missing_field");
    }
    if fields
        .iter()
        .any(|(name, kind, _)| object.get(name).is_some_and(|value| !is_valid(value, *kind)))
    {
        return Err("invalid_field");
    }
    Ok(Event {
        time,
        event_id: text(&object, "event_id"),
        session: text(&object, "session_id"),
        dims: dims(&object, &fields),
        telemetry: matches!(
            event_type,
            EventType::TaskStarted | EventType::TaskFinished | EventType::TaskAbandoned | EventType::Error | EventType::Interaction
        ),
        body: body(&object, event_type)?,
    })
}

fn text(object: &Json, name: &str) -> Option<String> {
    match object.get(name) {
        Some(Json::Text(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// The user and every dimension that the event's type carries.
fn dims(object: &Json, fields: &[(&'static str, Type, bool)]) -> Dims {
    let mut dims = Dims {
        user: text(object, "user_id"),
        ..Dims::default()
    };
    let named = [
        "product",
        "platform",
        "channel",
        "version",
        "country",
        "segment",
        "task",
        "touchpoint",
    ];
    for (name, _, _) in fields.iter().filter(|(name, _, _)| named.contains(name)) {
        dims.values.extend(text(object, name).map(|value| ((*name).to_owned(), value)));
    }
    if let Some(attributes @ Json::Object(members)) = object.get("attributes") {
        for (name, _) in members {
            let value = match attributes.get(name) {
                Some(Json::Text(text) | Json::Number(text)) => text.clone(),
                Some(Json::Bool(value)) => value.to_string(),
                _ => continue,
            };
            let longest = (0..=value.len().min(128))
                .rev()
                .find(|end| value.is_char_boundary(*end))
                .unwrap_or(0);
            if longest > 0 {
                dims.values.insert(format!("attributes.{name}"), value[..longest].to_owned());
            }
        }
    }
    dims
}

fn body(object: &Json, event_type: EventType) -> Result<Body, &'static str> {
    let word = |name: &str| text(object, name).unwrap_or_default();
    let number = |name: &str| object.get(name).and_then(|value| integer(value, 0, 1 << 40));
    let instrument = || Instrument::parse(&word("instrument")).ok_or("invalid_field");
    let end = |outcome| Body::End {
        attempt: word("attempt_id"),
        outcome,
        duration: number("duration_ms"),
        clicks: number("clicks"),
        errors: number("errors"),
    };
    let ticket = |action| Body::Ticket {
        action,
        ticket: word("ticket_id"),
    };
    Ok(match event_type {
        EventType::TaskStarted => Body::Start {
            attempt: word("attempt_id"),
        },
        EventType::TaskFinished => end(Outcome::parse(&word("outcome")).ok_or("invalid_field")?),
        EventType::TaskAbandoned => end(Outcome::Abandoned),
        EventType::Error => Body::Error {
            severity: Severity::parse(&word("severity")).unwrap_or(Severity::Major),
            attempt: text(object, "attempt_id"),
        },
        EventType::Interaction => Body::Interaction {
            action: Action::parse(&word("action")).ok_or("invalid_field")?,
            latency: number("latency_ms"),
        },
        EventType::SurveyShown => Body::SurveyShown { instrument: instrument()? },
        EventType::SurveyResponse => Body::Survey {
            instrument: instrument()?,
            score: score(object, instrument()?)?,
            scope: Scope::parse(&word("scope")).unwrap_or(Scope::Brand),
        },
        EventType::Feedback => {
            if object.get("text").is_none() && object.get("sentiment").is_none() {
                return Err("missing_field");
            }
            let sentiment = match object.get("sentiment") {
                Some(Json::Number(text)) => Some(Decimal::parse(text).micros() as i64),
                _ => None,
            };
            Body::Feedback { sentiment }
        }
        EventType::TicketOpened => ticket(TicketAction::Opened),
        EventType::TicketResponded => ticket(TicketAction::Responded),
        EventType::TicketResolved => ticket(TicketAction::Resolved),
        EventType::TicketReopened => ticket(TicketAction::Reopened),
        EventType::TicketEscalated => ticket(TicketAction::Escalated),
        EventType::SignedUp => Body::SignedUp,
        EventType::Referred => Body::Referred,
        EventType::Converted => Body::Converted,
        EventType::Purchased => Body::Purchased {
            amount: object.get("amount").and_then(amount).ok_or("invalid_field")?,
            currency: text(object, "currency"),
        },
        EventType::Churned => Body::Churned,
    })
}

/// The score in millionths: as given, else of the answers to a `sus`.
fn score(object: &Json, instrument: Instrument) -> Result<i64, &'static str> {
    if let Some(Json::Number(text)) = object.get("score") {
        let exact = Decimal::parse(text);
        let (low, high) = match instrument {
            Instrument::Nps => (0, 10),
            Instrument::Csat => (1, 5),
            Instrument::Ces | Instrument::Seq => (1, 7),
            Instrument::Sus => (0, 100),
        };
        let whole = instrument == Instrument::Sus || exact.is_whole();
        return if whole && exact.within(low, high) {
            Ok(exact.micros() as i64)
        } else {
            Err("invalid_field")
        };
    }
    match object.get("answers") {
        Some(Json::Array(answers)) if instrument == Instrument::Sus => {
            let points: i64 = answers
                .iter()
                .filter_map(|answer| integer(answer, 1, 5))
                .enumerate()
                .map(|(i, answer)| if i % 2 == 0 { answer - 1 } else { 5 - answer })
                .sum();
            Ok(points * 2_500_000)
        }
        _ => Err("missing_field"),
    }
}
