//! `tidegauge generate`.

mod produce;

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde_json::json;

use super::failure::Failure;
use super::progress::ProgressLine;
use super::{Context, output, value};
use crate::generate::{self, Generator, Incident, InvalidOption, Written};

/// The density of event time where traffic is not paced.
const USUAL_RATE: f64 = 200.0;
/// Records of a file set whose size is not told.
const USUAL_EVENTS: u64 = 100_000;
const USUAL_PARTITIONS: u32 = 4;

const AFTER_HELP: &str = "\
Examples:
  tidegauge generate --output recorded --events 1000000
  tidegauge generate --brokers localhost:9092 --rate 500 --start now        live traffic, until Ctrl-C
  tidegauge generate --brokers localhost:9092 --rate 0 --events 10000000    as fast as it goes
  tidegauge generate --output recorded --incident checkout_outage@10m+5m:shop/checkout*0.8

Incidents: KIND[@START][+DURATION][:PRODUCT[/TASK]][*STRENGTH], with START and DURATION in event time since --start. Kinds: error_spike,
slow, checkout_outage, churn_wave, support_flood.
The same options give the same records, byte for byte: event time begins at a fixed date unless --start says otherwise.";

/// The demo's traffic, into Kafka or into files that `replay` reads
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, group = ArgGroup::new("target").required(true))]
pub(super) struct Options {
    /// Into Kafka: addresses of brokers, separated by commas. Topics that do not exist are created
    #[arg(long, value_name = "LIST", group = "target")]
    brokers: Option<String>,
    /// Into files: a directory without recorded events; none is ever overwritten
    #[arg(long, value_name = "RECORDS_DIR", group = "target")]
    output: Option<PathBuf>,
    /// Records per second of event time, as a mean over the week: days have a rhythm. Into Kafka, each is sent when its time has come;
    /// 0: as fast as it goes, at 200 per second of event time
    #[arg(long, value_name = "RECORDS", default_value = "200", value_parser = value::rate)]
    rate: f64,
    /// How many records. Default: 100000 into files, without end into Kafka
    #[arg(long, value_name = "RECORDS")]
    events: Option<u64>,
    /// How many people use the products
    #[arg(long, value_name = "PEOPLE", default_value_t = 20_000)]
    users: u32,
    /// Partitions of each topic. Default: 4, or as many as the topics in Kafka have
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    partitions: Option<u32>,
    /// Share of records that are refused
    #[arg(long, value_name = "SHARE", default_value = "0.001", value_parser = value::share)]
    bad: f64,
    /// Everything random follows from it
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// What goes wrong; may be given several times
    #[arg(long, value_name = "INCIDENT", value_parser = incident)]
    incident: Vec<Incident>,
    /// Where event time begins: an RFC 3339 time or `now`
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = value::start, allow_hyphen_values = true)]
    start: i64,
    /// Any librdkafka property of the producer, as in security.protocol=ssl; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::property, conflicts_with = "output")]
    property: Vec<(String, String)>,
    /// What was generated as one JSON object
    #[arg(long)]
    json: bool,
}

fn incident(text: &str) -> Result<Incident, InvalidOption> {
    text.parse()
}

/// What was generated, wherever it went.
#[derive(Clone, Copy, Debug, Default)]
struct Generated {
    written: Written,
    /// How far event time has come.
    event_time: i64,
}

pub(super) fn run(options: &Options, context: &Context) -> Result<(), Failure> {
    let mut line = ProgressLine::new(context.quiet);
    let (generated, target) = match (&options.brokers, &options.output) {
        (Some(brokers), _) => (produce::produce(brokers, options, &mut line)?, brokers.clone()),
        (None, Some(directory)) => (write(directory, options, &mut line)?, directory.display().to_string()),
        (None, None) => return Err(Failure::Usage("say where to: --brokers LIST or --output RECORDS_DIR".to_owned())),
    };
    line.clear();
    if options.json {
        return output::print_json(&json!({
            "records": generated.written.records,
            "refused": generated.written.refused,
            "bytes": generated.written.bytes,
            "start": output::time(options.start),
            "end": output::time(generated.event_time),
            "seed": options.seed,
        }));
    }
    if context.quiet {
        return Ok(());
    }
    output::print(&format!(
        "{} records ({} of them to be refused, {}) from {} to {} into {target}\n",
        output::grouped(generated.written.records),
        output::grouped(generated.written.refused),
        output::bytes(generated.written.bytes),
        output::time(options.start),
        output::time(generated.event_time),
    ))
}

impl Options {
    fn generator(&self, partitions: u32) -> Result<Generator, Failure> {
        let options = generate::Options {
            seed: self.seed,
            start: self.start,
            rate: if self.rate == 0.0 { USUAL_RATE } else { self.rate },
            users: self.users,
            partitions,
            bad: self.bad,
            incidents: self.incident.clone(),
            ..generate::Options::default()
        };
        Generator::new(&options).map_err(|error| Failure::Usage(error.to_string()))
    }
}

fn write(directory: &Path, options: &Options, line: &mut ProgressLine) -> Result<Generated, Failure> {
    let partitions = options.partitions.unwrap_or(USUAL_PARTITIONS);
    let mut generator = options.generator(partitions)?;
    let events = options.events.unwrap_or(USUAL_EVENTS);
    let mut progress = |written: &Written| line.show(|seconds| describe(written, Some(events), seconds));
    let written = generate::write_files(directory, &mut generator, events, &mut progress);
    let written = written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Usage(error.to_string()),
        _ => Failure::Running(error.to_string()),
    })?;
    Ok(Generated {
        written,
        event_time: generator.event_time(),
    })
}

fn describe(written: &Written, events: Option<u64>, seconds: f64) -> String {
    let of = events.map_or_else(String::new, |events| format!(" of {}", output::grouped(events)));
    let speed = output::grouped((written.records as f64 / seconds.max(0.001)) as u64);
    let size = output::bytes(written.bytes);
    format!("{}{of} records, {size}, {speed} a second", output::grouped(written.records))
}
