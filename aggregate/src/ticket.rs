//! The support-ticket tracker.

use serde::{Deserialize, Serialize};

use crate::event::TicketAction;
use crate::keyed::{Keyed, Table};
use crate::time::{EventTime, Millis};
use crate::timers::Timers;
use crate::tuple::{TupleId, Tuples};

/// One ticket that has been heard of.
#[derive(Clone, Debug)]
struct Ticket {
    id: Box<[u8]>,
    /// Time and dimensions of the opening, if seen; the tuple is held as long as the ticket is.
    opened: Option<(EventTime, TupleId)>,
    /// Greatest time of its events.
    last: EventTime,
    responded: bool,
    /// Was reopened or escalated.
    troubled: bool,
}

impl Keyed for Ticket {
    fn key(&self) -> &[u8] {
        &self.id
    }
}

/// The fact that a ticket event makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TicketFact {
    /// Dimensions to fall back to: the opening's.
    pub(crate) opening: Option<TupleId>,
    /// Since the opening, in milliseconds; never negative.
    pub(crate) wait: Option<Millis>,
    pub(crate) known: bool,
    pub(crate) first_contact: bool,
    /// The wait was negative and has been set to 0.
    pub(crate) negative: bool,
}

/// What a ticket event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TicketOutcome {
    Fact(TicketFact),
    RepeatedOpen,
    /// A later response: nothing.
    Nothing,
    /// A fact, but the ticket could not be tracked.
    Untracked(TicketFact),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tickets {
    table: Table<Ticket>,
    timers: Timers,
}

/// Persistent form of one ticket; the tuple is an index into the snapshot's own list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TicketState {
    id: Box<str>,
    opened: Option<(EventTime, u32)>,
    last: EventTime,
    responded: bool,
    troubled: bool,
}

/// Limits of the tracker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TicketRules {
    pub(crate) retention: Millis,
    pub(crate) limit: usize,
}

impl Tickets {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn handle(
        &mut self,
        id: &str,
        action: TicketAction,
        at: EventTime,
        tuple: TupleId,
        tuples: &mut Tuples,
        rules: TicketRules,
    ) -> TicketOutcome {
        let slot = match self.table.find(id.as_bytes()) {
            Some(slot) => slot,
            None if self.table.len() >= rules.limit => {
                let unknown = TicketFact {
                    opening: None,
                    wait: None,
                    known: false,
                    first_contact: true,
                    negative: false,
                };
                return TicketOutcome::Untracked(unknown);
            }
            None => {
                let slot = self.table.insert(Ticket {
                    id: id.as_bytes().into(),
                    opened: None,
                    last: at,
                    responded: false,
                    troubled: false,
                });
                self.timers.set(at.plus(rules.retention), slot);
                slot
            }
        };
        let Some(ticket) = self.table.get_mut(slot) else {
            return TicketOutcome::Nothing;
        };
        ticket.last = ticket.last.max(at);
        let since = ticket.opened.map(|(opened, _)| at.0.saturating_sub(opened.0));
        let fact = TicketFact {
            opening: ticket.opened.map(|(_, tuple)| tuple),
            wait: since.map(|s| s.max(0)),
            known: since.is_some(),
            first_contact: !ticket.troubled,
            negative: since.is_some_and(|s| s < 0),
        };
        let without_wait = TicketFact {
            wait: None,
            negative: false,
            ..fact
        };
        match action {
            TicketAction::Opened if ticket.opened.is_some() => TicketOutcome::RepeatedOpen,
            TicketAction::Opened => {
                ticket.opened = Some((at, tuple));
                tuples.hold(tuple);
                TicketOutcome::Fact(TicketFact {
                    known: true,
                    ..without_wait
                })
            }
            TicketAction::Responded if ticket.responded => TicketOutcome::Nothing,
            TicketAction::Responded => {
                ticket.responded = true;
                TicketOutcome::Fact(fact)
            }
            TicketAction::Resolved => TicketOutcome::Fact(fact),
            TicketAction::Reopened | TicketAction::Escalated => {
                ticket.troubled = true;
                TicketOutcome::Fact(without_wait)
            }
        }
    }

    pub(crate) fn quiet(&self, bound: EventTime) -> bool {
        self.timers.quiet(bound)
    }

    /// Forgets the tickets whose retention is over.
    pub(crate) fn expire(&mut self, bound: EventTime, retention: Millis, tuples: &mut Tuples, scratch: &mut Vec<(EventTime, u32)>) {
        loop {
            self.timers.take_due(bound, scratch);
            if scratch.is_empty() {
                return;
            }
            for (_, slot) in scratch.iter() {
                let Some(until) = self.table.get(*slot).map(|t| t.last.plus(retention)) else {
                    continue;
                };
                if until >= bound {
                    self.timers.set(until, *slot);
                } else if let Some(ticket) = self.table.remove(*slot)
                    && let Some((_, tuple)) = ticket.opened
                {
                    tuples.release(tuple);
                }
            }
        }
    }

    pub(crate) fn state(&self, mut tuple: impl FnMut(TupleId) -> u32) -> Vec<TicketState> {
        self.table
            .iter()
            .map(|(_, t)| TicketState {
                id: std::str::from_utf8(&t.id).unwrap_or_default().into(),
                opened: t.opened.map(|(at, id)| (at, tuple(id))),
                last: t.last,
                responded: t.responded,
                troubled: t.troubled,
            })
            .collect()
    }

    pub(crate) fn restore(
        states: &[TicketState],
        tuples: &mut Tuples,
        retention: Millis,
        tuple: impl Fn(u32) -> Option<TupleId>,
    ) -> Option<Tickets> {
        let mut tickets = Tickets::default();
        for state in states {
            let opened = match state.opened {
                Some((at, index)) => {
                    let id = tuple(index)?;
                    tuples.hold(id);
                    Some((at, id))
                }
                None => None,
            };
            let moderate = state.last.is_moderate() && opened.is_none_or(|(at, _)| at.is_moderate());
            if !moderate || tickets.table.find(state.id.as_bytes()).is_some() {
                return None;
            }
            let ticket = Ticket {
                id: state.id.as_bytes().into(),
                opened,
                last: state.last,
                responded: state.responded,
                troubled: state.troubled,
            };
            let slot = tickets.table.insert(ticket);
            tickets.timers.set(state.last.plus(retention), slot);
        }
        Some(tickets)
    }
}
