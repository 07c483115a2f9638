//! The validated configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::{EventTime, Millis};

use super::location::Location;
use super::secret::{Guarded, Secret};

/// A validated configuration. Its `Debug` is [`Config::to_redacted_toml`].
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// What to compute.
    pub spec: Spec,
    /// Where events come from.
    pub kafka: Kafka,
    /// Where results go.
    pub output: Output,
    /// Wall time after which a partition that is read to its end is idle.
    pub idle_after: Duration,
    /// Event time by which a partition may be ahead of the slowest.
    pub max_partition_skew: Millis,
    /// What the product owner wants.
    pub targets: Vec<Target>,
    /// What reaches `/metrics`.
    pub prometheus: Prometheus,
    /// The HTTP server.
    pub http: Http,
    /// Time in which a shutdown must be done.
    pub shutdown_timeout: Duration,
    /// Worker threads; `None` is one per core.
    pub workers: Option<usize>,
    pub(super) redacted: String,
}

impl Config {
    /// The whole configuration with its defaults, as TOML. Secrets are `***`, and a value that was fetched by `${NAME}` or
    /// `{ file = ... }` is shown as that reference.
    #[must_use]
    pub fn to_redacted_toml(&self) -> &str {
        &self.redacted
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted)
    }
}

/// Where events come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Kafka {
    /// Addresses of brokers; `None` only in a configuration for a replay.
    pub brokers: Option<Guarded<String>>,
    /// What to read.
    pub topics: Vec<Topic>,
    /// The consumer group.
    pub group_id: Guarded<String>,
    /// Where a partition with no committed position begins.
    pub start: Start,
    /// Whether uncommitted records are read.
    pub isolation: Isolation,
    /// Where rejects are sent as well.
    pub dead_letter_topic: Option<Guarded<String>>,
    /// How brokers are spoken to.
    pub security: Security,
    /// Further librdkafka properties by name.
    pub client: BTreeMap<String, Guarded<String>>,
}

impl Kafka {
    /// All librdkafka properties that the user decides: those of `kafka.security` and of `kafka.client`. Connection, group and reading
    /// are for the consumer to set.
    #[must_use]
    pub fn properties(&self) -> BTreeMap<String, Guarded<String>> {
        let mut all = self.security.properties();
        all.extend(self.client.iter().map(|(name, value)| (name.clone(), value.clone())));
        all
    }
}

/// A topic, or a regular expression over topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The name, or the expression with its leading `^`, as librdkafka takes it.
    pub name: Guarded<String>,
    /// Whether it is an expression.
    pub regex: bool,
}

/// Where a partition with no committed position begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// At the end.
    Latest,
    /// At the first record with this timestamp or a later one.
    At(EventTime),
}

impl Start {
    pub(super) fn parse(text: &str) -> Option<Start> {
        match text {
            "earliest" => Some(Start::Earliest),
            "latest" => Some(Start::Latest),
            _ => text
                .parse::<jiff::Timestamp>()
                .ok()
                .map(|t| Start::At(EventTime(t.as_millisecond()))),
        }
    }
}

macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            pub(super) const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name as configured.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            pub(super) fn parse(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

choices! {
    /// Whether records of open or aborted transactions are read.
    Isolation {
        /// No.
        ReadCommitted = "read_committed",
        /// Yes.
        ReadUncommitted = "read_uncommitted",
    }
}

choices! {
    /// How brokers are spoken to.
    Protocol {
        /// In the clear.
        Plaintext = "plaintext",
        /// Over TLS.
        Ssl = "ssl",
        /// In the clear, with a login.
        SaslPlaintext = "sasl_plaintext",
        /// Over TLS, with a login.
        SaslSsl = "sasl_ssl",
    }
}

impl Protocol {
    pub(super) fn has_sasl(self) -> bool {
        matches!(self, Protocol::SaslPlaintext | Protocol::SaslSsl)
    }

    pub(super) fn has_tls(self) -> bool {
        matches!(self, Protocol::Ssl | Protocol::SaslSsl)
    }
}

choices! {
    /// What to do when Kafka has deleted records that were not read yet.
    OnGap {
        /// Stop the partition and report unhealthy.
        Stop = "stop",
        /// Record the gap in the commit log and go on.
        Record = "record",
    }
}

choices! {
    /// A Parquet table.
    Table {
        /// Results.
        Metrics = "metrics",
        /// Accepted events.
        Events = "events",
        /// Attempt facts.
        Attempts = "attempts",
        /// Late events.
        Late = "late",
        /// Refused records.
        Rejects = "rejects",
    }
}

/// How brokers are spoken to.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are the configuration keys of the same names")]
pub struct Security {
    pub protocol: Protocol,
    pub sasl_mechanism: Option<Guarded<String>>,
    pub sasl_username: Option<Guarded<String>>,
    pub sasl_password: Option<Secret>,
    pub tls_ca: Option<Guarded<String>>,
    pub tls_cert: Option<Guarded<String>>,
    pub tls_key: Option<Guarded<String>>,
}

impl Security {
    /// As librdkafka properties.
    #[must_use]
    pub fn properties(&self) -> BTreeMap<String, Guarded<String>> {
        let password = self.sasl_password.as_ref().map(|p| Guarded::hidden(p.expose().to_owned()));
        let set = [
            ("sasl.mechanisms", self.sasl_mechanism.clone()),
            ("sasl.username", self.sasl_username.clone()),
            ("sasl.password", password),
            ("ssl.ca.location", self.tls_ca.clone()),
            ("ssl.certificate.location", self.tls_cert.clone()),
            ("ssl.key.location", self.tls_key.clone()),
        ];
        let protocol = ("security.protocol".to_owned(), Guarded::shown(self.protocol.as_str().to_owned()));
        set.into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .chain([protocol])
            .collect()
    }
}

/// Where results go.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// `output.url`; `None` only in a configuration for a replay.
    pub location: Option<Guarded<Location>>,
    /// Time between commits.
    pub commit_interval: Duration,
    /// Time between hand-overs of uncommitted state to the reporter.
    pub live_interval: Duration,
    /// Time between snapshots of partitions.
    pub snapshot_interval: Duration,
    /// Log entries between checkpoints.
    pub checkpoint_every: u64,
    /// How long a process may write nothing before what it left is removed.
    pub abandoned_after: Duration,
    /// Bytes of staged files that make a commit happen early.
    pub target_file_size: u64,
    /// Of the Parquet files.
    pub compression: Compression,
    /// What to do about deleted records.
    pub on_gap: OnGap,
    /// The tables to write, in their canonical order.
    pub tables: Vec<Table>,
}

/// Compression of the Parquet files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// With this level, 1 to 22.
    Zstd(i32),
    /// Snappy.
    Snappy,
    /// LZ4, raw.
    Lz4,
    /// None.
    None,
}

impl Compression {
    pub(super) fn parse(text: &str) -> Option<Compression> {
        match text {
            "snappy" => Some(Compression::Snappy),
            "lz4" => Some(Compression::Lz4),
            "none" => Some(Compression::None),
            _ => {
                let level = text.strip_prefix("zstd(")?.strip_suffix(')')?;
                let level: i32 = level.parse().ok()?;
                (1..=22).contains(&level).then_some(Compression::Zstd(level))
            }
        }
    }
}

/// What the product owner wants of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Name of the metric.
    pub metric: String,
    /// Which number of it, if it has more than one.
    pub stat: Option<String>,
    /// Index into [`Spec::windows`].
    pub window: usize,
    /// Index into [`Spec::groupings`].
    pub grouping: usize,
    /// Values of some dimensions of the grouping, by the dimension's name, in the grouping's order.
    pub filter: Vec<(String, String)>,
    /// What is good.
    pub bound: Bound,
}

/// What is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// What reaches `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// Indices into [`Spec::groupings`].
    pub groupings: Vec<usize>,
    /// Indices into [`Spec::windows`].
    pub windows: Vec<usize>,
    /// Whether the user chose the windows: then tumbling ones are exported too.
    pub windows_named: bool,
    /// Business series at most.
    pub max_series: usize,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Points of the console's history at most.
    pub history_points: usize,
}
