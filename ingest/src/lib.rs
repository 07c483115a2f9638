//! Kafka in.

pub mod embedded;
pub mod kafka;
pub mod source;
