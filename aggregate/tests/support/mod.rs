//! Random histories of a pipeline: events of several partitions, deltas as they are committed, and publications in between.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegauge_aggregate::event::{Action, Body, Common, Effort, Event, Instrument, Scope, Severity, TicketAction};
use tidegauge_aggregate::merger::Publication;
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::row::{GroupKey, MetricRow};
use tidegauge_aggregate::spec::{Journey, Spec, Spike, Window};
use tidegauge_aggregate::time::{EventTime, Millis};

pub(crate) const MINUTE: Millis = 60_000;
pub(crate) const HOUR: Millis = 60 * MINUTE;
/// A day in 2026, aligned to every slide.
pub(crate) const START: Millis = 20_500 * 24 * HOUR;

/// SplitMix64: reproducible from the seed that a failing case prints.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn between(&mut self, low: Millis, high: Millis) -> Millis {
        low + self.below((high - low + 1) as u64) as Millis
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Short windows on three levels, few groups, and everything that looks beyond its own window.
pub(crate) fn spec(horizon: Millis, max_groups: usize, k: usize) -> Spec {
    let groupings = Spec::default_groupings();
    let all: Vec<usize> = (0..groupings.len()).collect();
    let window = |name: &str, size, slide, groupings: &[usize]| Window {
        name: name.to_owned(),
        size,
        slide,
        groupings: groupings.to_vec(),
    };
    Spec {
        revision_horizon: horizon,
        max_groups,
        distinct_k: k,
        distinct_k_groups: k,
        attempt_timeout: 20 * MINUTE,
        windows: vec![
            window("1m", MINUTE, MINUTE, &[0, 1]),
            window("5m", 5 * MINUTE, MINUTE, &[0, 1, 2]),
            window("30m", 30 * MINUTE, 10 * MINUTE, &all),
            window("2h", 2 * HOUR, HOUR, &all),
        ],
        spike: Some(Spike {
            window: 1,
            baseline: 30 * MINUTE,
        }),
        journeys: vec![Journey {
            name: "buy".to_owned(),
            steps: vec!["search".to_owned(), "pay".to_owned()],
            within: 15 * MINUTE,
        }],
        groupings,
        ..Spec::default()
    }
}

/// What an event is made of, by value.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) time: EventTime,
    id: String,
    user: String,
    attempt: String,
    product: &'static str,
    platform: &'static str,
    task: &'static str,
    choice: u64,
    number: i64,
}

impl Draft {
    pub(crate) fn random(random: &mut Random, time: EventTime, place: u64) -> Draft {
        Draft {
            time,
            id: format!("e{place}-{}", random.next()),
            user: format!("u{}", random.below(40)),
            attempt: format!("a{place}-{}", random.below(60)),
            product: random.pick(&["app", "app", "app", "site", "kiosk", "till"]),
            platform: random.pick(&["ios", "web", "android"]),
            task: random.pick(&["search", "pay"]),
            choice: random.below(16),
            number: random.between(0, 10),
        }
    }

    /// The end of an attempt of one user at `app`, of which the start was not seen.
    pub(crate) fn finished(random: &mut Random, time: EventTime, success: bool) -> Draft {
        Draft {
            product: "app",
            choice: 2,
            number: if success { 4 } else { 2 },
            ..Draft::random(random, time, 9)
        }
    }

    /// A click of a user, of rage or not.
    pub(crate) fn click(random: &mut Random, time: EventTime, user: u64, rage: bool) -> Draft {
        Draft {
            user: format!("u{user}"),
            choice: 7,
            number: if rage { 3 } else { 2 },
            ..Draft::random(random, time, 9)
        }
    }

    pub(crate) fn event(&self) -> Event<'_> {
        let (task, attempt_id) = (self.task, self.attempt.as_str());
        let effort = Effort {
            duration_ms: Some(self.number * 700),
            clicks: Some(self.number),
            errors: Some(self.number % 2),
        };
        let body = match self.choice {
            0 | 1 => Body::TaskStarted { task, attempt_id },
            2..=4 | 14.. => Body::TaskFinished {
                task,
                attempt_id: &self.id,
                success: self.number > 3,
                effort,
            },
            5 => Body::TaskFinished {
                task,
                attempt_id,
                success: true,
                effort: Effort::default(),
            },
            6 => Body::Error {
                code: "E1",
                severity: Severity::ALL[self.number as usize % Severity::ALL.len()],
                task: Some(task),
                attempt_id: Some(attempt_id),
                message: None,
            },
            7 | 8 => Body::Interaction {
                action: Action::ALL[self.number as usize % Action::ALL.len()],
                target: None,
                latency_ms: Some(self.number * 90),
            },
            9 => Body::SurveyResponse {
                instrument: Instrument::Nps,
                score_micros: self.number * 1_000_000,
                scope: Scope::Brand,
                task: None,
                touchpoint: None,
                comment: None,
            },
            10 => Body::Ticket {
                action: if self.number > 5 {
                    TicketAction::Resolved
                } else {
                    TicketAction::Opened
                },
                ticket_id: &self.user,
                category: None,
                priority: None,
                touchpoint: Some("phone"),
            },
            11 => Body::Purchased {
                amount_micros: i128::from(self.number) * 1_250_000,
                currency: (self.number > 4).then_some("EUR"),
            },
            12 => Body::Churned { reason: None },
            13 => Body::Feedback {
                text: None,
                sentiment_micros: Some(self.number * 200_000 - 1_000_000),
                touchpoint: Some("shop"),
            },
        };
        let mut common = [None; 6];
        common[Common::Product as usize] = Some(self.product);
        common[Common::Platform as usize] = Some(self.platform);
        Event {
            time: self.time,
            event_id: Some(&self.id),
            user_id: Some(&self.user),
            session_id: Some(&self.user),
            common,
            attributes: &[],
            body,
        }
    }
}

/// Events of one partition in the order of their offsets: bursts and pauses, slightly out of order.
pub(crate) fn events(random: &mut Random, partition: u64, count: usize) -> Vec<Draft> {
    let mut clock = START + random.between(0, HOUR);
    (0..count)
        .map(|_| {
            clock += match random.below(60) {
                0 => random.between(20 * MINUTE, 70 * MINUTE),
                1..=5 => random.between(0, 4 * MINUTE),
                _ => random.between(0, 9_000),
            };
            let time = EventTime(clock - random.between(0, 100_000));
            Draft::random(random, time, partition)
        })
        .collect()
}

pub(crate) fn feed(state: &mut PartitionState, events: &[Draft]) {
    for event in events {
        state.apply(Some(event.time.0 + 500), 0, &event.event(), &mut |_| ());
    }
}

/// What a merger is told.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Apply(PaneStore),
    Publish(EventTime),
}

/// Partitions that are read in turns, of which some are left out for a while as idle ones are, and watermarks that do not wait for them and
/// now and then go back. Ends with everything closed.
pub(crate) fn history(plan: &Arc<Plan>, random: &mut Random) -> Vec<Step> {
    let count = 2 + random.below(2);
    let inputs: Vec<Vec<Draft>> = (0..count).map(|p| events(random, p, 300)).collect();
    let mut states: Vec<PartitionState> = inputs.iter().map(|_| PartitionState::new(Arc::clone(plan))).collect();
    let mut read: Vec<usize> = vec![0; inputs.len()];
    let mut steps = Vec::new();
    let mut clock = START;
    while read.iter().zip(&inputs).any(|(read, input)| *read < input.len()) {
        clock += random.between(5 * MINUTE, 45 * MINUTE);
        let mut watermark = EventTime::MIN;
        let mut delta = PaneStore::default();
        for ((input, state), read) in inputs.iter().zip(&mut states).zip(&mut read) {
            if random.chance(40) {
                continue;
            }
            let until = input[*read..].iter().take_while(|e| e.time.0 <= clock).count();
            feed(state, &input[*read..*read + until]);
            *read += until;
            watermark = watermark.max(state.watermark());
            delta.merge_owned(state.take_delta(), plan.spec.max_groups);
        }
        if !delta.is_empty() {
            steps.push(Step::Apply(delta));
        }
        if random.chance(75) && watermark != EventTime::MIN {
            steps.push(Step::Publish(EventTime(watermark.0 + random.between(-20 * MINUTE, 5 * MINUTE))));
        }
    }
    let mut delta = PaneStore::default();
    for state in &mut states {
        state.close(&mut |_| ());
        delta.merge_owned(state.take_delta(), plan.spec.max_groups);
    }
    steps.push(Step::Apply(delta));
    steps.push(Step::Publish(EventTime::MAX));
    steps
}

pub(crate) type Key = (usize, EventTime, usize, GroupKey, &'static str, &'static str, Option<Arc<str>>);

pub(crate) fn key(row: &MetricRow) -> Key {
    (
        row.window,
        row.window_end,
        row.grouping,
        row.group.clone(),
        row.metric,
        row.stat,
        row.label.clone(),
    )
}

/// Everything that has been published, each row at its highest revision.
#[derive(Default)]
pub(crate) struct Ledger(pub(crate) BTreeMap<Key, MetricRow>);

impl Ledger {
    /// Enters a publication. Each row has to be new and of revision 0, or to differ from what was published and be of the next revision.
    pub(crate) fn enter(&mut self, publication: &Publication) {
        let mut seen = std::collections::BTreeSet::new();
        for row in &publication.rows {
            assert!(seen.insert(key(row)), "published twice at once: {row:?}");
            match self.0.get(&key(row)) {
                None => assert_eq!((row.revision, row.value.is_some()), (0, true), "a new row: {row:?}"),
                Some(last) => {
                    assert_eq!(row.revision, last.revision + 1, "{last:?} -> {row:?}");
                    let same = MetricRow {
                        revision: last.revision,
                        ..row.clone()
                    };
                    assert_ne!(&same, last, "published again though unchanged");
                    if row.value.is_none() {
                        assert_eq!(
                            (row.lower, row.upper, row.n, row.numerator, row.denominator),
                            (None, None, 0, None, None)
                        );
                    }
                }
            }
            self.0.insert(key(row), row.clone());
        }
    }

    /// The rows that stand, without their revisions.
    pub(crate) fn standing(&self) -> BTreeMap<Key, MetricRow> {
        let standing = self.0.iter().filter(|(_, row)| row.value.is_some());
        standing
            .map(|(k, row)| {
                (
                    k.clone(),
                    MetricRow {
                        revision: 0,
                        ..row.clone()
                    },
                )
            })
            .collect()
    }
}
