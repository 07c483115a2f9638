//! CX metrics: what customers say, ask support for, buy, and when they leave.

use super::{Amount, Area, Formula, Metric, STUDENT, Select, Threshold, Unit, UserExpr, Values, WILSON, When, bits};
use crate::event::{Instrument, Scope};
use crate::fact::FactKind;

const USERS: UserExpr = UserExpr::all(bits::SEEN);
const OPENED: Select = Select::of(FactKind::TicketOpened, When::Always);
const RESOLVED: Select = Select::of(FactKind::TicketResolved, When::Always);
const RESPONSE_WAITS: Select = Select::of(FactKind::TicketFirstResponse, When::HasValue);
const RESOLUTION_WAITS: Select = Select::of(FactKind::TicketResolved, When::HasValue);
const SENTIMENTS: Select = Select::of(FactKind::Feedback, When::HasValue);
const ICMI: &str = "contact-centre practice (ICMI metrics)";

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

const fn shown(instrument: Instrument) -> Select {
    Select::of(FactKind::SurveyShown, When::Instrument(instrument))
}

const fn answered(instrument: Instrument) -> Select {
    Select::of(FactKind::SurveyResponse, When::Instrument(instrument))
}

const fn nps(name: &'static str, help: &'static str, definition: &'static str, scopes: &'static [Scope]) -> Metric {
    Metric {
        name,
        area: Area::Cx,
        unit: Unit::Points("-100 to 100"),
        help,
        definition,
        interval: "95 % adjusted Wald",
        source: "Reichheld 2003; interval: Rocks 2016, Interval estimation for the net promoter score",
        formula: Formula::Nps {
            promoters: score(Instrument::Nps, scopes, 9, 10),
            detractors: score(Instrument::Nps, scopes, 0, 6),
            responses: score(Instrument::Nps, scopes, 0, 10),
        },
    }
}

const fn mean(
    name: &'static str,
    unit: Unit,
    help: &'static str,
    definition: &'static str,
    source: &'static str,
    formula: Formula,
) -> Metric {
    Metric {
        name,
        area: Area::Cx,
        unit,
        help,
        definition,
        interval: STUDENT,
        source,
        formula,
    }
}

const fn mean_score(instrument: Instrument, low: f64, high: f64) -> Formula {
    Formula::Mean {
        of: Values {
            select: answered(instrument),
            of: Amount::Micros,
        },
        low,
        high,
    }
}

const fn ratio(
    name: &'static str,
    help: &'static str,
    definition: &'static str,
    source: &'static str,
    of: Select,
    among: Select,
) -> Metric {
    Metric {
        name,
        area: Area::Cx,
        unit: Unit::Ratio,
        help,
        definition,
        interval: WILSON,
        source,
        formula: Formula::Ratio {
            numerator: of,
            denominator: among,
            interval: true,
        },
    }
}

const fn free_ratio(name: &'static str, help: &'static str, definition: &'static str, of: Select, per: Select) -> Metric {
    Metric {
        name,
        area: Area::Cx,
        unit: Unit::Ratio,
        help,
        definition,
        interval: "",
        source: ICMI,
        formula: Formula::Ratio {
            numerator: of,
            denominator: per,
            interval: false,
        },
    }
}

const fn user_ratio(
    name: &'static str,
    help: &'static str,
    definition: &'static str,
    numerator: UserExpr,
    denominator: UserExpr,
) -> Metric {
    Metric {
        name,
        area: Area::Cx,
        unit: Unit::Ratio,
        help,
        definition,
        interval: WILSON,
        source: "customer-lifecycle practice; Farris et al. 2010, Marketing Metrics",
        formula: Formula::UserRatio { numerator, denominator },
    }
}

const fn count(name: &'static str, help: &'static str, definition: &'static str, formula: Formula) -> Metric {
    Metric {
        name,
        area: Area::Cx,
        unit: Unit::Count,
        help,
        definition,
        interval: "",
        source: ICMI,
        formula,
    }
}

const fn money(name: &'static str, help: &'static str, definition: &'static str, formula: Formula) -> Metric {
    Metric {
        name,
        area: Area::Cx,
        unit: Unit::Currency,
        help,
        definition,
        interval: "",
        source: "Farris et al. 2010, Marketing Metrics",
        formula,
    }
}

const fn waits(name: &'static str, help: &'static str, definition: &'static str, select: Select) -> Metric {
    Metric {
        name,
        area: Area::Cx,
        unit: Unit::Seconds,
        help,
        definition,
        interval: "95 % Student t of the mean; none for quantiles",
        source: ICMI,
        formula: Formula::Distribution {
            of: Values {
                select,
                of: Amount::Millis,
            },
            quantiles: &[50, 90],
            mean: true,
            geomean: false,
        },
    }
}

pub(super) const METRICS: &[Metric] = &[
    nps(
        "nps",
        "Net promoter score of the brand.",
        "100 x (share of 9-10 minus share of 0-6) of `nps` responses with scope `brand`",
        &[Scope::Brand],
    ),
    nps(
        "touchpoint_nps",
        "Net promoter score asked at a touchpoint.",
        "100 x (share of 9-10 minus share of 0-6) of `nps` responses with scope `touchpoint`",
        &[Scope::Touchpoint],
    ),
    ratio(
        "csat_ratio",
        "Share of satisfied customers.",
        "`csat` scores of 4 and 5 / `csat` scores, all scopes",
        "customer-satisfaction practice, top-two box",
        score(Instrument::Csat, &[], 4, 5),
        answered(Instrument::Csat),
    ),
    mean(
        "csat_score",
        Unit::Points("1 to 5"),
        "Mean customer satisfaction.",
        "mean of `csat` scores, all scopes",
        "customer-satisfaction practice",
        mean_score(Instrument::Csat, 1.0, 5.0),
    ),
    mean(
        "ces_score",
        Unit::Points("1 to 7, 7 = least effort"),
        "Mean customer effort score; 7 is least effort.",
        "mean of `ces` scores",
        "Dixon, Freeman and Toman 2010; CES 2.0",
        mean_score(Instrument::Ces, 1.0, 7.0),
    ),
    ratio(
        "ces_low_effort_ratio",
        "Share of customers who found it easy.",
        "`ces` scores of 5 to 7 / `ces` scores",
        "Dixon, Freeman and Toman 2010; CES 2.0",
        score(Instrument::Ces, &[], 5, 7),
        answered(Instrument::Ces),
    ),
    Metric {
        name: "survey_response_ratio",
        area: Area::Cx,
        unit: Unit::Ratio,
        help: "Responses per survey shown; may exceed 1.",
        definition: "`survey_response` / `survey_shown`, by instrument",
        interval: "",
        source: "AAPOR Standard Definitions, response rates",
        formula: Formula::RatioBy(&[
            ("nps", answered(Instrument::Nps), shown(Instrument::Nps)),
            ("csat", answered(Instrument::Csat), shown(Instrument::Csat)),
            ("ces", answered(Instrument::Ces), shown(Instrument::Ces)),
            ("sus", answered(Instrument::Sus), shown(Instrument::Sus)),
            ("seq", answered(Instrument::Seq), shown(Instrument::Seq)),
        ]),
    },
    mean(
        "sentiment_score",
        Unit::Points("-1 to 1"),
        "Mean sentiment of feedback.",
        "mean sentiment of feedback that carries one",
        "the producer's sentiment model",
        Formula::Mean {
            of: Values {
                select: SENTIMENTS,
                of: Amount::Micros,
            },
            low: -1.0,
            high: 1.0,
        },
    ),
    ratio(
        "negative_feedback_ratio",
        "Share of feedback with negative sentiment.",
        "feedback with sentiment below -0.05 / feedback that carries a sentiment",
        "Hutto and Gilbert 2014, VADER, threshold",
        Select::of(FactKind::Feedback, When::Negative),
        SENTIMENTS,
    ),
    Metric {
        name: "users",
        area: Area::Cx,
        unit: Unit::Count,
        help: "Distinct users seen in any way.",
        definition: "distinct `user_id` over all events",
        interval: "",
        source: "distinct count; above k by a theta sketch: Dasgupta et al. 2016",
        formula: Formula::Users(USERS),
    },
    user_ratio(
        "churn_ratio",
        "Share of users who left.",
        "users with `churned` / `users`",
        UserExpr::all(bits::CHURNED),
        USERS,
    ),
    user_ratio(
        "conversion_ratio",
        "Share of users who became paying customers.",
        "users with `converted` / `users`",
        UserExpr::all(bits::CONVERTED),
        USERS,
    ),
    user_ratio(
        "referral_ratio",
        "Share of users who referred somebody.",
        "users with `referred` / `users`",
        UserExpr::all(bits::REFERRED),
        USERS,
    ),
    user_ratio(
        "purchaser_ratio",
        "Share of users who bought.",
        "users with `purchased` / `users`",
        UserExpr::purchases(1),
        USERS,
    ),
    Metric {
        name: "retention_ratio",
        area: Area::Cx,
        unit: Unit::Ratio,
        help: "Share of the previous window's active users who are active again.",
        definition: "active in this window and in the one of the same size before it / active in that one",
        interval: WILSON,
        source: "customer-lifecycle practice; Farris et al. 2010, Marketing Metrics",
        formula: Formula::Retention,
    },
    user_ratio(
        "repeat_purchase_ratio",
        "Share of buyers who bought more than once.",
        "users with at least two `purchased` / users with at least one",
        UserExpr::purchases(2),
        UserExpr::purchases(1),
    ),
    money(
        "revenue",
        "Sum of purchases, by currency.",
        "sum of `amount`; n = purchases",
        Formula::Revenue,
    ),
    money(
        "average_order_value",
        "Mean amount of a purchase, by currency.",
        "`revenue` / purchases; n = purchases",
        Formula::AverageOrderValue,
    ),
    money(
        "revenue_per_user",
        "Revenue per user seen, by currency.",
        "`revenue` / `users`; n = `users`",
        Formula::RevenuePerUser,
    ),
    money(
        "customer_lifetime_value",
        "Expected margin of a customer until they leave, by currency.",
        "`revenue_per_user` x `value.gross_margin` / `churn_ratio`; n = `users`; absent when nobody churned",
        Formula::LifetimeValue,
    ),
    count(
        "tickets_opened",
        "Support tickets opened.",
        "first openings of tickets",
        Formula::Count(OPENED),
    ),
    count(
        "tickets_resolved",
        "Resolutions of support tickets.",
        "every resolution, whether its opening was seen or not",
        Formula::Count(RESOLVED),
    ),
    user_ratio(
        "contact_ratio",
        "Share of users who opened a support ticket.",
        "users with `ticket_opened` / `users`",
        UserExpr::all(bits::CONTACTED),
        USERS,
    ),
    waits(
        "first_response_seconds",
        "Time to the first response of a person.",
        "waits of first responses: quantiles, mean",
        RESPONSE_WAITS,
    ),
    waits(
        "resolution_seconds",
        "Time to resolution.",
        "waits of resolutions: quantiles, mean",
        RESOLUTION_WAITS,
    ),
    ratio(
        "first_response_within_target_ratio",
        "Share of first responses within the target time.",
        "waits of at most `ticket.first_response_target` / waits",
        ICMI,
        Select::of(FactKind::TicketFirstResponse, When::ValueAtMost(Threshold::FirstResponse)),
        RESPONSE_WAITS,
    ),
    ratio(
        "resolution_within_target_ratio",
        "Share of resolutions within the target time.",
        "waits of at most `ticket.resolution_target` / waits",
        ICMI,
        Select::of(FactKind::TicketResolved, When::ValueAtMost(Threshold::Resolution)),
        RESOLUTION_WAITS,
    ),
    ratio(
        "first_contact_resolution_ratio",
        "Share of resolutions without a reopening or escalation before.",
        "resolutions at first contact / resolutions, both among those whose opening was seen",
        ICMI,
        Select::of(FactKind::TicketResolved, When::KnownFirstContact),
        Select::of(FactKind::TicketResolved, When::Known),
    ),
    free_ratio(
        "reopen_ratio",
        "Reopenings per resolution; may exceed 1.",
        "`ticket_reopened` / `ticket_resolved`",
        Select::of(FactKind::TicketReopened, When::Always),
        RESOLVED,
    ),
    free_ratio(
        "escalation_ratio",
        "Escalations per opened ticket; may exceed 1.",
        "`ticket_escalated` / `ticket_opened`",
        Select::of(FactKind::TicketEscalated, When::Always),
        OPENED,
    ),
];
