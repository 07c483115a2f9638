//! Random records of one partition: mostly good events, many of them at the edge of something, and some bad ones.

use tidegauge_aggregate::spec::Spec;

use super::RefRecord;
use super::random::Random;
use super::random_field::{self as field, Fields};

/// The tasks of random logs, and the steps of random journeys.
pub const TASKS: [&str; 4] = ["search", "cart", "pay", "ask"];
const USERS: u64 = 9;

/// Writes one partition.
pub struct Writer<'a> {
    spec: &'a Spec,
    /// Tells many attempts of few users, for what needs a large n.
    dense: bool,
    /// Greatest step between two records.
    step: i64,
    clock: i64,
    /// What the watermark is about.
    watermark: i64,
    /// Ids with the time of their first event.
    attempts: Vec<(String, i64)>,
    tickets: Vec<(String, i64)>,
    /// Times at which something is to happen soon: timers and steps of journeys.
    edges: Vec<i64>,
    next_id: u64,
}

impl<'a> Writer<'a> {
    pub fn new(spec: &'a Spec, start: i64, dense: bool, step: i64) -> Writer<'a> {
        Writer {
            spec,
            dense,
            step,
            clock: start,
            watermark: start,
            attempts: Vec::new(),
            tickets: Vec::new(),
            edges: Vec::new(),
            next_id: 0,
        }
    }

    /// Appends one record.
    pub fn record(&mut self, random: &mut Random, records: &mut Vec<RefRecord>) {
        if random.chance(8) && !records.is_empty() {
            let back = random.below(records.len().min(12) as u64) as usize;
            return records.push(records[records.len() - 1 - back].clone());
        }
        self.clock += random.range(0, self.step);
        if random.chance(1) {
            self.clock += 3 * self.spec.attempt_timeout.max(20_000);
        }
        let time = self.time(random);
        let timestamp = match random.below(20) {
            0 => None,
            1 => Some(time),
            2 => Some((time - self.spec.max_future_skew).max(0)),
            3 => Some((time - self.spec.max_future_skew - 1).max(0)),
            4 => Some((time - random.range(0, self.spec.max_future_skew.min(60_000))).max(0)),
            _ => Some(self.clock + random.range(0, 900)),
        };
        let mut event = self.event(random, time);
        let good = !random.chance(9);
        if good {
            self.watermark = self.watermark.max(timestamp.map_or(time, |t| t.min(time)));
        }
        let value = if good {
            Some(event.text(random).into_bytes())
        } else {
            field::bad(random, &mut event)
        };
        records.push(RefRecord {
            timestamp,
            key: Some(b"k".to_vec()),
            value,
        });
    }

    /// A time around now, or around an edge.
    fn time(&mut self, random: &mut Random) -> i64 {
        let lateness = self.spec.lateness;
        let bound = self.watermark - lateness;
        let size = random.pick(&self.spec.windows).slide;
        let near: Vec<i64> = self
            .edges
            .iter()
            .copied()
            .filter(|edge| (bound - 1..=self.clock + 4 * self.step).contains(edge))
            .collect();
        let time = match random.below(40) {
            0 | 1 => bound,
            2 => bound - 1,
            3 => bound + random.range(1, 500),
            4 => self.clock.div_euclid(size) * size,
            5 => self.clock.div_euclid(size) * size - 1,
            6 | 7 => self.clock - random.range(0, lateness),
            8..=15 if !near.is_empty() => random.pick(&near) + random.range(-1, 1),
            16 => self.clock + random.range(0, 5_000),
            17 => self.watermark,
            18 => self.clock - random.range(0, 3 * lateness + 10_000),
            _ => self.clock - random.range(0, lateness.min(300)),
        };
        self.clock = self.clock.max(time);
        time.max(0)
    }

    fn edge(&mut self, time: i64) {
        self.edges.push(time);
        if self.edges.len() > 6 {
            self.edges.remove(0);
        }
    }

    /// A known id with its time, or a new one.
    fn id(&mut self, random: &mut Random, tickets: bool, prefix: &str, time: i64, new: u64) -> String {
        let known = if tickets { &mut self.tickets } else { &mut self.attempts };
        if known.is_empty() || random.chance(new) {
            self.next_id += 1;
            let id = format!("{prefix}{}", self.next_id);
            known.push((id.clone(), time));
            if known.len() > 8 {
                known.remove(0);
            }
            return id;
        }
        random.pick(known).0
    }

    fn event(&mut self, random: &mut Random, time: i64) -> Fields {
        let mut event = Fields::default();
        event.raw("time", &field::time(random, time));
        let kind = if self.dense {
            random.pick(&[0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9])
        } else {
            random.below(10)
        };
        match kind {
            0..=2 => self.task(random, &mut event, time, kind),
            3 => {
                event.text_field("type", "error");
                event.text_field("code", "e1");
                field::maybe(random, &mut event, 70, "severity", &["minor", "major", "fatal"]);
                field::maybe(random, &mut event, 50, "task", &TASKS);
                if random.chance(70) {
                    let id = self.id(random, false, "a", time, 5);
                    event.text_field("attempt_id", &id);
                }
            }
            4 => {
                event.text_field("type", "interaction");
                let actions = ["impression", "view", "click", "click", "rage_click", "dead_click", "error_click"];
                event.text_field("action", random.pick(&actions));
                if random.chance(70) {
                    let edge = self.spec.apdex_threshold;
                    let wait = random.pick(&[0, 1, 125, 250, 500, 1_000, edge, edge + 1, 4 * edge, 4 * edge + 1, 1 << 40]);
                    let wait = if random.chance(40) { random.range(0, 4_000) } else { wait };
                    event.raw("latency_ms", &wait.to_string());
                }
            }
            5 => field::survey(random, &mut event),
            6 => field::feedback(random, &mut event),
            7 => self.ticket(random, &mut event, time),
            8 => {
                event.text_field("type", random.pick(&["signed_up", "referred", "converted", "churned"]));
                event.text_field("user_id", &format!("u{}", random.below(USERS)));
            }
            _ => {
                event.text_field("type", "purchased");
                event.text_field("user_id", &format!("u{}", random.below(USERS)));
                event.raw("amount", &field::amount(random));
                field::maybe(random, &mut event, 70, "currency", &["EUR", "USD", "", "JPY"]);
            }
        }
        self.common(random, &mut event);
        event
    }

    fn task(&mut self, random: &mut Random, event: &mut Fields, time: i64, kind: u64) {
        let new = if kind == 0 {
            75
        } else if self.dense {
            60
        } else {
            15
        };
        let id = self.id(random, false, "a", time, new);
        event.text_field("attempt_id", &id);
        event.text_field("task", random.pick(&TASKS));
        if kind == 0 {
            event.text_field("type", "task_started");
            self.edge(time + self.spec.attempt_timeout);
            if random.chance(30) {
                self.edge(time + 2 * self.spec.attempt_timeout);
            }
            return;
        }
        if random.chance(85) {
            event.text_field("type", "task_finished");
            event.text_field("outcome", random.pick(&["success", "success", "success", "failure"]));
            if let Some(journey) = self.spec.journeys.first() {
                self.edge(time + journey.within);
            }
        } else {
            event.text_field("type", "task_abandoned");
        }
        if random.chance(30) {
            event.raw(
                "duration_ms",
                &random.pick(&[0, 1, 500, 1_000, 2_000, 12_345, 1_i64 << 40]).to_string(),
            );
        }
        if random.chance(60) {
            event.raw("clicks", &random.pick(&[0, 1, 2, 3, 7, 8, 40, 1_i64 << 31]).to_string());
        }
        if random.chance(25) {
            event.raw("errors", random.pick(&["0", "-0", "1", "2"]));
        }
    }

    fn ticket(&mut self, random: &mut Random, event: &mut Fields, time: i64) {
        let kinds = [
            "ticket_opened",
            "ticket_opened",
            "ticket_responded",
            "ticket_resolved",
            "ticket_resolved",
            "ticket_reopened",
            "ticket_escalated",
        ];
        let kind = random.pick(&kinds);
        let id = self.id(random, true, "t", time, if kind == "ticket_opened" { 60 } else { 10 });
        event.text_field("type", kind);
        event.text_field("ticket_id", &id);
        field::maybe(random, event, 50, "touchpoint", &field::TOUCHPOINTS);
        field::maybe(random, event, 20, "category", &["billing"]);
        if kind == "ticket_opened" {
            for after in [
                self.spec.first_response_target,
                self.spec.resolution_target,
                self.spec.ticket_retention,
            ] {
                if after < 400_000 {
                    self.edge(time + after);
                }
            }
        }
    }

    fn common(&mut self, random: &mut Random, event: &mut Fields) {
        if random.chance(85) {
            event.add("user_id", &format!("u{}", random.below(USERS)));
        }
        if random.chance(50) {
            event.add("session_id", &format!("s{}", random.below(USERS)));
        }
        if random.chance(40) {
            self.next_id += 1;
            let id = if random.chance(25) {
                random.below(self.next_id)
            } else {
                self.next_id
            };
            event.add("event_id", &format!("e{id}"));
        }
        field::maybe(random, event, 75, "product", &["shop", "help", ""]);
        field::maybe(random, event, 60, "platform", &["ios", "web"]);
        field::maybe(random, event, 40, "channel", &["app", "phone", "café"]);
        field::maybe(random, event, 30, "version", &["1.0", "2"]);
        field::maybe(random, event, 20, "country", &["BR", "DE"]);
        field::maybe(random, event, 30, "segment", &["pro", "free"]);
        if random.chance(50) {
            event.raw("attributes", &field::attributes(random));
        }
        if random.chance(10) {
            event.raw("unheard_of", r#"{"a":[1,{"b":null}]}"#);
        }
        if random.chance(5) {
            event.raw("scope", "null");
        }
    }
}
