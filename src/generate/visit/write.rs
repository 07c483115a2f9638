//! The records of a visit.

use super::super::draft::Key;
use super::super::generator::Scene;
use super::super::json::key;
use super::super::score;
use super::super::world::{COMPLAINTS, PLANS, PRAISE, REASONS_GIVEN_UP, REASONS_LEFT};
use super::{Ending, Stage, Survey, Visit};

impl Visit {
    /// Writes the record of the current stage.
    pub(super) fn write(&mut self, scene: &mut Scene) {
        match self.stage {
            Stage::Browse | Stage::Act => self.write_interaction(scene),
            Stage::Start | Stage::End => self.write_attempt(scene),
            Stage::Fault => self.write_error(scene),
            Stage::Shown(survey) => self.write_survey(scene, survey, false),
            Stage::Answer(survey) => self.write_survey(scene, survey, true),
            Stage::Feedback => self.write_feedback(scene),
            Stage::Purchase => self.write_purchase(scene),
            Stage::SignUp | Stage::Convert | Stage::Refer | Stage::Churn => self.write_lifecycle(scene),
        }
        scene.draft.end();
    }

    fn write_interaction(&mut self, scene: &mut Scene) {
        let random = &mut scene.random;
        let platform = self.profile.platform();
        let slowness = scene.climate.slowness(self.profile.place());
        let annoyed = self.stage == Stage::Act && random.chance(0.015 + 0.12 * f64::from(self.errors.min(3)) + 0.08 * slowness);
        let action = if annoyed {
            random.pick(&["rage_click", "dead_click", "error_click"])
        } else if self.stage == Stage::Act {
            if random.chance(0.8) { "click" } else { "view" }
        } else {
            match random.below(10) {
                0..5 => "impression",
                5..8 => "view",
                _ => "click",
            }
        };
        let target = match self.stage {
            Stage::Act => random.pick(self.task().targets),
            _ => random.pick(&["home", "hero", "menu", "teaser-1", "teaser-2", "footer"]),
        };
        // An impression is not waited for.
        let latency =
            (action != "impression" && random.chance(0.8)).then(|| random.log_normal(platform.latency_ms * (1.0 + 6.0 * slowness), 0.65));
        let mut json = scene
            .draft
            .begin("interaction", Key::Visitor, &self.profile, self.time, platform.channel);
        json.plain(key!("action"), action);
        json.plain(key!("target"), target);
        if let Some(latency) = latency {
            json.integer(key!("latency_ms"), latency as i64);
        }
    }

    fn write_attempt(&mut self, scene: &mut Scene) {
        let random = &mut scene.random;
        let channel = self.profile.platform().channel;
        let kind = match (self.stage, self.ending) {
            (Stage::Start, _) => "task_started",
            (_, Ending::Success | Ending::Failure) => "task_finished",
            _ => "task_abandoned",
        };
        let mut json = scene.draft.begin(kind, Key::Visitor, &self.profile, self.time, channel);
        json.plain(key!("task"), self.task().name);
        json.hex(key!("attempt_id"), "a-", self.attempt, 12);
        if self.stage == Stage::Start {
            return scene.draft.attributes(&self.profile, None);
        }
        match self.ending {
            Ending::Success => json.raw(key!("outcome"), "\"success\""),
            Ending::Failure => json.raw(key!("outcome"), "\"failure\""),
            Ending::Abandoned | Ending::Silent => {
                if random.chance(0.4) {
                    json.text(key!("reason"), random.pick(REASONS_GIVEN_UP));
                }
            }
        }
        // Producers differ in what they measure themselves; the rest is up to whoever reads.
        if random.chance(0.8) {
            json.integer(key!("duration_ms"), self.time - self.started);
        }
        if random.chance(0.75) {
            json.integer(key!("clicks"), i64::from(self.clicks));
        }
        if random.chance(0.4) {
            json.integer(key!("errors"), i64::from(self.errors));
        }
    }

    fn write_error(&mut self, scene: &mut Scene) {
        let fault = self.fault(scene);
        let channel = self.profile.platform().channel;
        let mut json = scene.draft.begin("error", Key::Visitor, &self.profile, self.time, channel);
        json.plain(key!("code"), fault.code);
        // `major` is the default, and goes without saying.
        if fault.severity != "major" {
            json.plain(key!("severity"), fault.severity);
        }
        json.plain(key!("task"), self.task().name);
        json.hex(key!("attempt_id"), "a-", self.attempt, 12);
        json.text(key!("message"), fault.message);
    }

    fn write_survey(&mut self, scene: &mut Scene, survey: Survey, answered: bool) {
        let kind = if answered { "survey_response" } else { "survey_shown" };
        let random = &mut scene.random;
        let mood = f64::from(self.disappointment);
        let mut json = scene
            .draft
            .begin(kind, Key::Visitor, &self.profile, self.time, self.profile.platform().channel);
        let (instrument, scope) = match survey {
            Survey::Ease => ("seq", "task"),
            Survey::Task => ("csat", "task"),
            Survey::Brand => ("nps", "brand"),
            Survey::Product => ("nps", "product"),
            Survey::Satisfaction => ("csat", "product"),
            Survey::Effort => ("ces", "touchpoint"),
            Survey::Touchpoint => ("nps", "touchpoint"),
            Survey::Usability => ("sus", "product"),
        };
        json.plain(key!("instrument"), instrument);
        // `brand` is the default, and goes without saying.
        if scope != "brand" {
            json.plain(key!("scope"), scope);
        }
        match scope {
            "task" => json.plain(key!("task"), self.task().name),
            "touchpoint" => json.plain(key!("touchpoint"), if self.trouble > 0.5 { "help_centre" } else { "onboarding" }),
            _ => {}
        }
        if !answered {
            return;
        }
        let happy = match instrument {
            "nps" => {
                let score = score::nps(random, mood);
                if random.chance(0.03) {
                    // Some producers only know decimal numbers.
                    json.raw(key!("score"), "");
                    super::super::json::decimal(json.0, score);
                    json.0.extend_from_slice(b".0");
                } else {
                    json.integer(key!("score"), score);
                }
                score >= 8
            }
            "csat" => {
                let score = score::csat(random, mood);
                json.integer(key!("score"), score);
                score >= 4
            }
            "ces" => {
                let score = score::ces(random, mood);
                json.integer(key!("score"), score);
                score >= 5
            }
            "seq" => {
                let score = score::seq(random, mood);
                json.integer(key!("score"), score);
                score >= 5
            }
            _ => {
                let answers = score::sus(random, mood);
                let score = score::sus_score(&answers);
                if random.chance(0.4) {
                    json.hundredths(key!("score"), score);
                } else {
                    json.raw(key!("answers"), "[");
                    for (index, answer) in answers.iter().enumerate() {
                        if index > 0 {
                            json.0.push(b',');
                        }
                        json.0.push(b'0' + *answer as u8);
                    }
                    json.0.push(b']');
                }
                score >= 6800
            }
        };
        if random.chance(0.25) {
            json.text(key!("comment"), random.pick(if happy { PRAISE } else { COMPLAINTS }));
        }
    }

    fn write_feedback(&mut self, scene: &mut Scene) {
        let random = &mut scene.random;
        let sentiment = score::sentiment(random, f64::from(self.disappointment));
        let mut json = scene
            .draft
            .begin("feedback", Key::Visitor, &self.profile, self.time, self.profile.platform().channel);
        let rated = random.chance(0.85);
        if rated {
            json.hundredths(key!("sentiment"), sentiment);
        }
        if !rated || random.chance(0.8) {
            json.text(key!("text"), random.pick(if sentiment >= 0 { PRAISE } else { COMPLAINTS }));
        }
        if random.chance(0.5) {
            json.plain(key!("touchpoint"), random.pick(&["app_review", "feedback_button", "newsletter"]));
        }
    }

    fn write_purchase(&mut self, scene: &mut Scene) {
        let random = &mut scene.random;
        let country = self.profile.country();
        let mut json = scene
            .draft
            .begin("purchased", Key::Visitor, &self.profile, self.time, self.profile.platform().channel);
        let price = random.log_normal(21.0, 0.7) * f64::from(self.items) * country.price;
        // Yen and rupees have no small change.
        let hundredths = if country.price > 50.0 {
            price as i64 * 100
        } else {
            (price * 100.0) as i64
        };
        if random.chance(0.6) {
            json.raw(key!("amount"), "\"");
            super::super::json::fixed(json.0, hundredths);
            json.0.push(b'"');
        } else {
            json.hundredths(key!("amount"), hundredths);
        }
        if random.chance(0.99) {
            json.plain(key!("currency"), country.currency);
        }
        scene.draft.attributes(&self.profile, Some(self.items));
    }

    fn write_lifecycle(&mut self, scene: &mut Scene) {
        let kind = match self.stage {
            Stage::SignUp => "signed_up",
            Stage::Convert => "converted",
            Stage::Refer => "referred",
            _ => "churned",
        };
        let random = &mut scene.random;
        let mut json = scene
            .draft
            .begin(kind, Key::Visitor, &self.profile, self.time, self.profile.platform().channel);
        match self.stage {
            Stage::Convert => {
                self.profile.plan = self.profile.plan.max(1 + random.below(PLANS.len() as u32 - 1) as u8);
                json.plain(key!("plan"), PLANS[usize::from(self.profile.plan)]);
                scene.people.convert(&self.profile);
            }
            Stage::Churn => {
                if random.chance(0.7) {
                    json.text(key!("reason"), random.pick(REASONS_LEFT));
                }
                scene.people.leave(&self.profile);
            }
            _ => scene.draft.attributes(&self.profile, None),
        }
    }
}
