//! Ratios that more than one indicator asks for, as counts over facts.

use tidegauge_aggregate::event::Outcome;

use super::fact::{Fact, Kind};
use super::users::{Users, both};

/// What counts and of how many, over facts.
pub fn counts(facts: &[&Fact], holds: impl Fn(&Kind) -> Option<bool>) -> (u64, u64) {
    let judged: Vec<bool> = facts.iter().filter_map(|fact| holds(&fact.kind)).collect();
    (judged.iter().filter(|j| **j).count() as u64, judged.len() as u64)
}

/// Counts `(k, n)` of a ratio over facts.
pub type Counts = fn(&[&Fact]) -> (u64, u64);

fn outcome_counts(facts: &[&Fact], wanted: Outcome) -> (u64, u64) {
    counts(facts, |k| match k {
        Kind::Attempt { outcome, .. } => Some(*outcome == wanted),
        _ => None,
    })
}

pub fn success(facts: &[&Fact]) -> (u64, u64) {
    outcome_counts(facts, Outcome::Success)
}

pub fn failure(facts: &[&Fact]) -> (u64, u64) {
    outcome_counts(facts, Outcome::Failure)
}

pub fn abandonment(facts: &[&Fact]) -> (u64, u64) {
    outcome_counts(facts, Outcome::Abandoned)
}

pub fn with_errors(facts: &[&Fact]) -> (u64, u64) {
    counts(facts, |k| match k {
        Kind::Attempt { errors, .. } => Some(*errors > 0),
        _ => None,
    })
}

pub fn negative_feedback(facts: &[&Fact]) -> (u64, u64) {
    counts(facts, |k| match k {
        Kind::Feedback {
            sentiment: Some(sentiment),
        } => Some(*sentiment < -50_000),
        _ => None,
    })
}

fn churn(facts: &[&Fact]) -> (u64, u64) {
    let users = Users::of(facts);
    (both(&users.churned, &users.all), users.all.len() as u64)
}

fn contact(facts: &[&Fact]) -> (u64, u64) {
    let users = Users::of(facts);
    (both(&users.contacted, &users.all), users.all.len() as u64)
}

/// The ratios of `consistency_gap`.
pub const ATTEMPT_RATIOS: [(&str, Counts); 3] = [
    ("task_success_ratio", success),
    ("task_error_ratio", with_errors),
    ("task_abandonment_ratio", abandonment),
];

/// The ratios of `spike_excess`.
pub const SPIKES: [(&str, Counts); 6] = [
    ("task_error_ratio", with_errors),
    ("task_failure_ratio", failure),
    ("task_abandonment_ratio", abandonment),
    ("churn_ratio", churn),
    ("contact_ratio", contact),
    ("negative_feedback_ratio", negative_feedback),
];
