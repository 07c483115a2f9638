//! The rules that the configuration becomes: valid, explained in the runbook, each shown to fire and not to fire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod burns;
mod cases;
mod file;
mod fire;
mod live;
#[path = "../support/pages.rs"]
mod pages;
#[path = "../support/prometheus.rs"]
mod prometheus;
#[path = "../support/service.rs"]
mod service;
