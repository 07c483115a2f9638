//! One visit: looking around, attempts at tasks, and what follows from how they went.

mod write;

use super::generator::Scene;
use super::people::Profile;
use super::random::weighted;
use super::ticket::Ticket;
use super::world::{Fault, OUTAGE, Task};

/// What is written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    SignUp,
    Browse,
    Start,
    Act,
    Fault,
    End,
    Purchase,
    Shown(Survey),
    Answer(Survey),
    Convert,
    Feedback,
    Refer,
    Churn,
}

/// What people are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survey {
    /// SEQ of a task.
    Ease,
    /// CSAT of a task.
    Task,
    /// NPS of the brand.
    Brand,
    /// NPS of the product.
    Product,
    /// CSAT of the product.
    Satisfaction,
    /// CES of a touchpoint.
    Effort,
    /// NPS of a touchpoint.
    Touchpoint,
    /// SUS of the product.
    Usability,
}

/// What follows, in this order; a bit each in [`Visit::todo`].
const FOLLOW_UPS: [Stage; 13] = [
    Stage::Purchase,
    Stage::Shown(Survey::Ease),
    Stage::Shown(Survey::Task),
    Stage::Convert,
    Stage::Shown(Survey::Satisfaction),
    Stage::Shown(Survey::Effort),
    Stage::Shown(Survey::Usability),
    Stage::Shown(Survey::Product),
    Stage::Shown(Survey::Touchpoint),
    Stage::Shown(Survey::Brand),
    Stage::Feedback,
    Stage::Refer,
    Stage::Churn,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Success,
    Failure,
    Abandoned,
    /// Given up without a word: no record tells.
    Silent,
}

#[derive(Clone, Copy)]
pub(super) struct Visit {
    profile: Profile,
    /// Event time of the next step.
    pub(super) time: i64,
    /// When its record is sent.
    pub(super) sent: i64,
    stage: Stage,
    todo: u16,
    leaving: bool,
    looks: u8,
    tasks_left: u8,
    /// Where in the product's path the visit is.
    on_path: Option<u8>,
    task: u8,
    attempt: u64,
    started: i64,
    /// From one step of the attempt to the next.
    pace_ms: i64,
    ending: Ending,
    down: bool,
    acts: u16,
    faults: u16,
    errors: u16,
    clicks: u16,
    trouble: f32,
    disappointment: f32,
    items: u16,
}

impl Visit {
    pub(super) fn new(scene: &mut Scene, time: i64) -> Visit {
        let session = scene.session_id();
        let profile = scene.people.someone(&mut scene.random, time, session);
        let first = !profile.anonymous && scene.people.arrive(&profile);
        let random = &mut scene.random;
        let looks = 1 + random.below(3) as u8;
        let tasks_left = 1 + random.below(3) as u8;
        let on_path = random.chance(0.65).then_some(0);
        Visit {
            profile,
            time,
            sent: time,
            stage: if first { Stage::SignUp } else { Stage::Browse },
            todo: 0,
            leaving: false,
            looks,
            tasks_left,
            on_path,
            task: 0,
            attempt: 0,
            started: 0,
            pace_ms: 0,
            ending: Ending::Success,
            down: false,
            acts: 0,
            faults: 0,
            errors: 0,
            clicks: 0,
            trouble: 0.0,
            disappointment: 0.0,
            items: 0,
        }
    }

    /// A visit that was going on before the traffic started: it has less left to do.
    pub(super) fn under_way(scene: &mut Scene, time: i64) -> Visit {
        let mut visit = Visit::new(scene, time);
        visit.looks = 0;
        visit.tasks_left = scene.random.below(u32::from(visit.tasks_left) + 1) as u8;
        visit
    }

    /// Whether the visitor may lose the network.
    pub(super) fn mobile(&self) -> bool {
        self.profile.platform().mobile
    }

    /// Writes the record of this step; `false` when it was the last.
    pub(super) fn step(&mut self, scene: &mut Scene) -> bool {
        self.write(scene);
        let Some(next) = self.follow(scene) else {
            return false;
        };
        self.stage = next;
        let random = &mut scene.random;
        let wait = match next {
            Stage::Browse => 300.0 + random.exponential(4500.0),
            Stage::Start => 800.0 + random.exponential(4000.0),
            Stage::Act | Stage::Fault | Stage::End => self.pace_ms as f64 * (0.7 + 0.6 * random.unit()),
            Stage::Purchase => 350.0,
            Stage::SignUp => 20_000.0,
            Stage::Shown(Survey::Brand) => random.log_normal(90_000.0, 0.8),
            Stage::Shown(_) => 1500.0,
            Stage::Answer(_) => random.log_normal(14_000.0, 0.7),
            Stage::Convert | Stage::Feedback | Stage::Refer => random.log_normal(25_000.0, 0.6),
            Stage::Churn => random.log_normal(60_000.0, 0.8),
        };
        self.time += wait as i64;
        true
    }

    fn task(&self) -> &'static Task {
        &self.profile.product().tasks[usize::from(self.task)]
    }

    fn follow(&mut self, scene: &mut Scene) -> Option<Stage> {
        match self.stage {
            Stage::SignUp => Some(Stage::Browse),
            Stage::Browse if self.looks > 0 => {
                self.looks -= 1;
                Some(Stage::Browse)
            }
            Stage::Browse if self.profile.anonymous && scene.random.chance(0.05) => {
                scene.people.sign_up(&mut self.profile);
                Some(Stage::SignUp)
            }
            Stage::Browse => self.next_task(scene),
            Stage::Start | Stage::Act | Stage::Fault => self.work(scene),
            Stage::End => self.after_attempt(scene),
            Stage::Shown(survey) if scene.random.chance(survey.answered()) => Some(Stage::Answer(survey)),
            _ => self.next_follow_up(scene),
        }
    }

    fn next_task(&mut self, scene: &mut Scene) -> Option<Stage> {
        if self.tasks_left == 0 {
            return self.leave(scene);
        }
        self.tasks_left -= 1;
        let product = self.profile.product();
        let random = &mut scene.random;
        let on_path = self.on_path.and_then(|at| product.path.get(usize::from(at)).copied());
        self.task = on_path.unwrap_or_else(|| weighted(random.unit(), product.tasks.iter().map(|task| task.weight)) as u8);
        self.plan_attempt(scene);
        Some(Stage::Start)
    }

    /// Decides how the attempt will go.
    fn plan_attempt(&mut self, scene: &mut Scene) {
        let task = self.task();
        let place = self.profile.place();
        let random = &mut scene.random;
        let slowness = scene.climate.slowness(place);
        let hit = random.chance(scene.climate.errors(place, task));
        self.down = random.chance(scene.climate.outage(place, task));
        // Newer releases fail a little more often, web a little less.
        let luck = if self.profile.newest { 0.985 } else { 1.0 };
        let success = task.success * luck * (1.0 - 0.35 * slowness) * if hit { 0.3 } else { 1.0 } * if self.down { 0.02 } else { 1.0 };
        self.ending = if random.chance(success) {
            Ending::Success
        } else if random.chance(if self.down || hit { 0.25 } else { task.abandoned }) {
            if random.chance(task.silent) {
                Ending::Silent
            } else {
                Ending::Abandoned
            }
        } else {
            Ending::Failure
        };
        let failed = self.ending == Ending::Failure;
        self.faults = u16::from(random.chance(task.errors)) + u16::from(failed && random.chance(0.6));
        if hit || self.down {
            self.faults += 1 + random.below(2) as u16;
        }
        self.errors = self.faults;
        self.clicks = random.count(task.clicks).max(1) + self.faults;
        // Not every click is reported as an interaction of its own.
        self.acts = self.clicks.min(random.count(task.clicks * 0.6));
        let share = match self.ending {
            Ending::Success => 1.0 + 0.4 * f64::from(self.faults),
            // What is down is soon given up.
            _ if self.down => 0.2 + 0.3 * random.unit(),
            _ => 0.4 + random.unit(),
        };
        let seconds = random.log_normal(task.seconds, task.sigma) * share * (1.0 + 1.5 * slowness);
        self.pace_ms = (seconds * 1000.0 / f64::from(1 + self.acts + self.faults)) as i64 + 1;
        self.attempt = scene.attempt_id();
        self.started = self.time;
    }

    /// The next step within the attempt.
    fn work(&mut self, scene: &mut Scene) -> Option<Stage> {
        if self.stage == Stage::Start {
            // By now the time of the start is known.
            self.started = self.time;
        }
        let left = u32::from(self.acts + self.faults);
        if left == 0 {
            return if self.ending == Ending::Silent {
                self.after_attempt(scene)
            } else {
                Some(Stage::End)
            };
        }
        if scene.random.below(left) < u32::from(self.acts) {
            self.acts -= 1;
            Some(Stage::Act)
        } else {
            self.faults -= 1;
            Some(Stage::Fault)
        }
    }

    fn after_attempt(&mut self, scene: &mut Scene) -> Option<Stage> {
        let random = &mut scene.random;
        let succeeded = self.ending == Ending::Success;
        self.trouble += if succeeded { 0.0 } else { 0.9 } + 0.35 * f32::from(self.errors);
        let product = self.profile.product();
        match self.on_path {
            Some(at) if succeeded => {
                self.on_path = (usize::from(at) + 1 < product.path.len() && random.chance(0.8)).then_some(at + 1);
                // Who is on the way goes on.
                self.tasks_left += u8::from(self.on_path.is_some() && self.tasks_left == 0 && random.chance(0.75));
            }
            Some(_) if random.chance(0.45) => self.tasks_left = self.tasks_left.max(1),
            _ => self.on_path = None,
        }
        if succeeded && self.task().name == "checkout" && !self.profile.anonymous {
            self.items = 1 + random.count(2.0);
            self.todo(Stage::Purchase);
        }
        if random.chance(0.05) {
            self.todo(Stage::Shown(Survey::Ease));
        } else if random.chance(0.012) {
            self.todo(Stage::Shown(Survey::Task));
        }
        self.disappointment = (self.trouble / 2.5).min(1.0);
        self.next_follow_up(scene)
    }

    fn todo(&mut self, stage: Stage) {
        if let Some(bit) = FOLLOW_UPS.iter().position(|&known| known == stage) {
            self.todo |= 1 << bit;
        }
    }

    fn next_follow_up(&mut self, scene: &mut Scene) -> Option<Stage> {
        if self.todo != 0 {
            let bit = self.todo.trailing_zeros() as usize;
            self.todo &= self.todo - 1;
            return Some(FOLLOW_UPS[bit]);
        }
        if self.leaving { None } else { self.next_task(scene) }
    }

    /// The visit is over but for what the visitor does because of it.
    fn leave(&mut self, scene: &mut Scene) -> Option<Stage> {
        self.leaving = true;
        let place = self.profile.place();
        let mood = scene.people.disappointment(&self.profile, f64::from(self.trouble));
        self.disappointment = mood as f32;
        let (flood, wave) = (scene.climate.flood(place), scene.climate.churn(place));
        let known = !self.profile.anonymous;
        let random = &mut scene.random;
        if random.chance(0.004 + 0.09 * mood + 0.3 * flood) {
            let time = self.time + random.log_normal(70_000.0, 0.7) as i64;
            scene.opened = Some(Ticket::open(scene, &self.profile, time, mood, flood));
        }
        let random = &mut scene.random;
        let pays = scene.people.pays(&self.profile);
        let chances = [
            (0.03, Stage::Shown(Survey::Satisfaction)),
            (0.025, Stage::Shown(Survey::Effort)),
            (0.01, Stage::Shown(Survey::Usability)),
            (0.03, Stage::Shown(Survey::Product)),
            (0.008, Stage::Shown(Survey::Touchpoint)),
            (0.008 + 0.05 * mood, Stage::Feedback),
        ];
        for (chance, stage) in chances {
            if random.chance(chance) {
                self.todo(stage);
            }
        }
        let chances = [
            (0.06, Stage::Shown(Survey::Brand)),
            (0.012 * (1.0 - mood), Stage::Refer),
            (if pays { 0.0 } else { 0.02 * (1.0 - mood) }, Stage::Convert),
            (0.0015 + 0.014 * mood + 0.25 * wave, Stage::Churn),
        ];
        for (chance, stage) in chances {
            if known && random.chance(chance) {
                self.todo(stage);
            }
        }
        self.next_follow_up(scene)
    }

    fn fault(&self, scene: &mut Scene) -> Fault {
        if self.down { OUTAGE } else { scene.random.pick(self.task().faults) }
    }
}

impl Survey {
    /// Share of those asked who answer.
    fn answered(self) -> f64 {
        match self {
            Survey::Ease | Survey::Task => 0.55,
            Survey::Brand | Survey::Touchpoint => 0.32,
            Survey::Product | Survey::Satisfaction | Survey::Effort => 0.42,
            Survey::Usability => 0.38,
        }
    }
}
