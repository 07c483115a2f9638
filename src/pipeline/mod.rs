//! The wiring: sources, workers, the committer, the merger and the pages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use tidegauge_aggregate::counters::Counters;
use tidegauge_aggregate::record::RejectReason;
use tidegauge_sink::log::{LogState, TableTotals};

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
