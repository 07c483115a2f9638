//! Kafka in.
