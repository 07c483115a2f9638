//! The users of a window and group, as exact sets.

use std::collections::{BTreeMap, BTreeSet};

use tidegauge_aggregate::event::{Action, Instrument, Outcome, Severity};

use super::fact::{Fact, Kind};

/// A set of user or session ids.
pub type Ids<'f> = BTreeSet<&'f str>;

/// Who did what.
#[derive(Default)]
pub struct Users<'f> {
    /// Of any event, and of telemetry events.
    pub all: Ids<'f>,
    pub active: Ids<'f>,
    /// With a successful attempt or a click.
    pub engaged: Ids<'f>,
    pub frustrated: Ids<'f>,
    pub crashed: Ids<'f>,
    /// With a failed or abandoned attempt, one with errors, or a major or fatal error; active or not.
    pub friction: Ids<'f>,
    pub contacted: Ids<'f>,
    pub churned: Ids<'f>,
    pub converted: Ids<'f>,
    pub referred: Ids<'f>,
    pub purchases: BTreeMap<&'f str, u64>,
    /// Gave an NPS score, and one of 0-6.
    pub scored: Ids<'f>,
    pub detractors: Ids<'f>,
    pub sessions: Ids<'f>,
    pub crashed_sessions: Ids<'f>,
}

impl<'f> Users<'f> {
    /// Gathers the sets of one window and group.
    pub fn of(facts: &[&'f Fact]) -> Users<'f> {
        let mut users = Users::default();
        for fact in facts {
            users.session(fact);
            if let Some(user) = &fact.dims.user {
                users.user(user, &fact.kind);
            }
        }
        users
    }

    fn session(&mut self, fact: &'f Fact) {
        match &fact.kind {
            Kind::Seen {
                telemetry: true,
                session: Some(session),
            } => {
                self.sessions.insert(session);
            }
            Kind::Error {
                severity: Severity::Fatal,
                session: Some(session),
            } => {
                self.crashed_sessions.insert(session);
            }
            _ => {}
        }
    }

    fn user(&mut self, user: &'f str, kind: &Kind) {
        let add = |set: &mut Ids<'f>, holds: bool| {
            if holds {
                set.insert(user);
            }
        };
        match kind {
            Kind::Seen { telemetry, .. } => {
                add(&mut self.all, true);
                add(&mut self.active, *telemetry);
            }
            Kind::Attempt { outcome, errors, .. } => {
                add(&mut self.engaged, *outcome == Outcome::Success);
                add(&mut self.friction, *outcome != Outcome::Success || *errors > 0);
            }
            Kind::Error { severity, .. } => {
                add(&mut self.crashed, *severity == Severity::Fatal);
                add(&mut self.friction, *severity != Severity::Minor);
            }
            Kind::Interaction { action, .. } => {
                add(&mut self.engaged, *action == Action::Click);
                add(
                    &mut self.frustrated,
                    matches!(action, Action::RageClick | Action::DeadClick | Action::ErrorClick),
                );
            }
            Kind::Survey {
                instrument: Instrument::Nps,
                score,
                ..
            } => {
                add(&mut self.scored, true);
                add(&mut self.detractors, *score <= 6_000_000);
            }
            Kind::TicketOpened => add(&mut self.contacted, true),
            Kind::Referred => add(&mut self.referred, true),
            Kind::Converted => add(&mut self.converted, true),
            Kind::Churned => add(&mut self.churned, true),
            Kind::Purchased { .. } => *self.purchases.entry(user).or_default() += 1,
            _ => {}
        }
    }
}

/// Size of an intersection.
pub fn both(a: &Ids<'_>, b: &Ids<'_>) -> u64 {
    a.intersection(b).count() as u64
}
