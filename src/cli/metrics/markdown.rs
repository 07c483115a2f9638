//! The catalogue as a page of the documentation.

use tidegauge_aggregate::catalogue::{self, Area};

use super::entry::Entry;

const HEAD: &str = "\
# Metrics

<!-- Made by `tidegauge metrics --markdown`; change the catalogue and make it again. -->

Every metric of the catalogue: what it says, exactly how it is counted, and where that comes from. `tidegauge metrics NAME` tells the same.

Each is reported for a window and a group as rows of the Parquet table `metrics` and, as configured, as the gauge `tidegauge_<name>` with
`tidegauge_<name>_samples` (the sample size) and, where there is an interval, `_lower` and `_upper`. Counts of facts are also counters,
`tidegauge_<name>_total`. A metric can be grouped by every dimension that all its facts carry; by default that gives the groupings named below.
";

/// The whole page.
pub(super) fn page() -> String {
    let mut text = HEAD.to_owned();
    for (area, title) in [
        (Area::Ux, "UX"),
        (Area::Cx, "CX"),
        (Area::Link, "UX to CX"),
        (Area::Spike, "Spikes"),
    ] {
        text.push_str(&format!("\n## {title}\n"));
        for metric in catalogue::metrics().filter(|metric| metric.area == area) {
            let entry = Entry::new(metric);
            text.push_str(&format!("\n### `{}`\n\n{}\n\n", metric.name, escape(metric.help)));
            for (name, content) in entry.lines().into_iter().filter(|(name, _)| *name != "area") {
                text.push_str(&format!("- {name}: {}\n", escape(&content)));
            }
            let names: Vec<String> = entry.prometheus.iter().map(|name| format!("`{name}`")).collect();
            text.push_str(&format!("- Prometheus: {}\n", names.join(", ")));
        }
    }
    text
}

/// Keeps what Markdown would read as markup.
fn escape(text: &str) -> String {
    // Names in backquotes are meant as they are.
    let mut inside = false;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        inside ^= character == '`';
        if !inside && matches!(character, '*' | '_' | '<' | '[' | '|') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
