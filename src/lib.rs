//! Tidegauge: rolling UX and CX metrics from Kafka, as Parquet tables and Prometheus gauges.

pub mod config;
