//! Kafka in.

pub mod decode;
pub mod embedded;
pub mod kafka;
pub mod source;
