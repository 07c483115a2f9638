//! Where results go, and the single values of the specification.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidegauge_aggregate::spec::Spec;

use super::error::Problem;
use super::groupings::{Configured, indices};
use super::keys;
use super::location::Location;
use super::model::{Compression, Http, OnGap, Output, Prometheus, Table};
use super::reader::Reader;
use super::schema::Key;
use super::secret::Guarded;
use super::value;

/// S3 copies objects of up to 5 GiB; files grow a little beyond their target.
const MOST_REMOTE: u64 = 4 << 30;

pub(super) fn output(reader: &mut Reader<'_>, required: bool) -> Output {
    let url = reader.guarded(&keys::URL);
    if required && reader.node(&keys::URL).is_none() {
        let place = reader.place(&keys::URL);
        reader.missing(&keys::URL, &place);
    }
    let location = url.and_then(|url| Some(Guarded::new(Location::parse(&url).ok()?, url.is_hidden())));
    let target_file_size = reader.or_default(&keys::TARGET_FILE_SIZE, value::size);
    if target_file_size > MOST_REMOTE && matches!(location.as_deref(), Some(Location::Remote { .. })) {
        let place = reader.place(&keys::TARGET_FILE_SIZE);
        let problem = Problem::new("`output.target_file_size` is more than an object store copies at once").expected("4GiB or less");
        reader.report(&place, problem);
    }
    let compression = reader
        .get(&keys::COMPRESSION, value::text)
        .and_then(|text| Compression::parse(&text));
    let on_gap = reader.get(&keys::ON_GAP, value::text).and_then(|text| OnGap::parse(&text));
    Output {
        location,
        commit_interval: wall(reader, &keys::COMMIT_INTERVAL),
        live_interval: wall(reader, &keys::LIVE_INTERVAL),
        snapshot_interval: wall(reader, &keys::SNAPSHOT_INTERVAL),
        checkpoint_every: reader.or_default(&keys::CHECKPOINT_EVERY, value::integer).unsigned_abs(),
        abandoned_after: wall(reader, &keys::ABANDONED_AFTER),
        target_file_size,
        compression: compression.unwrap_or(Compression::Zstd(1)),
        on_gap: on_gap.unwrap_or(OnGap::Stop),
        tables: tables(reader),
    }
}

fn tables(reader: &mut Reader<'_>) -> Vec<Table> {
    let mut tables = Vec::new();
    for item in reader.texts(&keys::TABLES) {
        let Some(table) = Table::parse(&item.text) else { continue };
        match &item.origin {
            Some(origin) if tables.contains(&table) => {
                let problem = Problem::new("`output.tables` names a table twice")
                    .found(item.shown())
                    .expected("each table once");
                reader.report(origin, problem);
            }
            _ => tables.push(table),
        }
    }
    tables.sort_unstable();
    tables
}

pub(super) fn prometheus(reader: &mut Reader<'_>, groupings: &Configured, windows: &Configured) -> Prometheus {
    let listed = reader.texts(&keys::PROMETHEUS_GROUPINGS);
    let groupings = indices(reader, &keys::PROMETHEUS_GROUPINGS, &listed, groupings);
    let listed = reader.texts(&keys::PROMETHEUS_WINDOWS);
    let windows = indices(reader, &keys::PROMETHEUS_WINDOWS, &listed, windows);
    let windows_named = reader.node(&keys::PROMETHEUS_WINDOWS).is_some();
    Prometheus {
        groupings,
        windows,
        windows_named,
        max_series: count(reader, &keys::MAX_SERIES),
    }
}

pub(super) fn http(reader: &Reader<'_>) -> Http {
    let listen = reader.get(&keys::LISTEN, value::text).and_then(|text| text.parse().ok());
    Http {
        listen: listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        history_points: count(reader, &keys::HISTORY_POINTS),
    }
}

/// Everything of the specification but its lists.
pub(super) fn scalars(reader: &Reader<'_>) -> Spec {
    let millis = |key: &Key| reader.or_default(key, value::duration);
    Spec {
        lateness: millis(&keys::LATENESS),
        revision_horizon: millis(&keys::REVISION_HORIZON),
        max_future_skew: millis(&keys::MAX_FUTURE_SKEW),
        max_record_bytes: reader.or_default(&keys::MAX_RECORD_BYTES, value::size),
        attempt_timeout: millis(&keys::ATTEMPT_TIMEOUT),
        ticket_retention: millis(&keys::RETENTION),
        first_response_target: millis(&keys::FIRST_RESPONSE_TARGET),
        resolution_target: millis(&keys::RESOLUTION_TARGET),
        apdex_threshold: millis(&keys::APDEX_THRESHOLD),
        gross_margin: reader.or_default(&keys::GROSS_MARGIN, value::number),
        max_groups: count(reader, &keys::MAX_GROUPS),
        distinct_k: count(reader, &keys::DISTINCT_K),
        distinct_k_groups: count(reader, &keys::DISTINCT_K_GROUPS),
        max_attempts: count(reader, &keys::MAX_ATTEMPTS),
        max_tickets: count(reader, &keys::MAX_TICKETS),
        max_journeys: count(reader, &keys::MAX_JOURNEYS),
        max_event_ids: count(reader, &keys::MAX_EVENT_IDS),
        ..Spec::default()
    }
}

/// A duration of wall time.
pub(super) fn wall(reader: &Reader<'_>, key: &Key) -> Duration {
    Duration::from_millis(reader.or_default(key, value::duration).unsigned_abs())
}

fn count(reader: &Reader<'_>, key: &Key) -> usize {
    usize::try_from(reader.or_default(key, value::integer)).unwrap_or_default()
}
