//! Links between UX and CX, and spikes.

use super::{Area, Formula, Metric, Unit, UserExpr, WILSON, bits};

const ANYBODY: UserExpr = UserExpr::all(0);

const fn lift(name: &'static str, help: &'static str, definition: &'static str, event: UserExpr, among: UserExpr) -> Metric {
    Metric {
        name,
        area: Area::Link,
        unit: Unit::Factor,
        help,
        definition,
        interval: "95 %, logarithmic, with a half added to each count",
        source: "relative risk; Pettigrew, Gart and Thomas 1986",
        formula: Formula::Lift { event, among },
    }
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "friction_user_ratio",
        area: Area::Link,
        unit: Unit::Ratio,
        help: "Share of active users who met friction.",
        definition: "active users with a failed or abandoned attempt, an attempt with errors, or a major or fatal error / active users",
        interval: WILSON,
        source: "this catalogue",
        formula: Formula::UserRatio {
            numerator: UserExpr::all(bits::FRICTION),
            denominator: UserExpr::all(bits::ACTIVE),
        },
    },
    lift(
        "contact_friction_lift",
        "How many times likelier users with friction are to open a ticket.",
        "P(opened a ticket given friction) / P(opened a ticket given calm)",
        UserExpr::all(bits::CONTACTED),
        ANYBODY,
    ),
    lift(
        "churn_friction_lift",
        "How many times likelier users with friction are to leave.",
        "P(churned given friction) / P(churned given calm)",
        UserExpr::all(bits::CHURNED),
        ANYBODY,
    ),
    lift(
        "detractor_friction_lift",
        "How many times likelier users with friction are to be detractors.",
        "P(any NPS score of 0-6 given friction) / P(the same given calm), among users who gave an NPS score",
        UserExpr::all(bits::DETRACTOR),
        UserExpr::all(bits::NPS),
    ),
    Metric {
        name: "consistency_gap",
        area: Area::Link,
        unit: Unit::Difference,
        help: "Greatest minus smallest value of a ratio over platforms or channels.",
        definition: "for `platform` and `channel` and for task success, error and abandonment: greatest minus smallest value over the \
                     dimension's values with n >= 30, of which there are at least two; n = their sum",
        interval: "",
        source: "this catalogue",
        formula: Formula::ConsistencyGap,
    },
    Metric {
        name: "spike_excess",
        area: Area::Spike,
        unit: Unit::Difference,
        help: "A ratio now minus the same ratio in the baseline; a spike when the lower bound is above 0.",
        definition: "p1 - p0 of the spike window against its baseline windows; present when n1 >= 10 and N >= 30; a spike when lower > 0, \
                     the excess is at least max(0.02, p0 / 2) and the numerator is at least 5",
        interval: "Newcombe hybrid score at one-sided 10^-4, counts divided by the baseline's dispersion",
        source: "Newcombe 1998, Interval estimation for the difference between independent proportions, method 10",
        formula: Formula::SpikeExcess,
    },
];
