//! What a generator is asked for.

use std::fmt;

use super::incident::{Incident, Schedule};
use super::world::PRODUCTS;

/// What to generate. The same options give the same records.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Everything random follows from it.
    pub seed: u64,
    /// Where event time starts, in milliseconds since the epoch.
    pub start: i64,
    /// Records per second of event time, as the mean of a week; days have a rhythm of about a quarter to one and a half times it.
    /// Memory grows with it: about 2 kB for each record per second.
    pub rate: f64,
    /// How many people use the products; 8 bytes each. One who leaves is replaced by a new one.
    pub users: u32,
    /// Partitions of each topic.
    pub partitions: u32,
    /// Share of records that the contract refuses, from 0 to less than 1. They come on top of the rate, and the good records are the
    /// same for every share.
    pub bad: f64,
    /// Refused records include some with a value longer than this many bytes.
    pub oversized: Option<usize>,
    /// What goes wrong, once each.
    pub incidents: Vec<Incident>,
    /// What goes wrong again and again.
    pub schedule: Option<Schedule>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            start: 1_767_225_600_000,
            rate: 200.0,
            users: 20_000,
            partitions: 4,
            bad: 0.001,
            oversized: None,
            incidents: Vec::new(),
            schedule: None,
        }
    }
}

/// An option that no traffic can be generated for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOption(pub(super) String);

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidOption {}

/// Half of the contract's range, so that no schedule or delay can leave it.
const LAST_START: i64 = 4_607_000_000_000;

impl Options {
    /// Whether traffic can be generated for them.
    ///
    /// # Errors
    /// Names the first option that is out of range, with what it may be.
    pub fn check(&self) -> Result<(), InvalidOption> {
        let refuse = |text: String| Err(InvalidOption(text));
        if !(0..=LAST_START).contains(&self.start) {
            return refuse(format!(
                "start is {}; it must be 0 to {LAST_START} (milliseconds since the epoch)",
                self.start
            ));
        }
        if !(self.rate >= 0.01 && self.rate <= 1_000_000.0) {
            return refuse(format!(
                "rate is {}; it must be 0.01 to 1000000 records per second of event time",
                self.rate
            ));
        }
        if self.users == 0 {
            return refuse("users is 0; at least one is needed".into());
        }
        if self.partitions == 0 || self.partitions > 100_000 {
            return refuse(format!("partitions is {}; it must be 1 to 100000", self.partitions));
        }
        if !(0.0..1.0).contains(&self.bad) {
            return refuse(format!(
                "bad is {}; it is a share, from 0 to less than 1 (event time moves with the good records)",
                self.bad
            ));
        }
        if self
            .schedule
            .is_some_and(|schedule| schedule.every_ms <= 0 || schedule.duration_ms <= 0)
        {
            return refuse("the incident schedule has no length; `every` and `duration` must be more than 0".into());
        }
        if let Some(schedule) = self.schedule.filter(|schedule| !(0.0..=1.0).contains(&schedule.strength)) {
            return refuse(format!(
                "the strength of the incident schedule is {}; it must be 0 to 1",
                schedule.strength
            ));
        }
        self.incidents.iter().try_for_each(Incident::check)
    }
}

/// Index of a product by its name.
pub(super) fn product_named(name: &str) -> Option<u8> {
    PRODUCTS.iter().position(|product| product.name == name).map(|index| index as u8)
}
