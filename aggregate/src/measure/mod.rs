//! The mergeable state of a pane. Every merge is exactly associative and commutative, so a result does not depend on how the input was
//! split or in which order its parts came together.

pub mod histogram;
pub mod log_moment;
pub mod moment;
pub mod money;
pub mod sketch;

mod bucket;
#[cfg(test)]
mod laws;

pub use histogram::{Histogram, Unit};
pub use log_moment::LogMoment;
pub use moment::Moment;
pub use money::Money;
pub use sketch::{ONE_PURCHASE, Sketch, Theta, combine_bits, purchases};
