//! Random records of one partition: mostly good events, many of them at the edge of something, and some bad ones.

use tidegauge_aggregate::spec::Spec;

use super::RefRecord;
use super::random::Random;
use super::random_field::{self as field, Fields};

/// The tasks of random logs, and the steps of random journeys.
pub const TASKS: [&str; 4] = ["search", "cart", "pay", "ask"];
const USERS: u64 = 9;

/// What an event is about.
#[derive(Clone, Debug)]
enum About {
    Attempt(String),
    Ticket(String),
    SuccessOf(String),
}

/// A timer, or the end of the time within which something counts.
#[derive(Clone, Debug)]
struct Edge {
    time: i64,
    about: About,
}

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
    /// Where something is decided soon.
    edges: Vec<Edge>,
    /// The edge that was just brought about, for an event that depends on it.
    follow: Option<Edge>,
    /// What the next event is to be about.
    about: Option<About>,
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
            follow: None,
            about: None,
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
            // The epoch itself is a timestamp like any other.
            5 if time < 400_000 => Some(0),
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
        if let Some(edge) = self.follow.take()
            && random.chance(70)
        {
            self.about = Some(edge.about);
            return (edge.time + random.range(-1, 1)).max(0);
        }
        let soon = bound - 1..=self.clock + 4 * self.step + lateness;
        let near: Vec<Edge> = self.edges.iter().filter(|edge| soon.contains(&edge.time)).cloned().collect();
        let time = match random.below(40) {
            0 | 1 => bound,
            2 => bound - 1,
            3 => bound + random.range(1, 500),
            4 => self.clock.div_euclid(size) * size,
            5 => self.clock.div_euclid(size) * size - 1,
            6 | 7 => self.clock - random.range(0, lateness),
            8..=12 if !near.is_empty() => {
                let edge = random.pick(&near);
                self.about = random.chance(70).then_some(edge.about);
                edge.time + random.range(-1, 1)
            }
            // What moves the watermark to where the timer is just not due yet, or just due.
            13..=15 if !near.is_empty() => {
                let edge = random.pick(&near);
                self.follow = Some(edge.clone());
                edge.time + lateness + random.range(0, 1)
            }
            16 => self.clock + random.range(0, 5_000),
            17 => self.watermark,
            18 => self.clock - random.range(0, 3 * lateness + 10_000),
            _ => self.clock - random.range(0, lateness.min(300)),
        };
        self.clock = self.clock.max(time);
        time.max(0)
    }

    fn edge(&mut self, time: i64, about: About) {
        self.edges.push(Edge { time, about });
        if self.edges.len() > 8 {
            self.edges.remove(0);
        }
    }

    /// A known id with its time, or a new one.
    fn id(&mut self, random: &mut Random, tickets: bool, prefix: &str, time: i64, new: u64) -> String {
        match (self.about.take(), tickets) {
            (Some(About::Attempt(id)), false) | (Some(About::Ticket(id)), true) => return id,
            (about, _) => self.about = about,
        }
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
        let kind = match &self.about {
            Some(About::Attempt(_)) => random.pick(&[0, 1, 1, 2, 3]),
            Some(About::Ticket(_)) => 7,
            Some(About::SuccessOf(_)) => 1,
            None if self.dense => random.pick(&[0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]),
            None => random.below(10),
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
        self.about = None;
        event
    }

    fn task(&mut self, random: &mut Random, event: &mut Fields, time: i64, kind: u64) {
        let next_of = match self.about.take() {
            Some(About::SuccessOf(user)) => Some(user),
            about => {
                self.about = about;
                None
            }
        };
        let new = match kind {
            0 => 75,
            _ if next_of.is_some() => 100,
            _ if self.dense => 60,
            _ => 15,
        };
        let id = self.id(random, false, "a", time, new);
        let task = random.pick(&TASKS);
        event.text_field("attempt_id", &id);
        event.text_field("task", task);
        if kind == 0 {
            event.text_field("type", "task_started");
            self.edge(time + self.spec.attempt_timeout, About::Attempt(id.clone()));
            if random.chance(30) {
                self.edge(time + 2 * self.spec.attempt_timeout, About::Attempt(id));
            }
            return;
        }
        if next_of.is_some() || random.chance(85) {
            event.text_field("type", "task_finished");
            let outcome = random.pick(&["success", "success", "success", "failure"]);
            event.text_field("outcome", if next_of.is_some() { "success" } else { outcome });
            let user = next_of.unwrap_or_else(|| format!("u{}", random.below(USERS)));
            if random.chance(85) {
                event.text_field("user_id", &user);
            }
            for journey in self.spec.journeys.iter().filter(|journey| journey.steps[0] == task) {
                let time = time + journey.within;
                self.edge(time, About::SuccessOf(user.clone()));
            }
        } else {
            event.text_field("type", "task_abandoned");
        }
        if random.chance(20) {
            self.edge(time + self.spec.attempt_timeout, About::Attempt(id));
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
            for after in [self.spec.first_response_target, self.spec.resolution_target] {
                self.edge(time + after, About::Ticket(id.clone()));
            }
        }
        if random.chance(50) {
            self.edge(time + self.spec.ticket_retention, About::Ticket(id));
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
