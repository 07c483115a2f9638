//! The table of all keys, section by section in the order of the reference page.

use super::model::{Isolation, OnGap, Protocol, Table};
use super::rules;
use super::schema::{Key, Kind};

const S: i64 = 1_000;
const D: i64 = 86_400 * S;
const YEAR: i64 = 365 * D;
const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

macro_rules! keys {
    ($($name:ident = $section:literal / $key:literal, $kind:expr, $default:expr, $doc:literal;)+) => {
        $(pub(super) const $name: Key = Key { section: $section, name: $key, kind: $kind, default: $default, doc: $doc };)+

        /// Every key.
        pub(super) const KEYS: &[&Key] = &[$(&$name),+];
    };
}

const fn duration(min: i64, max: i64) -> Kind {
    Kind::Duration { min, max }
}

const fn count(min: i64) -> Kind {
    Kind::Integer { min, max: 1_000_000_000 }
}

const PATH: Kind = Kind::Text {
    shape: "the path of a PEM file",
    rule: rules::non_empty,
};
const NAME: Kind = Kind::Text {
    shape: "a name of 1 to 128 bytes",
    rule: rules::name,
};
const WINDOWS: Kind = Kind::Texts {
    shape: "the name of a window",
    rule: rules::any,
};
const GROUPINGS: Kind = Kind::Texts {
    shape: "the name of a grouping, like \"overall\" or \"product+task\"",
    rule: rules::any,
};
const GROUPING_NAME: Kind = Kind::Text {
    shape: "the name of a grouping, like \"overall\" or \"product+task\"",
    rule: rules::any,
};
const WINDOW_NAME: Kind = Kind::Text {
    shape: "the name of a window",
    rule: rules::any,
};
const FRACTION: Kind = Kind::Number { min: 0.0, max: 1.0 };
const ANY_NUMBER: Kind = Kind::Number {
    min: f64::NEG_INFINITY,
    max: f64::INFINITY,
};

keys! {
    BROKERS = "kafka" / "brokers", Kind::Text { shape: "addresses like \"broker-1:9092,broker-2:9092\"", rule: rules::brokers }, None,
        "The brokers to ask first. Required by `run`.";
    TOPICS = "kafka" / "topics", Kind::Texts { shape: "a topic, or a regular expression that begins with ^", rule: rules::topic },
        Some(r#"["product.telemetry", "customer.feedback"]"#),
        "The topics to read. A leading `^` makes it a regular expression.";
    GROUP_ID = "kafka" / "group_id", Kind::Text { shape: "the name of a consumer group", rule: rules::non_empty }, Some(r#""tidegauge""#),
        "The consumer group. Instances with the same one and the same output share the partitions.";
    START = "kafka" / "start", Kind::Start,
        Some(r#""earliest""#), "Where a partition with no committed position begins: `earliest`, `latest` or an RFC 3339 time.";
    ISOLATION = "kafka" / "isolation", Kind::Choice(Isolation::NAMES), Some(r#""read_committed""#),
        "Whether records of open or aborted transactions are read.";
    DEAD_LETTER_TOPIC = "kafka" / "dead_letter_topic", Kind::Text { shape: "a topic, or nothing", rule: rules::dead_letter_topic }, Some(r#""""#),
        "Where rejected records are sent as well (at least once). Empty: they go to the `rejects` table only.";
    CLIENT = "kafka" / "client", Kind::Map { shape: "a table of librdkafka properties" }, Some("{}"),
        "Any [librdkafka property](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md), passed through; those that Tidegauge sets itself are refused.";
    PROTOCOL = "kafka.security" / "protocol", Kind::Choice(Protocol::NAMES), Some(r#""plaintext""#),
        "How brokers are spoken to: in the clear or over TLS, with or without a login.";
    SASL_MECHANISM = "kafka.security.sasl" / "mechanism", Kind::Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]), None,
        "How to log in. Required by the `sasl_` protocols. OAUTHBEARER takes its settings from `kafka.client`.";
    SASL_USERNAME = "kafka.security.sasl" / "username", Kind::Text { shape: "a user name", rule: rules::non_empty }, None, "User name.";
    SASL_PASSWORD = "kafka.security.sasl" / "password", Kind::Secret, None, "Password. Never shown.";
    TLS_CA = "kafka.security.tls" / "ca", PATH, None, "File with the certificates to trust, PEM; without it those of the system.";
    TLS_CERT = "kafka.security.tls" / "cert", PATH, None, "File with the client's certificate, PEM.";
    TLS_KEY = "kafka.security.tls" / "key", PATH, None, "File with the client's private key, PEM.";

    URL = "output" / "url", Kind::Text { shape: "\"file:///absolute/path\", \"s3://bucket/prefix\", \"gs://...\" or \"az://...\"", rule: rules::url }, None,
        "Where tables, positions and state live. Required by `run`.";
    COMMIT_INTERVAL = "output" / "commit_interval", duration(S, D), Some(r#""5m""#),
        "How often Parquet files and positions become official; gauges do not wait for it. Longer makes larger files and more to replay after a crash.";
    LIVE_INTERVAL = "output" / "live_interval", duration(100, 3600 * S), Some(r#""5s""#),
        "How often other instances hand their uncommitted share of the gauges to the reporter.";
    SNAPSHOT_INTERVAL = "output" / "snapshot_interval", duration(S, 7 * D), Some(r#""10m""#),
        "How often the state of a partition is saved. Recovery replays the records since.";
    CHECKPOINT_EVERY = "output" / "checkpoint_every", Kind::Integer { min: 1, max: 1_000_000 }, Some("100"),
        "After how many entries the commit log is summed up, which bounds its length.";
    ABANDONED_AFTER = "output" / "abandoned_after", duration(0, D), Some(r#""10m""#),
        "What a process left that never became official is removed once it has written nothing for so long. One that only slept begins again from the log.";
    TARGET_FILE_SIZE = "output" / "target_file_size", Kind::Size { min: 4 * KIB, max: 16 * GIB }, Some(r#""128MiB""#),
        "A commit happens early when staged files reach this size.";
    COMPRESSION = "output" / "compression", Kind::Text { shape: "\"zstd(1)\" to \"zstd(22)\", \"snappy\", \"lz4\" or \"none\"", rule: rules::compression },
        Some(r#""zstd(1)""#), "Compression of the Parquet files: `zstd(n)` with n from 1 to 22, `snappy`, `lz4` or `none`.";
    ON_GAP = "output" / "on_gap", Kind::Choice(OnGap::NAMES), Some(r#""stop""#),
        "When Kafka has deleted records that were not read yet: stop that partition, or record the gap in the log and go on.";
    TABLES = "output" / "tables", Kind::Choices(Table::NAMES), Some(r#"["metrics", "events", "attempts", "late", "rejects"]"#),
        "The Parquet tables to write.";

    LATENESS = "time" / "lateness", duration(0, 30 * D), Some(r#""2m""#),
        "How far behind the watermark of its partition an event may be. More waits longer for stragglers and remembers event ids longer; less keeps more in the `late` table.";
    IDLE_AFTER = "time" / "idle_after", duration(0, 7 * D), Some(r#""30s""#),
        "After how long without an accepted event a partition that is read to its end stops holding the others back.";
    REVISION_HORIZON = "time" / "revision_horizon", duration(0, YEAR), Some(r#""24h""#),
        "How old a published window may be and still be corrected, in event time.";
    MAX_PARTITION_SKEW = "time" / "max_partition_skew", duration(S, YEAR), Some(r#""1h""#),
        "How far ahead of the slowest partition one may be, in event time; it waits beyond that. Bounds memory in a backfill, changes no result.";
    MAX_FUTURE_SKEW = "time" / "max_future_skew", duration(0, YEAR), Some(r#""5m""#),
        "How much later than its Kafka timestamp an event may claim to be; beyond that it is refused as `future_time`.";

    ATTEMPT_TIMEOUT = "task" / "attempt_timeout", duration(1, YEAR), Some(r#""30m""#),
        "After how long an attempt without an end counts as abandoned.";
    RETENTION = "ticket" / "retention", duration(1, 10 * YEAR), Some(r#""30d""#),
        "How long after its last event a ticket is remembered.";
    FIRST_RESPONSE_TARGET = "ticket" / "first_response_target", duration(0, YEAR), Some(r#""1h""#),
        "What counts as a first response within target.";
    RESOLUTION_TARGET = "ticket" / "resolution_target", duration(0, YEAR), Some(r#""24h""#),
        "What counts as a resolution within target.";
    APDEX_THRESHOLD = "apdex" / "threshold", duration(1, D), Some(r#""500ms""#),
        "T of the Apdex score: waits up to T satisfy, up to 4T are tolerated.";
    GROSS_MARGIN = "value" / "gross_margin", FRACTION, Some("1.0"),
        "The share of revenue that counts towards `customer_lifetime_value`.";

    MAX_RECORD_BYTES = "limits" / "max_record_bytes", Kind::Size { min: 1, max: GIB }, Some(r#""1MiB""#),
        "Longer records are refused as `too_large`.";
    MAX_GROUPS = "limits" / "max_groups", Kind::Integer { min: 1, max: 1_000_000 }, Some("1000"),
        "Groups per grouping, pane and window; the rest merge into `__other__` and are counted.";
    DISTINCT_K = "limits" / "distinct_k", Kind::Integer { min: 16, max: 1 << 20 }, Some("65536"),
        "Ids kept per distinct count of `overall`. Below it counts are exact.";
    DISTINCT_K_GROUPS = "limits" / "distinct_k_groups", Kind::Integer { min: 16, max: 1 << 20 }, Some("4096"),
        "The same for every other group.";
    MAX_ATTEMPTS = "limits" / "max_attempts", count(1), Some("5000000"),
        "Attempts open or remembered per partition; a start beyond is counted as `untracked` and its end is an orphan.";
    MAX_TICKETS = "limits" / "max_tickets", count(1), Some("5000000"), "Likewise for tickets.";
    MAX_JOURNEYS = "limits" / "max_journeys", count(1), Some("5000000"), "Likewise for open runs of journeys.";
    MAX_EVENT_IDS = "limits" / "max_event_ids", count(1), Some("5000000"),
        "Event ids remembered per partition; beyond, the oldest are forgotten and counted.";

    WINDOW = "" / "window", Kind::Tables, None,
        "The windows. The list replaces the default one: `1m` tumbling (`overall`, `product`), `5m` by 1 m (`overall`, `product`, `product+task`), `1h` by 5 m, `24h` by 1 h, `7d` by 1 d (all groupings).";
    GROUPING = "" / "grouping", Kind::Tables, None,
        "The groupings. The list replaces the default one: `overall`, `product`, `product+task`, `product+platform`, `product+channel`, `product+version`, `product+touchpoint`.";
    JOURNEY = "" / "journey", Kind::Tables, None, "The journeys; none by default.";
    TARGET = "" / "target", Kind::Tables, None, "The targets, each of which becomes an alert rule and a line on a dashboard; none by default.";

    WINDOW_NAME_KEY = "window[]" / "name", NAME, None, "Name, as in the `window` column and label; unique. Required.";
    WINDOW_SIZE = "window[]" / "size", duration(S, 400 * D), None, "Length. Required.";
    WINDOW_SLIDE = "window[]" / "slide", duration(S, 400 * D), None,
        "Distance between positions; the size by default (tumbling). Divides the size, and sorted by slide each is a multiple of the one before.";
    WINDOW_GROUPINGS = "window[]" / "groupings", GROUPINGS, None, "The groupings it is reported for; all by default.";
    GROUPING_DIMENSIONS = "grouping[]" / "dimensions",
        Kind::Texts { shape: "product, platform, channel, version, country, segment, task, touchpoint or attributes.NAME", rule: rules::dimension }, None,
        "`product`, `platform`, `channel`, `version`, `country`, `segment`, `task`, `touchpoint` or `attributes.NAME`; the empty list is `overall`. Required.";
    JOURNEY_NAME = "journey[]" / "name", Kind::Text { shape: "a name of 1 to 128 bytes without a /", rule: rules::journey_name }, None,
        "Name, as in labels; unique, without a `/`. Required.";
    JOURNEY_STEPS = "journey[]" / "steps", Kind::Texts { shape: "the name of a task", rule: rules::name }, None,
        "Tasks to succeed in, in order: at least two, each once. Required.";
    JOURNEY_WITHIN = "journey[]" / "within", duration(1, YEAR), Some(r#""30m""#), "Time from the first success in which the run must be completed.";
    TARGET_METRIC = "target[]" / "metric", Kind::Text { shape: "a metric of the catalogue", rule: rules::metric }, None, "A metric of `tidegauge metrics`. Required.";
    TARGET_STAT = "target[]" / "stat", Kind::Choice(&["value", "mean", "geomean", "p50", "p75", "p90", "p95", "p99"]), None,
        "Which number of a metric that has more than one.";
    TARGET_WINDOW = "target[]" / "window", WINDOW_NAME, None, "A window that is exported to Prometheus. Required.";
    TARGET_GROUPING = "target[]" / "grouping", GROUPING_NAME, Some(r#""overall""#), "A grouping of that window that is exported to Prometheus.";
    TARGET_WHERE = "target[]" / "where", Kind::Map { shape: "a table of dimensions and their values" }, Some("{}"),
        "Only the group with these values of the grouping's dimensions.";
    TARGET_AT_LEAST = "target[]" / "at_least", ANY_NUMBER, None, "The least value that is good. Exactly one of this and `at_most`.";
    TARGET_AT_MOST = "target[]" / "at_most", ANY_NUMBER, None, "The greatest value that is good.";

    SPIKE_WINDOW = "spike" / "window", WINDOW_NAME, Some(r#""5m""#),
        "The window in which spikes are looked for. A configuration with other windows than it and no `[spike]` gets no spikes.";
    SPIKE_BASELINE = "spike" / "baseline", duration(S, 400 * D), Some(r#""1h""#),
        "The time before, which the window is compared with; a multiple of its size.";

    PROMETHEUS_GROUPINGS = "prometheus" / "groupings", GROUPINGS, Some(r#"["overall", "product", "product+task"]"#),
        "The groupings that reach `/metrics`; Parquet has everything. A default one that is not configured is skipped.";
    PROMETHEUS_WINDOWS = "prometheus" / "windows", WINDOWS, Some(r#"["5m", "1h", "24h"]"#), "Likewise the windows.";
    MAX_SERIES = "prometheus" / "max_series", Kind::Integer { min: 0, max: 100_000_000 }, Some("100000"),
        "Business series at most; groups with the most facts come first, the rest is dropped and counted.";

    LISTEN = "http" / "listen", Kind::Text { shape: "an IP address with a port, like \"127.0.0.1:9464\"", rule: rules::listen }, Some(r#""127.0.0.1:9464""#),
        "Where `/metrics`, health and the console are served.";
    HISTORY_POINTS = "http" / "history_points", Kind::Integer { min: 0, max: 100_000_000 }, Some("500000"),
        "Committed results that are kept in memory for the console at most, at about 64 bytes each; what has most gives its oldest up first.";

    WORKERS = "runtime" / "workers", Kind::Integer { min: 0, max: 1024 }, Some("0"), "Worker threads; 0 is one per core.";
    SHUTDOWN_TIMEOUT = "runtime" / "shutdown_timeout", duration(S, 3600 * S), Some(r#""30s""#),
        "How long a shutdown may take to commit and leave the group.";
}
