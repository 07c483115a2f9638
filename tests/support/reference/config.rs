//! Reads the configuration of a golden case: the keys of interface.md that change results.

use tidegauge_aggregate::spec::{Dimension, Grouping, Journey, Spec, Spike, Window};
use toml::{Table, Value};

/// Milliseconds of `"250ms"`, `"60s"`, `"2m"`, `"1h"`, `"30d"`.
fn duration(value: &Value) -> i64 {
    let text = value.as_str().unwrap();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => panic!("{text}: unknown unit {other}"),
    };
    digits.parse::<i64>().unwrap() * unit
}

fn bytes(value: &Value) -> u64 {
    let text = value.as_str().unwrap();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => panic!("{text}: unknown unit {other}"),
    };
    digits.parse::<u64>().unwrap() * unit
}

fn tables<'a>(config: &'a Table, name: &str) -> Option<Vec<&'a Table>> {
    Some(
        config
            .get(name)?
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.as_table().unwrap())
            .collect(),
    )
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

/// The specification a configuration asks for; what is left out has its default.
pub fn spec(text: &str) -> Spec {
    let config: Table = text.parse().unwrap();
    let mut spec = Spec::default();
    for (section, value) in &config {
        if !matches!(section.as_str(), "window" | "grouping" | "journey" | "spike") {
            for (key, value) in value.as_table().unwrap() {
                setting(&mut spec, &format!("{section}.{key}"), value);
            }
        }
    }
    if let Some(groupings) = tables(&config, "grouping") {
        let dimensions = |t: &Table| texts(&t["dimensions"]).iter().map(|name| Dimension::parse(name).unwrap()).collect();
        spec.groupings = groupings
            .into_iter()
            .map(|table| Grouping {
                dimensions: dimensions(table),
            })
            .collect();
    }
    spec.windows = match tables(&config, "window") {
        None => Spec::default_windows(&spec.groupings),
        Some(windows) => windows.into_iter().map(|table| window(table, &spec.groupings)).collect(),
    };
    if let Some(journeys) = tables(&config, "journey") {
        spec.journeys = journeys
            .into_iter()
            .map(|table| Journey {
                name: table["name"].as_str().unwrap().to_owned(),
                steps: texts(&table["steps"]),
                within: table.get("within").map_or(30 * 60_000, duration),
            })
            .collect();
    }
    let spike = config.get("spike").map(|value| value.as_table().unwrap());
    let key = |name: &str| spike.and_then(|table| table.get(name));
    let name = key("window").map_or("5m", |value| value.as_str().unwrap());
    let baseline = key("baseline").map_or(3_600_000, duration);
    let found = spec.windows.iter().position(|window| window.name == name);
    assert!(found.is_some() || spike.is_none(), "spike.window {name} is not configured");
    spec.spike = found.map(|window| Spike { window, baseline });
    spec
}

fn window(table: &Table, groupings: &[Grouping]) -> Window {
    let size = duration(&table["size"]);
    let index = |name: &String| groupings.iter().position(|g| g.name() == *name).unwrap();
    Window {
        name: table["name"].as_str().unwrap().to_owned(),
        size,
        slide: table.get("slide").map_or(size, duration),
        groupings: table
            .get("groupings")
            .map_or((0..groupings.len()).collect(), |v| texts(v).iter().map(index).collect()),
    }
}

fn setting(spec: &mut Spec, key: &str, value: &Value) {
    match key {
        "time.lateness" => spec.lateness = duration(value),
        "time.revision_horizon" => spec.revision_horizon = duration(value),
        "time.max_future_skew" => spec.max_future_skew = duration(value),
        "task.attempt_timeout" => spec.attempt_timeout = duration(value),
        "ticket.retention" => spec.ticket_retention = duration(value),
        "ticket.first_response_target" => spec.first_response_target = duration(value),
        "ticket.resolution_target" => spec.resolution_target = duration(value),
        "apdex.threshold" => spec.apdex_threshold = duration(value),
        "value.gross_margin" => spec.gross_margin = value.as_float().unwrap_or_else(|| value.as_integer().unwrap() as f64),
        "limits.max_record_bytes" => spec.max_record_bytes = bytes(value),
        "limits.max_groups" => spec.max_groups = value.as_integer().unwrap() as usize,
        "limits.distinct_k" => spec.distinct_k = value.as_integer().unwrap() as usize,
        "limits.distinct_k_groups" => spec.distinct_k_groups = value.as_integer().unwrap() as usize,
        // What changes no result of a closing run.
        "time.idle_after" | "time.max_partition_skew" => {}
        _ => panic!("the reference does not know the key {key}"),
    }
}
