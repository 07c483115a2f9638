//! Series on which each alert fires, and changes of them with which it does not.

use crate::burns::burns;

/// A series in promtool's notation.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) values: String,
}

impl Series {
    pub(crate) fn new(name: &str, values: &str) -> Series {
        Series {
            name: name.to_owned(),
            values: values.to_owned(),
        }
    }

    /// A series that keeps its value for hours.
    fn still(name: &str, value: f64) -> Series {
        Series::new(name, &format!("{value}x200"))
    }
}

/// How one alert is tried.
pub(crate) struct Case {
    pub(crate) alert: &'static str,
    pub(crate) severity: &'static str,
    /// Further labels that tell it from others of its name.
    pub(crate) matchers: &'static str,
    /// Whether it is about customers, so that it has to be silent while the gauges do not tell of now.
    pub(crate) business: bool,
    /// After how many minutes it is looked at.
    pub(crate) minutes: u32,
    pub(crate) fires: Vec<Series>,
    /// Each with what it shows.
    pub(crate) quiet: Vec<(&'static str, Vec<Series>)>,
}

pub(crate) const INSTANCE: &str = "job=\"tidegauge\",instance=\"a\"";
pub(crate) const SHOP: &str = "grouping=\"product\",product=\"shop\"";

pub(crate) fn cases() -> Vec<Case> {
    [spikes(), targets(), burns(), process(), records(), commits()]
        .into_iter()
        .flatten()
        .collect()
}

/// Excess 0.2 over a baseline of 0.1, 30 of 100.
fn spikes() -> Vec<Case> {
    let watches = [
        ("TidegaugeTaskErrorSpike", "page", "task_error_ratio"),
        ("TidegaugeTaskFailureSpike", "page", "task_failure_ratio"),
        ("TidegaugeTaskAbandonmentSpike", "ticket", "task_abandonment_ratio"),
        ("TidegaugeChurnSpike", "ticket", "churn_ratio"),
        ("TidegaugeContactSpike", "ticket", "contact_ratio"),
        ("TidegaugeNegativeFeedbackSpike", "ticket", "negative_feedback_ratio"),
    ];
    let case = |(alert, severity, metric): (&'static str, &'static str, &str)| {
        let labels = format!("{INSTANCE},{SHOP},window=\"5m\"");
        let excess = |value| Series::still(&format!("tidegauge_spike_excess{{{labels},indicator=\"{metric}\"}}"), value);
        let lower = |value| Series::still(&format!("tidegauge_spike_excess_lower{{{labels},indicator=\"{metric}\"}}"), value);
        let ratio = |value| Series::still(&format!("tidegauge_{metric}{{{labels}}}"), value);
        let samples = |value| Series::still(&format!("tidegauge_{metric}_samples{{{labels}}}"), value);
        Case {
            alert,
            severity,
            matchers: "",
            business: true,
            minutes: 10,
            fires: vec![excess(0.2), lower(0.1), ratio(0.3), samples(100.0)],
            quiet: vec![
                ("not within chance", vec![lower(-0.01)]),
                (
                    "not for a small excess",
                    vec![excess(0.019), lower(0.001), ratio(0.03), samples(10_000.0)],
                ),
                ("not for less than half the baseline", vec![excess(0.2), ratio(0.61)]),
                ("not for less than five", vec![ratio(0.4), samples(10.0)]),
                ("not for a moment", vec![Series::new(&excess(0.0).name, "0x9 0.2x100")]),
            ],
        }
    };
    watches.into_iter().map(case).collect()
}

/// A target of a metric, with its value, the end of its interval and its samples where it has them.
struct Aim {
    alert: &'static str,
    metric: &'static str,
    labels: &'static str,
    stat: Option<&'static str>,
    /// Missed, and good.
    values: (f64, f64),
    /// `upper` or `lower`, and where it does not tell.
    interval: Option<(&'static str, f64)>,
    has_samples: bool,
}

const AIMS: [Aim; 8] = [
    Aim {
        alert: "TidegaugeTaskSuccessBelowTarget",
        metric: "task_success_ratio",
        labels: "window=\"1h\",grouping=\"product+task\",product=\"shop\",task=\"pay \\\"now\\\" \\\\ {{ 1 | boom }} ü\\n\\u0007😀\"",
        stat: None,
        values: (0.9, 0.96),
        interval: Some(("upper", 0.951)),
        has_samples: true,
    },
    Aim {
        alert: "TidegaugeTaskSuccessBelowTarget",
        metric: "task_success_ratio",
        labels: "window=\"1h\",grouping=\"product+task\",product=\"shop\",task=\"__none__\"",
        stat: None,
        values: (0.8, 0.91),
        interval: Some(("upper", 0.901)),
        has_samples: true,
    },
    Aim {
        alert: "TidegaugeNpsBelowTarget",
        metric: "nps",
        labels: "window=\"1h\",grouping=\"product+attributes.plan-ü\",product=\"shop\",attributes_plan__=\"pro\"",
        stat: None,
        values: (-20.0, 10.0),
        interval: Some(("upper", -4.0)),
        has_samples: true,
    },
    Aim {
        alert: "TidegaugeTimeOnTaskSecondsAboveTarget",
        metric: "time_on_task_seconds",
        labels: "window=\"24h\",grouping=\"product\",product=\"shop\"",
        stat: Some("mean"),
        values: (70.0, 60.0),
        interval: Some(("lower", 60.0)),
        has_samples: true,
    },
    Aim {
        alert: "TidegaugeWaitSecondsAboveTarget",
        metric: "wait_seconds",
        labels: "window=\"5m\",grouping=\"overall\"",
        stat: Some("p95"),
        values: (3.5, 3.0),
        interval: None,
        has_samples: true,
    },
    Aim {
        alert: "TidegaugeActiveUsersBelowTarget",
        metric: "active_users_samples",
        labels: "window=\"24h\",grouping=\"overall\"",
        stat: None,
        values: (0.0, 1_000.0),
        interval: None,
        has_samples: false,
    },
    Aim {
        alert: "TidegaugeErrorsBySeverityAboveTarget",
        metric: "errors_by_severity_samples",
        labels: "window=\"5m\",grouping=\"overall\",severity=\"fatal\"",
        stat: None,
        values: (101.0, 100.0),
        interval: None,
        has_samples: false,
    },
    Aim {
        alert: "TidegaugeRevenueBelowTarget",
        metric: "revenue",
        labels: "window=\"24h\",grouping=\"overall\",currency=\"EUR\"",
        stat: None,
        values: (999.0, 1_000.0),
        interval: None,
        has_samples: false,
    },
];

fn targets() -> Vec<Case> {
    let case = |aim: &Aim| {
        let labels = format!("{INSTANCE},{}", aim.labels);
        let with_stat = aim.stat.map_or_else(|| labels.clone(), |stat| format!("{labels},stat=\"{stat}\""));
        let value = |value| Series::still(&format!("tidegauge_{}{{{with_stat}}}", aim.metric), value);
        let (missed, good) = aim.values;
        let mut fires = vec![value(missed)];
        let mut quiet = vec![("not when it is met", vec![value(good)])];
        if let Some((end, beyond)) = aim.interval {
            let bound = |value| Series::still(&format!("tidegauge_{}_{end}{{{with_stat}}}", aim.metric), value);
            fires.push(bound(missed));
            quiet.push(("not within the interval", vec![bound(beyond)]));
        }
        if aim.has_samples {
            let samples = |value| Series::still(&format!("tidegauge_{}_samples{{{labels}}}", aim.metric), value);
            fires.push(samples(30.0));
            quiet.push(("not with few samples", vec![samples(29.0)]));
        }
        if aim.metric.starts_with("errors_by") {
            // Two severities are two alerts, not an error.
            fires.push(Series::still(&value(0.0).name.replace("fatal", "minor"), 1.0));
        }
        Case {
            alert: aim.alert,
            severity: "ticket",
            matchers: "",
            business: true,
            minutes: if aim.labels.contains("24h") { 70 } else { 15 },
            fires,
            quiet,
        }
    };
    AIMS.iter().map(case).collect()
}

fn process() -> Vec<Case> {
    let of = |name: &str, values: &str| Series::new(&format!("{name}{{{INSTANCE}}}"), values);
    let (caught_up, watermark) = ("tidegauge_caught_up", "tidegauge_watermark_timestamp_seconds");
    let lag = |partition: u8, values: &str| {
        let name = format!("tidegauge_partition_lag_records{{{INSTANCE},topic=\"t\",partition=\"{partition}\"}}");
        Series::new(&name, values)
    };
    let case = |alert, severity, minutes, fires, quiet| Case {
        alert,
        severity,
        matchers: "",
        business: false,
        minutes,
        fires,
        quiet,
    };
    vec![
        case(
            "TidegaugeDown",
            "page",
            10,
            vec![of("up", "0x20")],
            vec![
                ("not while it answers", vec![of("up", "1x20")]),
                ("not for a restart", vec![of("up", "1x7 0x13")]),
            ],
        ),
        case(
            "TidegaugeAbsent",
            "page",
            10,
            vec![Series::new("up{job=\"other\",instance=\"a\"}", "1x20"), of("up", "_x20")],
            vec![("not while it is a target, even one that is down", vec![of("up", "0x20")])],
        ),
        case(
            "TidegaugeNotReady",
            "page",
            15,
            vec![of("tidegauge_ready", "0x20")],
            vec![
                ("not while it is ready", vec![of("tidegauge_ready", "1x20")]),
                ("not while it starts", vec![of("tidegauge_ready", "1x8 0x20")]),
            ],
        ),
        case(
            "TidegaugeNotCaughtUp",
            "ticket",
            40,
            vec![of(caught_up, "0x60")],
            vec![
                ("not when it is at the end", vec![of(caught_up, "1x60")]),
                ("not when it has just been", vec![of(caught_up, "0x25 1x2 0x60")]),
            ],
        ),
        case(
            "TidegaugeLagGrowing",
            "ticket",
            60,
            vec![lag(0, "1000+600x60"), lag(1, "5000-10x60")],
            vec![
                ("not while it shrinks", vec![lag(0, "90000-600x60")]),
                ("not while it is small", vec![lag(0, "0+1x60"), lag(1, "0x60")]),
                ("not when another partition makes up for it", vec![lag(1, "90000-700x60")]),
            ],
        ),
        case(
            "TidegaugeWatermarkStalled",
            "page",
            40,
            vec![of(watermark, "0+60x10 600x50")],
            vec![
                ("not while it moves, however old", vec![of(watermark, "-9000+1x60")]),
                ("not while it is young", vec![of(watermark, "2000x60")]),
            ],
        ),
        case(
            "TidegaugeResultsStale",
            "ticket",
            40,
            vec![of(watermark, "-2000+60x60"), of(caught_up, "1x60")],
            vec![
                ("not while it is young", vec![of(watermark, "-600+60x60")]),
                ("not during a replay", vec![of(caught_up, "0x60")]),
            ],
        ),
        case(
            "TidegaugeSeriesDropped",
            "ticket",
            20,
            vec![of("tidegauge_series_dropped", "5x30")],
            vec![("not when all fit", vec![of("tidegauge_series_dropped", "0x30")])],
        ),
    ]
}

fn records() -> Vec<Case> {
    let of = |name: &str, values: &str| Series::new(&format!("tidegauge_{name}_total{{{INSTANCE}}}"), values);
    let rejected = |reason: &str, values: &str| {
        Series::new(
            &format!("tidegauge_rejected_records_total{{{INSTANCE},reason=\"{reason}\"}}"),
            values,
        )
    };
    let case = |alert, fires, quiet| Case {
        alert,
        severity: "ticket",
        matchers: "",
        business: false,
        minutes: 40,
        fires,
        quiet,
    };
    let (few, share) = ("not with few records", "not for a small share");
    vec![
        case(
            "TidegaugeRejects",
            vec![
                rejected("bad_time", "0+6x60"),
                rejected("not_json", "0+6x60"),
                of("records", "0+1000x60"),
            ],
            vec![
                (share, vec![rejected("bad_time", "0+3x60")]),
                (few, vec![rejected("bad_time", "0+1x60"), of("records", "0+6x60")]),
            ],
        ),
        case(
            "TidegaugeLateEvents",
            vec![of("late_events", "0+12x60"), of("records", "0+1000x60")],
            vec![
                (share, vec![of("late_events", "0+9x60")]),
                (few, vec![of("late_events", "0+1x60"), of("records", "0+6x60")]),
            ],
        ),
    ]
}

fn commits() -> Vec<Case> {
    let of = |name: &str, values: &str| Series::new(&format!("tidegauge_{name}{{{INSTANCE}}}"), values);
    let case = |alert, severity, minutes, fires, quiet| Case {
        alert,
        severity,
        matchers: "",
        business: false,
        minutes,
        fires,
        quiet,
    };
    let limit = |values: &str| Series::new(&format!("tidegauge_limit_reached_total{{{INSTANCE},limit=\"max_groups\"}}"), values);
    vec![
        case(
            "TidegaugeCommitOverdue",
            "page",
            40,
            vec![of("last_commit_timestamp_seconds", "60x60"), of("records_total", "0+100x60")],
            vec![
                ("not while it commits", vec![of("last_commit_timestamp_seconds", "-300+60x60")]),
                ("not when there is nothing to commit", vec![of("records_total", "700x60")]),
                (
                    "not when records come back after a quiet night",
                    vec![of("records_total", "700x35 800+100x20")],
                ),
            ],
        ),
        case(
            "TidegaugeCommitFailures",
            "ticket",
            30,
            vec![of("commit_failures_total", "0+1x60")],
            vec![
                ("not while all succeed", vec![of("commit_failures_total", "0x60")]),
                ("not for one", vec![of("commit_failures_total", "0x20 1x60")]),
            ],
        ),
        case(
            "TidegaugeGapRecorded",
            "page",
            80,
            vec![of("gaps_total", "0x60 2x60")],
            vec![
                ("not for one of long ago", vec![of("gaps_total", "1x120")]),
                ("not without one", vec![of("gaps_total", "0x120")]),
            ],
        ),
        case(
            "TidegaugeGapRecorded",
            "page",
            30,
            vec![of("gaps_total", "_x20 1x60")],
            vec![("not for a process that starts without one", vec![of("gaps_total", "_x20 0x60")])],
        ),
        case(
            "TidegaugeLimitReached",
            "ticket",
            80,
            vec![limit("0x60 7x60")],
            vec![
                ("not for one of long ago", vec![limit("9x120")]),
                ("not while there is room", vec![limit("0x120")]),
            ],
        ),
    ]
}
