//! One row of results, as every output writes it.

use std::sync::Arc;

use crate::time::EventTime;

/// The values of a grouping's dimensions, in the grouping's order; `None` is null.
pub type GroupKey = Arc<[Option<Arc<str>>]>;

/// One number of one indicator for one window position and group.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRow {
    /// Index into [`crate::spec::Spec::windows`].
    pub window: usize,
    /// Start of the window position, inclusive.
    pub window_start: EventTime,
    /// End of the window position, exclusive.
    pub window_end: EventTime,
    /// Index into [`crate::spec::Spec::groupings`].
    pub grouping: usize,
    /// The group.
    pub group: GroupKey,
    /// Name of the metric, as in the catalogue.
    pub metric: &'static str,
    /// `value`, `p50`, `mean`, ...
    pub stat: &'static str,
    /// What stands in braces after the metric's name, two names joined by `/`; `None` where there is nothing or it is null.
    pub label: Option<Arc<str>>,
    /// The estimate; `None` only in the revision that takes a row back.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval (or of the interval the indicator defines).
    pub lower: Option<f64>,
    /// Upper end of the interval.
    pub upper: Option<f64>,
    /// Sample size.
    pub n: u64,
    /// Numerator, where the indicator has one.
    pub numerator: Option<u64>,
    /// Denominator, where the indicator has one.
    pub denominator: Option<u64>,
    /// How often the row was corrected after its first publication.
    pub revision: u32,
}
