//! Results out.

pub mod log;
pub mod store;
