//! Tidegauge as a library: what its commands, tests and benches share.

pub mod generate;
