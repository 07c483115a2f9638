//! Tidegauge: rolling UX and CX metrics from Kafka, as Parquet tables and Prometheus gauges. The binary as a library: what its commands,
//! tests and benches share.

pub mod cli;
pub mod config;
pub mod console;
pub mod demo;
pub mod generate;
pub mod http;
pub mod pipeline;
