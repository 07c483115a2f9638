//! The ticket tracker.

use std::collections::BTreeMap;

use tidegauge_aggregate::event::TicketAction;
use tidegauge_aggregate::spec::Spec;

use super::Counters;
use super::decode::Event;
use super::fact::{Dims, Fact, Kind};
use super::partition::count;

struct Ticket {
    /// Time and dimensions of the opening, if it was seen.
    opened: Option<(i64, Dims)>,
    responded: bool,
    reopened_or_escalated: bool,
    latest: i64,
}

/// The tickets that are remembered, by id.
#[derive(Default)]
pub struct Tickets {
    known: BTreeMap<String, Ticket>,
}

impl Tickets {
    /// Applies one ticket event.
    pub fn apply(&mut self, event: &Event, action: TicketAction, id: &str, counters: &mut Counters, facts: &mut Vec<Fact>) {
        let unknown = || Ticket {
            opened: None,
            responded: false,
            reopened_or_escalated: false,
            latest: event.time,
        };
        let ticket = self.known.entry(id.to_owned()).or_insert_with(unknown);
        ticket.latest = ticket.latest.max(event.time);
        let dims = ticket
            .opened
            .as_ref()
            .map_or(event.dims.clone(), |(_, opening)| event.dims.or(opening));
        let wait = |counters: &mut Counters| {
            let (opened, _) = ticket.opened.as_ref()?;
            if event.time < *opened {
                count(counters, "negative_wait");
            }
            Some((event.time - opened).max(0))
        };
        let kind = match action {
            TicketAction::Opened if ticket.opened.is_some() => return count(counters, "repeated_open"),
            TicketAction::Opened => {
                ticket.opened = Some((event.time, event.dims.clone()));
                Kind::TicketOpened
            }
            TicketAction::Responded if ticket.responded => return,
            TicketAction::Responded => {
                let wait = wait(counters);
                ticket.responded = true;
                Kind::FirstResponse { wait }
            }
            TicketAction::Resolved => Kind::Resolved {
                first_contact: !ticket.reopened_or_escalated,
                wait: wait(counters),
            },
            TicketAction::Reopened | TicketAction::Escalated => {
                ticket.reopened_or_escalated = true;
                if action == TicketAction::Reopened {
                    Kind::Reopened
                } else {
                    Kind::Escalated
                }
            }
        };
        facts.push(Fact {
            time: event.time,
            dims,
            kind,
        });
    }

    /// Forgets the tickets whose memory is due.
    pub fn forget(&mut self, spec: &Spec, bound: i64) {
        self.known
            .retain(|_, ticket| bound <= ticket.latest.saturating_add(spec.ticket_retention));
    }
}
