//! The catalogue: every metric declared as data. From it come the measures a group keeps, the rows, the Prometheus families, the
//! `metrics` command and the reference page. Adding a ratio is one entry in `ux`, `cx` or `links`.

mod condition;
mod cx;
mod links;
mod ux;

pub use condition::{Amount, Bits, Select, Threshold, UserExpr, When, bits};

use crate::fact::FactKind;

/// Which side of the house a metric belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// How the product feels in use.
    Ux,
    /// What customers say, ask for and decide.
    Cx,
    /// How one bears on the other.
    Link,
    /// What has got worse just now.
    Spike,
}

impl Area {
    /// Name for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Area::Ux => "UX",
            Area::Cx => "CX",
            Area::Link => "UX to CX",
            Area::Spike => "spikes",
        }
    }
}

/// The unit of a metric's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share; 0 to 1 unless the metric says that it may exceed 1.
    Ratio,
    /// Seconds.
    Seconds,
    /// A number of things.
    Count,
    /// Points of the scale named.
    Points(&'static str),
    /// Units of the labelled currency.
    Currency,
    /// A factor: 1 means no difference.
    Factor,
    /// A difference of two shares, -1 to 1.
    Difference,
}

impl Unit {
    /// Name and range for people.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Unit::Ratio => "ratio, 0 to 1".to_owned(),
            Unit::Seconds => "seconds".to_owned(),
            Unit::Count => "count".to_owned(),
            Unit::Points(range) => format!("points, {range}"),
            Unit::Currency => "units of the currency".to_owned(),
            Unit::Factor => "factor, 1 = no difference".to_owned(),
            Unit::Difference => "difference of ratios, -1 to 1".to_owned(),
        }
    }
}

/// Values of facts that are averaged or ranked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// Which facts.
    pub select: Select,
    /// Which number of theirs.
    pub of: Amount,
}

/// How a metric is computed from measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Formula {
    /// Facts that satisfy a condition.
    Count(Select),
    /// The same, once for each label.
    CountBy(&'static [(&'static str, Select)]),
    /// Facts over facts; with `interval`, the former are among the latter.
    #[allow(missing_docs)]
    Ratio {
        numerator: Select,
        denominator: Select,
        interval: bool,
    },
    /// The same without interval, once for each label.
    RatioBy(&'static [(&'static str, Select, Select)]),
    /// Mean with a Student t interval, in the unit of the value, clamped to what is possible.
    #[allow(missing_docs)]
    Mean { of: Values, low: f64, high: f64 },
    /// Several statistics of one distribution.
    #[allow(missing_docs)]
    Distribution {
        of: Values,
        quantiles: &'static [u32],
        mean: bool,
        geomean: bool,
    },
    /// Net promoter score.
    #[allow(missing_docs)]
    Nps {
        promoters: Select,
        detractors: Select,
        responses: Select,
    },
    /// Apdex: satisfied, satisfied or tolerating, all.
    #[allow(missing_docs)]
    Apdex { satisfied: Select, tolerated: Select, all: Select },
    /// Distinct users that satisfy an expression.
    Users(UserExpr),
    /// Users over users; the former count only where they are also among the latter.
    #[allow(missing_docs)]
    UserRatio { numerator: UserExpr, denominator: UserExpr },
    /// Distinct sessions.
    Sessions,
    /// Sessions without a fatal error over sessions.
    CrashFreeSessions,
    /// Active in this window and the one before over active in the one before.
    Retention,
    /// Sum of amounts by currency.
    Revenue,
    /// Sum of amounts by currency over purchases.
    AverageOrderValue,
    /// Sum of amounts by currency over users.
    RevenuePerUser,
    /// Revenue per user times gross margin over churn.
    LifetimeValue,
    /// Runs, for each journey.
    JourneyRuns,
    /// Runs that reached a step over runs, for each journey and step.
    JourneyStepRatio,
    /// Durations of completed runs, for each journey.
    #[allow(missing_docs)]
    JourneyDuration { quantiles: &'static [u32] },
    /// P(event given friction) over P(event given calm), among users that satisfy `among`.
    #[allow(missing_docs)]
    Lift { event: UserExpr, among: UserExpr },
    /// Greatest minus smallest value of some ratios over platforms or channels.
    ConsistencyGap,
    /// A ratio in the spike window minus the same in its baseline.
    SpikeExcess,
}

/// What a counter counts of its metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// All there is to count: facts, or sessions once an hour.
    All,
    /// What stands above the line of a ratio.
    Numerator,
    /// What stands below it.
    Denominator,
}

/// One metric of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Name in tables, in `tidegauge_<name>` and on pages.
    pub name: &'static str,
    /// Which side it belongs to.
    pub area: Area,
    /// Unit of its value.
    pub unit: Unit,
    /// One sentence for a person who sees the number: the HELP text.
    pub help: &'static str,
    /// What exactly is counted.
    pub definition: &'static str,
    /// How the interval is computed; empty where there is none.
    pub interval: &'static str,
    /// Where the definition comes from.
    pub source: &'static str,
    /// How it is computed.
    pub formula: Formula,
}

/// Every metric, in the order of the reference page.
pub fn metrics() -> impl Iterator<Item = &'static Metric> + Clone {
    ux::METRICS.iter().chain(cx::METRICS).chain(links::METRICS)
}

/// The metric of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    metrics().find(|m| m.name == name)
}

/// The ratios that spikes are looked for in.
pub const SPIKE_INDICATORS: [&str; 6] = [
    "task_error_ratio",
    "task_failure_ratio",
    "task_abandonment_ratio",
    "churn_ratio",
    "contact_ratio",
    "negative_feedback_ratio",
];

/// The ratios whose consistency over platforms and channels is looked at.
pub const GAP_INDICATORS: [&str; 3] = ["task_success_ratio", "task_error_ratio", "task_abandonment_ratio"];

/// Interval by Wilson's score.
pub(crate) const WILSON: &str = "95 % Wilson score";
/// Interval by Student's t.
pub(crate) const STUDENT: &str = "95 % Student t of the mean";

impl Metric {
    /// The label names of what stands in braces after the metric's name.
    #[must_use]
    pub fn label_names(&self) -> &'static [&'static str] {
        match self.formula {
            Formula::CountBy(_) => &["severity"],
            Formula::RatioBy(_) => &["instrument"],
            Formula::Revenue | Formula::AverageOrderValue | Formula::RevenuePerUser | Formula::LifetimeValue => &["currency"],
            Formula::JourneyRuns | Formula::JourneyDuration { .. } => &["journey"],
            Formula::JourneyStepRatio => &["journey", "step"],
            Formula::ConsistencyGap => &["dimension", "indicator"],
            Formula::SpikeExcess => &["indicator"],
            _ => &[],
        }
    }

    /// The names of its statistics; `value` where there is but one.
    #[must_use]
    pub fn stats(&self) -> Vec<&'static str> {
        match self.formula {
            Formula::Distribution {
                quantiles, mean, geomean, ..
            } => {
                let mut stats: Vec<&'static str> = quantiles.iter().map(|q| quantile_name(*q)).collect();
                stats.extend(mean.then_some("mean"));
                stats.extend(geomean.then_some("geomean"));
                stats
            }
            Formula::JourneyDuration { quantiles } => quantiles.iter().map(|q| quantile_name(*q)).collect(),
            _ => vec!["value"],
        }
    }

    /// Whether it is a count of facts, which Prometheus gets as a counter too.
    #[must_use]
    pub fn is_counter(&self) -> bool {
        matches!(self.formula, Formula::Count(_) | Formula::CountBy(_) | Formula::JourneyRuns)
    }

    /// What of it Prometheus gets as counters, so that rates over any time can be taken.
    #[must_use]
    pub fn counters(&self) -> &'static [Counter] {
        match self.formula {
            Formula::Ratio { .. } | Formula::RatioBy(_) | Formula::JourneyStepRatio => &[Counter::Numerator, Counter::Denominator],
            Formula::Sessions | Formula::CrashFreeSessions => &[Counter::All],
            _ if self.is_counter() => &[Counter::All],
            _ => &[],
        }
    }

    /// The name of one of its counters, without `tidegauge_`.
    #[must_use]
    pub fn counter_name(&self, counter: Counter) -> String {
        match (self.formula, counter) {
            // Sessions without a crash may crash yet; those with one only become more.
            (Formula::CrashFreeSessions, _) => "crashed_sessions_total".to_owned(),
            (_, Counter::All) => format!("{}_total", self.name),
            (_, Counter::Numerator) => format!("{}_numerator_total", self.name),
            (_, Counter::Denominator) => format!("{}_denominator_total", self.name),
        }
    }

    /// What one of its counters says, in a sentence.
    #[must_use]
    pub fn counter_help(&self, counter: Counter) -> String {
        let what = match (self.formula, counter) {
            (Formula::Sessions, _) => "Sessions, each once in every hour of event time in which it was active".to_owned(),
            (Formula::CrashFreeSessions, _) => {
                "Sessions with a fatal error, each once in every hour of event time in which it had one".to_owned()
            }
            (_, Counter::All) => self.help.trim_end_matches('.').to_owned(),
            (_, Counter::Numerator) => format!("Numerator of tidegauge_{}", self.name),
            (_, Counter::Denominator) => format!("Denominator of tidegauge_{}", self.name),
        };
        format!("{what}, since the process started.")
    }

    /// The kinds of fact in its definition, the denominator's included.
    #[must_use]
    pub fn facts(&self) -> Vec<FactKind> {
        let mut kinds: Vec<FactKind> = match self.formula {
            Formula::Count(select) => vec![select.fact],
            Formula::CountBy(entries) => entries.iter().map(|(_, s)| s.fact).collect(),
            Formula::Ratio {
                numerator, denominator, ..
            } => vec![numerator.fact, denominator.fact],
            Formula::RatioBy(entries) => entries.iter().flat_map(|(_, n, d)| [n.fact, d.fact]).collect(),
            Formula::Mean { of, .. } | Formula::Distribution { of, .. } => vec![of.select.fact],
            Formula::Nps { responses, .. } => vec![responses.fact],
            Formula::Apdex { all, .. } => vec![all.fact],
            Formula::Users(expr) => expr.facts(),
            Formula::UserRatio { numerator, denominator } => [numerator.facts(), denominator.facts()].concat(),
            Formula::Sessions | Formula::Retention => vec![FactKind::Seen],
            Formula::CrashFreeSessions => vec![FactKind::Seen, FactKind::Error],
            Formula::Revenue | Formula::AverageOrderValue => vec![FactKind::Purchased],
            Formula::RevenuePerUser => vec![FactKind::Purchased, FactKind::Seen],
            Formula::LifetimeValue => vec![FactKind::Purchased, FactKind::Churned, FactKind::Seen],
            Formula::JourneyRuns | Formula::JourneyStepRatio | Formula::JourneyDuration { .. } => vec![FactKind::Journey],
            Formula::Lift { event, among } => [
                event.facts(),
                among.facts(),
                vec![FactKind::Seen, FactKind::Attempt, FactKind::Error],
            ]
            .concat(),
            Formula::ConsistencyGap => vec![FactKind::Attempt],
            // Each spiking ratio brings its own.
            Formula::SpikeExcess => vec![],
        };
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// `p50` of 50.
#[must_use]
pub fn quantile_name(percent: u32) -> &'static str {
    match percent {
        50 => "p50",
        75 => "p75",
        90 => "p90",
        95 => "p95",
        99 => "p99",
        _ => "p",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_unique_and_every_entry_explains_itself() {
        let mut names = BTreeSet::new();
        for metric in metrics() {
            assert!(names.insert(metric.name), "{} is there twice", metric.name);
            assert!(
                !metric.help.is_empty() && !metric.definition.is_empty() && !metric.source.is_empty(),
                "{}",
                metric.name
            );
            assert!(
                metric.stats().iter().all(|s| *s != "p"),
                "{} has a quantile without a name",
                metric.name
            );
        }
    }

    #[test]
    fn spikes_and_gaps_name_ratios_of_the_catalogue() {
        for name in SPIKE_INDICATORS.iter().chain(&GAP_INDICATORS) {
            let metric = find(name).expect("in the catalogue");
            assert!(
                matches!(metric.formula, Formula::Ratio { .. } | Formula::UserRatio { .. }),
                "{name}"
            );
        }
    }
}
