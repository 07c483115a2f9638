//! The console in a real Chromium: what it shows is what the tables say, for everybody, and nobody else is asked.
//!
//! With `TIDEGAUGE_SCREENSHOTS` its pictures are kept in that directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/kafka.rs"]
mod kafka;
#[path = "../support/output.rs"]
mod output;
#[path = "../support/producing.rs"]
mod producing;
#[path = "../support/reading.rs"]
mod reading;
#[path = "../support/reference/mod.rs"]
mod reference;
#[path = "../support/service.rs"]
mod service;

/// Everybody can use every view.
mod everybody;
/// The numbers are those of the tables.
mod numbers;
/// What is shared by the tests.
mod stage;
/// What else there is to show, or is not.
mod states;
