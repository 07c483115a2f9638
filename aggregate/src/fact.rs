//! Facts: what events become once the trackers have had their say. A fact is what every count, mean, quantile and set is made of.

use crate::event::{Action, Instrument, Outcome, Scope, Severity};
use crate::spec::Dimension;

/// The kinds of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FactKind {
    /// Every accepted event.
    Seen,
    /// A task attempt that ended.
    Attempt,
    /// An `error` event.
    Error,
    /// An `interaction` event.
    Interaction,
    /// A `survey_shown` event.
    SurveyShown,
    /// A `survey_response` event.
    SurveyResponse,
    /// A `feedback` event.
    Feedback,
    /// The first opening of a ticket.
    TicketOpened,
    /// The first response to a ticket.
    TicketFirstResponse,
    /// A resolution of a ticket.
    TicketResolved,
    /// A reopening of a ticket.
    TicketReopened,
    /// An escalation of a ticket.
    TicketEscalated,
    /// A `signed_up` event.
    SignedUp,
    /// A `referred` event.
    Referred,
    /// A `converted` event.
    Converted,
    /// A `purchased` event.
    Purchased,
    /// A `churned` event.
    Churned,
    /// A run of a configured journey that ended.
    Journey,
}

/// How many kinds of fact there are.
pub const FACT_KINDS: usize = FactKind::Journey as usize + 1;

impl FactKind {
    /// The name used in documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FactKind::Seen => "seen",
            FactKind::Attempt => "attempt",
            FactKind::Error => "error",
            FactKind::Interaction => "interaction",
            FactKind::SurveyShown => "survey_shown",
            FactKind::SurveyResponse => "survey_response",
            FactKind::Feedback => "feedback",
            FactKind::TicketOpened => "ticket_opened",
            FactKind::TicketFirstResponse => "ticket_first_response",
            FactKind::TicketResolved => "ticket_resolved",
            FactKind::TicketReopened => "ticket_reopened",
            FactKind::TicketEscalated => "ticket_escalated",
            FactKind::SignedUp => "signed_up",
            FactKind::Referred => "referred",
            FactKind::Converted => "converted",
            FactKind::Purchased => "purchased",
            FactKind::Churned => "churned",
            FactKind::Journey => "journey",
        }
    }

    /// Whether facts of this kind carry that dimension. All carry the common fields and the attributes.
    #[must_use]
    pub fn carries(self, dimension: &Dimension) -> bool {
        use FactKind::{
            Attempt, Error, Feedback, SurveyResponse, SurveyShown, TicketEscalated, TicketFirstResponse, TicketOpened, TicketReopened,
            TicketResolved,
        };
        match dimension {
            Dimension::Common(_) | Dimension::Attribute(_) => true,
            Dimension::Task => matches!(self, Attempt | Error | SurveyShown | SurveyResponse),
            Dimension::Touchpoint => matches!(
                self,
                SurveyShown
                    | SurveyResponse
                    | Feedback
                    | TicketOpened
                    | TicketFirstResponse
                    | TicketResolved
                    | TicketReopened
                    | TicketEscalated
            ),
        }
    }
}

/// The measurable part of a fact. One flat shape for all kinds, so that conditions are tests of fields; a field that a kind does not have
/// keeps its default.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// What kind of fact this is.
    pub kind: FactKind,
    /// Of `seen`: whether the event's type is a telemetry type.
    pub telemetry: bool,
    /// Of `attempt`.
    pub outcome: Outcome,
    /// Of `error`.
    pub severity: Severity,
    /// Of `interaction`.
    pub action: Action,
    /// Of surveys.
    pub instrument: Instrument,
    /// Of surveys.
    pub scope: Scope,
    /// Of ticket facts: whether the opening was seen.
    pub known: bool,
    /// Of `ticket_resolved`: no reopening or escalation was seen before.
    pub first_contact: bool,
    /// Duration, latency or wait in milliseconds, score or sentiment in millionths.
    pub value: Option<i64>,
    /// Of `attempt`.
    pub errors: i64,
    /// Of `attempt`.
    pub clicks: Option<i64>,
    /// Of `journey`: index into the configured journeys.
    pub journey: u16,
    /// Of `journey`: steps reached.
    pub reached: u16,
    /// Of `purchased`, in millionths.
    pub amount_micros: i128,
}

impl Fact {
    /// A fact of that kind with every other field at its default.
    #[must_use]
    pub const fn of(kind: FactKind) -> Fact {
        Fact {
            kind,
            telemetry: false,
            outcome: Outcome::Success,
            severity: Severity::Major,
            action: Action::View,
            instrument: Instrument::Nps,
            scope: Scope::Brand,
            known: false,
            first_contact: false,
            value: None,
            errors: 0,
            clicks: None,
            journey: 0,
            reached: 0,
            amount_micros: 0,
        }
    }
}
