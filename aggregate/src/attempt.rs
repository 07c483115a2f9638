//! The task-attempt tracker: starts, ends, inferred abandonments, and a memory of what has ended.

use serde::{Deserialize, Serialize};

use crate::keyed::{Keyed, Table};
use crate::time::{EventTime, Millis};
use crate::timers::Timers;
use crate::tuple::{TupleId, Tuples};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Open,
    Ended,
    Inferred,
}

/// One attempt that is open or remembered. Its id and its user share one allocation; everything else is inline, since there may be millions.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    ids: Box<[u8]>,
    /// Start while open, then the end's time.
    at: EventTime,
    /// Dimensions of the start; held while open.
    tuple: TupleId,
    errors: u32,
    id_length: u8,
    phase: Phase,
}

impl Keyed for Attempt {
    fn key(&self) -> &[u8] {
        self.ids.get(..self.id_length as usize).unwrap_or_default()
    }
}

impl Attempt {
    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        Self::text(self.key())
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.ids.get(self.id_length as usize..).filter(|u| !u.is_empty()).map(Self::text)
    }
}

/// What a start came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Opened,
    Repeated,
    AfterEnd,
    Untracked,
}

/// What an end came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Of an open attempt: its slot, where the start can still be read until [`Attempts::finish`].
    Of(u32),
    Orphan,
    Repeated,
    Late,
}

/// An attempt as it stood when its timer ended it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) at: EventTime,
    pub(crate) tuple: TupleId,
    pub(crate) errors: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts {
    table: Table<Attempt>,
    timers: Timers,
}

/// Persistent form of one attempt; the tuple is an index into the snapshot's own list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AttemptState {
    id: Box<str>,
    user: Box<str>,
    at: EventTime,
    tuple: u32,
    errors: u32,
    phase: Phase,
}

impl Attempts {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of an entry")]
    fn add(&mut self, id: &str, user: &str, at: EventTime, tuple: TupleId, errors: u32, phase: Phase, timeout: Millis) {
        let ids = [id.as_bytes(), user.as_bytes()].concat().into_boxed_slice();
        let slot = self.table.insert(Attempt {
            ids,
            at,
            tuple,
            errors,
            id_length: id.len().min(255) as u8,
            phase,
        });
        self.timers.set(at.plus(timeout), slot);
    }

    #[allow(clippy::too_many_arguments, reason = "what a start says of its attempt")]
    pub(crate) fn start(
        &mut self,
        id: &str,
        user: Option<&str>,
        at: EventTime,
        tuple: TupleId,
        tuples: &mut Tuples,
        timeout: Millis,
        limit: usize,
    ) -> Start {
        if let Some(slot) = self.table.find(id.as_bytes()) {
            return match self.table.get(slot).map(|a| a.phase) {
                Some(Phase::Open) => Start::Repeated,
                _ => Start::AfterEnd,
            };
        }
        if self.table.len() >= limit {
            return Start::Untracked;
        }
        tuples.hold(tuple);
        self.add(id, user.unwrap_or_default(), at, tuple, 0, Phase::Open, timeout);
        Start::Opened
    }

    /// Counts an error towards its attempt, if that is open.
    pub(crate) fn error(&mut self, id: &str) {
        if let Some(slot) = self.table.find(id.as_bytes())
            && let Some(attempt) = self.table.get_mut(slot)
            && attempt.phase == Phase::Open
        {
            attempt.errors = attempt.errors.saturating_add(1);
        }
    }

    pub(crate) fn end(&mut self, id: &str, at: EventTime, timeout: Millis) -> End {
        let Some(slot) = self.table.find(id.as_bytes()) else {
            return End::Orphan;
        };
        match self.table.get(slot) {
            None => End::Orphan,
            Some(attempt) => match attempt.phase {
                Phase::Ended => End::Repeated,
                Phase::Inferred => End::Late,
                Phase::Open if at > attempt.at.plus(timeout) => End::Late,
                Phase::Open => End::Of(slot),
            },
        }
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Attempt> {
        self.table.get(slot)
    }

    pub(crate) fn started(&self, slot: u32) -> Option<Started> {
        self.table.get(slot).map(|a| Started {
            at: a.at,
            tuple: a.tuple,
            errors: a.errors,
        })
    }

    /// Ends an open attempt and remembers it until its end's time plus the timeout is due.
    pub(crate) fn finish(&mut self, slot: u32, at: EventTime, phase: Phase, tuples: &mut Tuples, timeout: Millis) {
        if let Some(attempt) = self.table.get_mut(slot) {
            tuples.release(attempt.tuple);
            attempt.tuple = TupleId(0);
            attempt.at = at;
            attempt.phase = phase;
            self.timers.set(at.plus(timeout), slot);
        }
    }

    /// Remembers the end of an attempt whose start was not seen.
    pub(crate) fn remember(&mut self, id: &str, at: EventTime, timeout: Millis, limit: usize) -> bool {
        if self.table.len() >= limit {
            return false;
        }
        self.add(id, "", at, TupleId(0), 0, Phase::Ended, timeout);
        true
    }

    pub(crate) fn quiet(&self, bound: EventTime) -> bool {
        self.timers.quiet(bound)
    }

    /// Forgets what is due to be forgotten and lists the open attempts that are due to be ended, with the time of their timer.
    pub(crate) fn take_due(&mut self, bound: EventTime, timeout: Millis, scratch: &mut Vec<(EventTime, u32)>) {
        self.timers.take_due(bound, scratch);
        let table = &mut self.table;
        scratch.retain(|(time, slot)| match table.get(*slot) {
            Some(attempt) if attempt.at.plus(timeout) == *time => {
                if attempt.phase == Phase::Open {
                    return true;
                }
                table.remove(*slot);
                false
            }
            _ => false,
        });
    }

    pub(crate) fn state(&self, mut tuple: impl FnMut(TupleId) -> u32) -> Vec<AttemptState> {
        self.table
            .iter()
            .map(|(_, a)| AttemptState {
                id: a.id().into(),
                user: a.user().unwrap_or_default().into(),
                at: a.at,
                tuple: if a.phase == Phase::Open { tuple(a.tuple) } else { 0 },
                errors: a.errors,
                phase: a.phase,
            })
            .collect()
    }

    pub(crate) fn restore(
        states: &[AttemptState],
        tuples: &mut Tuples,
        timeout: Millis,
        tuple: impl Fn(u32) -> Option<TupleId>,
    ) -> Option<Attempts> {
        let mut attempts = Attempts::default();
        for state in states {
            let held = if state.phase == Phase::Open {
                tuple(state.tuple)?
            } else {
                TupleId(0)
            };
            if state.phase == Phase::Open {
                tuples.hold(held);
            }
            if state.id.len() > 255
                || !state.at.is_moderate()
                || !state.at.plus(timeout).is_moderate()
                || attempts.table.find(state.id.as_bytes()).is_some()
            {
                return None;
            }
            attempts.add(&state.id, &state.user, state.at, held, state.errors, state.phase, timeout);
        }
        Some(attempts)
    }
}
