//! What the HTTP server shows of a running pipeline, kept up to date by the coordinator.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value, json};
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::gauges::{Operational, Page};

use super::commit::Trouble;
use super::live::families;
use super::{PipelineError, clock::now};
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
}

/// The pipeline as others see it.
pub struct Status {
    spec: Spec,
    page: Page,
    state: RwLock<State>,
    started: EventTime,
}

impl Status {
    /// A pipeline that is starting.
    pub(crate) fn new(spec: &Spec, max_series: usize) -> Result<Status, PipelineError> {
        let state = State {
            unready: Some("starting: state is being restored from the commit log".to_owned()),
            ..State::default()
        };
        Ok(Status {
            spec: spec.clone(),
            page: Page::new(spec, families(), max_series)?,
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
    pub(crate) fn show(&self, rows: Option<Vec<MetricRow>>, operational: Operational) {
        self.page.observe(operational.clone());
        self.change(|s| {
            if let Some(rows) = rows {
                s.rows = Arc::new(rows);
            }
            s.operational = operational;
        });
    }

    /// The newest operational state.
    pub fn operational(&self) -> Operational {
        self.read(|s| s.operational.clone())
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
        self.read(|s| {
            let o = &s.operational;
            let time = |t: Option<EventTime>| t.filter(|t| *t != EventTime::MIN && *t != EventTime::MAX).map(|t| t.0);
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "started_ms": self.started.0,
                "ready": s.unready.is_none(),
                "reason": s.unready,
                "watermark_ms": time(o.watermark),
                "caught_up": o.caught_up,
                "records": o.records,
                "accepted": o.events_accepted,
                "late": o.late_events,
                "duplicate": o.duplicate_events,
                "rejected": tidegauge_aggregate::record::RejectReason::ALL.iter().zip(o.rejected_records)
                    .filter(|(_, n)| *n > 0).map(|(r, n)| (r.as_str().to_owned(), n.into())).collect::<serde_json::Map<_, _>>(),
                "commits": o.commits,
                "last_commit_ms": time(o.last_commit),
                "partitions": o.partitions.iter().map(|p| json!({
                    "topic": p.topic, "partition": p.partition, "position": p.position, "lag": p.lag,
                    "watermark_ms": time(p.watermark), "idle": p.idle, "waiting": p.paused, "holds_watermark": p.holds_watermark,
                })).collect::<Vec<_>>(),
            })
        })
    }

    fn metrics_json(&self) -> Value {
        self.read(|s| {
            metrics_json(
                &self.spec,
                &Live {
                    rows: &s.rows,
                    watermark: s.operational.watermark,
                    caught_up: s.operational.caught_up,
                },
            )
        })
    }
}
