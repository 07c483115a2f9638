//! The `/metrics` page: names, labels, what appears and disappears, and whether Prometheus' own tools are content with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lint;
mod series;
mod support;
