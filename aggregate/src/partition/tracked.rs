//! What the three trackers make of events and of time: attempts, tickets and journeys become facts.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::{Applied, AttemptSink, PartitionState};
use crate::attempt::{End, Phase, Start};
use crate::catalogue::Bits;
use crate::event::{AttemptRow, Effort, Outcome, TicketAction};
use crate::fact::{Fact, FactKind};
use crate::journey::EndedRun;
use crate::ticket::{TicketOutcome, TicketRules};
use crate::time::EventTime;
use crate::tuple::{BaseId, TupleId};

impl PartitionState {
    pub(super) fn start_attempt(&mut self, applied: &Applied<'_, '_>, task: &str, id: &str) {
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
    pub(super) fn end_attempt(
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

    pub(super) fn ticket(&mut self, applied: &Applied<'_, '_>, action: TicketAction, id: &str, touchpoint: Option<&str>) -> Bits {
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
    pub(super) fn fire(&mut self, bound: EventTime, attempts: &mut AttemptSink<'_>) {
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
