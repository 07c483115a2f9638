//! The records of the bench, generated once and kept in memory as a consumer would hand them over.

use std::ops::Range;

use tidegauge_aggregate::record::Record;

use crate::generate::{Generator, Options, TOPICS};

/// Events of the bench.
pub const EVENTS: usize = 1_000_000;
/// Minutes of event time over which they are spread.
pub const MINUTES: usize = 10;

struct Kept {
    lane: usize,
    topic: &'static str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Range<usize>,
    value: Option<Range<usize>>,
}

/// Records in the order in which they were sent.
pub struct Traffic {
    records: Vec<Kept>,
    bytes: Vec<u8>,
}

/// Partitions of all topics together.
pub const LANES: usize = TOPICS.len();

impl Traffic {
    /// So many records, over a tenth of the time of a million if they are a tenth as many.
    ///
    /// # Panics
    ///
    /// Not with the options given here.
    #[must_use]
    pub fn generate(events: usize) -> Traffic {
        let options = Options {
            rate: EVENTS as f64 / (MINUTES * 60) as f64 / MEAN_OF_THE_HOUR,
            users: 100_000,
            partitions: 1,
            ..Options::default()
        };
        #[allow(clippy::expect_used, reason = "a bench that cannot start has nothing else to say")]
        let mut generator = Generator::new(&options).expect("the options are within their ranges");
        let mut traffic = Traffic {
            records: Vec::with_capacity(events),
            bytes: Vec::with_capacity(events * 400),
        };
        let mut offsets = [0; LANES];
        for _ in 0..events {
            let record = generator.draw();
            let lane = usize::from(record.topic != TOPICS[0]);
            let mut keep = |bytes: &[u8]| {
                let start = traffic.bytes.len();
                traffic.bytes.extend_from_slice(bytes);
                start..traffic.bytes.len()
            };
            let value = record.value().map(|value| match with_fewer_touchpoints(value) {
                Some(text) => keep(text.as_bytes()),
                None => keep(value),
            });
            let key = keep(record.key());
            traffic.records.push(Kept {
                lane,
                topic: record.topic,
                partition: record.partition,
                offset: offsets[lane],
                timestamp: record.timestamp,
                key,
                value,
            });
            offsets[lane] += 1;
        }
        traffic
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Mean size of a value in bytes.
    #[must_use]
    pub fn mean_bytes(&self) -> usize {
        let sum: usize = self.records.iter().filter_map(|r| r.value.as_ref()).map(Range::len).sum();
        sum / self.records.len().max(1)
    }

    /// Time from the first record to the last, in milliseconds.
    #[must_use]
    pub fn span(&self) -> i64 {
        let at = |record: Option<&Kept>| record.map_or(0, |r| r.timestamp);
        at(self.records.last()) - at(self.records.first())
    }

    /// Every record with the number of its partition among all.
    pub fn records(&self) -> impl Iterator<Item = (usize, Record<'_>)> {
        self.records.iter().map(|kept| {
            let record = Record {
                topic: kept.topic,
                partition: kept.partition,
                offset: kept.offset,
                timestamp: Some(kept.timestamp),
                key: self.bytes.get(kept.key.clone()),
                value: kept.value.clone().and_then(|range| self.bytes.get(range)),
                headers: &[],
            };
            (kept.lane, record)
        })
    }
}

/// Touchpoints that the bench takes for others, so that three products have no more than twenty of them together.
const MERGED: [(&str, &str); 4] = [
    ("branch", "hotline"),
    ("onboarding", "help_centre"),
    ("app_review", "feedback_button"),
    ("newsletter", "feedback_button"),
];

fn with_fewer_touchpoints(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let field = |name| format!("\"touchpoint\":\"{name}\"");
    let (from, to) = MERGED.iter().find(|(from, _)| text.contains(&field(from)))?;
    Some(text.replace(&field(from), &field(to)))
}

/// Volume of the hour in which the traffic starts, as a multiple of the week's mean; measured.
const MEAN_OF_THE_HOUR: f64 = 0.444;
