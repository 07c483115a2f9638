//! Brings back, after a start, what the tables say of the time before.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::{EventTime, Millis};
use tidegauge_sink::store::{Store, StoreError};
use tidegauge_sink::table::{Hour, Table, read_metrics};
use tokio::task::JoinHandle;

use super::shared::Shared;

/// How far back is looked for files.
const DAYS: i64 = 8;
const DAY: Millis = 86_400_000;
/// After so many files no further hour is read: a start must not read for minutes what only the console shows.
const FILES: usize = 1_000;
/// Larger files of results are not written in one publication.
const FILE_BYTES: u64 = 1 << 30;

/// Where results go besides the tables: into the history that the console shows.
pub(crate) struct Feed {
    shared: Arc<Shared>,
    spec: Arc<Spec>,
    store: Arc<dyn Store>,
    loading: Option<JoinHandle<()>>,
}

impl Feed {
    pub(crate) fn new(shared: Arc<Shared>, spec: Spec, store: Arc<dyn Store>) -> Feed {
        Feed {
            shared,
            spec: Arc::new(spec),
            store,
            loading: None,
        }
    }

    /// Adds what was just published.
    pub(crate) fn published(&self, rows: &[MetricRow]) {
        self.shared.add(rows);
    }

    /// Reads in the background what was published up to a window end, by whomever. Until that is done the history is known to be incomplete.
    pub(crate) fn reload(&mut self, newest: Option<EventTime>) {
        self.stop();
        let Some(newest) = newest else {
            self.shared.set_loading(false);
            return;
        };
        self.shared.set_loading(true);
        let (shared, spec, store) = (Arc::clone(&self.shared), Arc::clone(&self.spec), Arc::clone(&self.store));
        self.loading = Some(tokio::spawn(async move {
            if let Err(error) = load(&shared, &spec, &*store, newest).await {
                tracing::warn!(%error, "the console's history of before this start is incomplete; the tables are not");
            }
            shared.set_loading(false);
        }));
    }

    /// About how much memory the history takes.
    pub(crate) fn approximate_bytes(&self) -> u64 {
        self.shared.lock().approximate_bytes()
    }

    /// Another process publishes now.
    pub(crate) fn forget(&mut self) {
        self.stop();
        self.shared.clear();
    }

    fn stop(&mut self) {
        if let Some(loading) = self.loading.take() {
            loading.abort();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn load(shared: &Arc<Shared>, spec: &Arc<Spec>, store: &dyn Store, newest: EventTime) -> Result<(), StoreError> {
    let mut read = 0;
    for day in 0..DAYS {
        let hour = Hour::of(newest.minus(day * DAY)).path();
        let date = hour.split('/').next().unwrap_or_default();
        let listed = store.list(&format!("{}/{date}", Table::Metrics)).await?;
        let mut hours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for file in listed.iter().filter(|file| file.path.ends_with(".parquet")) {
            let (hour, _) = file.path.rsplit_once('/').unwrap_or_default();
            hours.entry(hour).or_default().push(&file.path);
        }
        for files in hours.into_values().rev() {
            if read >= FILES {
                return Ok(());
            }
            for path in files {
                read += 1;
                match store.get(path, FILE_BYTES).await {
                    Ok(file) => take(shared, spec, path, file).await,
                    Err(error) => tracing::warn!(%error, path, "a file of results could not be read; the console shows a gap"),
                }
            }
        }
    }
    Ok(())
}

/// Adds the rows of one file. One that is damaged costs the console a piece of its past and nobody else anything.
async fn take(shared: &Arc<Shared>, spec: &Arc<Spec>, path: &str, file: bytes::Bytes) {
    let (shared, spec) = (Arc::clone(shared), Arc::clone(spec));
    let reading = tokio::task::spawn_blocking(move || {
        let mut rows = Vec::new();
        let done = read_metrics(file, &spec, &mut |row| rows.push(row));
        shared.add(&rows);
        done.map_err(|error| error.to_string())
    });
    if let Err(error) = reading.await.unwrap_or_else(|panicked| Err(panicked.to_string())) {
        tracing::warn!(error, path, "a file of results could not be read; the console shows a gap");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use tidegauge_sink::store::{MemoryStore, Move};
    use tidegauge_sink::table::{FileIdentity, TableOptions, encode_metrics};

    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOON: i64 = 1_767_268_800_000;

    fn row(end: i64, value: f64, revision: u32) -> MetricRow {
        MetricRow {
            window: 2,
            window_start: EventTime(end - HOUR),
            window_end: EventTime(end),
            grouping: 0,
            group: Arc::from([]),
            metric: "task_success_ratio",
            stat: "value",
            label: None,
            value: Some(value),
            lower: None,
            upper: None,
            n: 9,
            numerator: None,
            denominator: None,
            revision,
        }
    }

    async fn put(store: &MemoryStore, path: &str, bytes: Bytes) {
        store.stage("_tidegauge/staging/x", bytes).await.unwrap();
        let staged = "_tidegauge/staging/x".to_owned();
        store
            .publish(&[Move {
                staged,
                path: path.to_owned(),
            }])
            .await
            .unwrap();
    }

    async fn publish(store: &MemoryStore, name: &str, rows: &[MetricRow]) {
        let options = TableOptions::new(Arc::new(Spec::default()));
        let identity = FileIdentity {
            nonce: name.to_owned(),
            version: "0".to_owned(),
        };
        for file in encode_metrics(rows, &options, &identity).unwrap() {
            put(store, &format!("metrics/{}/{name}.parquet", file.partition), file.bytes).await;
        }
    }

    async fn ends(store: MemoryStore, newest: i64) -> Vec<(i64, Option<f64>)> {
        let shared = Arc::new(Shared::new(&Spec::default(), 1_000));
        let mut feed = Feed::new(Arc::clone(&shared), Spec::default(), Arc::new(store));
        feed.reload(Some(EventTime(newest)));
        while shared.is_loading() {
            tokio::task::yield_now().await;
        }
        let history = shared.lock();
        let line = history.line(2, 0, &super::super::history::SeriesKey::of(&row(0, 0.0, 0)));
        line.iter().map(|point| ((point.end.0 - NOON) / HOUR, point.value())).collect()
    }

    #[tokio::test]
    async fn what_was_published_within_days_comes_back_at_its_highest_revision() {
        let store = MemoryStore::new();
        publish(&store, "b", &[row(NOON, 0.5, 1)]).await;
        publish(
            &store,
            "a",
            &[row(NOON, 0.4, 0), row(NOON - HOUR, 0.3, 0), row(NOON - 30 * HOUR, 0.2, 0)],
        )
        .await;
        publish(&store, "c", &[row(NOON - 24 * 30 * HOUR, 0.1, 0)]).await;
        assert_eq!(ends(store, NOON).await, [(-30, Some(0.2)), (-1, Some(0.3)), (0, Some(0.5))]);
    }

    #[tokio::test]
    async fn a_damaged_file_costs_its_own_rows_only() {
        let store = MemoryStore::new();
        publish(&store, "a", &[row(NOON, 0.4, 0)]).await;
        put(
            &store,
            "metrics/date=2026-01-01/hour=12/damaged.parquet",
            Bytes::from_static(b"PAR1 no more PAR1"),
        )
        .await;
        assert_eq!(ends(store, NOON).await, [(0, Some(0.4))]);
    }
}
