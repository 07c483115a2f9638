//! Configuration: one TOML file and the environment over it, checked as a whole.
//!
//! The way of a configuration, on which nothing but [`Environment`] touches the world:
//!
//! ```text
//! text -> tree (values that know where they stand) -> overlay (environment) -> walk (each key and value by itself)
//!      -> reader (rules across keys) -> Config, or every mistake at once
//! ```
//!
//! The table in `keys` is the one source of names, types, defaults and ranges.

mod environment;
mod error;
mod groupings;
mod journeys;
mod kafka;
mod keys;
mod location;
mod metric;
mod model;
mod nearest;
mod output;
mod overlay;
mod reader;
mod redact;
mod reference;
mod rules;
mod schema;
mod secret;
mod targets;
mod tree;
mod units;
mod value;
mod walk;
mod windows;

use std::path::Path;

use tidegauge_aggregate::spec::{Grouping, Spec};

pub use environment::{Environment, FixedEnvironment, ProcessEnvironment};
pub use error::{ConfigErrors, Mistake, Place};
pub use location::Location;
pub use metric::metric_names;
pub use model::{
    Bound, Compression, Config, Http, Isolation, Kafka, OnGap, Output, Prometheus, Protocol, Security, Start, Table, Target, Topic,
};
pub use reference::reference;
pub use secret::{Guarded, Secret};
pub use tidegauge_sink::gauges::label_name;

use error::Problem;
use groupings::Configured;
use reader::Reader;
use tree::{Origin, Source, line_and_column};
use value::Finding;

/// Reads the configuration of the service from a file.
///
/// # Errors
/// Every mistake in it, or that the file cannot be read.
pub fn load(path: &Path, env: &dyn Environment) -> Result<Config, ConfigErrors> {
    parse(&read(path)?, &path.display().to_string(), env)
}

/// Reads the configuration of the service from a text; `file` is its name in messages.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str, file: &str, env: &dyn Environment) -> Result<Config, ConfigErrors> {
    build(text, file, env, true)
}

impl Config {
    /// Reads a configuration for a replay, or for whatever else needs neither brokers nor an output: the same keys, but
    /// `kafka.brokers` and `output.url` may be missing. The empty text is all defaults.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn for_replay(text: &str, file: &str, env: &dyn Environment) -> Result<Config, ConfigErrors> {
        build(text, file, env, false)
    }

    /// Like [`Config::for_replay`], from a file; without one, all defaults.
    ///
    /// # Errors
    /// Every mistake in it, or that the file cannot be read.
    pub fn load_for_replay(path: Option<&Path>, env: &dyn Environment) -> Result<Config, ConfigErrors> {
        match path {
            Some(path) => build(&read(path)?, &path.display().to_string(), env, false),
            None => build("", "(defaults)", env, false),
        }
    }
}

/// Whether the key of this path holds a secret.
pub(crate) fn is_secret(path: &str) -> bool {
    let property = path.strip_prefix(&format!("{}.", keys::CLIENT.path()));
    path == keys::SASL_PASSWORD.path() || property.is_some_and(kafka::is_sensitive)
}

fn read(path: &Path) -> Result<String, ConfigErrors> {
    std::fs::read_to_string(path).map_err(|error| {
        let problem = Problem::new(format!("the configuration file cannot be read: {error}"));
        let place = Place::File {
            file: path.display().to_string(),
            line: 1,
            column: 1,
        };
        ConfigErrors {
            mistakes: vec![problem.expected("a TOML file in UTF-8, readable by this process").at(place)],
        }
    })
}

fn build(text: &str, file: &str, env: &dyn Environment, service: bool) -> Result<Config, ConfigErrors> {
    let (document, syntax_errors) = toml::de::DeTable::parse_recoverable(text);
    let mut findings: Vec<Finding> = syntax_errors
        .iter()
        .map(|error| Finding {
            origin: Origin::File(error.span().map_or(text.len(), |span| span.start)),
            problem: Problem::new(error.message()),
        })
        .collect();
    let mut root = Source::File(text).table(document.get_ref(), false);
    if !findings.is_empty() {
        let mut further = Vec::new();
        overlay::apply(&mut root, text, env, &mut further);
        walk::walk(&mut root, env, &mut further);
        retain_certain(&mut further, &findings, text);
        findings.extend(further);
        return Err(errors(findings, text, file));
    }
    overlay::apply(&mut root, text, env, &mut findings);
    walk::walk(&mut root, env, &mut findings);
    let mut reader = Reader { root: &root, findings };
    let config = assemble(&mut reader, service);
    if reader.findings.is_empty() {
        Ok(config)
    } else {
        Err(errors(reader.findings, text, file))
    }
}

/// Beside broken syntax, only what is wrong in any case: not what the parser made of broken lines, and not what follows a broken
/// header, whose keys ended up in another table. Rules across keys are not judged at all.
fn retain_certain(further: &mut Vec<Finding>, broken: &[Finding], text: &str) {
    let broken: Vec<usize> = broken.iter().filter_map(|finding| line_of(text, &finding.origin)).collect();
    let is_header = |line: usize| {
        text.lines()
            .nth(line.saturating_sub(1))
            .is_some_and(|line| line.trim_start().starts_with('['))
    };
    let end = broken.iter().copied().filter(|line| is_header(*line)).min().unwrap_or(usize::MAX);
    further.retain(|finding| line_of(text, &finding.origin).is_none_or(|line| line < end && !broken.contains(&line)));
}

fn assemble(reader: &mut Reader<'_>, service: bool) -> Config {
    let (groupings, whole) = groupings::groupings(reader);
    let (windows, all_windows) = windows::windows(reader, &groupings, whole);
    let spike = windows::spike(reader, &windows, all_windows);
    let journeys = journeys::journeys(reader);
    let spec = Spec {
        groupings,
        windows,
        journeys,
        spike,
        ..output::scalars(reader)
    };
    let groupings = Configured {
        names: spec.groupings.iter().map(Grouping::name).collect(),
        whole,
    };
    let windows = Configured {
        names: spec.windows.iter().map(|w| w.name.clone()).collect(),
        whole: all_windows,
    };
    let prometheus = output::prometheus(reader, &groupings, &windows);
    let known = targets::Known {
        spec: &spec,
        prometheus: &prometheus,
        windows,
        groupings,
    };
    let targets = targets::targets(reader, &known);
    let redacted = redact::redacted(reader.root, &spec, &prometheus);
    let workers = reader.or_default(&keys::WORKERS, value::integer);
    Config {
        kafka: kafka::kafka(reader, service),
        output: output::output(reader, service),
        idle_after: output::wall(reader, &keys::IDLE_AFTER),
        max_partition_skew: reader.or_default(&keys::MAX_PARTITION_SKEW, value::duration),
        targets,
        prometheus,
        http: output::http(reader),
        shutdown_timeout: output::wall(reader, &keys::SHUTDOWN_TIMEOUT),
        workers: usize::try_from(workers).ok().filter(|workers| *workers > 0),
        redacted,
        spec,
    }
}

fn line_of(text: &str, origin: &Origin) -> Option<usize> {
    match origin {
        Origin::File(offset) => Some(line_and_column(text, *offset).0),
        Origin::Variable(_) => None,
    }
}

fn errors(findings: Vec<Finding>, text: &str, file: &str) -> ConfigErrors {
    let place = |origin: Origin| match origin {
        Origin::File(offset) => {
            let (line, column) = line_and_column(text, offset);
            Place::File {
                file: file.to_owned(),
                line,
                column,
            }
        }
        Origin::Variable(name) => Place::Variable {
            variable: name.to_string(),
        },
    };
    let mut mistakes: Vec<Mistake> = findings
        .into_iter()
        .map(|finding| finding.problem.at(place(finding.origin)))
        .collect();
    mistakes.sort_by(|a, b| a.place.cmp(&b.place));
    ConfigErrors { mistakes }
}
