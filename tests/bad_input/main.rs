//! What is wrong outside gets a message that says what, where, why and what to do, or a counted outcome; and nothing is lost by it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/kafka.rs"]
mod kafka;
#[path = "../support/output.rs"]
mod output_files;
#[path = "../support/producing.rs"]
mod producing;
#[path = "../support/reading.rs"]
mod reading;
#[path = "../support/reference/mod.rs"]
mod reference;
#[path = "../support/service.rs"]
mod service;

mod brokers;
mod clocks;
mod configuration;
mod groups;
mod output;
mod records;
