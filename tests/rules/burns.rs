//! Counters on which the alerts on error budgets fire, and others on which they do not.

use crate::cases::{Case, INSTANCE, SHOP, Series};

/// An alert on the budget of an objective.
struct Burn {
    alert: &'static str,
    severity: &'static str,
    matchers: &'static str,
    /// The counters of all events and of those that the share of bad ones is told by.
    counters: (&'static str, &'static str),
    groups: &'static str,
    /// Shares of bad events above the limit and below it; the former is not above it by more than chance where there are but 40.
    shares: (f64, f64),
    /// Minutes of the long window and the short one.
    windows: (u32, u32),
}

/// The targets of task success, 0.95 and 0.9, and the default objective of crash-free sessions, 0.99.
pub(crate) fn burns() -> Vec<Case> {
    let (hour, six_hours, three_days) = (
        ("burn_windows=\"1h, 5m\"", "page", (60, 5)),
        ("burn_windows=\"6h, 30m\"", "page", (360, 30)),
        ("burn_windows=\"3d, 6h\"", "ticket", (4_320, 360)),
    );
    let burn = |alert, counters, groups, shares, (matchers, severity, windows): (&'static str, &'static str, (u32, u32))| {
        burn_case(&Burn {
            alert,
            severity,
            matchers,
            counters,
            groups,
            shares,
            windows,
        })
    };
    let odd = "grouping=\"product+task\",product=\"shop\",task=\"pay \\\"now\\\" \\\\ {{ 1 | boom }} ü\\n\\u0007😀\"";
    let none = "grouping=\"product+task\",product=\"shop\",task=\"__none__\"";
    let task = |groups, shares, windows| {
        let counters = ("task_success_ratio_denominator", "task_success_ratio_numerator");
        burn("TidegaugeTaskSuccessBudgetBurn", counters, groups, shares, windows)
    };
    let session = |shares, windows| {
        let counters = ("sessions", "crashed_sessions");
        burn("TidegaugeCrashFreeSessionBudgetBurn", counters, SHOP, shares, windows)
    };
    vec![
        task(odd, (0.75, 0.71), hour),
        task(odd, (0.32, 0.29), six_hours),
        task(odd, (0.06, 0.04), three_days),
        task(none, (0.62, 0.59), six_hours),
        session((0.16, 0.14), hour),
        session((0.07, 0.05), six_hours),
        session((0.02, 0.009), three_days),
    ]
}

fn burn_case(burn: &Burn) -> Case {
    let (long, short) = burn.windows;
    let (over, under) = burn.shares;
    // A window may reach back to before the first sample, so some hours will do for three days.
    let filled = long.min(400);
    let minutes = filled + 100;
    let many = 1_000.0;
    let series = |counter: &str, values: String| Series::new(&format!("tidegauge_{counter}_total{{{INSTANCE},{}}}", burn.groups), &values);
    // Stretches of so many minutes, with so many events a minute and that share of bad ones.
    let counted = |stretches: &[(u32, f64, f64)]| {
        let (mut all, mut part) = ((0.0, String::new()), (0.0, String::new()));
        for (length, a_minute, bad) in stretches {
            let told = if burn.counters.1.ends_with("numerator") { 1.0 - bad } else { *bad };
            for ((count, values), step) in [(&mut all, *a_minute), (&mut part, a_minute * told)] {
                values.push_str(&format!("{count}+{step}x{} ", length - 1));
                *count += step * f64::from(*length);
            }
        }
        vec![series(burn.counters.0, all.1), series(burn.counters.1, part.1)]
    };
    let during = |events: f64| events / f64::from(long.min(minutes));
    let caught_up = |minutes: u32| {
        let name = format!("tidegauge_caught_up{{{INSTANCE}}}");
        Series::new(&name, &format!("0x{} 1x{minutes}", filled + 100 - minutes))
    };
    Case {
        alert: burn.alert,
        severity: burn.severity,
        matchers: burn.matchers,
        business: true,
        minutes,
        fires: counted(&[(minutes + 1, many, over)]),
        quiet: vec![
            ("not at a rate that the budget bears", counted(&[(minutes + 1, many, under)])),
            ("not by chance", counted(&[(minutes + 1, during(40.0), over)])),
            ("not with few samples", counted(&[(minutes + 1, during(29.0), 1.0)])),
            (
                "not after it is over",
                counted(&[(minutes - short - 10, many, over), (short + 11, many, under / 2.0)]),
            ),
            (
                "not by what was counted while it was behind",
                [vec![caught_up(20)], counted(&[(minutes - 20, many, 1.0), (21, during(40.0), 1.0)])].concat(),
            ),
        ],
    }
}
