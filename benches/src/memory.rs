//! Events for the trackers alone, to see what they hold of each.

use std::sync::Arc;

use tidegauge_aggregate::event::{Action, Body, Event, TicketAction};
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::time::EventTime;

const START: i64 = 1_767_225_600_000;

/// What is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nothing: the event leaves no trace in a tracker.
    Nothing,
    /// A task attempt.
    Attempt,
    /// A support ticket.
    Ticket,
}

/// A partition that has seen `count` events, each of an own id and person (36 bytes each, as UUIDs are), over ten minutes; its panes have
/// been taken, so that nothing but trackers grows with the count. It is warm: buffers that are kept are there already.
#[must_use]
pub fn partition(plan: &Arc<Plan>, count: usize, opened: Opened) -> PartitionState {
    let mut state = PartitionState::new(Arc::clone(plan));
    let mut user = String::with_capacity(36);
    let mut id = String::with_capacity(36);
    for n in 0..count {
        use std::fmt::Write as _;
        user.clear();
        id.clear();
        let _ = write!(user, "0b6c9f04-2f6c-4a53-8d8e-{n:012x}");
        let _ = write!(id, "5d5a1c1e-7b1d-4c0e-9a53-{n:012x}");
        let body = match opened {
            Opened::Nothing => Body::Interaction {
                action: Action::View,
                target: None,
                latency_ms: None,
            },
            Opened::Attempt => Body::TaskStarted {
                task: "checkout",
                attempt_id: &id,
            },
            Opened::Ticket => Body::Ticket {
                action: TicketAction::Opened,
                ticket_id: &id,
                category: None,
                priority: None,
                touchpoint: Some("chat"),
            },
        };
        let event = Event {
            time: EventTime(START + (n as i64 * 600_000) / count as i64),
            event_id: None,
            user_id: Some(&user),
            session_id: None,
            common: [Some("shop"), Some("ios"), Some("app"), Some("4.2.0"), Some("DE"), Some("free")],
            attributes: &[],
            body,
        };
        state.apply(None, n as i64, &event, &mut |_| ());
        // Often, so that what waits to be rolled up is as large as ever in a small count, too.
        if n % 10_000 == 9_999 {
            drop(state.take_delta());
        }
    }
    drop(state.take_delta());
    state
}
