//! The `/metrics` page: live results as gauges and counters, and how the pipeline itself is doing.
//!
//! Nothing is registered per series. A scrape builds every family from the newest [`LiveSnapshot`] and [`Operational`], so a value that
//! became absent is simply not on the page: no series is ever frozen at its last value.

mod business;
mod labels;
mod openmetrics;
mod operational;
mod page;
mod render;
mod snapshot;

pub use labels::{LabelProblem, NONE, OURS as OWN_LABELS, OWNED as PROMETHEUS_LABELS, label_clash, label_name};
pub use operational::{Operational, PartitionStatus};
pub use page::Page;
pub use render::{Format, RenderError};
pub use snapshot::{CounterMeta, FamilyMeta, GroupFacts, LiveSnapshot, Total};
