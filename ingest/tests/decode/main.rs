//! The event contract, from bytes to events and rejects.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod documents;
mod fields;
mod golden;
mod properties;
mod reasons;
mod reference;
mod schema;

use tidegauge_aggregate::event::Event;
use tidegauge_aggregate::record::{Record, Reject};
use tidegauge_ingest::decode::{DecodeLimits, Decoder};

/// The timestamp of [`record`], 2025-01-29T08:00:00Z.
const NOW: i64 = 1_738_137_600_000;

fn record(value: Option<&[u8]>, timestamp: Option<i64>) -> Record<'_> {
    Record {
        topic: "product.telemetry",
        partition: 0,
        offset: 0,
        timestamp,
        key: None,
        value,
        headers: &[],
    }
}

fn decoder() -> Decoder {
    Decoder::new(DecodeLimits::default())
}

/// Hands the event of `value` to `check`.
fn with_event<T>(value: &str, check: impl FnOnce(&Event<'_>) -> T) -> T {
    with_event_at(value, Some(NOW), check)
}

/// The same for a record of another timestamp.
fn with_event_at<T>(value: &str, timestamp: Option<i64>, check: impl FnOnce(&Event<'_>) -> T) -> T {
    let mut decoder = decoder();
    match decoder.decode(&record(Some(value.as_bytes()), timestamp)) {
        Ok(event) => check(&event),
        Err(reject) => panic!("{value} was refused: {reject:?}"),
    }
}

/// The reject of `value`.
fn refused(value: &str) -> Reject {
    match decoder().decode(&record(Some(value.as_bytes()), Some(NOW))) {
        Ok(event) => panic!("{value} was accepted: {event:?}"),
        Err(reject) => reject,
    }
}

/// Reason and field of the reject of `value`.
fn reason(value: &str) -> (&'static str, &'static str) {
    let reject = refused(value);
    (reject.reason.as_str(), reject.field)
}
