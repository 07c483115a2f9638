//! Results out.

pub mod gauges;
pub mod table;
