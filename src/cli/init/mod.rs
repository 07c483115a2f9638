//! `tidegauge init`.

mod draft;
mod found;
mod seen;
mod text;

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use self::draft::Draft;
use self::found::Found;
use super::failure::Failure;
use super::output::Style;
use super::{Context, output, value};
use crate::config::{self, ProcessEnvironment};

const AFTER_HELP: &str = "\
Examples:
  tidegauge init --brokers localhost:9092                       every topic that holds events, into tidegauge.toml
  tidegauge init --brokers localhost:9092 --topic shop.events   this topic, whatever it holds
  tidegauge init --brokers localhost:9092 -o -                  to standard output
  tidegauge init --brokers broker-1:9093 --set kafka.security.protocol=sasl_ssl --set kafka.security.sasl.mechanism=SCRAM-SHA-512 \\
    --set kafka.security.sasl.username=tidegauge --set 'kafka.security.sasl.password=${KAFKA_PASSWORD}'

It reads and joins no consumer group. Secrets are read from the environment or from files and never written: the file keeps the reference.

Exit status: 0 the file was written, 2 wrong usage, 1 the brokers could not be reached or no topic holds events.";

/// Writes a commented configuration from what your topics hold
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Addresses of brokers, separated by commas
    #[arg(long, value_name = "LIST", env = "TIDEGAUGE_KAFKA__BROKERS", hide_env_values = true)]
    brokers: String,
    /// A topic to read; may be given several times. Without it, every topic that holds events
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    topic: Vec<String>,
    /// Where the configuration goes; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "tidegauge.toml")]
    output: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Where tables will go: file:///DIR, s3://BUCKET/PREFIX, gs:// or az://. Default: ./tidegauge-output as a full path
    #[arg(long, value_name = "URL")]
    output_url: Option<String>,
    /// A key of `kafka` that connecting needs and the file keeps, as in kafka.security.protocol=ssl; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::property)]
    set: Vec<(String, String)>,
    /// Newest records of each topic to look at
    #[arg(long, value_name = "RECORDS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sample: u32,
    /// What was found as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, context: &Context) -> Result<(), Failure> {
    let to_stdout = options.output.as_os_str() == "-";
    if to_stdout && options.json {
        let text = "`--json` and `-o -` both want standard output; write the configuration into a file";
        return Err(Failure::Usage(text.to_owned()));
    }
    if !to_stdout && !options.force && options.output.exists() {
        return Err(Failure::Usage(already_there(&options.output)));
    }
    let draft = Draft::new(&options.brokers, &options.set, options.output_url.as_deref())?;
    let found = Found::look(&draft, &options.topic, options.sample)?;
    if found.chosen.is_empty() {
        if options.json {
            output::print_json(&summary(options, &found, false))?;
        }
        return Err(Failure::Running(found.nothing_to_read()));
    }
    let text = text::text(&draft, &found, &options.output);
    // What is written has to pass `check`; an environment that overrides it with nonsense is told here already.
    config::parse(&text, &options.output.display().to_string(), &ProcessEnvironment)?;
    if to_stdout {
        output::print(&text)?;
    } else {
        write(&options.output, &text, options.force)?;
    }
    if options.json {
        return output::print_json(&summary(options, &found, true));
    }
    if context.quiet {
        return Ok(());
    }
    if to_stdout {
        eprint!("{}", found.describe(Style::of_stderr()));
        return Ok(());
    }
    let file = options.output.display();
    output::print(&format!(
        "{}\n{} {file}\n\nNext:\n  tidegauge check -c {file} --connect\n  tidegauge run -c {file}\n",
        found.describe(context.style),
        context.style.good("wrote"),
    ))
}

fn summary(options: &Options, found: &Found, written: bool) -> serde_json::Value {
    let mut object = json!({"file": options.output.display().to_string(), "written": written});
    if let (Some(object), serde_json::Value::Object(found)) = (object.as_object_mut(), found.to_json()) {
        object.extend(found);
    }
    object
}

fn already_there(file: &Path) -> String {
    format!(
        "{} is there already; choose another file with -o, or replace it with --force",
        file.display()
    )
}

/// A file that somebody made is not touched, also when it comes in between; a replaced one is whole at any time.
fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let written = if force {
        let beside = file.with_extension("toml.new");
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, file))
    } else {
        let created = fs::OpenOptions::new().write(true).create_new(true).open(file);
        created.and_then(|mut created| created.write_all(text.as_bytes()))
    };
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::Usage(already_there(file)),
        _ => Failure::Running(format!(
            "{} cannot be written: {error}; choose another file with -o",
            file.display()
        )),
    })
}
