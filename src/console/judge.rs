//! What numbers say of how things go: targets, spikes, and changes that chance does not explain.

use tidegauge_aggregate::catalogue::{self, Formula, Metric};
use tidegauge_aggregate::row::MetricRow;

use crate::config::Bound;

/// Below this many samples no target is judged and nothing is compared.
pub const LEAST_SAMPLES: u64 = 30;

/// A spike, as metrics.md defines it beside `lower > 0`: the least excess, the least part of the baseline, the least count.
const LEAST_EXCESS: f64 = 0.02;
const LEAST_PART: f64 = 0.5;
const LEAST_COUNT: u64 = 5;

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

impl Better {
    /// Name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Better::Higher => "higher",
            Better::Lower => "lower",
        }
    }
}

/// Metrics of which it is plain what is better, and the number that is compared: one with an interval where there is one.
const PLAIN: [(&str, &str, Better); 36] = [
    ("task_success_ratio", "value", Better::Higher),
    ("task_failure_ratio", "value", Better::Lower),
    ("task_abandonment_ratio", "value", Better::Lower),
    ("task_error_ratio", "value", Better::Lower),
    ("errors_per_attempt", "value", Better::Lower),
    ("time_on_task_seconds", "geomean", Better::Lower),
    ("clicks_to_completion", "mean", Better::Lower),
    ("wait_seconds", "p95", Better::Lower),
    ("apdex_score", "value", Better::Higher),
    ("engaged_user_ratio", "value", Better::Higher),
    ("frustrated_user_ratio", "value", Better::Lower),
    ("crash_free_user_ratio", "value", Better::Higher),
    ("crash_free_session_ratio", "value", Better::Higher),
    ("sus_score", "value", Better::Higher),
    ("seq_score", "value", Better::Higher),
    ("product_nps", "value", Better::Higher),
    ("satisfaction_ratio", "value", Better::Higher),
    ("journey_step_ratio", "value", Better::Higher),
    ("nps", "value", Better::Higher),
    ("touchpoint_nps", "value", Better::Higher),
    ("csat_ratio", "value", Better::Higher),
    ("csat_score", "value", Better::Higher),
    ("ces_score", "value", Better::Higher),
    ("ces_low_effort_ratio", "value", Better::Higher),
    ("sentiment_score", "value", Better::Higher),
    ("negative_feedback_ratio", "value", Better::Lower),
    ("churn_ratio", "value", Better::Lower),
    ("conversion_ratio", "value", Better::Higher),
    ("retention_ratio", "value", Better::Higher),
    ("contact_ratio", "value", Better::Lower),
    ("first_response_seconds", "mean", Better::Lower),
    ("resolution_seconds", "mean", Better::Lower),
    ("first_response_within_target_ratio", "value", Better::Higher),
    ("resolution_within_target_ratio", "value", Better::Higher),
    ("first_contact_resolution_ratio", "value", Better::Higher),
    ("friction_user_ratio", "value", Better::Lower),
];

/// Which way a metric is better, where that is plain.
#[must_use]
pub fn better(metric: &str) -> Option<Better> {
    PLAIN.iter().find(|(name, ..)| *name == metric).map(|(.., better)| *better)
}

/// The numbers that are compared with their own past.
pub fn compared() -> impl Iterator<Item = (&'static Metric, &'static str, Better)> {
    PLAIN
        .iter()
        .filter_map(|(name, stat, better)| Some((catalogue::find(name)?, *stat, *better)))
}

/// How a value stands to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On the good side, with its whole interval.
    Met,
    /// On the good side, but the interval reaches across the bound.
    LikelyMet,
    /// On the wrong side, but the interval reaches across the bound.
    LikelyMissed,
    /// On the wrong side, with its whole interval.
    Missed,
    /// Too few samples to tell.
    Few,
}

impl Verdict {
    /// Name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::LikelyMet => "likely_met",
            Verdict::LikelyMissed => "likely_missed",
            Verdict::Missed => "missed",
            Verdict::Few => "few",
        }
    }
}

/// Judges as the alert rule of the target does. A value without interval is taken for sure, and a total is judged whatever its size.
#[must_use]
pub fn verdict(metric: &Metric, bound: Bound, value: f64, interval: Option<(f64, f64)>, n: u64) -> Verdict {
    if n < LEAST_SAMPLES && !is_total(metric) {
        return Verdict::Few;
    }
    let is_good = |value: f64| match bound {
        Bound::AtLeast(least) => value >= least,
        Bound::AtMost(most) => value <= most,
    };
    let (lower, upper) = interval.unwrap_or((value, value));
    match (is_good(value), is_good(lower), is_good(upper)) {
        (true, true, true) => Verdict::Met,
        (true, ..) => Verdict::LikelyMet,
        (false, false, false) => Verdict::Missed,
        (false, ..) => Verdict::LikelyMissed,
    }
}

/// Whether the value is a total, of which a small one tells as much as a large one: there is no sample that could be too small.
#[must_use]
pub fn is_total(metric: &Metric) -> bool {
    is_count(metric) || matches!(metric.formula, Formula::Revenue)
}

/// Whether the value is the number of samples itself.
#[must_use]
pub fn is_count(metric: &Metric) -> bool {
    metric.is_counter() || matches!(metric.formula, Formula::Users(_) | Formula::Sessions)
}

/// Whether a row of `spike_excess` is a spike, and not just what it takes to see one.
#[must_use]
pub fn is_spike(row: &MetricRow) -> bool {
    row.lower.is_some_and(|lower| lower > 0.0) && is_large(row.value, row.numerator, row.denominator)
}

/// Whether an excess is large enough to matter.
#[must_use]
pub fn is_large(excess: Option<f64>, numerator: Option<u64>, denominator: Option<u64>) -> bool {
    let (Some(excess), Some(numerator), Some(denominator)) = (excess, numerator, denominator) else {
        return false;
    };
    let baseline = numerator as f64 / denominator as f64 - excess;
    numerator >= LEAST_COUNT && excess >= LEAST_EXCESS.max(baseline * LEAST_PART)
}

/// How two values of the same number compare, where their intervals leave no doubt; `None` where they do not. Intervals of 95 % that do not meet
/// differ beyond about one chance in two hundred.
#[must_use]
pub fn direction(better: Better, before: (f64, f64), now: (f64, f64)) -> Option<bool> {
    let rose = if now.0 > before.1 {
        true
    } else if now.1 < before.0 {
        false
    } else {
        return None;
    };
    Some(rose == (better == Better::Lower))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_plain_metric_is_in_the_catalogue_with_that_number() {
        assert_eq!(compared().count(), PLAIN.len());
        for (metric, stat, _) in compared() {
            assert!(metric.stats().contains(&stat), "{} has no {stat}", metric.name);
        }
    }

    #[test]
    fn a_target_is_missed_or_met_for_sure_only_with_the_whole_interval() {
        let ratio = catalogue::find("task_success_ratio").unwrap();
        let judge = |value, lower, upper, n| verdict(ratio, Bound::AtLeast(0.9), value, Some((lower, upper)), n);
        assert_eq!(judge(0.95, 0.92, 0.97, 500), Verdict::Met);
        assert_eq!(judge(0.92, 0.88, 0.95, 500), Verdict::LikelyMet);
        assert_eq!(judge(0.89, 0.85, 0.92, 500), Verdict::LikelyMissed);
        assert_eq!(judge(0.80, 0.75, 0.85, 500), Verdict::Missed);
        assert_eq!(judge(0.80, 0.75, 0.85, 29), Verdict::Few);
        let count = catalogue::find("errors").unwrap();
        assert_eq!(
            verdict(count, Bound::AtMost(3.0), 4.0, None, 4),
            Verdict::Missed,
            "a total needs no sample"
        );
    }

    #[test]
    fn what_got_worse_depends_on_what_is_better() {
        let (low, high, wide) = ((0.1, 0.2), (0.3, 0.4), (0.15, 0.35));
        assert_eq!(direction(Better::Higher, high, low), Some(true), "worse");
        assert_eq!(direction(Better::Higher, low, high), Some(false), "better");
        assert_eq!(direction(Better::Lower, low, high), Some(true));
        assert_eq!(direction(Better::Lower, low, wide), None, "chance may explain it");
    }

    #[test]
    fn an_excess_matters_from_two_points_half_the_baseline_and_five_cases() {
        assert!(is_large(Some(0.05), Some(15), Some(100)));
        assert!(!is_large(Some(0.05), Some(4), Some(40)), "four cases");
        assert!(!is_large(Some(0.05), Some(25), Some(100)), "a quarter of the baseline");
        assert!(!is_large(Some(0.019), Some(30), Some(1_500)), "less than two points");
        assert!(!is_large(None, Some(30), Some(100)));
    }
}
