//! `tidegauge demo`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use super::hooks::{self, DemoOptions};
use super::value;

const AFTER_HELP: &str = "\
Examples:
  tidegauge demo                            until Ctrl-C; then open the address that it prints
  tidegauge demo --for 2m --rate 1000       a short, busy one
  tidegauge demo --seed 7                   other people, other days

A demo replaces a directory that an earlier demo made, and no other.";

/// Everything at work with nothing to set up: an embedded broker, believable traffic, the pipeline, Parquet, the page and the gauges
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Where the Parquet tables go
    #[arg(long, value_name = "DIR", default_value = "./tidegauge-demo")]
    directory: PathBuf,
    /// Records per second, as a mean over the day
    #[arg(long, value_name = "RECORDS", default_value = "200", value_parser = value::rate)]
    rate: f64,
    /// How long, as in 90s or 5m; without it until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = value::duration)]
    for_: Option<Duration>,
    /// Everything random in the traffic follows from it
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Where the page and the gauges are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    hooks::demo(DemoOptions {
        directory: options.directory.clone(),
        rate: options.rate,
        for_: options.for_,
        seed: options.seed,
        listen: options.listen,
    })
    .map_err(Failure::from)
}
