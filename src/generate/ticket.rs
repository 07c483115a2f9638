//! A support ticket, from its opening to the survey after it.

use super::draft::Key;
use super::generator::Scene;
use super::json::key;
use super::people::Profile;
use super::score;
use super::world::{COMPLAINTS, PRAISE};

const PRIORITIES: [&str; 4] = ["low", "normal", "high", "urgent"];

/// How support is reached, and how fast it answers and solves, in seconds.
struct Touchpoint {
    name: &'static str,
    channel: &'static str,
    response: f64,
    resolution: f64,
}

const TOUCHPOINTS: [Touchpoint; 4] = [
    Touchpoint {
        name: "live_chat",
        channel: "chat",
        response: 40.0,
        resolution: 420.0,
    },
    Touchpoint {
        name: "hotline",
        channel: "phone",
        response: 110.0,
        resolution: 560.0,
    },
    Touchpoint {
        name: "contact_form",
        channel: "email",
        response: 1900.0,
        resolution: 9800.0,
    },
    Touchpoint {
        name: "branch",
        channel: "store",
        response: 300.0,
        resolution: 900.0,
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opened,
    Responded,
    Escalated,
    Resolved,
    Reopened,
    Asked,
    Answered,
}

#[derive(Clone, Copy)]
pub(super) struct Ticket {
    id: u64,
    profile: Profile,
    touchpoint: u8,
    category: u8,
    priority: u8,
    stage: Stage,
    reopened: bool,
    escalated: bool,
    /// Event time of the next step.
    pub(super) time: i64,
    /// When its record is sent.
    pub(super) sent: i64,
    disappointment: f64,
    /// How much longer than usual support takes.
    delay: f64,
}

impl Ticket {
    pub(super) fn open(scene: &mut Scene, profile: &Profile, time: i64, disappointment: f64, flood: f64) -> Ticket {
        scene.tickets += 1;
        let random = &mut scene.random;
        let mut profile = *profile;
        // Support writes its own times; only the visitor's device had a wrong clock.
        profile.skew = 0;
        profile.session = 0;
        let touchpoint = match random.below(100) {
            0..40 => 0,
            40..62 => 1,
            62..94 => 2,
            _ => 3,
        };
        let category = random.below(profile.product().categories.len() as u32) as u8;
        let priority = ((0.9 + 2.4 * disappointment + 0.7 * random.normal()).round()).clamp(0.0, 3.0) as u8;
        Ticket {
            id: 100_000 + scene.tickets,
            profile,
            touchpoint,
            category,
            priority,
            stage: Stage::Opened,
            reopened: false,
            escalated: false,
            time,
            sent: time,
            disappointment,
            delay: 1.0 + 3.0 * flood,
        }
    }

    /// Writes the record of this step; `false` when it was the last.
    pub(super) fn step(&mut self, scene: &mut Scene) -> bool {
        match self.stage {
            Stage::Asked | Stage::Answered => self.write_survey(scene),
            _ => self.write_event(scene),
        }
        self.follow(scene)
    }

    fn follow(&mut self, scene: &mut Scene) -> bool {
        let random = &mut scene.random;
        let touchpoint = &TOUCHPOINTS[usize::from(self.touchpoint)];
        let urgency = 1.5 - 0.3 * f64::from(self.priority);
        let (stage, median, sigma) = match self.stage {
            Stage::Opened if random.chance(0.02) => return false,
            Stage::Opened | Stage::Reopened => (Stage::Responded, touchpoint.response * urgency * self.delay, 0.7),
            Stage::Responded if !self.escalated && random.chance(0.05 + 0.04 * f64::from(self.priority)) => {
                (Stage::Escalated, touchpoint.resolution * 0.4, 0.6)
            }
            Stage::Responded if random.chance(0.25) => (Stage::Responded, touchpoint.response * 2.0, 0.8),
            Stage::Responded if random.chance(0.03) => return false,
            Stage::Responded | Stage::Escalated => (Stage::Resolved, touchpoint.resolution * self.delay.sqrt(), 0.8),
            Stage::Resolved if !self.reopened && random.chance(0.09) => (Stage::Reopened, touchpoint.resolution * 1.5, 0.9),
            Stage::Resolved if !self.profile.anonymous && random.chance(0.6) => (Stage::Asked, 60.0, 0.3),
            Stage::Asked if random.chance(0.4) => (Stage::Answered, 90.0, 1.0),
            _ => return false,
        };
        self.time += (random.log_normal(median, sigma) * 1000.0) as i64;
        self.escalated |= stage == Stage::Escalated;
        self.reopened |= stage == Stage::Reopened;
        self.stage = stage;
        true
    }

    fn write_event(&mut self, scene: &mut Scene) {
        let kind = match self.stage {
            Stage::Opened => "ticket_opened",
            Stage::Responded => "ticket_responded",
            Stage::Escalated => "ticket_escalated",
            Stage::Reopened => "ticket_reopened",
            _ => "ticket_resolved",
        };
        let touchpoint = &TOUCHPOINTS[usize::from(self.touchpoint)];
        let draft = &mut scene.draft;
        let mut json = draft.begin(kind, Key::Ticket(self.id), &self.profile, self.time, touchpoint.channel);
        json.hex(key!("ticket_id"), "T-", self.id, 9);
        // Later steps leave to the opening what has not changed.
        if matches!(self.stage, Stage::Opened | Stage::Resolved) {
            json.plain(key!("category"), self.profile.product().categories[usize::from(self.category)]);
            json.plain(key!("priority"), PRIORITIES[usize::from(self.priority)]);
            json.plain(key!("touchpoint"), touchpoint.name);
        }
        if self.stage == Stage::Opened {
            draft.attributes(&self.profile, None);
        }
        draft.end();
    }

    fn write_survey(&mut self, scene: &mut Scene) {
        let touchpoint = &TOUCHPOINTS[usize::from(self.touchpoint)];
        let answered = self.stage == Stage::Answered;
        let kind = if answered { "survey_response" } else { "survey_shown" };
        let mut json = scene.draft.begin(kind, Key::Visitor, &self.profile, self.time, touchpoint.channel);
        json.raw(key!("instrument"), "\"csat\",\"scope\":\"touchpoint\"");
        json.plain(key!("touchpoint"), touchpoint.name);
        if answered {
            // A solved problem makes up for much of it, unless it took several attempts.
            let mood = self.disappointment * 0.4 + if self.reopened || self.escalated { 0.4 } else { 0.0 } + (self.delay - 1.0) * 0.1;
            let score = score::csat(&mut scene.random, mood.min(1.0));
            json.integer(key!("score"), score);
            if scene.random.chance(0.3) {
                let comment = scene.random.pick(if score >= 4 { PRAISE } else { COMPLAINTS });
                json.text(key!("comment"), comment);
            }
        }
        scene.draft.end();
    }
}
