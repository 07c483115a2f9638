//! The wiring: sources, workers, the committer, the merger and the pages.

mod board;
mod closed;
mod commit;
mod coordinator;
mod epoch;
mod files;
mod found;
mod gap;
mod lane;
mod live;
mod observe;
mod recover;
pub mod replay;
pub mod run;
pub mod status;
mod stop;
mod tables;
mod worker;

pub(crate) use recover::RESULTS_VERSION;
pub(crate) use worker::now;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::record::RejectReason;
use tidegauge_sink::log::{LogState, TableTotals};
use tidegauge_sink::store::{LocalStore, Store};

use crate::config::{Config, Location};

/// What an output holds: the end of `replay` and of `run --until-end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What became of the records, since the pipeline's beginning.
    pub counters: Counters,
    /// Files, rows and bytes by table.
    pub tables: BTreeMap<String, TableTotals>,
}

/// How far a bounded run has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Records handled by this process.
    pub records: u64,
    /// Records that there were to handle, where it is known.
    pub total: Option<u64>,
    /// The pipeline's watermark in milliseconds since 1970.
    pub watermark: Option<i64>,
}

/// Why a pipeline ended. `Display` says what, where, why and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PipelineError {
    /// The message.
    pub message: String,
    /// Whether the configuration or the call is at fault (exit status 2) and not something that failed while running (exit status 1).
    pub usage: bool,
}

macro_rules! failures {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for PipelineError {
            fn from(error: $error) -> PipelineError {
                PipelineError { message: error.to_string(), usage: false }
            }
        })+
    };
}

failures!(
    tidegauge_sink::log::LogError,
    tidegauge_sink::log::CommitError,
    tidegauge_sink::store::StoreError,
    tidegauge_sink::table::TableError,
    tidegauge_sink::gauges::RenderError,
    tidegauge_ingest::source::SourceError,
);

/// The store of the output that a configuration names.
pub(crate) fn open_store(config: &Config) -> Result<Arc<dyn Store>, PipelineError> {
    Ok(Arc::new(LocalStore::new(local_output(config)?)))
}

/// The directory of the output.
fn local_output(config: &Config) -> Result<&Path, PipelineError> {
    match config.output.location.as_deref() {
        Some(Location::Local(path)) => Ok(path),
        Some(Location::Remote { scheme, .. }) => Err(PipelineError {
            message: format!("output.url: {scheme}:// is not supported by this version; use file:///an/absolute/directory"),
            usage: true,
        }),
        None => Err(PipelineError {
            message: "output.url is missing: where results go, such as file:///var/lib/tidegauge".to_owned(),
            usage: true,
        }),
    }
}

/// Worker threads by default.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Summary {
    /// What the log says.
    #[must_use]
    pub fn of(log: &LogState) -> Summary {
        let mut counters = Counters::default();
        for position in log.partitions.values() {
            counters.merge(&Counters::from_map(&position.newest.counters));
        }
        Summary {
            counters,
            tables: log.tables.clone(),
        }
    }

    /// Rejects by reason, those that there are.
    pub fn rejected(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        RejectReason::ALL
            .into_iter()
            .map(|r| (r.as_str(), self.counters.rejected(r)))
            .filter(|(_, n)| *n > 0)
    }
}
