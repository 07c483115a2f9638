//! `tidegauge rules`.

mod budget;
mod business;
mod pipeline;
mod rule;

use std::path::PathBuf;

use clap::Args;

use self::rule::{Group, Rule};
use super::exported::{Exported, PAGES};
use super::failure::Failure;
use super::{hidden, output};
use crate::config::{Config, ProcessEnvironment};

const AFTER_HELP: &str = "\
Examples:
  tidegauge rules -c tidegauge.toml > /etc/prometheus/rules/tidegauge.yml
  tidegauge rules -c tidegauge.toml | promtool check rules
  tidegauge rules --job ux --runbook-url https://wiki.example/tidegauge

What each alert means and what to do is in docs/runbook.md.";

/// Alert rules for Prometheus: spikes, targets, error budgets, and the health of the pipeline
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// The configuration; without it, all defaults
    #[arg(short, long, value_name = "FILE", env = "TIDEGAUGE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The job that scrapes Tidegauge in Prometheus
    #[arg(long, value_name = "NAME", default_value = "tidegauge")]
    job: String,
    /// Where docs/runbook.md is to be found: what stands before /docs in the link of every alert
    #[arg(long, value_name = "BASE", default_value = PAGES)]
    runbook_url: String,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let config = Config::load_for_replay(options.config.as_deref(), &ProcessEnvironment)?;
    hidden::keep(&config);
    output::print(&rule::file(&groups(&config, &options.job), &options.runbook_url))
}

fn groups(config: &Config, job: &str) -> Vec<Group> {
    let exported = Exported { config };
    let alerts = [business::spikes(exported), business::targets(exported)].concat();
    // The rules of a group are evaluated one after the other, so alerts see what was just recorded.
    let current = Rule::record(business::CURRENT, pipeline::current(config));
    let lag = Rule::record(
        pipeline::LAG,
        "sum by (job, instance, topic) (tidegauge_partition_lag_records)".to_owned(),
    );
    vec![
        Group {
            name: "tidegauge-customers",
            interval: None,
            rules: [vec![current], alerts].concat(),
        },
        Group {
            name: "tidegauge-budgets",
            interval: Some(budget::INTERVAL),
            rules: budget::burns(exported),
        },
        Group {
            name: "tidegauge-pipeline",
            interval: None,
            rules: [vec![lag], pipeline::alerts(config, job)].concat(),
        },
    ]
}
