//! `PartitionState`: the records of one partition in offset order become facts, and facts become pane deltas. A partition's contribution
//! depends on nothing but its own records.

mod tracked;

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::accumulate::Accumulator;
use crate::attempt::Attempts;
use crate::catalogue::{Bits, bits};
use crate::counters::Counters;
use crate::dedup::{EventIds, id_hash};
use crate::event::{AttemptRow, Body, Common, Event, Outcome};
use crate::fact::{Fact, FactKind};
use crate::journey::{EndedRun, Journeys};
use crate::pane::PaneStore;
use crate::plan::Plan;
use crate::spec::Dimension;
use crate::ticket::Tickets;
use crate::time::EventTime;
use crate::tuple::{BaseDims, BaseId, Grouped, MAX_ATTRIBUTE_DIMENSIONS, Tuples};

/// What became of a decoded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Accepted,
    /// Older than the watermark minus the lateness: kept aside.
    Late,
    /// Already accepted under the same id: only counted.
    Duplicate,
}

/// Takes the attempt facts as they are made.
pub type AttemptSink<'s> = dyn FnMut(&AttemptRow<'_>) + 's;

/// All state of one input partition.
#[derive(Clone, Debug)]
pub struct PartitionState {
    plan: Arc<Plan>,
    pub(crate) watermark: EventTime,
    /// What became of the records so far.
    pub counters: Counters,
    pub(crate) ids: EventIds,
    pub(crate) attempts: Attempts,
    pub(crate) tickets: Tickets,
    pub(crate) journeys: Journeys,
    pub(crate) tuples: Tuples,
    grouped: Grouped,
    accumulator: Accumulator,
    delta: PaneStore,
    due: Vec<(EventTime, u32)>,
    ended: Vec<EndedRun>,
    user: String,
}

/// An event with what is derived from it once.
struct Applied<'e, 'a> {
    event: &'e Event<'a>,
    dims: &'e BaseDims<'a>,
    /// Of the dimensions that facts are grouped by.
    base: BaseId,
    pane: EventTime,
    user: Option<u64>,
}

impl PartitionState {
    /// A partition of which nothing has been read.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> PartitionState {
        let used = |common| {
            plan.spec
                .groupings
                .iter()
                .any(|g| g.dimensions.contains(&Dimension::Common(common)))
        };
        let grouped = Common::ALL.map(used);
        PartitionState {
            delta: PaneStore::with_levels(plan.levels.len()),
            plan,
            watermark: EventTime::MIN,
            counters: Counters::default(),
            ids: EventIds::default(),
            attempts: Attempts::default(),
            tickets: Tickets::default(),
            journeys: Journeys::default(),
            tuples: Tuples::default(),
            grouped,
            accumulator: Accumulator::default(),
            due: Vec::new(),
            ended: Vec::new(),
            user: String::new(),
        }
    }

    /// A partition of which records were lost: the watermark stays where it was, and the trackers begin anew.
    #[must_use]
    pub fn after_gap(plan: Arc<Plan>, watermark: EventTime, counters: Counters) -> PartitionState {
        let mut state = PartitionState::new(plan);
        state.ids.forgotten = counters.forgotten_event_ids;
        PartitionState {
            watermark,
            counters,
            ..state
        }
    }

    /// The plan it computes under.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The partition's watermark; [`EventTime::MIN`] before the first accepted event, [`EventTime::MAX`] once closed.
    #[must_use]
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Open or remembered attempts, known tickets, open journey runs and remembered event ids.
    #[must_use]
    pub fn tracked(&self) -> [usize; 4] {
        [self.attempts.len(), self.tickets.len(), self.journeys.len(), self.ids.len()]
    }

    /// Judges one event and, if it is accepted, applies it. `timestamp` is the record's, `offset` goes into the attempt rows.
    pub fn apply(&mut self, timestamp: Option<i64>, offset: i64, event: &Event<'_>, attempts: &mut AttemptSink<'_>) -> Verdict {
        self.counters.records += 1;
        let lateness = self.plan.spec.lateness;
        let bound = self.watermark.minus(lateness);
        if event.time < bound {
            self.counters.late += 1;
            return Verdict::Late;
        }
        if let Some(id) = event.event_id {
            if !self.ids.admit(id_hash(id), event.time, bound, self.plan.spec.max_event_ids) {
                self.counters.duplicate += 1;
                return Verdict::Duplicate;
            }
            self.counters.forgotten_event_ids = self.ids.forgotten;
        }
        self.counters.accepted += 1;
        self.accept(offset, event, attempts);
        let moved = timestamp.map_or(event.time, |t| event.time.min(EventTime(t)));
        if moved > self.watermark {
            self.watermark = moved;
            self.fire(moved.minus(lateness), attempts);
        }
        if self.accumulator.is_large() {
            self.roll_up();
        }
        Verdict::Accepted
    }

    /// Ends the input: every timer fires and every window closes.
    pub fn close(&mut self, attempts: &mut AttemptSink<'_>) {
        self.watermark = EventTime::MAX;
        self.fire(EventTime::MAX, attempts);
    }

    /// Takes everything that has come together since the last time.
    pub fn take_delta(&mut self) -> PaneStore {
        self.roll_up();
        std::mem::replace(&mut self.delta, PaneStore::with_levels(self.plan.levels.len()))
    }

    pub(crate) fn roll_up(&mut self) {
        self.accumulator.drain(&self.plan, &self.tuples, &mut self.delta);
        self.tuples.sweep();
    }

    fn accept(&mut self, offset: i64, event: &Event<'_>, attempts: &mut AttemptSink<'_>) {
        let mut dims = BaseDims {
            common: event.common,
            attributes: [None; MAX_ATTRIBUTE_DIMENSIONS],
            attribute_count: 0,
        };
        for (name, value) in self.plan.attribute_names.iter().zip(&mut dims.attributes) {
            *value = event
                .attributes
                .iter()
                .find(|a| a.name == name)
                .and_then(|a| a.value.as_dimension());
            dims.attribute_count += 1;
        }
        let base = self.tuples.base_by(&dims, self.grouped);
        let user = event.user_id.map(|u| xxh3_64(u.as_bytes()));
        let applied = Applied {
            event,
            dims: &dims,
            base,
            pane: self.plan.base_pane(event.time),
            user,
        };
        let telemetry = event.event_type().is_telemetry();
        let mut marks = bits::SEEN | if telemetry { bits::ACTIVE } else { 0 };
        let mut crashed = 0;
        let plain = self.tuples.plain(base);
        self.accumulator.seen(&self.plan.layout, applied.pane, plain);
        match event.body {
            Body::TaskStarted { task, attempt_id } => self.start_attempt(&applied, task, attempt_id),
            Body::TaskFinished {
                task,
                attempt_id,
                success,
                effort,
            } => {
                let outcome = if success { Outcome::Success } else { Outcome::Failure };
                self.end_attempt(&applied, task, attempt_id, outcome, effort, offset, attempts);
            }
            Body::TaskAbandoned {
                task, attempt_id, effort, ..
            } => {
                self.end_attempt(&applied, task, attempt_id, Outcome::Abandoned, effort, offset, attempts);
            }
            Body::Error {
                severity,
                task,
                attempt_id,
                ..
            } => {
                let fact = Fact {
                    severity,
                    ..Fact::of(FactKind::Error)
                };
                marks |= self.stateless(&applied, &fact, task, None, None);
                crashed = marks & bits::CRASHED;
                if let Some(id) = attempt_id {
                    self.attempts.error(id);
                }
            }
            Body::Interaction { action, latency_ms, .. } => {
                let fact = Fact {
                    action,
                    value: latency_ms,
                    ..Fact::of(FactKind::Interaction)
                };
                marks |= self.stateless(&applied, &fact, None, None, None);
            }
            Body::SurveyShown {
                instrument,
                scope,
                task,
                touchpoint,
            } => {
                let fact = Fact {
                    instrument,
                    scope,
                    ..Fact::of(FactKind::SurveyShown)
                };
                marks |= self.stateless(&applied, &fact, task, touchpoint, None);
            }
            Body::SurveyResponse {
                instrument,
                score_micros,
                scope,
                task,
                touchpoint,
                ..
            } => {
                let fact = Fact {
                    instrument,
                    scope,
                    value: Some(score_micros),
                    ..Fact::of(FactKind::SurveyResponse)
                };
                marks |= self.stateless(&applied, &fact, task, touchpoint, None);
            }
            Body::Feedback {
                sentiment_micros,
                touchpoint,
                ..
            } => {
                let fact = Fact {
                    value: sentiment_micros,
                    ..Fact::of(FactKind::Feedback)
                };
                marks |= self.stateless(&applied, &fact, None, touchpoint, None);
            }
            Body::Ticket {
                action,
                ticket_id,
                touchpoint,
                ..
            } => marks |= self.ticket(&applied, action, ticket_id, touchpoint),
            Body::SignedUp => marks |= self.stateless(&applied, &Fact::of(FactKind::SignedUp), None, None, None),
            Body::Referred => marks |= self.stateless(&applied, &Fact::of(FactKind::Referred), None, None, None),
            Body::Converted { .. } => marks |= self.stateless(&applied, &Fact::of(FactKind::Converted), None, None, None),
            Body::Churned { .. } => marks |= self.stateless(&applied, &Fact::of(FactKind::Churned), None, None, None),
            Body::Purchased { amount_micros, currency } => {
                let fact = Fact {
                    amount_micros,
                    ..Fact::of(FactKind::Purchased)
                };
                marks |= self.stateless(&applied, &fact, None, None, currency);
            }
        }
        if let Some(user) = applied.user {
            self.accumulator.user(user, applied.pane, base, marks);
        }
        if telemetry && let Some(session) = event.session_id {
            self.accumulator
                .session(xxh3_64(session.as_bytes()), applied.pane, base, bits::ACTIVE | crashed);
        }
    }

    /// Counts a fact of the event itself and tells the marks it leaves.
    fn stateless(
        &mut self,
        applied: &Applied<'_, '_>,
        fact: &Fact,
        task: Option<&str>,
        touchpoint: Option<&str>,
        currency: Option<&str>,
    ) -> Bits {
        let tuple = self.tuples.tuple(applied.base, task, touchpoint);
        self.accumulator.add(&self.plan.layout, applied.pane, tuple, fact, currency);
        self.plan.layout.marks(fact)
    }
}
