//! The fields of one record and the kinds of value the contract knows: id, dimension, text, name of a list, integer, number.

use std::borrow::Cow;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tidegauge_aggregate::event::MAX_DIMENSION_BYTES;
use tidegauge_aggregate::record::{Reject, RejectReason};
use tidegauge_aggregate::time::EventTime;

use super::decimal::{self, Decimal};
use super::field::Field;
use super::reject;
use super::time;
use super::value::Value;

/// Greatest length of an id in bytes.
const MAX_ID_BYTES: usize = 128;
/// Greatest count.
const MAX_COUNT: i64 = 1 << 31;
/// Greatest number of milliseconds.
const MAX_MILLIS: i64 = 1 << 40;

/// What a record holds, and the arena for what had to be written anew.
pub(super) struct Fields<'a> {
    /// By [`Field`].
    values: [Value<'a>; Field::ALL.len()],
    unknown: ArenaVec<'a, &'a str>,
    arena: &'a Bump,
}

impl<'a> Fields<'a> {
    pub(super) fn new(arena: &'a Bump) -> Fields<'a> {
        Fields {
            values: [Value::Absent; Field::ALL.len()],
            unknown: ArenaVec::new_in(arena),
            arena,
        }
    }

    pub(super) fn arena(&self) -> &'a Bump {
        self.arena
    }

    /// Keeps the value of a field; of duplicates the last wins.
    #[inline]
    pub(super) fn set(&mut self, field: Field, value: Value<'a>) {
        self.values[field as usize] = value;
    }

    pub(super) fn note_unknown(&mut self, name: &'a str) {
        self.unknown.push(name);
    }

    pub(super) fn unknown_names(&self) -> &[&'a str] {
        &self.unknown
    }

    #[inline]
    pub(super) fn get(&self, field: Field) -> Value<'a> {
        self.values[field as usize]
    }

    /// The field as JSON text, for the words of a reject.
    pub(super) fn json(&self, field: Field) -> Cow<'a, str> {
        self.get(field).json()
    }

    /// Whether the field is there and no null.
    pub(super) fn has(&self, field: Field) -> bool {
        self.get(field) != Value::Absent
    }

    /// A string of any length.
    pub(super) fn string(&self, field: Field, expected: &str) -> Result<Option<&'a str>, Reject> {
        match self.get(field) {
            Value::Absent => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            value => Err(reject::invalid(field, &value.json(), expected)),
        }
    }

    pub(super) fn text(&self, field: Field) -> Result<Option<&'a str>, Reject> {
        self.string(field, "a string")
    }

    pub(super) fn id(&self, field: Field) -> Result<Option<&'a str>, Reject> {
        const EXPECTED: &str = "an id, a string of 1 to 128 bytes";
        let id = self.string(field, EXPECTED)?;
        match id.map(str::len) {
            Some(bytes) if !(1..=MAX_ID_BYTES).contains(&bytes) => Err(reject::length(field, bytes, EXPECTED)),
            _ => Ok(id),
        }
    }

    pub(super) fn dimension(&self, field: Field) -> Result<Option<&'a str>, Reject> {
        const EXPECTED: &str = "a string of at most 128 bytes";
        match self.string(field, EXPECTED)? {
            None | Some("") => Ok(None),
            Some(value) if value.len() <= MAX_DIMENSION_BYTES => Ok(Some(value)),
            Some(value) => Err(reject::length(field, value.len(), EXPECTED)),
        }
    }

    /// One name of a closed list.
    pub(super) fn name<T>(&self, field: Field, parse: impl Fn(&str) -> Option<T>, expected: &str) -> Result<Option<T>, Reject> {
        match self.string(field, expected)? {
            None => Ok(None),
            Some(name) => parse(name)
                .map(Some)
                .ok_or_else(|| reject::invalid(field, &self.json(field), expected)),
        }
    }

    pub(super) fn count(&self, field: Field) -> Result<Option<i64>, Reject> {
        self.integer(field, MAX_COUNT, "an integer from 0 to 2^31, written without point and exponent")
    }

    pub(super) fn millis(&self, field: Field) -> Result<Option<i64>, Reject> {
        self.integer(
            field,
            MAX_MILLIS,
            "integer milliseconds from 0 to 2^40, written without point and exponent",
        )
    }

    fn integer(&self, field: Field, greatest: i64, expected: &str) -> Result<Option<i64>, Reject> {
        let value = match self.get(field) {
            Value::Absent => return Ok(None),
            Value::Integer(value) => Some(value),
            Value::Other(raw) => decimal::integer(raw),
            _ => None,
        };
        match value {
            Some(value) if (0..=greatest).contains(&value) => Ok(Some(value)),
            _ => Err(reject::invalid(field, &self.json(field), expected)),
        }
    }

    /// Any JSON number, exactly.
    pub(super) fn number(&self, field: Field, expected: &str) -> Result<Option<Decimal>, Reject> {
        let number = match self.get(field) {
            Value::Absent => return Ok(None),
            Value::Other(raw) => Decimal::parse(raw),
            _ => None,
        };
        number.map(Some).ok_or_else(|| reject::invalid(field, &self.json(field), expected))
    }

    /// The event's time, by the steps of the contract: absent, of a wrong type, unreadable or out of range.
    pub(super) fn time(&self) -> Result<EventTime, Reject> {
        let value = self.get(Field::Time);
        let integer = match value {
            Value::Absent => return Err(reject::missing(Field::Time, "every event needs it")),
            Value::Integer(millis) => Some(millis),
            Value::Other(raw) => decimal::integer(raw),
            _ => None,
        };
        let read = match (value, integer) {
            (Value::Text(text), _) => time::from_rfc3339(text),
            (_, Some(millis)) => time::from_millis(millis),
            (_, None) => {
                return Err(reject::invalid(
                    Field::Time,
                    &value.json(),
                    "an RFC 3339 string or integer milliseconds since the Unix epoch",
                ));
            }
        };
        read.map_err(|fault| {
            let expected = match fault {
                time::Fault::Unreadable => "RFC 3339 with an offset or `Z`, as in 2025-01-29T08:00:23.586Z",
                time::Fault::OutOfRange => "a time from 1970-01-01T00:00:00Z up to, not including, 2262-01-01",
            };
            reject::found(RejectReason::BadTime, Field::Time, &value.json(), expected)
        })
    }
}
