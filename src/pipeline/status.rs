//! What the HTTP server shows of a running pipeline, kept up to date by the coordinator.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::gauges::{Operational, Page};

use super::board::Board;
use super::commit::Trouble;
use super::live::families;
use super::{PipelineError, clock::now};
use crate::config::{Config, Target};
use crate::console::overview::Material;
use crate::console::pipeline::{Inside, status_json};
use crate::console::{Shared, catalogue_json, history_json};
use crate::http::{HttpState, Live, metrics_json};

#[derive(Debug, Default)]
struct State {
    /// Why the pipeline is not ready; none once it is.
    unready: Option<String>,
    /// Why it is not healthy; none while it is.
    unhealthy: Option<String>,
    /// Whether state has been restored, so that gauges may be served.
    restored: bool,
    rows: Arc<Vec<MetricRow>>,
    operational: Operational,
    inside: Inside,
    /// Of the present session.
    board: Option<Arc<Board>>,
}

/// The pipeline as others see it.
pub struct Status {
    spec: Spec,
    targets: Vec<Target>,
    history: Arc<Shared>,
    page: Page,
    state: RwLock<State>,
    started: EventTime,
}

impl Status {
    /// A pipeline that is starting.
    pub(crate) fn new(config: &Config) -> Result<Status, PipelineError> {
        let spec = &config.spec;
        let state = State {
            unready: Some("starting: state is being restored from the commit log".to_owned()),
            ..State::default()
        };
        Ok(Status {
            spec: spec.clone(),
            targets: config.targets.clone(),
            history: Arc::new(Shared::new(spec, config.http.history_points)),
            page: Page::new(spec, families(), config.prometheus.max_series)?,
            state: RwLock::new(state),
            started: now(),
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// State is being restored: gauges are taken off the page.
    pub(crate) fn starting(&self, why: &str) {
        self.page.withdraw();
        self.change(|s| {
            s.restored = false;
            s.unready = Some(why.to_owned());
        });
    }

    /// State has been restored.
    pub(crate) fn restored(&self) {
        self.change(|s| s.restored = true);
    }

    pub(crate) fn set_ready(&self, ready: Result<(), String>) {
        self.change(|s| s.unready = ready.err());
    }

    /// The store does not take a commit; everything else waits for it.
    pub(crate) fn failing(&self, trouble: &Trouble) {
        self.change(|s| {
            s.unready = Some(trouble.why.clone());
            s.operational.ready = false;
            s.operational.commit_failures = trouble.failures;
            s.operational.store_errors = trouble.failures;
        });
        self.page.observe(self.operational());
    }

    /// The store has not answered for long.
    pub(crate) fn stalled(&self, why: &str) {
        self.change(|s| {
            s.unready = Some(why.to_owned());
            s.operational.ready = false;
        });
        self.page.observe(self.operational());
    }

    pub(crate) fn set_unhealthy(&self, why: Option<String>) {
        self.change(|s| s.unhealthy = why);
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    /// What the console and `/api/v1` show.
    pub(crate) fn show(&self, rows: Option<Vec<MetricRow>>, operational: Operational, inside: Inside) {
        self.page.observe(operational.clone());
        self.change(|s| {
            if let Some(rows) = rows {
                s.rows = Arc::new(rows);
            }
            s.operational = operational;
            s.inside = inside;
        });
    }

    /// The history that the console shows.
    pub(crate) fn history(&self) -> &Arc<Shared> {
        &self.history
    }

    /// The newest operational state.
    pub fn operational(&self) -> Operational {
        self.read(|s| s.operational.clone())
    }

    /// A session has begun to read.
    pub(crate) fn reading(&self, board: &Arc<Board>) {
        self.change(|s| s.board = Some(Arc::clone(board)));
    }

    /// Records handled by the present session, to the moment.
    pub(crate) fn handled(&self) -> u64 {
        self.read(|s| s.board.as_ref().map_or(0, |board| board.records.load(Ordering::Relaxed)))
    }

    /// The newest live rows.
    pub fn rows(&self) -> Arc<Vec<MetricRow>> {
        self.read(|s| Arc::clone(&s.rows))
    }

    /// The specification that the rows refer to.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.read(|s| s.unready.is_none())
    }
}

impl HttpState for Status {
    fn page(&self) -> Result<Page, String> {
        if self.read(|s| s.restored) {
            Ok(self.page.clone())
        } else {
            Err("state is being restored from the commit log".to_owned())
        }
    }

    fn healthy(&self) -> Result<(), String> {
        self.read(|s| s.unhealthy.clone()).map_or(Ok(()), Err)
    }

    fn ready(&self) -> Result<(), String> {
        self.read(|s| s.unready.clone()).map_or(Ok(()), Err)
    }

    fn status_json(&self) -> Value {
        self.read(|s| status_json(&s.operational, &s.inside, s.unready.as_deref(), self.started))
    }

    fn metrics_json(&self) -> Value {
        self.read(|s| {
            let live = Live {
                rows: &s.rows,
                watermark: s.operational.watermark,
                caught_up: s.operational.caught_up,
            };
            let mut told = metrics_json(&self.spec, &live);
            told["reporter"] = s.operational.reporter.into();
            told["no_report"] = s.inside.no_report(&s.operational).into();
            told
        })
    }

    fn history_json(&self, query: &str) -> Result<Value, String> {
        let mut told = history_json(&self.spec, &self.history, query)?;
        told["reporter"] = self.read(|s| s.operational.reporter).into();
        Ok(told)
    }

    fn overview_json(&self) -> Value {
        let rows = self.rows();
        let material = Material {
            spec: &self.spec,
            targets: &self.targets,
            rows: &rows,
            history: &self.history.lock(),
        };
        let mut told = material.json();
        self.read(|s| {
            told["reporter"] = s.operational.reporter.into();
            told["no_report"] = s.inside.no_report(&s.operational).into();
        });
        told["loading"] = self.history.is_loading().into();
        told
    }

    fn catalogue_json(&self) -> Value {
        catalogue_json(&self.spec)
    }
}
