//! What events become, and what a fact carries.

use std::collections::BTreeMap;

use tidegauge_aggregate::event::{Action, Instrument, Outcome, Scope, Severity};
use tidegauge_aggregate::spec::Dimension;

/// Everything by which a fact can be grouped, and its user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dims {
    pub user: Option<String>,
    /// `product`, `platform`, ..., `task`, `touchpoint` and `attributes.NAME`, where there is a value.
    pub values: BTreeMap<String, String>,
}

impl Dims {
    /// These, and what they lack from another event.
    pub fn or(&self, other: &Dims) -> Dims {
        let mut values = other.values.clone();
        values.extend(self.values.clone());
        Dims {
            user: self.user.clone().or_else(|| other.user.clone()),
            values,
        }
    }

    /// These without one of them.
    pub fn without(&self, name: &str) -> Dims {
        let mut dims = self.clone();
        dims.values.remove(name);
        dims
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub time: i64,
    pub dims: Dims,
    pub kind: Kind,
}

/// What a fact says. Waits and durations in milliseconds, scores and amounts in millionths.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Seen {
        telemetry: bool,
        session: Option<String>,
    },
    Attempt {
        outcome: Outcome,
        errors: u64,
        duration: Option<i64>,
        clicks: Option<i64>,
    },
    Error {
        severity: Severity,
        session: Option<String>,
    },
    Interaction {
        action: Action,
        latency: Option<i64>,
    },
    SurveyShown {
        instrument: Instrument,
    },
    Survey {
        instrument: Instrument,
        score: i64,
        scope: Scope,
    },
    Feedback {
        sentiment: Option<i64>,
    },
    TicketOpened,
    FirstResponse {
        wait: Option<i64>,
    },
    Resolved {
        first_contact: bool,
        wait: Option<i64>,
    },
    Reopened,
    Escalated,
    SignedUp,
    Referred,
    Converted,
    Purchased {
        amount: i128,
        currency: Option<String>,
    },
    Churned,
    Journey {
        journey: usize,
        reached: usize,
        duration: Option<i64>,
    },
}

impl Fact {
    /// The values by which the fact groups, or nothing where it does not carry a dimension of the grouping.
    pub fn group(&self, dimensions: &[Dimension]) -> Option<Vec<Option<String>>> {
        dimensions
            .iter()
            .map(|d| self.carries(d).then(|| self.dims.values.get(&d.name()).cloned()))
            .collect()
    }

    fn carries(&self, dimension: &Dimension) -> bool {
        let survey = matches!(self.kind, Kind::SurveyShown { .. } | Kind::Survey { .. });
        match dimension {
            Dimension::Common(_) | Dimension::Attribute(_) => true,
            Dimension::Task => survey || matches!(self.kind, Kind::Attempt { .. } | Kind::Error { .. }),
            Dimension::Touchpoint => {
                survey
                    || matches!(
                        self.kind,
                        Kind::Feedback { .. }
                            | Kind::TicketOpened
                            | Kind::FirstResponse { .. }
                            | Kind::Resolved { .. }
                            | Kind::Reopened
                            | Kind::Escalated
                    )
            }
        }
    }
}
