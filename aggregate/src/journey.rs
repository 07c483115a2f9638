//! The journey tracker, fed by successful attempts.

use serde::{Deserialize, Serialize};

use crate::keyed::{Keyed, Table};
use crate::spec::Journey;
use crate::time::{EventTime, Millis};
use crate::timers::Timers;
use crate::tuple::{TupleId, Tuples};

/// One open run of one journey by one person.
#[derive(Clone, Debug)]
struct Run {
    /// The journey's index, then the user id.
    key: Box<[u8]>,
    started: EventTime,
    /// Dimensions of the first success; held while open.
    tuple: TupleId,
    journey: u16,
    reached: u16,
}

impl Keyed for Run {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

/// A run that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedRun {
    pub(crate) journey: u16,
    pub(crate) reached: u16,
    pub(crate) at: EventTime,
    /// Duration, if completed.
    pub(crate) duration: Option<Millis>,
    /// Dimensions of the first success; no longer held once the caller has made the fact.
    pub(crate) tuple: TupleId,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Journeys {
    table: Table<Run>,
    timers: Timers,
    key: Vec<u8>,
}

/// Persistent form of one run; the tuple is an index into the snapshot's own list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunState {
    user: Box<str>,
    started: EventTime,
    tuple: u32,
    journey: u16,
    reached: u16,
}

impl Journeys {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Takes a success into account. Ended runs go to `ended`; tells how many runs could not be tracked.
    #[allow(clippy::too_many_arguments, reason = "what a success says of its journey")]
    pub(crate) fn success(
        &mut self,
        journeys: &[Journey],
        user: &str,
        task: &str,
        at: EventTime,
        tuple: TupleId,
        tuples: &mut Tuples,
        limit: usize,
        ended: &mut Vec<EndedRun>,
    ) -> u64 {
        let mut untracked = 0;
        for (index, journey) in journeys.iter().enumerate() {
            let step = journey.steps.iter().position(|s| s == task).map(|s| s as u16 + 1);
            self.key.clear();
            self.key.extend_from_slice(&(index as u16).to_le_bytes());
            self.key.extend_from_slice(user.as_bytes());
            let mut open = self.table.find(&self.key);
            if let Some(slot) = open
                && let Some(run) = self.table.get_mut(slot)
            {
                let until = run.started.plus(journey.within);
                if at > until {
                    self.end(slot, until, None, ended);
                    open = None;
                } else if step == Some(run.reached + 1) && at >= run.started {
                    run.reached += 1;
                    if usize::from(run.reached) == journey.steps.len() {
                        let duration = at.0 - run.started.0;
                        self.end(slot, at, Some(duration), ended);
                    }
                    continue;
                }
            }
            if open.is_none() && step == Some(1) {
                if self.table.len() >= limit {
                    untracked += 1;
                    continue;
                }
                tuples.hold(tuple);
                let run = Run {
                    key: self.key.as_slice().into(),
                    started: at,
                    tuple,
                    journey: index as u16,
                    reached: 1,
                };
                let slot = self.table.insert(run);
                self.timers.set(at.plus(journey.within), slot);
            }
        }
        untracked
    }

    fn end(&mut self, slot: u32, at: EventTime, duration: Option<Millis>, ended: &mut Vec<EndedRun>) {
        if let Some(run) = self.table.remove(slot) {
            ended.push(EndedRun {
                journey: run.journey,
                reached: run.reached,
                at,
                duration,
                tuple: run.tuple,
            });
        }
    }

    pub(crate) fn quiet(&self, bound: EventTime) -> bool {
        self.timers.quiet(bound)
    }

    /// Ends the runs whose time is over.
    pub(crate) fn expire(
        &mut self,
        bound: EventTime,
        journeys: &[Journey],
        scratch: &mut Vec<(EventTime, u32)>,
        ended: &mut Vec<EndedRun>,
    ) {
        self.timers.take_due(bound, scratch);
        for (time, slot) in scratch.iter() {
            let over = self.table.get(*slot).is_some_and(|run| {
                journeys
                    .get(run.journey as usize)
                    .is_some_and(|j| run.started.plus(j.within) == *time)
            });
            if over {
                self.end(*slot, *time, None, ended);
            }
        }
    }

    pub(crate) fn state(&self, mut tuple: impl FnMut(TupleId) -> u32) -> Vec<RunState> {
        self.table
            .iter()
            .map(|(_, r)| RunState {
                user: r.key.get(2..).and_then(|u| std::str::from_utf8(u).ok()).unwrap_or_default().into(),
                started: r.started,
                tuple: tuple(r.tuple),
                journey: r.journey,
                reached: r.reached,
            })
            .collect()
    }

    pub(crate) fn restore(
        states: &[RunState],
        tuples: &mut Tuples,
        journeys: &[Journey],
        tuple: impl Fn(u32) -> Option<TupleId>,
    ) -> Option<Journeys> {
        let mut restored = Journeys::default();
        for state in states {
            let journey = journeys.get(state.journey as usize)?;
            let open = (1..journey.steps.len()).contains(&usize::from(state.reached));
            let id = tuple(state.tuple)?;
            tuples.hold(id);
            let key = [&state.journey.to_le_bytes(), state.user.as_bytes()].concat().into_boxed_slice();
            if !open
                || !state.started.is_moderate()
                || !state.started.plus(journey.within).is_moderate()
                || restored.table.find(&key).is_some()
            {
                return None;
            }
            let run = Run {
                key,
                started: state.started,
                tuple: id,
                journey: state.journey,
                reached: state.reached,
            };
            let slot = restored.table.insert(run);
            restored.timers.set(state.started.plus(journey.within), slot);
        }
        Some(restored)
    }
}
