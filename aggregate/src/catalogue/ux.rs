//! UX metrics: how the product feels in use.

use super::{Amount, Area, Formula, Metric, STUDENT, Select, Threshold, Unit, UserExpr, Values, WILSON, When, bits};
use crate::event::{Action, Instrument, Outcome, Scope, Severity};
use crate::fact::FactKind;

const ATTEMPTS: Select = Select::of(FactKind::Attempt, When::Always);
const SUCCESSES: Select = Select::of(FactKind::Attempt, When::Outcome(Outcome::Success));
const LATENCIES: Select = Select::of(FactKind::Interaction, When::HasValue);
const IN_PRODUCT: &[Scope] = &[Scope::Product, Scope::Task];
const ACTIVE: UserExpr = UserExpr::all(bits::ACTIVE);
const ISO_9241: &str = "ISO 9241-11:2018";

const fn attempts(outcome: Outcome) -> Select {
    Select::of(FactKind::Attempt, When::Outcome(outcome))
}

const fn errors(severity: Severity) -> Select {
    Select::of(FactKind::Error, When::Severity(severity))
}

const fn interactions(action: Action) -> Select {
    Select::of(FactKind::Interaction, When::Action(action))
}

const fn score(instrument: Instrument, scopes: &'static [Scope], from: i64, to: i64) -> Select {
    Select::of(
        FactKind::SurveyResponse,
        When::Score {
            instrument,
            scopes,
            from,
            to,
        },
    )
}

const fn mean_score(instrument: Instrument, low: f64, high: f64) -> Formula {
    let select = Select::of(FactKind::SurveyResponse, When::Instrument(instrument));
    Formula::Mean {
        of: Values {
            select,
            of: Amount::Micros,
        },
        low,
        high,
    }
}

const fn outcome_ratio(name: &'static str, outcome: Outcome, help: &'static str, definition: &'static str) -> Metric {
    Metric {
        name,
        area: Area::Ux,
        unit: Unit::Ratio,
        help,
        definition,
        interval: WILSON,
        source: ISO_9241,
        formula: Formula::Ratio {
            numerator: attempts(outcome),
            denominator: ATTEMPTS,
            interval: true,
        },
    }
}

const fn user_ratio(name: &'static str, help: &'static str, definition: &'static str, source: &'static str, numerator: UserExpr) -> Metric {
    Metric {
        name,
        area: Area::Ux,
        unit: Unit::Ratio,
        help,
        definition,
        interval: WILSON,
        source,
        formula: Formula::UserRatio {
            numerator,
            denominator: ACTIVE,
        },
    }
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "task_attempts",
        area: Area::Ux,
        unit: Unit::Count,
        help: "Task attempts that ended.",
        definition: "attempts, however they ended",
        interval: "",
        source: ISO_9241,
        formula: Formula::Count(ATTEMPTS),
    },
    outcome_ratio(
        "task_success_ratio",
        Outcome::Success,
        "Share of task attempts that succeeded.",
        "successful attempts / attempts",
    ),
    outcome_ratio(
        "task_failure_ratio",
        Outcome::Failure,
        "Share of task attempts that failed.",
        "failed attempts / attempts",
    ),
    outcome_ratio(
        "task_abandonment_ratio",
        Outcome::Abandoned,
        "Share of task attempts that were given up.",
        "abandoned attempts, explicit and inferred / attempts",
    ),
    Metric {
        name: "task_error_ratio",
        area: Area::Ux,
        unit: Unit::Ratio,
        help: "Share of task attempts with at least one error.",
        definition: "attempts with at least one error / attempts",
        interval: WILSON,
        source: ISO_9241,
        formula: Formula::Ratio {
            numerator: Select::of(FactKind::Attempt, When::HasErrors),
            denominator: ATTEMPTS,
            interval: true,
        },
    },
    Metric {
        name: "errors_per_attempt",
        area: Area::Ux,
        unit: Unit::Count,
        help: "Mean number of errors in a task attempt.",
        definition: "mean of the errors of attempts",
        interval: STUDENT,
        source: ISO_9241,
        formula: Formula::Mean {
            of: Values {
                select: ATTEMPTS,
                of: Amount::Errors,
            },
            low: 0.0,
            high: f64::INFINITY,
        },
    },
    Metric {
        name: "errors",
        area: Area::Ux,
        unit: Unit::Count,
        help: "Error events.",
        definition: "`error` events",
        interval: "",
        source: "event count",
        formula: Formula::Count(Select::of(FactKind::Error, When::Always)),
    },
    Metric {
        name: "errors_by_severity",
        area: Area::Ux,
        unit: Unit::Count,
        help: "Error events by severity.",
        definition: "`error` events of each severity",
        interval: "",
        source: "event count",
        formula: Formula::CountBy(&[
            ("minor", errors(Severity::Minor)),
            ("major", errors(Severity::Major)),
            ("fatal", errors(Severity::Fatal)),
        ]),
    },
    Metric {
        name: "time_on_task_seconds",
        area: Area::Ux,
        unit: Unit::Seconds,
        help: "Time on task of successful attempts.",
        definition: "durations of successful attempts that have one: quantiles, mean, geometric mean",
        interval: "95 % Student t of the mean; of the logarithms, exponentiated, for the geometric mean; none for quantiles",
        source: "ISO 9241-11:2018; geometric mean: Sauro and Lewis 2010, Average task times in usability tests",
        formula: Formula::Distribution {
            of: Values {
                select: SUCCESSES,
                of: Amount::Millis,
            },
            quantiles: &[50, 90, 95, 99],
            mean: true,
            geomean: true,
        },
    },
    Metric {
        name: "clicks_to_completion",
        area: Area::Ux,
        unit: Unit::Count,
        help: "Clicks that successful attempts took.",
        definition: "clicks of successful attempts that say them: mean, quantiles",
        interval: "95 % Student t of the mean; none for quantiles",
        source: ISO_9241,
        formula: Formula::Distribution {
            of: Values {
                select: SUCCESSES,
                of: Amount::Clicks,
            },
            quantiles: &[50, 95],
            mean: true,
            geomean: false,
        },
    },
    Metric {
        name: "click_through_ratio",
        area: Area::Ux,
        unit: Unit::Ratio,
        help: "Clicks per impression; may exceed 1.",
        definition: "`click` interactions / `impression` interactions",
        interval: "",
        source: "IAB Click Measurement Guidelines 2009",
        formula: Formula::Ratio {
            numerator: interactions(Action::Click),
            denominator: interactions(Action::Impression),
            interval: false,
        },
    },
    Metric {
        name: "wait_seconds",
        area: Area::Ux,
        unit: Unit::Seconds,
        help: "Time users waited for interactions.",
        definition: "latencies of interactions that have one: quantiles",
        interval: "",
        source: "Nielsen 1993, Usability Engineering, response times",
        formula: Formula::Distribution {
            of: Values {
                select: LATENCIES,
                of: Amount::Millis,
            },
            quantiles: &[50, 75, 95, 99],
            mean: false,
            geomean: false,
        },
    },
    Metric {
        name: "apdex_score",
        area: Area::Ux,
        unit: Unit::Points("0 to 1"),
        help: "Apdex of interaction latencies: 1 when all users are satisfied.",
        definition: "(latencies of at most T + half of those above T and of at most 4T) / latencies, T = `apdex.threshold`",
        interval: "",
        source: "Apdex Alliance 2007, Apdex Technical Specification 1.1",
        formula: Formula::Apdex {
            satisfied: Select::of(FactKind::Interaction, When::ValueAtMost(Threshold::Apdex)),
            tolerated: Select::of(FactKind::Interaction, When::ValueAtMost(Threshold::ApdexTolerated)),
            all: LATENCIES,
        },
    },
    Metric {
        name: "sessions",
        area: Area::Ux,
        unit: Unit::Count,
        help: "Distinct sessions that used the product.",
        definition: "distinct `session_id` over telemetry events",
        interval: "",
        source: "distinct count; above k by a theta sketch: Dasgupta et al. 2016",
        formula: Formula::Sessions,
    },
    Metric {
        name: "active_users",
        area: Area::Ux,
        unit: Unit::Count,
        help: "Distinct users who used the product.",
        definition: "distinct `user_id` over telemetry events",
        interval: "",
        source: "distinct count; above k by a theta sketch: Dasgupta et al. 2016",
        formula: Formula::Users(ACTIVE),
    },
    user_ratio(
        "engaged_user_ratio",
        "Share of active users who succeeded in a task or clicked.",
        "active users with a successful attempt or a `click` / active users",
        "Rodden, Hutchinson and Fu 2010, HEART",
        UserExpr::all(bits::ENGAGED),
    ),
    user_ratio(
        "frustrated_user_ratio",
        "Share of active users with a rage, dead or error click.",
        "active users with a rage, dead or error click / active users",
        "frustration signals as session-replay tools define them",
        UserExpr::all(bits::FRUSTRATED),
    ),
    user_ratio(
        "crash_free_user_ratio",
        "Share of active users without a fatal error.",
        "active users without a `fatal` error / active users",
        "crash-free users as crash reporters define them",
        UserExpr::all(bits::ACTIVE).without(bits::CRASHED),
    ),
    Metric {
        name: "crash_free_session_ratio",
        area: Area::Ux,
        unit: Unit::Ratio,
        help: "Share of sessions without a fatal error.",
        definition: "sessions without a `fatal` error / sessions",
        interval: WILSON,
        source: "crash-free sessions as crash reporters define them",
        formula: Formula::CrashFreeSessions,
    },
    Metric {
        name: "sus_score",
        area: Area::Ux,
        unit: Unit::Points("0 to 100"),
        help: "Mean System Usability Scale score.",
        definition: "mean of `sus` scores, given or computed from the ten answers",
        interval: STUDENT,
        source: "Brooke 1996, SUS: a quick and dirty usability scale",
        formula: mean_score(Instrument::Sus, 0.0, 100.0),
    },
    Metric {
        name: "seq_score",
        area: Area::Ux,
        unit: Unit::Points("1 to 7"),
        help: "Mean Single Ease Question score.",
        definition: "mean of `seq` scores",
        interval: STUDENT,
        source: "Sauro and Dumas 2009, Comparison of three one-question post-task usability questionnaires",
        formula: mean_score(Instrument::Seq, 1.0, 7.0),
    },
    Metric {
        name: "product_nps",
        area: Area::Ux,
        unit: Unit::Points("-100 to 100"),
        help: "Net promoter score asked in the product or after a task.",
        definition: "100 x (share of 9-10 minus share of 0-6) of `nps` responses with scope `product` or `task`",
        interval: "95 % adjusted Wald",
        source: "Reichheld 2003; interval: Rocks 2016, Interval estimation for the net promoter score",
        formula: Formula::Nps {
            promoters: score(Instrument::Nps, IN_PRODUCT, 9, 10),
            detractors: score(Instrument::Nps, IN_PRODUCT, 0, 6),
            responses: score(Instrument::Nps, IN_PRODUCT, 0, 10),
        },
    },
    Metric {
        name: "satisfaction_ratio",
        area: Area::Ux,
        unit: Unit::Ratio,
        help: "Share of satisfied answers asked in the product or after a task.",
        definition: "`csat` scores of 4 and 5 / `csat` scores, scope `product` or `task`",
        interval: WILSON,
        source: "ISO 9241-11:2018, satisfaction",
        formula: Formula::Ratio {
            numerator: score(Instrument::Csat, IN_PRODUCT, 4, 5),
            denominator: score(Instrument::Csat, IN_PRODUCT, 1, 5),
            interval: true,
        },
    },
    Metric {
        name: "journey_runs",
        area: Area::Ux,
        unit: Unit::Count,
        help: "Runs of a journey that ended, completed or not.",
        definition: "journey facts",
        interval: "",
        source: "funnel analysis",
        formula: Formula::JourneyRuns,
    },
    Metric {
        name: "journey_step_ratio",
        area: Area::Ux,
        unit: Unit::Ratio,
        help: "Share of a journey's runs that reached a step.",
        definition: "runs that reached the step / runs, for steps 2, 3, ...",
        interval: WILSON,
        source: "funnel analysis",
        formula: Formula::JourneyStepRatio,
    },
    Metric {
        name: "journey_seconds",
        area: Area::Ux,
        unit: Unit::Seconds,
        help: "Time that completed runs of a journey took.",
        definition: "durations of completed runs: quantiles",
        interval: "",
        source: "funnel analysis",
        formula: Formula::JourneyDuration { quantiles: &[50, 90] },
    },
];
