//! One partition's records in offset order: watermark, late, duplicates, trackers and timers; facts come out.

use std::collections::BTreeMap;

use tidegauge_aggregate::event::Outcome;
use tidegauge_aggregate::spec::Spec;

use super::decode::{self, Body, Event};
use super::fact::{Dims, Fact, Kind};
use super::tickets::Tickets;
use super::{Counters, RefRecord};

/// Later than every timer.
const END_OF_INPUT: i64 = i64::MAX;

enum Attempt {
    Open { start: i64, dims: Dims, errors: u64 },
    Ended { at: i64, inferred: bool },
}

struct Run {
    start: i64,
    reached: usize,
    dims: Dims,
}

struct Partition<'a> {
    spec: &'a Spec,
    counters: &'a mut Counters,
    facts: &'a mut Vec<Fact>,
    watermark: Option<i64>,
    /// The latest time of an accepted event by its id.
    event_ids: BTreeMap<String, i64>,
    attempts: BTreeMap<String, Attempt>,
    tickets: Tickets,
    /// By journey and user.
    runs: BTreeMap<(usize, String), Run>,
}

/// Adds one to a counter.
pub fn count(counters: &mut Counters, name: &str) {
    *counters.entry(name.to_owned()).or_default() += 1;
}

/// Replays one partition to its end and closes it.
pub fn replay(spec: &Spec, records: &[RefRecord], counters: &mut Counters, facts: &mut Vec<Fact>) {
    let mut partition = Partition {
        spec,
        counters,
        facts,
        watermark: None,
        event_ids: BTreeMap::new(),
        attempts: BTreeMap::new(),
        tickets: Tickets::default(),
        runs: BTreeMap::new(),
    };
    for record in records {
        partition.record(record);
    }
    partition.fire(END_OF_INPUT);
}

impl Partition<'_> {
    fn record(&mut self, record: &RefRecord) {
        let event = match decode::decode(self.spec, record) {
            Ok(event) => event,
            Err(reason) => return count(self.counters, &format!("rejected.{reason}")),
        };
        let bound = self.watermark.map(|w| w - self.spec.lateness);
        if bound.is_some_and(|bound| event.time < bound) {
            return count(self.counters, "late");
        }
        if let Some(id) = &event.event_id {
            if let Some(time) = self.event_ids.get(id)
                && bound.is_none_or(|bound| *time >= bound)
            {
                return count(self.counters, "duplicate");
            }
            let latest = self.event_ids.entry(id.clone()).or_insert(event.time);
            *latest = event.time.max(*latest);
        }
        count(self.counters, "accepted");
        self.apply(&event);
        let clock = match record.timestamp {
            Some(timestamp) if timestamp >= 0 => event.time.min(timestamp),
            _ => event.time,
        };
        let watermark = self.watermark.map_or(clock, |w| w.max(clock));
        self.watermark = Some(watermark);
        self.fire(watermark - self.spec.lateness);
    }

    fn fact(&mut self, time: i64, dims: Dims, kind: Kind) {
        self.facts.push(Fact { time, dims, kind });
    }

    fn apply(&mut self, event: &Event) {
        self.fact(
            event.time,
            event.dims.clone(),
            Kind::Seen {
                telemetry: event.telemetry,
                session: event.session.clone(),
            },
        );
        let stateless = match &event.body {
            Body::Start { attempt } => return self.start(event, attempt),
            Body::End {
                attempt,
                outcome,
                duration,
                clicks,
                errors,
            } => {
                return self.end(event, attempt, *outcome, *duration, *clicks, *errors);
            }
            Body::Ticket { action, ticket } => {
                return self.tickets.apply(event, *action, ticket, self.counters, self.facts);
            }
            Body::Error { severity, attempt } => {
                if let Some(Attempt::Open { errors, .. }) = attempt.as_ref().and_then(|id| self.attempts.get_mut(id)) {
                    *errors += 1;
                }
                Kind::Error {
                    severity: *severity,
                    session: event.session.clone(),
                }
            }
            Body::Interaction { action, latency } => Kind::Interaction {
                action: *action,
                latency: *latency,
            },
            Body::SurveyShown { instrument } => Kind::SurveyShown { instrument: *instrument },
            Body::Survey { instrument, score, scope } => Kind::Survey {
                instrument: *instrument,
                score: *score,
                scope: *scope,
            },
            Body::Feedback { sentiment } => Kind::Feedback { sentiment: *sentiment },
            Body::SignedUp => Kind::SignedUp,
            Body::Referred => Kind::Referred,
            Body::Converted => Kind::Converted,
            Body::Purchased { amount, currency } => Kind::Purchased {
                amount: *amount,
                currency: currency.clone(),
            },
            Body::Churned => Kind::Churned,
        };
        self.fact(event.time, event.dims.clone(), stateless);
    }

    fn start(&mut self, event: &Event, id: &str) {
        match self.attempts.get(id) {
            None => {
                self.attempts.insert(
                    id.to_owned(),
                    Attempt::Open {
                        start: event.time,
                        dims: event.dims.clone(),
                        errors: 0,
                    },
                );
            }
            Some(Attempt::Open { .. }) => count(self.counters, "repeated_start"),
            Some(Attempt::Ended { .. }) => count(self.counters, "start_after_end"),
        }
    }

    fn end(&mut self, event: &Event, id: &str, outcome: Outcome, duration: Option<i64>, clicks: Option<i64>, errors: Option<i64>) {
        let (counted, elapsed, dims) = match self.attempts.get(id) {
            Some(Attempt::Ended { inferred: false, .. }) => return count(self.counters, "repeated_end"),
            Some(Attempt::Ended { inferred: true, .. }) => return count(self.counters, "late_end"),
            Some(Attempt::Open { start, .. }) if event.time > start + self.spec.attempt_timeout => {
                return count(self.counters, "late_end");
            }
            Some(Attempt::Open { start, dims, errors }) => {
                let elapsed = event.time - start;
                (*errors, (elapsed >= 0).then_some(elapsed), event.dims.or(dims))
            }
            None => {
                count(self.counters, "orphan_end");
                (0, None, event.dims.clone())
            }
        };
        self.attempts.insert(
            id.to_owned(),
            Attempt::Ended {
                at: event.time,
                inferred: false,
            },
        );
        let errors = errors.map_or(counted, |errors| errors as u64);
        let kind = Kind::Attempt {
            outcome,
            errors,
            duration: duration.or(elapsed),
            clicks,
        };
        self.fact(event.time, dims.clone(), kind);
        if outcome == Outcome::Success {
            self.success(event.time, &dims);
        }
    }

    /// Feeds the journeys with one successful attempt.
    fn success(&mut self, time: i64, dims: &Dims) {
        let Some(user) = &dims.user else { return };
        let task = dims.values.get("task").map(String::as_str).unwrap_or_default();
        for (journey, definition) in self.spec.journeys.iter().enumerate() {
            let key = (journey, user.clone());
            if let Some(run) = self.runs.get(&key)
                && time > run.start + definition.within
            {
                let (at, reached, dims) = (run.start + definition.within, run.reached, run.dims.clone());
                self.runs.remove(&key);
                self.facts.push(Fact {
                    time: at,
                    dims,
                    kind: Kind::Journey {
                        journey,
                        reached,
                        duration: None,
                    },
                });
            }
            match self.runs.get_mut(&key) {
                None if definition.steps[0] == task => {
                    self.runs.insert(
                        key,
                        Run {
                            start: time,
                            reached: 1,
                            dims: dims.without("task"),
                        },
                    );
                }
                Some(run) if definition.steps[run.reached] == task && time >= run.start => {
                    run.reached += 1;
                    if run.reached == definition.steps.len() {
                        let kind = Kind::Journey {
                            journey,
                            reached: run.reached,
                            duration: Some(time - run.start),
                        };
                        self.facts.push(Fact {
                            time,
                            dims: run.dims.clone(),
                            kind,
                        });
                        self.runs.remove(&key);
                    }
                }
                _ => {}
            }
        }
    }

    /// Fires what is due: every timer and memory set for a time before `bound`.
    fn fire(&mut self, bound: i64) {
        let timeout = self.spec.attempt_timeout;
        let expired: Vec<String> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| matches!(attempt, Attempt::Open { start, .. } if bound > start + timeout))
            .map(|(id, _)| id.clone())
            .collect();
        for id in expired {
            if let Some(Attempt::Open { start, dims, errors }) = self.attempts.remove(&id) {
                let kind = Kind::Attempt {
                    outcome: Outcome::Abandoned,
                    errors,
                    duration: None,
                    clicks: None,
                };
                self.fact(start + timeout, dims, kind);
                self.attempts.insert(
                    id,
                    Attempt::Ended {
                        at: start + timeout,
                        inferred: true,
                    },
                );
            }
        }
        self.attempts
            .retain(|_, attempt| !matches!(attempt, Attempt::Ended { at, .. } if bound > *at + timeout));
        self.tickets.forget(self.spec, bound);
        for (journey, definition) in self.spec.journeys.iter().enumerate() {
            let ended: Vec<(usize, String)> = self
                .runs
                .iter()
                .filter(|((index, _), run)| *index == journey && bound > run.start + definition.within)
                .map(|(key, _)| key.clone())
                .collect();
            for key in ended {
                if let Some(run) = self.runs.remove(&key) {
                    let kind = Kind::Journey {
                        journey,
                        reached: run.reached,
                        duration: None,
                    };
                    self.fact(run.start + definition.within, run.dims, kind);
                }
            }
        }
    }
}
