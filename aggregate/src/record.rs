//! A record as the broker hands it over, and why one can be refused.

use std::fmt;

/// One Kafka record, borrowed from wherever it was read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition number.
    pub partition: i32,
    /// Offset within the partition.
    pub offset: i64,
    /// Record timestamp in milliseconds; `None` where the record has none (a negative one).
    pub timestamp: Option<i64>,
    /// Record key.
    pub key: Option<&'a [u8]>,
    /// Record value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Record headers in order; keys may repeat.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// The closed list of reasons for which a record is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// No value, or one of no bytes.
    Empty,
    /// Value longer than `max_record_bytes`.
    TooLarge,
    /// Not exactly one JSON object in UTF-8 within the depth limit.
    NotJson,
    /// A required field is absent or null.
    MissingField,
    /// A field has the wrong type, range, length or enum value.
    InvalidField,
    /// `type` is none of the contract's.
    UnknownType,
    /// `time` cannot be read or is out of range.
    BadTime,
    /// `time` is later than the record timestamp plus `max_future_skew`.
    FutureTime,
}

impl RejectReason {
    /// Every reason, in the order of the contract.
    pub const ALL: [RejectReason; 8] = [
        RejectReason::Empty,
        RejectReason::TooLarge,
        RejectReason::NotJson,
        RejectReason::MissingField,
        RejectReason::InvalidField,
        RejectReason::UnknownType,
        RejectReason::BadTime,
        RejectReason::FutureTime,
    ];

    /// The name used in tables, counters and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RejectReason::Empty => "empty",
            RejectReason::TooLarge => "too_large",
            RejectReason::NotJson => "not_json",
            RejectReason::MissingField => "missing_field",
            RejectReason::InvalidField => "invalid_field",
            RejectReason::UnknownType => "unknown_type",
            RejectReason::BadTime => "bad_time",
            RejectReason::FutureTime => "future_time",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one record was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The reason, one of a closed list.
    pub reason: RejectReason,
    /// The field at fault; empty where the record as a whole is at fault.
    pub field: &'static str,
    /// What was found and what was expected, for a person; bounded in length, names the field.
    pub detail: String,
}
