//! Kafka in.

pub mod decode;
