//! The Parquet tables, read back with a reader that knows nothing of how they were written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod events;
mod files;
mod metrics;
mod others;
mod support;
