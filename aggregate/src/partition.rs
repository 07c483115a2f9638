//! `PartitionState`: the records of one partition in offset order become facts, and facts become pane deltas. A partition's contribution
//! depends on nothing but its own records.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::accumulate::Accumulator;
use crate::attempt::{Attempts, End, Phase, Start};
use crate::catalogue::{Bits, bits};
use crate::counters::Counters;
use crate::dedup::{EventIds, id_hash};
use crate::event::{AttemptRow, Body, Common, Effort, Event, Outcome, TicketAction};
use crate::fact::{Fact, FactKind};
use crate::journey::{EndedRun, Journeys};
use crate::pane::PaneStore;
use crate::plan::Plan;
use crate::spec::Dimension;
use crate::ticket::{TicketOutcome, TicketRules, Tickets};
use crate::time::EventTime;
use crate::tuple::{BaseDims, BaseId, Grouped, MAX_ATTRIBUTE_DIMENSIONS, TupleId, Tuples};

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
            let id = id_hash(id);
            if self.ids.contains(id, bound) {
                self.counters.duplicate += 1;
                return Verdict::Duplicate;
            }
            self.ids.insert(id, event.time, self.plan.spec.max_event_ids);
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

    fn start_attempt(&mut self, applied: &Applied<'_, '_>, task: &str, id: &str) {
        let spec = &self.plan.spec;
        // The tracker keeps all dimensions: the attempt's row shows them.
        let base = self.tuples.base(applied.dims);
        let tuple = self.tuples.tuple(base, Some(task), None);
        let event = applied.event;
        match self.attempts.start(
            id,
            event.user_id,
            event.time,
            tuple,
            &mut self.tuples,
            spec.attempt_timeout,
            spec.max_attempts,
        ) {
            Start::Opened => (),
            Start::Repeated => self.counters.repeated_start += 1,
            Start::AfterEnd => self.counters.start_after_end += 1,
            Start::Untracked => self.counters.untracked += 1,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what an end says of its attempt")]
    fn end_attempt(
        &mut self,
        applied: &Applied<'_, '_>,
        task: &str,
        id: &str,
        outcome: Outcome,
        effort: Effort,
        offset: i64,
        attempts: &mut AttemptSink<'_>,
    ) {
        let (timeout, limit, event) = (self.plan.spec.attempt_timeout, self.plan.spec.max_attempts, applied.event);
        let slot = match self.attempts.end(id, event.time, timeout) {
            End::Repeated => {
                self.counters.repeated_end += 1;
                return;
            }
            End::Late => {
                self.counters.late_end += 1;
                return;
            }
            End::Orphan => {
                self.counters.orphan_end += 1;
                if !self.attempts.remember(id, event.time, timeout, limit) {
                    self.counters.untracked += 1;
                }
                None
            }
            End::Of(slot) => Some(slot),
        };
        let started = slot.and_then(|slot| self.attempts.started(slot));
        let base = match started {
            Some(s) => self.merged_base(applied, s.tuple),
            None => applied.base,
        };
        let tuple = self.tuples.tuple(base, Some(task), None);
        let elapsed = started.map(|s| event.time.0 - s.at.0).filter(|d| *d >= 0);
        let fact = Fact {
            outcome,
            value: effort.duration_ms.or(elapsed),
            errors: effort.errors.unwrap_or_else(|| started.map_or(0, |s| i64::from(s.errors))),
            clicks: effort.clicks,
            ..Fact::of(FactKind::Attempt)
        };
        let mut user = std::mem::take(&mut self.user);
        user.clear();
        let start_user = slot.and_then(|slot| self.attempts.get(slot)).and_then(|a| a.user());
        user.push_str(event.user_id.or(start_user).unwrap_or_default());
        let user_id = (!user.is_empty()).then_some(user.as_str());
        let dims = match started {
            Some(s) => applied.dims.or(&self.tuples.dims(self.tuples.base_of(s.tuple))),
            None => *applied.dims,
        };
        attempts(&AttemptRow {
            time: event.time,
            started: started.map(|s| s.at),
            attempt_id: id,
            task,
            user_id,
            outcome,
            inferred: false,
            duration_ms: fact.value,
            clicks: fact.clicks,
            errors: fact.errors,
            common: dims.common,
            attributes: dims.attributes(),
            offset: Some(offset),
        });
        self.attempt_fact(event.time, base, tuple, &fact, user_id.map(|u| xxh3_64(u.as_bytes())));
        if let Some(slot) = slot {
            self.attempts.finish(slot, event.time, Phase::Ended, &mut self.tuples, timeout);
        }
        if outcome == Outcome::Success
            && let Some(user_id) = user_id
        {
            self.advance_journeys(user_id, task, event.time, base);
        }
        self.user = user;
    }

    /// The event's dimensions; where it lacks one, those of the start or opening.
    fn merged_base(&mut self, applied: &Applied<'_, '_>, earlier: TupleId) -> BaseId {
        if applied.dims.complete(self.grouped) {
            return applied.base;
        }
        let earlier = self.tuples.base_of(earlier);
        self.tuples.base_or(applied.dims, earlier, self.grouped)
    }

    fn attempt_fact(&mut self, at: EventTime, base: BaseId, tuple: TupleId, fact: &Fact, user: Option<u64>) {
        let pane = self.plan.base_pane(at);
        self.accumulator.add(&self.plan.layout, pane, tuple, fact, None);
        if let Some(user) = user {
            let marks = self.plan.layout.marks(fact);
            self.accumulator.user(user, pane, base, marks);
        }
    }

    fn ticket(&mut self, applied: &Applied<'_, '_>, action: TicketAction, id: &str, touchpoint: Option<&str>) -> Bits {
        let rules = TicketRules {
            retention: self.plan.spec.ticket_retention,
            limit: self.plan.spec.max_tickets,
        };
        let base = self.tuples.base(applied.dims);
        let own = self.tuples.tuple(base, None, touchpoint);
        let outcome = self.tickets.handle(id, action, applied.event.time, own, &mut self.tuples, rules);
        let ticket = match outcome {
            TicketOutcome::RepeatedOpen => {
                self.counters.repeated_open += 1;
                return 0;
            }
            TicketOutcome::Nothing => return 0,
            TicketOutcome::Untracked(fact) => {
                self.counters.untracked += 1;
                fact
            }
            TicketOutcome::Fact(fact) => fact,
        };
        let kind = match action {
            TicketAction::Opened => FactKind::TicketOpened,
            TicketAction::Responded => FactKind::TicketFirstResponse,
            TicketAction::Resolved => FactKind::TicketResolved,
            TicketAction::Reopened => FactKind::TicketReopened,
            TicketAction::Escalated => FactKind::TicketEscalated,
        };
        self.counters.negative_wait += u64::from(ticket.negative);
        let fact = Fact {
            value: ticket.wait,
            known: ticket.known,
            first_contact: ticket.first_contact,
            ..Fact::of(kind)
        };
        let tuple = match ticket.opening {
            Some(opening) if opening != own => {
                let base = self.merged_base(applied, opening);
                self.tuples.tuple_or(base, touchpoint, opening)
            }
            _ => self.tuples.tuple(applied.base, None, touchpoint),
        };
        self.accumulator.add(&self.plan.layout, applied.pane, tuple, &fact, None);
        self.plan.layout.marks(&fact)
    }

    fn advance_journeys(&mut self, user: &str, task: &str, at: EventTime, base: BaseId) {
        if self.plan.spec.journeys.is_empty() {
            return;
        }
        let plan = Arc::clone(&self.plan);
        let tuple = self.tuples.tuple(base, None, None);
        let mut ended = std::mem::take(&mut self.ended);
        let journeys = &plan.spec.journeys;
        self.counters.untracked += self.journeys.success(
            journeys,
            user,
            task,
            at,
            tuple,
            &mut self.tuples,
            plan.spec.max_journeys,
            &mut ended,
        );
        self.journey_facts(&mut ended);
        self.ended = ended;
    }

    fn journey_facts(&mut self, ended: &mut Vec<EndedRun>) {
        for run in ended.drain(..) {
            let fact = Fact {
                journey: run.journey,
                reached: run.reached,
                value: run.duration,
                ..Fact::of(FactKind::Journey)
            };
            self.accumulator
                .add(&self.plan.layout, self.plan.base_pane(run.at), run.tuple, &fact, None);
            self.tuples.release(run.tuple);
        }
    }

    /// Fires every timer set for a time before `bound`, until none is due.
    fn fire(&mut self, bound: EventTime, attempts: &mut AttemptSink<'_>) {
        self.ids.expire(bound);
        while !self.attempts.quiet(bound) {
            let mut due = std::mem::take(&mut self.due);
            self.attempts.take_due(bound, self.plan.spec.attempt_timeout, &mut due);
            let fired = due.len();
            for (at, slot) in &due {
                self.infer_abandonment(*at, *slot, attempts);
            }
            self.due = due;
            if fired == 0 {
                break;
            }
        }
        if !self.tickets.quiet(bound) {
            self.tickets
                .expire(bound, self.plan.spec.ticket_retention, &mut self.tuples, &mut self.due);
        }
        if !self.journeys.quiet(bound) {
            let mut ended = std::mem::take(&mut self.ended);
            self.journeys.expire(bound, &self.plan.spec.journeys, &mut self.due, &mut ended);
            self.journey_facts(&mut ended);
            self.ended = ended;
        }
    }

    fn infer_abandonment(&mut self, at: EventTime, slot: u32, attempts: &mut AttemptSink<'_>) {
        let Some(started) = self.attempts.started(slot) else { return };
        let base = self.tuples.base_of(started.tuple);
        let fact = Fact {
            outcome: Outcome::Abandoned,
            errors: i64::from(started.errors),
            ..Fact::of(FactKind::Attempt)
        };
        let mut user = None;
        if let Some(attempt) = self.attempts.get(slot) {
            let dims = self.tuples.dims(base);
            user = attempt.user().map(|u| xxh3_64(u.as_bytes()));
            attempts(&AttemptRow {
                time: at,
                started: Some(started.at),
                attempt_id: attempt.id(),
                task: self.tuples.particulars(started.tuple).0.unwrap_or_default(),
                user_id: attempt.user(),
                outcome: Outcome::Abandoned,
                inferred: true,
                duration_ms: None,
                clicks: None,
                errors: fact.errors,
                common: dims.common,
                attributes: dims.attributes(),
                offset: None,
            });
        }
        let tuple = self.tuples.grouped(started.tuple, self.grouped);
        let base = self.tuples.base_of(tuple);
        self.attempt_fact(at, base, tuple, &fact, user);
        self.attempts
            .finish(slot, at, Phase::Inferred, &mut self.tuples, self.plan.spec.attempt_timeout);
    }
}
