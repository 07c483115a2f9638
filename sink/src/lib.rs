//! Results out.

pub mod gauges;
pub mod log;
pub mod store;
pub mod table;
