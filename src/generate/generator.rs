//! The generator: draws one record after the other.

use super::agenda::{Agenda, Item, Slab, TICK};
use super::climate::Climate;
use super::draft::Draft;
use super::options::{InvalidOption, Options};
use super::people::People;
use super::random::{Random, mix48};
use super::record::GeneratedRecord;
use super::refused::Refused;
use super::rhythm;
use super::ticket::Ticket;
use super::visit::Visit;

/// Mean number of records of a visit with all that follows from it; measured, and held by a test of the rate.
const RECORDS_PER_VISIT: f64 = 13.0;
/// How many seconds of visits are under way at the start, likewise.
const SECONDS_PER_VISIT: f64 = 105.0;

/// What every step needs.
pub(super) struct Scene {
    pub(super) random: Random,
    pub(super) people: People,
    pub(super) climate: Climate,
    pub(super) draft: Draft,
    /// A ticket that the step opened.
    pub(super) opened: Option<Ticket>,
    /// How many were opened so far.
    pub(super) tickets: u64,
    sessions: u64,
    attempts: u64,
    salt: u64,
}

impl Scene {
    pub(super) fn session_id(&mut self) -> u64 {
        self.sessions += 1;
        mix48(self.sessions ^ self.salt)
    }

    pub(super) fn attempt_id(&mut self) -> u64 {
        self.attempts += 1;
        mix48(self.attempts ^ self.salt.rotate_left(32))
    }
}

/// Draws records without end, each into the buffers of the one before.
pub struct Generator {
    scene: Scene,
    agenda: Agenda,
    visits: Slab<Visit>,
    tickets: Slab<Ticket>,
    echoes: Slab<GeneratedRecord>,
    refused: Refused,
    refused_record: GeneratedRecord,
    partitions: u32,
    rate: f64,
    next_visit: f64,
}

impl Generator {
    /// A generator for the options.
    ///
    /// # Errors
    /// The options are out of range; says which, and what they may be.
    pub fn new(options: &Options) -> Result<Generator, InvalidOption> {
        options.check()?;
        let mut random = Random::new(options.seed, 0);
        let salt = random.bits();
        let scene = Scene {
            random,
            people: People::new(options.users, options.seed),
            climate: Climate::new(options),
            draft: Draft::new(options.partitions, options.seed),
            opened: None,
            tickets: 0,
            sessions: 0,
            attempts: 0,
            salt,
        };
        let mut generator = Generator {
            scene,
            agenda: Agenda::new(options.start),
            visits: Slab::new(),
            tickets: Slab::new(),
            echoes: Slab::new(),
            refused: Refused::new(options.seed, options.bad, options.partitions, options.oversized),
            refused_record: GeneratedRecord::new(),
            partitions: options.partitions,
            rate: options.rate / RECORDS_PER_VISIT / 1000.0,
            next_visit: options.start as f64,
        };
        generator.begin_under_way();
        Ok(generator)
    }

    /// The next record. It is overwritten by the one after it.
    pub fn draw(&mut self) -> &GeneratedRecord {
        if self.refused.is_next() {
            self.refused.write(&mut self.refused_record, self.agenda.now());
            return &self.refused_record;
        }
        loop {
            let done = match self.agenda.pop() {
                None => {
                    self.advance();
                    false
                }
                Some(Item::Visit(index)) => self.step_visit(index),
                Some(Item::Ticket(index)) => self.step_ticket(index),
                Some(Item::Echo(index)) => {
                    let now = self.agenda.now();
                    let echo = self.echoes.get(index);
                    self.scene.draft.record.copy_from(echo);
                    self.scene.draft.record.timestamp = echo.timestamp.max(now);
                    self.echoes.release(index);
                    true
                }
            };
            if done {
                return &self.scene.draft.record;
            }
        }
    }

    /// How far event time has come, in milliseconds since the epoch: no later record has a lesser timestamp.
    #[must_use]
    pub fn event_time(&self) -> i64 {
        self.agenda.now()
    }

    /// Partitions of each topic.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// The records as an iterator without end, each in its own buffers.
    #[must_use]
    pub fn records(self) -> Records {
        Records(self)
    }

    /// Fills the first minutes with visits that began before them.
    fn begin_under_way(&mut self) {
        let start = self.agenda.now();
        let visits = (self.rate * 1000.0 * SECONDS_PER_VISIT * rhythm::volume(start)).round() as u64;
        for _ in 0..visits {
            let time = start + self.scene.random.exponential(12_000.0) as i64;
            let visit = Visit::under_way(&mut self.scene, time);
            let index = self.visits.insert(visit);
            self.agenda.push(visit.sent, Item::Visit(index));
        }
    }

    /// On to the next tick, with the visits that begin in it.
    fn advance(&mut self) {
        self.agenda.advance();
        let now = self.agenda.now();
        self.scene.climate.advance(now);
        let end = (now + TICK) as f64;
        while self.next_visit < end {
            let time = self.next_visit.max(now as f64) as i64;
            let visit = Visit::new(&mut self.scene, time);
            let index = self.visits.insert(visit);
            self.agenda.push(visit.sent, Item::Visit(index));
            self.next_visit += self.scene.random.exponential(1.0 / (self.rate * rhythm::volume(time)));
        }
    }

    fn step_visit(&mut self, index: u32) -> bool {
        let now = self.agenda.now();
        let visit = self.visits.get(index);
        self.scene.draft.record.timestamp = visit.sent.max(now);
        let goes_on = visit.step(&mut self.scene);
        let sent = self.scene.draft.record.timestamp;
        if goes_on {
            let delay = network_delay(&mut self.scene.random, visit.mobile());
            // A device sends in order: what happens while it is offline waits, too.
            visit.sent = (visit.time + delay).max(sent);
            self.agenda.push(visit.sent, Item::Visit(index));
        } else {
            self.visits.release(index);
        }
        if let Some(ticket) = self.scene.opened.take() {
            let index = self.tickets.insert(ticket);
            self.agenda.push(ticket.sent, Item::Ticket(index));
        }
        self.deliver()
    }

    fn step_ticket(&mut self, index: u32) -> bool {
        let now = self.agenda.now();
        let ticket = self.tickets.get(index);
        self.scene.draft.record.timestamp = ticket.sent.max(now);
        if ticket.step(&mut self.scene) {
            ticket.sent = ticket.time + network_delay(&mut self.scene.random, false);
            self.agenda.push(ticket.sent, Item::Ticket(index));
        } else {
            self.tickets.release(index);
        }
        self.deliver()
    }

    /// What the network makes of a record: mostly it arrives, some arrive later, and some once more. `false` if it does not arrive now.
    fn deliver(&mut self) -> bool {
        let random = &mut self.scene.random;
        let fate = random.unit();
        let (arrives, seconds) = match fate {
            f if f < 0.004 => (true, 0.5 + random.exponential(12.0)),
            f if f < 0.010 => (false, 1.0 + random.exponential(15.0)),
            f if f < 0.0115 => (false, 150.0 + random.exponential(240.0)),
            _ => return true,
        };
        // A copy without an id would count as another event.
        if arrives && !self.scene.draft.identified {
            return true;
        }
        let sent = self.scene.draft.record.timestamp + (seconds * 1000.0) as i64;
        let index = self.echoes.reuse().unwrap_or_else(|| self.echoes.insert(GeneratedRecord::new()));
        let echo = self.echoes.get(index);
        echo.copy_from(&self.scene.draft.record);
        echo.timestamp = sent;
        self.agenda.push(sent, Item::Echo(index));
        arrives
    }
}

/// From the event to its record, in milliseconds; phones are offline now and then.
fn network_delay(random: &mut Random, mobile: bool) -> i64 {
    if mobile && random.chance(0.002) {
        return random.log_normal(15_000.0, 0.9) as i64;
    }
    30 + random.exponential(110.0) as i64
}

/// Records without end.
pub struct Records(Generator);

impl Iterator for Records {
    type Item = GeneratedRecord;

    fn next(&mut self) -> Option<GeneratedRecord> {
        Some(self.0.draw().clone())
    }
}
