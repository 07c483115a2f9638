//! The raw fields of one record and the kinds of value the contract knows: id, dimension, text, name of a list, integer, number.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tidegauge_aggregate::event::MAX_DIMENSION_BYTES;
use tidegauge_aggregate::record::{Reject, RejectReason};
use tidegauge_aggregate::time::EventTime;

use super::decimal::{self, Decimal};
use super::field::Field;
use super::reject;
use super::string;
use super::time;

/// Greatest length of an id in bytes.
const MAX_ID_BYTES: usize = 128;
/// Greatest count.
const MAX_COUNT: i64 = 1 << 31;
/// Greatest number of milliseconds.
const MAX_MILLIS: i64 = 1 << 40;

/// What a record holds: the raw JSON text of each field, and the arena for what has to be written anew.
pub(super) struct Fields<'a> {
    /// By [`Field`]; the empty text, which is no JSON, stands for an absent field.
    raw: [&'a str; Field::ALL.len()],
    unknown: ArenaVec<'a, &'a str>,
    arena: &'a Bump,
    /// Whether the record has a backslash anywhere.
    escapes: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(arena: &'a Bump) -> Fields<'a> {
        Fields {
            raw: [""; Field::ALL.len()],
            unknown: ArenaVec::new_in(arena),
            arena,
            escapes: false,
        }
    }

    pub(super) fn arena(&self) -> &'a Bump {
        self.arena
    }

    pub(super) fn set_escapes(&mut self, escapes: bool) {
        self.escapes = escapes;
    }

    pub(super) fn escapes(&self) -> bool {
        self.escapes
    }

    /// Keeps the raw text of a field; of duplicates the last wins, and a null is the same as absent.
    pub(super) fn set(&mut self, field: Field, raw: &'a str) {
        self.raw[field as usize] = if raw == "null" { "" } else { raw };
    }

    pub(super) fn note_unknown(&mut self, name: &'a str) {
        self.unknown.push(name);
    }

    pub(super) fn unknown_names(&self) -> &[&'a str] {
        &self.unknown
    }

    /// The raw JSON text; empty where the field is absent.
    pub(super) fn raw(&self, field: Field) -> &'a str {
        self.raw[field as usize]
    }

    /// Whether the field is there and no null.
    pub(super) fn has(&self, field: Field) -> bool {
        !self.raw(field).is_empty()
    }

    /// The text of a raw JSON value that is a string.
    pub(super) fn unquote(&self, raw: &'a str) -> Option<&'a str> {
        let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
        Some(if self.escapes { string::unescape(inner, self.arena) } else { inner })
    }

    /// A string of any length.
    pub(super) fn string(&self, field: Field, expected: &str) -> Result<Option<&'a str>, Reject> {
        let raw = self.raw(field);
        if raw.is_empty() {
            return Ok(None);
        }
        self.unquote(raw).map(Some).ok_or_else(|| reject::invalid(field, raw, expected))
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
                .ok_or_else(|| reject::invalid(field, self.raw(field), expected)),
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
        let raw = self.raw(field);
        if raw.is_empty() {
            return Ok(None);
        }
        match decimal::integer(raw) {
            Some(value) if (0..=greatest).contains(&value) => Ok(Some(value)),
            _ => Err(reject::invalid(field, raw, expected)),
        }
    }

    /// Any JSON number, exactly.
    pub(super) fn number(&self, field: Field, expected: &str) -> Result<Option<Decimal>, Reject> {
        let raw = self.raw(field);
        if raw.is_empty() {
            return Ok(None);
        }
        Decimal::parse(raw).map(Some).ok_or_else(|| reject::invalid(field, raw, expected))
    }

    /// The event's time, by the steps of the contract: absent, of a wrong type, unreadable or out of range.
    pub(super) fn time(&self) -> Result<EventTime, Reject> {
        let raw = self.raw(Field::Time);
        if raw.is_empty() {
            return Err(reject::missing(Field::Time, "every event needs it"));
        }
        let read = match (self.unquote(raw), decimal::integer(raw)) {
            (Some(text), _) => time::from_rfc3339(text),
            (None, Some(millis)) => time::from_millis(millis),
            (None, None) => {
                return Err(reject::invalid(
                    Field::Time,
                    raw,
                    "an RFC 3339 string or integer milliseconds since the Unix epoch",
                ));
            }
        };
        read.map_err(|fault| {
            let expected = match fault {
                time::Fault::Unreadable => "RFC 3339 with an offset or `Z`, as in 2025-01-29T08:00:23.586Z",
                time::Fault::OutOfRange => "a time from 1970-01-01T00:00:00Z up to, not including, 2262-01-01",
            };
            reject::found(RejectReason::BadTime, Field::Time, raw, expected)
        })
    }
}
