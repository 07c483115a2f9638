//! Conditions on facts, and the facts that mark a user: the vocabulary in which the catalogue is written.

use crate::event::{Action, Instrument, Outcome, Scope, Severity};
use crate::fact::{Fact, FactKind};
use crate::measure::purchases;

/// A bound that the configuration gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// `apdex.threshold`.
    Apdex,
    /// Four times `apdex.threshold`.
    ApdexTolerated,
    /// `ticket.first_response_target`.
    FirstResponse,
    /// `ticket.resolution_target`.
    Resolution,
    /// Resolved to milliseconds.
    Millis(i64),
}

/// A condition on a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Every fact of the kind.
    Always,
    /// Of `seen`: the event's type is a telemetry type.
    Telemetry,
    /// Attempts that ended so.
    Outcome(Outcome),
    /// Attempts that did not succeed.
    Unsuccessful,
    /// Attempts with at least one error.
    HasErrors,
    /// Errors of that severity.
    Severity(Severity),
    /// Errors of that severity or worse.
    AtLeast(Severity),
    /// Interactions of that kind.
    Action(Action),
    /// Rage, dead or error clicks.
    Distress,
    /// Surveys of that instrument.
    Instrument(Instrument),
    /// Responses to that instrument in one of the scopes (none listed: in any) with a score from and to those points, inclusive.
    #[allow(missing_docs)]
    Score {
        instrument: Instrument,
        scopes: &'static [Scope],
        from: i64,
        to: i64,
    },
    /// Sentiment below -0.05.
    Negative,
    /// Facts that have a value.
    HasValue,
    /// Values no greater than a bound.
    ValueAtMost(Threshold),
    /// Ticket facts whose opening was seen.
    Known,
    /// Resolutions at first contact whose opening was seen.
    KnownFirstContact,
    /// Runs of that journey.
    Journey(u16),
    /// Runs of that journey that reached at least that step.
    Reached(u16, u16),
}

impl When {
    /// Whether the fact satisfies the condition. The fact's kind has been matched before.
    #[must_use]
    #[inline]
    pub fn holds(self, fact: &Fact) -> bool {
        match self {
            When::Always => true,
            When::Telemetry => fact.telemetry,
            When::Outcome(outcome) => fact.outcome == outcome,
            When::Unsuccessful => fact.outcome != Outcome::Success,
            When::HasErrors => fact.errors > 0,
            When::Severity(severity) => fact.severity == severity,
            When::AtLeast(severity) => fact.severity >= severity,
            When::Action(action) => fact.action == action,
            When::Distress => matches!(fact.action, Action::RageClick | Action::DeadClick | Action::ErrorClick),
            When::Instrument(instrument) => fact.instrument == instrument,
            When::Score {
                instrument,
                scopes,
                from,
                to,
            } => {
                fact.instrument == instrument
                    && (scopes.is_empty() || scopes.contains(&fact.scope))
                    && fact.value.is_some_and(|v| v >= from * MICROS && v <= to * MICROS)
            }
            When::Negative => fact.value.is_some_and(|v| v < -50_000),
            When::HasValue => fact.value.is_some(),
            When::ValueAtMost(Threshold::Millis(bound)) => fact.value.is_some_and(|v| v <= bound),
            // Compilation resolves the other thresholds to milliseconds.
            When::ValueAtMost(_) => false,
            When::Known => fact.known,
            When::KnownFirstContact => fact.known && fact.first_contact,
            When::Journey(journey) => fact.journey == journey,
            When::Reached(journey, step) => fact.journey == journey && fact.reached >= step,
        }
    }
}

const MICROS: i64 = 1_000_000;

/// Facts of one kind that satisfy a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select {
    /// The kind.
    pub fact: FactKind,
    /// The condition.
    pub when: When,
}

impl Select {
    pub(crate) const fn of(fact: FactKind, when: When) -> Select {
        Select { fact, when }
    }
}

/// A number of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Duration, latency or wait, in milliseconds.
    Millis,
    /// Score or sentiment, in millionths.
    Micros,
    /// Errors of an attempt.
    Errors,
    /// Clicks of an attempt.
    Clicks,
}

impl Amount {
    /// The number, where the fact has it.
    #[must_use]
    #[inline]
    pub fn of(self, fact: &Fact) -> Option<i64> {
        match self {
            Amount::Millis | Amount::Micros => fact.value,
            Amount::Errors => Some(fact.errors),
            Amount::Clicks => fact.clicks,
        }
    }

    /// What one unit of the metric's value is in this number.
    #[must_use]
    pub fn scale(self) -> f64 {
        match self {
            Amount::Millis => 1e3,
            Amount::Micros => 1e6,
            Amount::Errors | Amount::Clicks => 1.0,
        }
    }
}

/// Marks that facts leave on a user (or session), and a count of purchases that saturates at 2 in the top two bits.
pub type Bits = u16;

/// The marks, each with the facts that leave it.
pub mod bits {
    use super::{Action, Bits, FactKind, Instrument, Outcome, Select, Severity, When};

    /// Was seen at all.
    pub const SEEN: Bits = 1;
    /// Used the product: a telemetry event.
    pub const ACTIVE: Bits = 1 << 1;
    /// Succeeded in a task or clicked.
    pub const ENGAGED: Bits = 1 << 2;
    /// Rage, dead or error click.
    pub const FRUSTRATED: Bits = 1 << 3;
    /// Fatal error.
    pub const CRASHED: Bits = 1 << 4;
    /// Left.
    pub const CHURNED: Bits = 1 << 5;
    /// Became a paying customer.
    pub const CONVERTED: Bits = 1 << 6;
    /// Referred somebody.
    pub const REFERRED: Bits = 1 << 7;
    /// Opened a ticket.
    pub const CONTACTED: Bits = 1 << 8;
    /// Met a failed or abandoned attempt, an attempt with errors, or a major or fatal error.
    pub const FRICTION: Bits = 1 << 9;
    /// Gave an NPS score.
    pub const NPS: Bits = 1 << 10;
    /// Gave an NPS score of 0 to 6.
    pub const DETRACTOR: Bits = 1 << 11;
    /// One purchase.
    pub const PURCHASE: Bits = crate::measure::ONE_PURCHASE;

    const fn on(bit: Bits, fact: FactKind, when: When) -> (Bits, Select) {
        (bit, Select::of(fact, when))
    }

    /// Which facts leave which mark on their user.
    pub const RULES: &[(Bits, Select)] = &[
        on(SEEN, FactKind::Seen, When::Always),
        on(ACTIVE, FactKind::Seen, When::Telemetry),
        on(ENGAGED, FactKind::Attempt, When::Outcome(Outcome::Success)),
        on(ENGAGED, FactKind::Interaction, When::Action(Action::Click)),
        on(FRUSTRATED, FactKind::Interaction, When::Distress),
        on(CRASHED, FactKind::Error, When::Severity(Severity::Fatal)),
        on(CHURNED, FactKind::Churned, When::Always),
        on(CONVERTED, FactKind::Converted, When::Always),
        on(REFERRED, FactKind::Referred, When::Always),
        on(CONTACTED, FactKind::TicketOpened, When::Always),
        on(FRICTION, FactKind::Attempt, When::Unsuccessful),
        on(FRICTION, FactKind::Attempt, When::HasErrors),
        on(FRICTION, FactKind::Error, When::AtLeast(Severity::Major)),
        on(NPS, FactKind::SurveyResponse, When::Instrument(Instrument::Nps)),
        on(
            DETRACTOR,
            FactKind::SurveyResponse,
            When::Score {
                instrument: Instrument::Nps,
                scopes: &[],
                from: 0,
                to: 6,
            },
        ),
        on(PURCHASE, FactKind::Purchased, When::Always),
    ];
}

/// A test of a user's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserExpr {
    /// Marks that must all be there.
    pub all: Bits,
    /// Marks that must all be absent.
    pub none: Bits,
    /// At least so many purchases (0 to 2).
    pub purchases: u8,
}

impl UserExpr {
    /// Users with all of these marks.
    pub(crate) const fn all(all: Bits) -> UserExpr {
        UserExpr {
            all,
            none: 0,
            purchases: 0,
        }
    }

    /// Users with at least so many purchases.
    pub(crate) const fn purchases(purchases: u8) -> UserExpr {
        UserExpr {
            all: 0,
            none: 0,
            purchases,
        }
    }

    /// The same, without any of these marks.
    pub(crate) const fn without(self, none: Bits) -> UserExpr {
        UserExpr {
            all: self.all,
            none: self.none | none,
            purchases: self.purchases,
        }
    }

    /// Both tests.
    #[must_use]
    pub const fn and(self, other: UserExpr) -> UserExpr {
        UserExpr {
            all: self.all | other.all,
            none: self.none | other.none,
            purchases: if self.purchases > other.purchases {
                self.purchases
            } else {
                other.purchases
            },
        }
    }

    /// Whether a user with these marks passes.
    #[must_use]
    #[inline]
    pub fn holds(self, bits: Bits) -> bool {
        bits & self.all == self.all && bits & self.none == 0 && purchases(bits) >= u16::from(self.purchases)
    }

    /// The kinds of fact that the marks come from.
    #[must_use]
    pub fn facts(self) -> Vec<FactKind> {
        let marks = self.all | self.none | if self.purchases > 0 { bits::PURCHASE } else { 0 };
        bits::RULES
            .iter()
            .filter(|(bit, _)| bit & marks != 0)
            .map(|(_, select)| select.fact)
            .collect()
    }
}
