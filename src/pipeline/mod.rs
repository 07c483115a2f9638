//! The wiring: sources, workers, the committer, the merger and the pages.

mod board;
mod clock;
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
mod reporter;
pub mod run;
mod session;
mod share;
#[cfg(test)]
mod simulation;
pub mod status;
mod stop;
pub(crate) mod store;
mod tables;
mod worker;

pub(crate) use clock::now;
pub(crate) use recover::RESULTS_VERSION;

use std::collections::BTreeMap;

use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::record::RejectReason;
use tidegauge_sink::log::{CommitError, LogError, LogState, TableTotals};

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
    /// Whether beginning again from the commit log may do better.
    pub again: bool,
}

macro_rules! failures {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for PipelineError {
            fn from(error: $error) -> PipelineError {
                PipelineError { message: error.to_string(), usage: false, again: false }
            }
        })+
    };
}

impl From<LogError> for PipelineError {
    fn from(error: LogError) -> PipelineError {
        PipelineError {
            message: error.to_string(),
            usage: false,
            again: error.is_transient(),
        }
    }
}

impl From<CommitError> for PipelineError {
    fn from(error: CommitError) -> PipelineError {
        PipelineError {
            message: error.to_string(),
            usage: false,
            again: error.is_transient() || error.starts_again(),
        }
    }
}

failures!(
    tidegauge_sink::table::TableError,
    tidegauge_sink::gauges::RenderError,
    tidegauge_ingest::source::SourceError,
);

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
