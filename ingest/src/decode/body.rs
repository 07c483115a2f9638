//! What each type of event requires and may carry.

use tidegauge_aggregate::event::{Action, Body, Effort, EventType, Instrument, Outcome, Scope, Severity, TicketAction};
use tidegauge_aggregate::record::Reject;

use super::decimal::{self, Decimal};
use super::field::Field;
use super::fields::Fields;
use super::reject;
use super::value::Value;

/// Greatest amount of a purchase.
const MAX_AMOUNT: i64 = 1_000_000_000_000_000;

/// The fields that an event of this type must carry, beyond `type` and `time`.
fn required(event_type: EventType) -> &'static [Field] {
    match event_type {
        EventType::TaskStarted | EventType::TaskAbandoned => &[Field::Task, Field::AttemptId],
        EventType::TaskFinished => &[Field::Task, Field::AttemptId, Field::Outcome],
        EventType::Error => &[Field::Code],
        EventType::Interaction => &[Field::Action],
        EventType::SurveyShown | EventType::SurveyResponse => &[Field::Instrument],
        EventType::Feedback => &[],
        EventType::TicketOpened
        | EventType::TicketResponded
        | EventType::TicketResolved
        | EventType::TicketReopened
        | EventType::TicketEscalated => &[Field::TicketId],
        EventType::SignedUp | EventType::Referred | EventType::Converted | EventType::Churned => &[Field::UserId],
        EventType::Purchased => &[Field::UserId, Field::Amount],
    }
}

/// All required fields are there. Judged before any field is judged for what it holds.
pub(super) fn check_required(fields: &Fields<'_>, event_type: EventType) -> Result<(), Reject> {
    match required(event_type).iter().find(|field| !fields.has(**field)) {
        None => Ok(()),
        Some(field) => Err(missing(*field, event_type)),
    }
}

#[cold]
fn missing(field: Field, event_type: EventType) -> Reject {
    reject::missing(field, &format!("every `{}` needs it", event_type.as_str()))
}

/// Reads what is particular to the type. Fields that the type does not list are not looked at.
pub(super) fn read<'a>(fields: &Fields<'a>, event_type: EventType) -> Result<Body<'a>, Reject> {
    // `check_required` has seen every required field, so the `missing` here is never the answer; it spares a panic.
    let need = |field, value: Option<&'a str>| value.ok_or_else(|| missing(field, event_type));
    let need_id = |field| need(field, fields.id(field)?);
    Ok(match event_type {
        EventType::TaskStarted => Body::TaskStarted {
            task: need_id(Field::Task)?,
            attempt_id: need_id(Field::AttemptId)?,
        },
        EventType::TaskFinished => Body::TaskFinished {
            task: need_id(Field::Task)?,
            attempt_id: need_id(Field::AttemptId)?,
            success: outcome(fields)?.ok_or_else(|| missing(Field::Outcome, event_type))? == Outcome::Success,
            effort: effort(fields)?,
        },
        EventType::TaskAbandoned => Body::TaskAbandoned {
            task: need_id(Field::Task)?,
            attempt_id: need_id(Field::AttemptId)?,
            reason: fields.text(Field::Reason)?,
            effort: effort(fields)?,
        },
        EventType::Error => Body::Error {
            code: need_id(Field::Code)?,
            severity: fields
                .name(Field::Severity, Severity::parse, "`minor`, `major` or `fatal`")?
                .unwrap_or(Severity::Major),
            task: fields.id(Field::Task)?,
            attempt_id: fields.id(Field::AttemptId)?,
            message: fields.text(Field::Message)?,
        },
        EventType::Interaction => Body::Interaction {
            action: action(fields)?.ok_or_else(|| missing(Field::Action, event_type))?,
            target: fields.dimension(Field::Target)?,
            latency_ms: fields.millis(Field::LatencyMs)?,
        },
        EventType::SurveyShown => Body::SurveyShown {
            instrument: instrument(fields)?.ok_or_else(|| missing(Field::Instrument, event_type))?,
            scope: scope(fields)?,
            task: fields.id(Field::Task)?,
            touchpoint: fields.dimension(Field::Touchpoint)?,
        },
        EventType::SurveyResponse => survey_response(fields)?,
        EventType::Feedback => feedback(fields)?,
        EventType::TicketOpened => ticket(fields, TicketAction::Opened, need_id(Field::TicketId)?)?,
        EventType::TicketResponded => ticket(fields, TicketAction::Responded, need_id(Field::TicketId)?)?,
        EventType::TicketResolved => ticket(fields, TicketAction::Resolved, need_id(Field::TicketId)?)?,
        EventType::TicketReopened => ticket(fields, TicketAction::Reopened, need_id(Field::TicketId)?)?,
        EventType::TicketEscalated => ticket(fields, TicketAction::Escalated, need_id(Field::TicketId)?)?,
        EventType::SignedUp => Body::SignedUp,
        EventType::Referred => Body::Referred,
        EventType::Converted => Body::Converted {
            plan: fields.dimension(Field::Plan)?,
        },
        EventType::Purchased => Body::Purchased {
            amount_micros: amount(fields)?,
            currency: fields.dimension(Field::Currency)?,
        },
        EventType::Churned => Body::Churned {
            reason: fields.text(Field::Reason)?,
        },
    })
}

fn effort(fields: &Fields<'_>) -> Result<Effort, Reject> {
    Ok(Effort {
        duration_ms: fields.millis(Field::DurationMs)?,
        clicks: fields.count(Field::Clicks)?,
        errors: fields.count(Field::Errors)?,
    })
}

/// How a `task_finished` says the attempt ended; `abandoned` has its own type.
fn outcome(fields: &Fields<'_>) -> Result<Option<Outcome>, Reject> {
    let parse = |name: &str| Outcome::parse(name).filter(|outcome| *outcome != Outcome::Abandoned);
    fields.name(Field::Outcome, parse, "`success` or `failure`")
}

fn action(fields: &Fields<'_>) -> Result<Option<Action>, Reject> {
    fields.name(
        Field::Action,
        Action::parse,
        "`impression`, `view`, `click`, `rage_click`, `dead_click` or `error_click`",
    )
}

fn instrument(fields: &Fields<'_>) -> Result<Option<Instrument>, Reject> {
    fields.name(Field::Instrument, Instrument::parse, "`nps`, `csat`, `ces`, `sus` or `seq`")
}

fn scope(fields: &Fields<'_>) -> Result<Scope, Reject> {
    let scope = fields.name(Field::Scope, Scope::parse, "`brand`, `product`, `task` or `touchpoint`")?;
    Ok(scope.unwrap_or(Scope::Brand))
}

fn ticket<'a>(fields: &Fields<'a>, action: TicketAction, ticket_id: &'a str) -> Result<Body<'a>, Reject> {
    Ok(Body::Ticket {
        action,
        ticket_id,
        category: fields.dimension(Field::Category)?,
        priority: fields.dimension(Field::Priority)?,
        touchpoint: fields.dimension(Field::Touchpoint)?,
    })
}

fn survey_response<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Reject> {
    let instrument = instrument(fields)?.ok_or_else(|| missing(Field::Instrument, EventType::SurveyResponse))?;
    let score = fields.number(Field::Score, "a number")?;
    let from_answers = answers(fields)?;
    let (scope, task) = (scope(fields)?, fields.id(Field::Task)?);
    let (touchpoint, comment) = (fields.dimension(Field::Touchpoint)?, fields.text(Field::Comment)?);
    // Only now, when every field is known to be what it should be by itself, comes what depends on the instrument.
    let score_micros = match (score, from_answers) {
        (Some(score), _) => score_micros(fields, instrument, score)?,
        (None, Some(score)) if instrument == Instrument::Sus => score,
        (None, _) if instrument == Instrument::Sus => {
            return Err(reject::missing(Field::Score, "a `survey_response` of `sus` needs it, or `answers`"));
        }
        (None, _) => {
            return Err(reject::missing(
                Field::Score,
                &format!("a `survey_response` of `{}` needs it", instrument.as_str()),
            ));
        }
    };
    Ok(Body::SurveyResponse {
        instrument,
        score_micros,
        scope,
        task,
        touchpoint,
        comment,
    })
}

fn score_micros(fields: &Fields<'_>, instrument: Instrument, score: Decimal) -> Result<i64, Reject> {
    let (least, greatest, whole, expected) = match instrument {
        Instrument::Nps => (0, 10, true, "a whole number from 0 to 10 for `nps`"),
        Instrument::Csat => (1, 5, true, "a whole number from 1 to 5 for `csat`"),
        Instrument::Ces => (1, 7, true, "a whole number from 1 to 7 for `ces`"),
        Instrument::Seq => (1, 7, true, "a whole number from 1 to 7 for `seq`"),
        Instrument::Sus => (0, 100, false, "a number from 0 to 100 for `sus`"),
    };
    let refuse = || reject::invalid(Field::Score, &fields.json(Field::Score), expected);
    if !score.is_within(least, greatest) || whole && !score.is_whole() {
        return Err(refuse());
    }
    i64::try_from(score.micros()).map_err(|_| refuse())
}

/// The SUS score, in millionths, of ten answers: odd items count `answer - 1`, even items `5 - answer`, the sum 2.5 each.
fn answers(fields: &Fields<'_>) -> Result<Option<i64>, Reject> {
    if !fields.has(Field::Answers) {
        return Ok(None);
    }
    let raw = fields.json(Field::Answers);
    let refuse = || reject::invalid(Field::Answers, &raw, "an array of ten integers from 1 to 5");
    let items = raw.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(refuse)?;
    let (mut sum, mut count) = (0, 0);
    for item in items.split(',') {
        // The text is valid JSON, so a comma that does not part two items leaves an item that is no integer.
        let answer = decimal::integer(item.trim_ascii())
            .filter(|answer| (1..=5).contains(answer))
            .ok_or_else(refuse)?;
        sum += if count % 2 == 0 { answer - 1 } else { 5 - answer };
        count += 1;
    }
    if count == 10 { Ok(Some(sum * 2_500_000)) } else { Err(refuse()) }
}

fn feedback<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Reject> {
    const EXPECTED: &str = "a number from -1 to 1";
    let text = fields.text(Field::Text)?;
    let refuse = || reject::invalid(Field::Sentiment, &fields.json(Field::Sentiment), EXPECTED);
    let sentiment_micros = match fields.number(Field::Sentiment, EXPECTED)? {
        None => None,
        Some(sentiment) if sentiment.is_within(-1, 1) => Some(i64::try_from(sentiment.micros()).map_err(|_| refuse())?),
        Some(_) => return Err(refuse()),
    };
    let touchpoint = fields.dimension(Field::Touchpoint)?;
    if text.is_none() && sentiment_micros.is_none() {
        return Err(reject::missing(Field::Text, "a `feedback` needs it, or `sentiment`"));
    }
    Ok(Body::Feedback {
        text,
        sentiment_micros,
        touchpoint,
    })
}

/// A JSON number, or a string of digits with at most one point inside.
fn amount(fields: &Fields<'_>) -> Result<i128, Reject> {
    let amount = match fields.get(Field::Amount) {
        Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => Decimal::parse(text),
        Value::Other(raw) => Decimal::parse(raw),
        _ => None,
    };
    match amount {
        Some(amount) if amount.is_within(0, MAX_AMOUNT) => Ok(amount.micros()),
        _ => {
            let expected = "a number, or a string of digits with at most one point inside, from 0 to 10^15";
            Err(reject::invalid(Field::Amount, &fields.json(Field::Amount), expected))
        }
    }
}
