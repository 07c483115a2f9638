//! The indicators of metrics.md, section 5, from the facts of one window and group.

use std::collections::{BTreeMap, BTreeSet};

use tidegauge_aggregate::event::{Action, Instrument, Outcome, Scope, Severity};
use tidegauge_aggregate::spec::Spec;

use super::RefRow;
use super::fact::{Fact, Kind};
use super::ratios::{abandonment, counts, failure, negative_feedback, success, with_errors};
use super::stats;
use super::users::{Ids, Users, both};
use super::windows::Key;

const MILLION: f64 = 1e6;

/// Collects the rows of one window and group; an indicator with n = 0 is absent.
pub struct Rows<'a> {
    pub spec: &'a Spec,
    pub rows: Vec<RefRow>,
    template: RefRow,
}

impl<'a> Rows<'a> {
    pub fn new(spec: &'a Spec, window: usize, start: i64, grouping: usize, key: &Key) -> Rows<'a> {
        let (window, grouping) = (&spec.windows[window], &spec.groupings[grouping]);
        let dims = grouping
            .dimensions
            .iter()
            .zip(key)
            .filter_map(|(d, v)| Some((d.name(), v.clone()?)))
            .collect();
        let template = RefRow {
            window: window.name.clone(),
            window_start: start,
            window_end: start + window.size,
            grouping: grouping.name(),
            dims,
            metric: String::new(),
            stat: String::new(),
            label: None,
            value: 0.0,
            lower: None,
            upper: None,
            n: 0,
            numerator: None,
            denominator: None,
        };
        Rows {
            spec,
            rows: Vec::new(),
            template,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "they are the columns of a row")]
    pub fn push(
        &mut self,
        metric: &str,
        stat: &str,
        label: Option<&str>,
        value: f64,
        interval: Option<(f64, f64)>,
        n: u64,
        counts: Option<(u64, u64)>,
    ) {
        if n == 0 {
            return;
        }
        self.rows.push(RefRow {
            metric: metric.to_owned(),
            stat: stat.to_owned(),
            label: label.map(str::to_owned),
            value,
            lower: interval.map(|i| i.0),
            upper: interval.map(|i| i.1),
            n,
            numerator: counts.map(|c| c.0),
            denominator: counts.map(|c| c.1),
            ..self.template.clone()
        });
    }

    fn count(&mut self, metric: &str, label: Option<&str>, n: usize) {
        self.push(metric, "value", label, n as f64, None, n as u64, None);
    }

    fn ratio(&mut self, metric: &str, label: Option<&str>, (k, n): (u64, u64)) {
        if n > 0 {
            let p = k as f64 / n as f64;
            self.push(
                metric,
                "value",
                label,
                p,
                Some(stats::wilson(p, n as f64, stats::Z)),
                n,
                Some((k, n)),
            );
        }
    }

    /// A ratio that may exceed 1 and has no interval.
    fn open_ratio(&mut self, metric: &str, label: Option<&str>, k: usize, n: usize) {
        self.push(
            metric,
            "value",
            label,
            k as f64 / n as f64,
            None,
            n as u64,
            Some((k as u64, n as u64)),
        );
    }

    fn mean(&mut self, metric: &str, stat: &str, values: &[i64], scale: f64, (low, high): (f64, f64)) {
        if !values.is_empty() {
            let values: Vec<i128> = values.iter().map(|v| i128::from(*v)).collect();
            let (mean, interval) = stats::mean(&values, scale);
            let interval = interval.map(|(l, u)| (l.clamp(low, high), u.clamp(low, high)));
            self.push(metric, stat, None, mean, interval, values.len() as u64, None);
        }
    }

    fn quantiles(&mut self, metric: &str, label: Option<&str>, percents: &[usize], values: &[i64]) {
        if !values.is_empty() {
            for percent in percents {
                let value = stats::quantile(values, *percent, 1000);
                self.push(metric, &format!("p{percent}"), label, value, None, values.len() as u64, None);
            }
        }
    }

    fn nps(&mut self, metric: &str, scores: &[i64]) {
        if !scores.is_empty() {
            let promoters = scores.iter().filter(|s| **s >= 9_000_000).count() as u64;
            let detractors = scores.iter().filter(|s| **s <= 6_000_000).count() as u64;
            let (value, lower, upper) = stats::nps(promoters, detractors, scores.len() as u64);
            self.push(metric, "value", None, value, Some((lower, upper)), scores.len() as u64, None);
        }
    }
}

fn number(facts: &[&Fact], holds: impl Fn(&Kind) -> bool) -> usize {
    facts.iter().filter(|fact| holds(&fact.kind)).count()
}

fn values(facts: &[&Fact], value: impl Fn(&Kind) -> Option<i64>) -> Vec<i64> {
    facts.iter().filter_map(|fact| value(&fact.kind)).collect()
}

/// The UX table, without what is over users.
pub fn ux(rows: &mut Rows<'_>, facts: &[&Fact]) {
    rows.count("task_attempts", None, number(facts, |k| matches!(k, Kind::Attempt { .. })));
    rows.ratio("task_success_ratio", None, success(facts));
    rows.ratio("task_failure_ratio", None, failure(facts));
    rows.ratio("task_abandonment_ratio", None, abandonment(facts));
    rows.ratio("task_error_ratio", None, with_errors(facts));
    let errors = values(facts, |k| match k {
        Kind::Attempt { errors, .. } => Some(*errors as i64),
        _ => None,
    });
    rows.mean("errors_per_attempt", "value", &errors, 1.0, (0.0, f64::INFINITY));
    rows.count("errors", None, number(facts, |k| matches!(k, Kind::Error { .. })));
    for wanted in Severity::ALL {
        let of = number(facts, |k| matches!(k, Kind::Error { severity, .. } if severity == wanted));
        rows.count("errors_by_severity", Some(wanted.as_str()), of);
    }
    time_on_task(rows, facts);
    let clicks = values(facts, |k| match k {
        Kind::Attempt {
            outcome: Outcome::Success,
            clicks,
            ..
        } => *clicks,
        _ => None,
    });
    rows.mean("clicks_to_completion", "mean", &clicks, 1.0, (0.0, f64::INFINITY));
    if !clicks.is_empty() {
        for percent in [50, 95] {
            let value = stats::quantile(&clicks, percent, 1).round();
            rows.push(
                "clicks_to_completion",
                &format!("p{percent}"),
                None,
                value,
                None,
                clicks.len() as u64,
                None,
            );
        }
    }
    let actions = |wanted: Action| number(facts, |k| matches!(k, Kind::Interaction { action, .. } if *action == wanted));
    rows.open_ratio("click_through_ratio", None, actions(Action::Click), actions(Action::Impression));
    let latencies = values(facts, |k| match k {
        Kind::Interaction { latency, .. } => *latency,
        _ => None,
    });
    rows.quantiles("wait_seconds", None, &[50, 75, 95, 99], &latencies);
    let threshold = rows.spec.apdex_threshold;
    let satisfied = latencies.iter().filter(|l| **l <= threshold).count() as f64;
    let tolerating = latencies.iter().filter(|l| **l > threshold && **l <= 4 * threshold).count() as f64;
    let apdex = (satisfied + tolerating / 2.0) / latencies.len() as f64;
    rows.push("apdex_score", "value", None, apdex, None, latencies.len() as u64, None);
    journeys(rows, facts);
}

fn time_on_task(rows: &mut Rows<'_>, facts: &[&Fact]) {
    let durations = values(facts, |k| match k {
        Kind::Attempt {
            outcome: Outcome::Success,
            duration,
            ..
        } => *duration,
        _ => None,
    });
    rows.quantiles("time_on_task_seconds", None, &[50, 90, 95, 99], &durations);
    rows.mean("time_on_task_seconds", "mean", &durations, 1000.0, (0.0, f64::INFINITY));
    if !durations.is_empty() {
        let logs: Vec<i128> = durations
            .iter()
            .map(|ms| ((*ms).max(1) as f64).ln() * 1e9)
            .map(|log| log.round() as i128)
            .collect();
        let (mean, interval) = stats::mean(&logs, 1e9);
        let interval = interval.map(|(l, u)| (l.exp() / 1000.0, u.exp() / 1000.0));
        rows.push(
            "time_on_task_seconds",
            "geomean",
            None,
            mean.exp() / 1000.0,
            interval,
            logs.len() as u64,
            None,
        );
    }
}

fn journeys(rows: &mut Rows<'_>, facts: &[&Fact]) {
    for (index, journey) in rows.spec.journeys.iter().enumerate() {
        let runs: Vec<(usize, Option<i64>)> = facts
            .iter()
            .filter_map(|fact| match fact.kind {
                Kind::Journey {
                    journey,
                    reached,
                    duration,
                } if journey == index => Some((reached, duration)),
                _ => None,
            })
            .collect();
        rows.count("journey_runs", Some(&journey.name), runs.len());
        for step in 2..=journey.steps.len() {
            let reached = runs.iter().filter(|(reached, _)| *reached >= step).count();
            rows.ratio(
                "journey_step_ratio",
                Some(&format!("{}/{step}", journey.name)),
                (reached as u64, runs.len() as u64),
            );
        }
        let durations: Vec<i64> = runs.iter().filter_map(|(_, duration)| *duration).collect();
        rows.quantiles("journey_seconds", Some(&journey.name), &[50, 90], &durations);
    }
}

/// Scores of an instrument in some scopes.
fn scores(facts: &[&Fact], wanted: Instrument, scopes: &[Scope]) -> Vec<i64> {
    values(facts, |k| match k {
        Kind::Survey { instrument, score, scope } if *instrument == wanted && scopes.contains(scope) => Some(*score),
        _ => None,
    })
}

fn at_least(scores: &[i64], bound: i64) -> (u64, u64) {
    (
        scores.iter().filter(|s| **s >= bound * 1_000_000).count() as u64,
        scores.len() as u64,
    )
}

/// The CX table, and the surveys of the UX table, without what is over users.
pub fn cx(rows: &mut Rows<'_>, facts: &[&Fact]) {
    rows.mean(
        "sus_score",
        "value",
        &scores(facts, Instrument::Sus, Scope::ALL),
        MILLION,
        (0.0, 100.0),
    );
    rows.mean(
        "seq_score",
        "value",
        &scores(facts, Instrument::Seq, Scope::ALL),
        MILLION,
        (1.0, 7.0),
    );
    rows.nps("product_nps", &scores(facts, Instrument::Nps, &[Scope::Product, Scope::Task]));
    rows.nps("touchpoint_nps", &scores(facts, Instrument::Nps, &[Scope::Touchpoint]));
    rows.nps("nps", &scores(facts, Instrument::Nps, &[Scope::Brand]));
    rows.ratio(
        "satisfaction_ratio",
        None,
        at_least(&scores(facts, Instrument::Csat, &[Scope::Product, Scope::Task]), 4),
    );
    let csat = scores(facts, Instrument::Csat, Scope::ALL);
    rows.ratio("csat_ratio", None, at_least(&csat, 4));
    rows.mean("csat_score", "value", &csat, MILLION, (1.0, 5.0));
    let ces = scores(facts, Instrument::Ces, Scope::ALL);
    rows.mean("ces_score", "value", &ces, MILLION, (1.0, 7.0));
    rows.ratio("ces_low_effort_ratio", None, at_least(&ces, 5));
    for wanted in Instrument::ALL {
        let shown = number(facts, |k| matches!(k, Kind::SurveyShown { instrument } if instrument == wanted));
        let responses = scores(facts, *wanted, Scope::ALL).len();
        rows.open_ratio("survey_response_ratio", Some(wanted.as_str()), responses, shown);
    }
    let sentiments = values(facts, |k| match k {
        Kind::Feedback { sentiment } => *sentiment,
        _ => None,
    });
    rows.mean("sentiment_score", "value", &sentiments, MILLION, (-1.0, 1.0));
    rows.ratio("negative_feedback_ratio", None, negative_feedback(facts));
    tickets(rows, facts);
}

fn tickets(rows: &mut Rows<'_>, facts: &[&Fact]) {
    let opened = number(facts, |k| matches!(k, Kind::TicketOpened));
    let resolved = number(facts, |k| matches!(k, Kind::Resolved { .. }));
    let escalated = number(facts, |k| matches!(k, Kind::Escalated));
    rows.count("tickets_opened", None, opened);
    rows.count("tickets_resolved", None, resolved);
    let responses = values(facts, |k| match k {
        Kind::FirstResponse { wait } => *wait,
        _ => None,
    });
    let resolutions = values(facts, |k| match k {
        Kind::Resolved { wait, .. } => *wait,
        _ => None,
    });
    let spec = rows.spec;
    for (name, target, waits) in [
        ("first_response", spec.first_response_target, &responses),
        ("resolution", spec.resolution_target, &resolutions),
    ] {
        rows.quantiles(&format!("{name}_seconds"), None, &[50, 90], waits);
        rows.mean(&format!("{name}_seconds"), "mean", waits, 1000.0, (0.0, f64::INFINITY));
        let within = waits.iter().filter(|wait| **wait <= target).count() as u64;
        rows.ratio(&format!("{name}_within_target_ratio"), None, (within, waits.len() as u64));
    }
    let first_contact = counts(facts, |k| match k {
        Kind::Resolved {
            first_contact,
            wait: Some(_),
        } => Some(*first_contact),
        _ => None,
    });
    rows.ratio("first_contact_resolution_ratio", None, first_contact);
    rows.open_ratio("reopen_ratio", None, number(facts, |k| matches!(k, Kind::Reopened)), resolved);
    rows.open_ratio("escalation_ratio", None, escalated, opened);
}

/// What is over users and sessions, and the links from UX to CX.
pub fn over_users(rows: &mut Rows<'_>, facts: &[&Fact], users: &Users<'_>) {
    let share = |set: &Ids<'_>, of: &Ids<'_>| (both(set, of), of.len() as u64);
    let others = |(k, n): (u64, u64)| (n - k, n);
    rows.count("sessions", None, users.sessions.len());
    rows.count("active_users", None, users.active.len());
    rows.count("users", None, users.all.len());
    rows.ratio("engaged_user_ratio", None, share(&users.engaged, &users.active));
    rows.ratio("frustrated_user_ratio", None, share(&users.frustrated, &users.active));
    rows.ratio("crash_free_user_ratio", None, others(share(&users.crashed, &users.active)));
    rows.ratio(
        "crash_free_session_ratio",
        None,
        others(share(&users.crashed_sessions, &users.sessions)),
    );
    let purchasers: Ids<'_> = users.purchases.keys().copied().collect();
    let repeated: Ids<'_> = users.purchases.iter().filter(|(_, n)| **n >= 2).map(|(user, _)| *user).collect();
    rows.ratio("churn_ratio", None, share(&users.churned, &users.all));
    rows.ratio("conversion_ratio", None, share(&users.converted, &users.all));
    rows.ratio("referral_ratio", None, share(&users.referred, &users.all));
    rows.ratio("purchaser_ratio", None, share(&purchasers, &users.all));
    rows.ratio("contact_ratio", None, share(&users.contacted, &users.all));
    rows.ratio("repeat_purchase_ratio", None, share(&repeated, &purchasers));
    money(rows, facts, users);
    let friction: Ids<'_> = users.friction.intersection(&users.active).copied().collect();
    let calm: Ids<'_> = users.active.difference(&friction).copied().collect();
    rows.ratio("friction_user_ratio", None, share(&friction, &users.active));
    let all: BTreeSet<&str> = users.all.clone();
    for (name, effect, among) in [
        ("contact_friction_lift", &users.contacted, &all),
        ("churn_friction_lift", &users.churned, &all),
        ("detractor_friction_lift", &users.detractors, &users.scored),
    ] {
        let (with, without): (Ids<'_>, Ids<'_>) = (
            friction.intersection(among).copied().collect(),
            calm.intersection(among).copied().collect(),
        );
        let ((a, n1), (b, n2)) = (share(effect, &with), share(effect, &without));
        if let Some((value, lower, upper)) = stats::lift(a, n1, b, n2) {
            rows.push(name, "value", None, value, Some((lower, upper)), n1 + n2, None);
        }
    }
}

fn money(rows: &mut Rows<'_>, facts: &[&Fact], users: &Users<'_>) {
    let mut amounts: BTreeMap<Option<&str>, Vec<i128>> = BTreeMap::new();
    for fact in facts {
        if let Kind::Purchased { amount, currency } = &fact.kind {
            amounts.entry(currency.as_deref()).or_default().push(*amount);
        }
    }
    let (n_users, churned) = (users.all.len() as u64, both(&users.churned, &users.all));
    for (currency, amounts) in amounts {
        let n = amounts.len() as u64;
        let revenue = amounts.iter().sum::<i128>() as f64 / MILLION;
        let per_user = revenue / n_users as f64;
        rows.push("revenue", "value", currency, revenue, None, n, None);
        rows.push("average_order_value", "value", currency, revenue / n as f64, None, n, None);
        rows.push("revenue_per_user", "value", currency, per_user, None, n_users, None);
        if churned > 0 {
            let value = per_user * rows.spec.gross_margin / (churned as f64 / n_users as f64);
            rows.push("customer_lifetime_value", "value", currency, value, None, n_users, None);
        }
    }
}

/// Who was active before and still is.
pub fn retention(rows: &mut Rows<'_>, users: &Users<'_>, before: &Users<'_>) {
    rows.ratio(
        "retention_ratio",
        None,
        (both(&users.active, &before.active), before.active.len() as u64),
    );
}
