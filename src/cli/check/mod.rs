//! `tidegauge check`.

mod connect;
mod describe;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

pub(super) use self::describe::location;
use super::failure::Failure;
use super::{Context, hidden, output};
use crate::config::{self, Config, ConfigErrors, ProcessEnvironment};

const AFTER_HELP: &str = "\
Examples:
  tidegauge check -c tidegauge.toml                  every mistake at once, or what would run
  tidegauge check -c tidegauge.toml --connect        and whether it can: brokers, topics, permissions, output
  tidegauge check -c tidegauge.toml --effective      the configuration with all defaults; secrets are not shown
  tidegauge check -c tidegauge.toml --json | jq -r '.mistakes[] | \"\\(.line): \\(.message)\"'

Exit status: 0 all is well, 2 a mistake in the configuration, 1 something that --connect tried did not work.";

/// Is this configuration right, and with --connect: can it run here?
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// The configuration
    #[arg(short, long, value_name = "FILE", env = "TIDEGAUGE_CONFIG", hide_env_values = true)]
    config: PathBuf,
    /// Try the brokers, topics, permissions and output, and decode the newest records of each topic; joins no consumer group
    #[arg(long)]
    connect: bool,
    /// Print the configuration as TOML with all its defaults, secrets as ***
    #[arg(long, conflicts_with_all = ["json", "connect"])]
    effective: bool,
    /// What was found as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, context: &Context) -> Result<(), Failure> {
    let config = match config::load(&options.config, &ProcessEnvironment) {
        Ok(config) => config,
        Err(errors) => return Err(refuse(&errors, options, context)?),
    };
    hidden::keep(&config);
    let found = options.connect.then(|| connect::connect(&config)).transpose()?;
    if options.json {
        let mut object = Map::new();
        object.insert("valid".to_owned(), Value::Bool(true));
        object.insert("config".to_owned(), effective(&config));
        if let Some(found) = &found {
            object.insert("connect".to_owned(), found.to_json());
        }
        output::print_json(&Value::Object(object))?;
    } else if !context.quiet {
        let mut text = if options.effective {
            config.to_redacted_toml().to_owned()
        } else {
            let file = options.config.display();
            format!(
                "{} {file}\n\n{}",
                context.style.good("no mistakes in"),
                describe::describe(&config, context.style)
            )
        };
        if let Some(found) = &found {
            text.push('\n');
            text.push_str(&found.describe(context.style));
        }
        output::print(&text)?;
    }
    match found {
        Some(found) if !found.is_well() => Err(Failure::RunningSaid),
        _ => Ok(()),
    }
}

/// Tells every mistake; the failure says nothing more.
fn refuse(errors: &ConfigErrors, options: &Options, context: &Context) -> Result<Failure, Failure> {
    if options.json {
        output::print_json(&json!({"valid": false, "mistakes": errors.mistakes}))?;
        return Ok(Failure::UsageSaid);
    }
    let style = context.style;
    let mut text = String::new();
    for mistake in &errors.mistakes {
        let whole = mistake.to_string();
        let place = mistake.place.to_string();
        let rest = whole.strip_prefix(&place).unwrap_or(&whole);
        text.push_str(&format!("{}{rest}\n", style.title(&place)));
    }
    let count = errors.mistakes.len();
    let mistakes = if count == 1 {
        "1 mistake".to_owned()
    } else {
        format!("{count} mistakes")
    };
    text.push_str(&format!("\n{} in {}\n", style.bad(&mistakes), options.config.display()));
    output::print(&text)?;
    Ok(Failure::UsageSaid)
}

/// The effective configuration as JSON, secrets as `***`.
fn effective(config: &Config) -> Value {
    config
        .to_redacted_toml()
        .parse::<toml::Table>()
        .map_or(Value::Null, |table| to_json(toml::Value::Table(table)))
}

fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(to_json).collect()),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(name, value)| (name, to_json(value))).collect()),
    }
}
