//! How records come in: Kafka, and the decoding of records into events.

pub mod decode;
#[cfg(feature = "kafka")]
pub mod embedded;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod source;
