//! `tidegauge dashboard`.

mod customers;
mod panel;
mod pipeline;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;
use tidegauge_aggregate::catalogue::Area;

use self::customers::View;
use super::exported::{Exported, PAGES};
use super::failure::Failure;
use super::{hidden, output};
use crate::config::{Config, ProcessEnvironment};

const AFTER_HELP: &str = "\
Examples:
  tidegauge dashboard -c tidegauge.toml ux > ux.json
  tidegauge dashboard -c tidegauge.toml --output /var/lib/grafana/dashboards
  tidegauge dashboard pipeline --runbook-url https://wiki.example/tidegauge";

/// Dashboards for Grafana: one to standard output, or all into a directory
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Which one
    #[arg(value_enum, value_name = "NAME")]
    name: Option<Name>,
    /// The configuration; without it, all defaults
    #[arg(short, long, value_name = "FILE", env = "TIDEGAUGE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Write all of them as NAME.json into this directory, over what an earlier call left there
    #[arg(short, long, value_name = "DIR", conflicts_with = "name")]
    output: Option<PathBuf>,
    /// What stands before /docs in links to the runbook and the catalogue
    #[arg(long, value_name = "BASE", default_value = PAGES)]
    runbook_url: String,
}

/// A dashboard.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// What matters most, the targets and the spikes
    ProductOwner,
    /// How the product feels in use
    Ux,
    /// What customers say, ask for and decide
    Cx,
    /// How UX bears on CX, and spikes
    Links,
    /// The health of the pipeline itself
    Pipeline,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Name::ProductOwner => "product-owner",
            Name::Ux => "ux",
            Name::Cx => "cx",
            Name::Links => "links",
            Name::Pipeline => "pipeline",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Name::ProductOwner => "Tidegauge: product owner",
            Name::Ux => "Tidegauge: UX",
            Name::Cx => "Tidegauge: CX",
            Name::Links => "Tidegauge: UX to CX",
            Name::Pipeline => "Tidegauge: pipeline",
        }
    }
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let config = Config::load_for_replay(options.config.as_deref(), &ProcessEnvironment)?;
    hidden::keep(&config);
    let pages = options.runbook_url.trim_end_matches('/');
    match (&options.output, options.name) {
        (Some(directory), _) => Name::value_variants()
            .iter()
            .try_for_each(|name| write(directory, *name, &make(*name, &config, pages)?)),
        (None, Some(name)) => output::print(&text(&make(name, &config, pages)?)),
        (None, None) => Err(Failure::Usage("say which dashboard, or --output DIR for all of them".to_owned())),
    }
}

fn text(dashboard: &Value) -> String {
    format!("{dashboard:#}\n")
}

fn write(directory: &Path, name: Name, dashboard: &Value) -> Result<(), Failure> {
    let file = directory.join(format!("{}.json", name.as_str()));
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&file, text(dashboard)));
    written.map_err(|error| Failure::Running(format!("{}: cannot be written: {error}; choose another directory", file.display())))
}

fn make(name: Name, config: &Config, pages: &str) -> Result<Value, Failure> {
    let view = || {
        View::new(Exported { config }, pages).ok_or_else(|| {
            let text = "nothing but the pipeline can be shown: `prometheus.windows` or `prometheus.groupings` exports nothing; \
                        name a window and a grouping there, or ask for `tidegauge dashboard pipeline`";
            Failure::Usage(text.to_owned())
        })
    };
    let (variables, panels) = match name {
        Name::Pipeline => (Vec::new(), pipeline::panels(pages)),
        Name::ProductOwner => (view()?.variables(), view()?.first()),
        Name::Ux => (view()?.variables(), view()?.areas(&[Area::Ux])),
        Name::Cx => (view()?.variables(), view()?.areas(&[Area::Cx])),
        Name::Links => (view()?.variables(), view()?.areas(&[Area::Link, Area::Spike])),
    };
    let runbook = format!("{pages}/docs/runbook.md");
    Ok(panel::dashboard(name.as_str(), name.title(), variables, &panels, &runbook))
}
