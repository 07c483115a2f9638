//! Bytes of one record in, one [`Event`] or one [`Reject`] out: the event contract (`docs/events.md`), version 1.
//!
//! `serde_json` walks over the text once, and each value of a field of the contract is kept as it finds it (`scan`, `value`); what the value
//! means is judged afterwards (`fields`, `body`). Where the contract asks how a number was written and what its exact decimal value is,
//! which a parsed number no longer tells, the value is kept as its text. The checks run in the order of the contract's table of reasons,
//! because the first that applies is the reason.

mod attributes;
mod body;
mod decimal;
mod field;
mod fields;
mod reject;
mod rules;
mod scan;
mod time;
mod unknown;
mod value;

use bumpalo::Bump;
use tidegauge_aggregate::event::{Common, Event, EventType};
use tidegauge_aggregate::record::{Record, Reject, RejectReason};
use tidegauge_aggregate::time::{EventTime, Millis};

use field::Field;
use fields::Fields;
pub use unknown::UnknownFields;

/// What the decoder refuses beyond the contract's own bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Longest value of a record, in bytes.
    pub max_record_bytes: u64,
    /// How far an event's time may lie after its record's timestamp.
    pub max_future_skew: Millis,
}

impl Default for DecodeLimits {
    fn default() -> DecodeLimits {
        DecodeLimits {
            max_record_bytes: 1 << 20,
            max_future_skew: 5 * 60 * 1000,
        }
    }
}

/// Decodes records one after the other, with scratch space that is reused: no allocation per accepted event once it has grown.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: DecodeLimits,
    /// Unescaped strings and attribute lists of the event that is alive.
    arena: Bump,
    unknown: UnknownFields,
}

impl Decoder {
    /// A decoder with these limits and nothing counted yet.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Decoder {
        Decoder {
            limits,
            ..Decoder::default()
        }
    }

    /// How often each top-level name that the contract does not know was seen in accepted events.
    #[must_use]
    pub fn unknown_fields(&self) -> &UnknownFields {
        &self.unknown
    }

    /// Decodes one record.
    ///
    /// # Errors
    ///
    /// The first reason of the contract's table for which the record is refused.
    pub fn decode<'a>(&'a mut self, record: &Record<'a>) -> Result<Event<'a>, Reject> {
        self.arena.reset();
        let text = text(record.value, self.limits.max_record_bytes)?;
        let mut fields = Fields::new(&self.arena);
        scan::scan(text, &mut fields)?;

        let event_type = event_type(&fields)?;
        let time = fields.time()?;
        check_skew(time, record.timestamp, self.limits.max_future_skew)?;
        body::check_required(&fields, event_type)?;

        let event = Event {
            time,
            event_id: fields.id(Field::EventId)?,
            user_id: fields.id(Field::UserId)?,
            session_id: fields.id(Field::SessionId)?,
            common: common(&fields)?,
            attributes: attributes::read(&fields)?,
            body: body::read(&fields, event_type)?,
        };
        self.unknown.count(fields.unknown_names());
        Ok(event)
    }
}

/// The record's value as UTF-8 text within the length limit.
fn text(value: Option<&[u8]>, max_bytes: u64) -> Result<&str, Reject> {
    let value = match value {
        None => {
            return Err(reject::whole(
                RejectReason::Empty,
                "the record has no value (a tombstone); expected one JSON object",
            ));
        }
        Some([]) => {
            return Err(reject::whole(
                RejectReason::Empty,
                "the value has no bytes; expected one JSON object",
            ));
        }
        Some(value) => value,
    };
    if value.len() as u64 > max_bytes {
        let detail = format!(
            "the value is {} bytes long; expected at most {max_bytes} (`max_record_bytes`)",
            value.len()
        );
        return Err(reject::whole(RejectReason::TooLarge, &detail));
    }
    simdutf8::basic::from_utf8(value).map_err(|_| {
        // The fast check does not say where; the standard one, which is only run now, does.
        let at = std::str::from_utf8(value).map_or_else(|fault| fault.valid_up_to(), str::len);
        reject::whole(
            RejectReason::NotJson,
            &format!("the value is no UTF-8 at byte {at}; expected one JSON object in UTF-8"),
        )
    })
}

fn event_type(fields: &Fields<'_>) -> Result<EventType, Reject> {
    let Some(name) = fields.string(Field::Type, "a string, the type of the event")? else {
        return Err(reject::missing(Field::Type, "every event needs it"));
    };
    EventType::parse(name).ok_or_else(|| {
        reject::found(
            RejectReason::UnknownType,
            Field::Type,
            &fields.json(Field::Type),
            "a type of the event contract",
        )
    })
}

fn check_skew(time: EventTime, timestamp: Option<i64>, max_future_skew: Millis) -> Result<(), Reject> {
    match timestamp {
        Some(timestamp) if timestamp >= 0 && time.0 > timestamp.saturating_add(max_future_skew) => {
            let ahead = time.0.saturating_sub(timestamp);
            let detail = format!(
                "`time` is {ahead} ms later than the record's timestamp; expected at most {max_future_skew} ms (`max_future_skew`)"
            );
            Err(Reject {
                reason: RejectReason::FutureTime,
                field: Field::Time.as_str(),
                detail,
            })
        }
        _ => Ok(()),
    }
}

fn common<'a>(fields: &Fields<'a>) -> Result<[Option<&'a str>; 6], Reject> {
    let mut common = [None; 6];
    for dimension in Common::ALL {
        common[dimension as usize] = fields.dimension(match dimension {
            Common::Product => Field::Product,
            Common::Platform => Field::Platform,
            Common::Channel => Field::Channel,
            Common::Version => Field::Version,
            Common::Country => Field::Country,
            Common::Segment => Field::Segment,
        })?;
    }
    Ok(common)
}
