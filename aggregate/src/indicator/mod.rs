//! The formulas of the indicators: from exact measures to estimates with their intervals. An indicator without samples is absent, never 0
//! and never NaN.

pub mod apdex;
pub mod lift;
pub mod mean;
pub mod nps;
pub mod ratio;
pub mod spike;
pub mod student;

#[cfg(test)]
mod golden_tests;

pub use apdex::apdex;
pub use lift::lift;
pub use mean::{geomean, mean};
pub use nps::nps;
pub use ratio::{wilson, wilson_at};
pub use spike::{Spike, spike};
pub use student::t_quantile;

/// The standard normal quantile of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;

/// An estimate with an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// An estimate with an interval where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub lower: Option<f64>,
    /// Upper end.
    pub upper: Option<f64>,
}

impl From<Interval> for Estimate {
    fn from(interval: Interval) -> Self {
        Estimate {
            value: interval.value,
            lower: Some(interval.lower),
            upper: Some(interval.upper),
        }
    }
}

impl From<f64> for Estimate {
    fn from(value: f64) -> Self {
        Estimate {
            value,
            lower: None,
            upper: None,
        }
    }
}
