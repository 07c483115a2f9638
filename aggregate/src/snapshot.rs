//! The persistent form of a partition's state: what has to be known to go on with its next record.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::attempt::{AttemptState, Attempts};
use crate::counters::Counters;
use crate::dedup::{EventIds, EventIdsState};
use crate::event::MAX_DIMENSION_BYTES;
use crate::journey::{Journeys, RunState};
use crate::partition::PartitionState;
use crate::plan::Plan;
use crate::ticket::{TicketState, Tickets};
use crate::time::EventTime;
use crate::tuple::{BaseDims, MAX_ATTRIBUTE_DIMENSIONS, TupleId};

/// Dimension values that trackers hold, once for all that share them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TupleState {
    common: [Option<Box<str>>; 6],
    attributes: Vec<Option<Box<str>>>,
    task: Option<Box<str>>,
    touchpoint: Option<Box<str>>,
}

/// A partition's trackers, event ids, watermark and counters. Pane deltas are not part of it: they have been taken and committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionSnapshot {
    watermark: EventTime,
    counters: Counters,
    ids: EventIdsState,
    tuples: Vec<TupleState>,
    attempts: Vec<AttemptState>,
    tickets: Vec<TicketState>,
    journeys: Vec<RunState>,
}

/// Why a snapshot could not be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It names a tuple or a journey that it does not hold.
    #[error("the snapshot refers to something that it does not hold, or was taken under another specification")]
    Dangling,
    /// It holds what no partition comes to hold.
    #[error("the snapshot holds values that no partition has")]
    Unsound,
}

impl PartitionState {
    /// The state as it is now, but for what [`PartitionState::take_delta`] has yet to give.
    #[must_use]
    pub fn snapshot(&self) -> PartitionSnapshot {
        let mut tuples = Vec::new();
        let mut places: BTreeMap<TupleId, u32> = BTreeMap::new();
        let own = |text: Option<&str>| text.map(Box::from);
        let mut place = |id: TupleId| {
            *places.entry(id).or_insert_with(|| {
                let dims = self.tuples.dims(self.tuples.base_of(id));
                let (task, touchpoint) = self.tuples.particulars(id);
                tuples.push(TupleState {
                    common: dims.common.map(own),
                    attributes: dims.attributes().iter().map(|a| own(*a)).collect(),
                    task: own(task),
                    touchpoint: own(touchpoint),
                });
                tuples.len() as u32 - 1
            })
        };
        let attempts = self.attempts.state(&mut place);
        let tickets = self.tickets.state(&mut place);
        let journeys = self.journeys.state(&mut place);
        PartitionSnapshot {
            watermark: self.watermark,
            counters: self.counters.clone(),
            ids: self.ids.state(),
            tuples,
            attempts,
            tickets,
            journeys,
        }
    }

    /// The state that a snapshot was taken of.
    ///
    /// # Errors
    /// When the snapshot is not of this plan.
    pub fn restore(plan: Arc<Plan>, snapshot: &PartitionSnapshot) -> Result<PartitionState, RestoreError> {
        let texts = |t: &TupleState| {
            let texts = t.common.iter().chain(&t.attributes).chain([&t.task, &t.touchpoint]);
            texts.flatten().all(|text| text.len() <= MAX_DIMENSION_BYTES)
        };
        if !snapshot.counters.is_sound() || !snapshot.tuples.iter().all(texts) {
            return Err(RestoreError::Unsound);
        }
        let mut state = PartitionState::new(Arc::clone(&plan));
        let mut ids = Vec::with_capacity(snapshot.tuples.len());
        for tuple in &snapshot.tuples {
            let count = plan.attribute_names.len();
            if tuple.attributes.len() != count || count > MAX_ATTRIBUTE_DIMENSIONS {
                return Err(RestoreError::Dangling);
            }
            let mut dims = BaseDims {
                common: [None; 6],
                attributes: [None; MAX_ATTRIBUTE_DIMENSIONS],
                attribute_count: count,
            };
            for (place, value) in dims.common.iter_mut().zip(&tuple.common) {
                *place = value.as_deref();
            }
            for (place, value) in dims.attributes.iter_mut().zip(&tuple.attributes) {
                *place = value.as_deref();
            }
            let base = state.tuples.base(&dims);
            ids.push(state.tuples.tuple(base, tuple.task.as_deref(), tuple.touchpoint.as_deref()));
        }
        let tuple = |place: u32| ids.get(place as usize).copied();
        let spec = &plan.spec;
        state.watermark = snapshot.watermark;
        state.counters = snapshot.counters.clone();
        state.ids = EventIds::restore(&snapshot.ids).ok_or(RestoreError::Unsound)?;
        state.ids.forgotten = snapshot.counters.forgotten_event_ids;
        let (tuples, dangling) = (&mut state.tuples, RestoreError::Dangling);
        state.attempts = Attempts::restore(&snapshot.attempts, tuples, spec.attempt_timeout, tuple).ok_or(dangling)?;
        state.tickets = Tickets::restore(&snapshot.tickets, tuples, spec.ticket_retention, tuple).ok_or(dangling)?;
        state.journeys = Journeys::restore(&snapshot.journeys, tuples, &spec.journeys, tuple).ok_or(dangling)?;
        Ok(state)
    }
}
