//! Which series appear, under which names and labels.

use tidegauge_aggregate::catalogue::Counter;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_sink::gauges::{Format, GroupFacts, LiveSnapshot, Total};

use crate::support::{everything, group, of, operational, page, row, samples, total};

const MANY: usize = 100_000;

#[test]
fn a_metric_is_a_gauge_with_its_sample_size_and_interval_beside_it() {
    let page = page(MANY);
    let rows = vec![MetricRow {
        lower: Some(0.25),
        upper: Some(0.75),
        ..row("task_success_ratio", 2, &[Some("shop"), None])
    }];
    page.publish(LiveSnapshot {
        rows,
        ..LiveSnapshot::default()
    });
    let labels = r#"{window="5m",grouping="product+task",product="shop",task="__none__"}"#;
    assert_eq!(of(&page, "tidegauge_task_success_ratio"), [format!("{labels} 0.5")]);
    assert_eq!(of(&page, "tidegauge_task_success_ratio_samples"), [format!("{labels} 40")]);
    assert_eq!(of(&page, "tidegauge_task_success_ratio_lower"), [format!("{labels} 0.25")]);
    assert_eq!(of(&page, "tidegauge_task_success_ratio_upper"), [format!("{labels} 0.75")]);
}

#[test]
fn stats_are_told_apart_and_share_one_sample_size() {
    let page = page(MANY);
    let stat = |stat| MetricRow {
        stat,
        ..row("wait_seconds", 0, &[])
    };
    page.publish(LiveSnapshot {
        rows: vec![stat("p50"), stat("p95")],
        ..LiveSnapshot::default()
    });
    let found = of(&page, "tidegauge_wait_seconds");
    assert_eq!(
        found,
        [
            r#"{window="5m",grouping="overall",stat="p50"} 0.5"#,
            r#"{window="5m",grouping="overall",stat="p95"} 0.5"#
        ]
    );
    assert_eq!(
        of(&page, "tidegauge_wait_seconds_samples"),
        [r#"{window="5m",grouping="overall"} 40"#]
    );
}

#[test]
fn what_stands_in_braces_becomes_labels() {
    let page = page(MANY);
    let label = |metric, label: Option<&str>| MetricRow {
        label: label.map(Into::into),
        ..row(metric, 0, &[])
    };
    let rows = vec![
        label("journey_step_ratio", Some("buy/again/2")),
        label("consistency_gap", Some("platform/task_error_ratio")),
        label("revenue", Some("EUR")),
        label("revenue", None),
    ];
    page.publish(LiveSnapshot {
        rows,
        ..LiveSnapshot::default()
    });
    let start = r#"{window="5m",grouping="overall""#;
    assert_eq!(
        of(&page, "tidegauge_journey_step_ratio"),
        [format!(r#"{start},journey="buy/again",step="2"}} 0.5"#)]
    );
    assert_eq!(
        of(&page, "tidegauge_consistency_gap"),
        [format!(r#"{start},dimension="platform",indicator="task_error_ratio"}} 0.5"#)]
    );
    let revenue = [
        format!(r#"{start},currency="EUR"}} 0.5"#),
        format!(r#"{start},currency="__none__"}} 0.5"#),
    ];
    assert_eq!(of(&page, "tidegauge_revenue"), revenue);
}

#[test]
fn attributes_are_labels_with_an_underscore() {
    let page = page(MANY);
    page.publish(LiveSnapshot {
        rows: vec![row("users", 7, &[Some("shop"), Some("pro")])],
        ..LiveSnapshot::default()
    });
    let expected = r#"{window="5m",grouping="product+attributes.plan",product="shop",attributes_plan="pro"} 0.5"#;
    assert_eq!(of(&page, "tidegauge_users"), [expected]);
}

#[test]
fn counts_are_counters_without_a_window_too() {
    let page = page(MANY);
    let errors = Total {
        label: Some("fatal".into()),
        ..total("errors_by_severity", 1, &[Some("shop")], 3)
    };
    let no_counter = total("users", 0, &[], 9);
    page.publish(LiveSnapshot {
        totals: vec![errors, no_counter],
        ..LiveSnapshot::default()
    });
    let found = of(&page, "tidegauge_errors_by_severity_total");
    assert_eq!(found, [r#"{grouping="product",product="shop",severity="fatal"} 3"#]);
    assert_eq!(of(&page, "tidegauge_users_total"), [""; 0]);
}

#[test]
fn the_parts_of_a_ratio_of_counts_are_counters() {
    let page = page(MANY);
    let part = |counter, value| Total {
        counter,
        ..total("task_success_ratio", 1, &[Some("shop")], value)
    };
    page.publish(LiveSnapshot {
        totals: vec![part(Counter::Numerator, 0), part(Counter::Denominator, 3)],
        ..LiveSnapshot::default()
    });
    let of = |name| of(&page, name).concat();
    assert_eq!(
        of("tidegauge_task_success_ratio_numerator_total"),
        "{grouping=\"product\",product=\"shop\"} 0"
    );
    assert_eq!(
        of("tidegauge_task_success_ratio_denominator_total"),
        "{grouping=\"product\",product=\"shop\"} 3"
    );
}

#[test]
fn a_value_that_became_absent_leaves_the_page_and_its_sample_size_goes_to_zero() {
    let page = page(MANY);
    page.publish(LiveSnapshot {
        rows: vec![row("nps", 0, &[])],
        ..LiveSnapshot::default()
    });
    assert_eq!(of(&page, "tidegauge_nps").len(), 1);
    let held = MetricRow {
        value: None,
        n: 0,
        ..row("nps", 0, &[])
    };
    page.publish(LiveSnapshot {
        rows: vec![held],
        ..LiveSnapshot::default()
    });
    assert_eq!(of(&page, "tidegauge_nps"), [""; 0]);
    assert_eq!(of(&page, "tidegauge_nps_samples"), [r#"{window="5m",grouping="overall"} 0"#]);
    page.publish(LiveSnapshot::default());
    assert_eq!(of(&page, "tidegauge_nps_samples"), [""; 0]);
}

#[test]
fn numbers_that_are_none_do_not_appear() {
    let page = page(MANY);
    let rows = vec![MetricRow {
        value: Some(f64::NAN),
        lower: Some(f64::INFINITY),
        ..row("nps", 0, &[])
    }];
    page.publish(LiveSnapshot {
        rows,
        ..LiveSnapshot::default()
    });
    assert_eq!(of(&page, "tidegauge_nps"), [""; 0]);
    assert_eq!(of(&page, "tidegauge_nps_lower"), [""; 0]);
}

#[test]
fn an_instance_that_is_not_the_reporter_shows_only_how_it_is_doing() {
    let page = page(MANY);
    page.observe(operational());
    page.publish(everything());
    page.withdraw();
    assert!(samples(&page).iter().all(|line| !line.contains("window=")));
    assert_eq!(of(&page, "tidegauge_series"), [" 0"]);
    assert_eq!(of(&page, "tidegauge_commits_total"), [" 2"]);
}

#[test]
fn groups_with_the_most_facts_stay_when_there_are_too_many_series() {
    let rows = ["a", "b", "c", "d"].map(|product| row("users", 1, &[Some(product)])).to_vec();
    let totals = vec![total("errors", 1, &[Some("b")], 1)];
    let facts = [("b", 5), ("c", 9), ("d", 5)]
        .map(|(product, facts)| GroupFacts {
            grouping: 1,
            group: group(&[Some(product)]),
            facts,
        })
        .to_vec();
    let shown = |max| {
        let page = page(max);
        page.publish(LiveSnapshot {
            rows: rows.clone(),
            totals: totals.clone(),
            facts: facts.clone(),
        });
        let products: String = of(&page, "tidegauge_users")
            .iter()
            .filter_map(|line| line.split("product=\"").nth(1)?.chars().next())
            .collect();
        (
            products,
            of(&page, "tidegauge_series").concat(),
            of(&page, "tidegauge_series_dropped").concat(),
        )
    };
    assert_eq!(shown(MANY), ("abcd".to_owned(), " 9".to_owned(), " 0".to_owned()));
    assert_eq!(shown(7), ("bcd".to_owned(), " 7".to_owned(), " 2".to_owned()));
    assert_eq!(shown(6), ("bc".to_owned(), " 5".to_owned(), " 4".to_owned()));
    assert_eq!(
        shown(4),
        ("c".to_owned(), " 2".to_owned(), " 7".to_owned()),
        "what does not fit ends the list, whatever comes after"
    );
    assert_eq!(shown(0), (String::new(), " 0".to_owned(), " 9".to_owned()));
}

#[test]
fn operational_metrics_have_the_names_that_alerts_use() {
    let page = page(MANY);
    page.observe(operational());
    assert_eq!(of(&page, "tidegauge_build_info"), [r#"{version="1.2.3"} 1"#]);
    assert_eq!(of(&page, "tidegauge_watermark_timestamp_seconds"), [" 1738137600.5"]);
    assert_eq!(of(&page, "tidegauge_caught_up"), [" 1"]);
    assert_eq!(
        of(&page, "tidegauge_partition_lag_records"),
        [r#"{topic="product.telemetry",partition="0"} 12"#]
    );
    assert_eq!(
        of(&page, "tidegauge_watermark_holder"),
        [r#"{topic="product.telemetry",partition="0"} 1"#]
    );
    let idle = [
        r#"{topic="product.telemetry",partition="0"} 0"#,
        r#"{topic="product.telemetry",partition="1"} 1"#,
    ];
    assert_eq!(of(&page, "tidegauge_partition_idle"), idle);
    assert_eq!(
        of(&page, "tidegauge_rejected_records_total").len(),
        8,
        "a reason that did not occur is 0, so that rates work from the start"
    );
    assert!(of(&page, "tidegauge_rejected_records_total").contains(&r#"{reason="not_json"} 2"#.to_owned()));
    assert_eq!(of(&page, "tidegauge_late_events_total"), [" 0"]);
}

#[test]
fn both_formats_say_the_same() {
    let page = page(MANY);
    page.observe(operational());
    page.publish(everything());
    let of = |format| {
        let text = page.render(format).unwrap();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(Format::Text), of(Format::OpenMetrics));
}

#[test]
fn openmetrics_names_counters_without_total_unless_a_gauge_has_that_name() {
    let page = page(MANY);
    page.observe(operational());
    page.publish(everything());
    let text = page.render(Format::OpenMetrics).unwrap();
    assert!(text.ends_with("\n# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.contains(
        "# TYPE tidegauge_commits counter\n# HELP tidegauge_commits Entries written to the commit log\ntidegauge_commits_total 2\n"
    ));
    assert!(text.contains("# TYPE tidegauge_errors gauge\n"));
    assert!(text.contains("# TYPE tidegauge_errors_total unknown\n"));
    assert!(text.contains(r#"# HELP tidegauge_users What users \"says\" of the window"#));
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "no family appears twice");
}
