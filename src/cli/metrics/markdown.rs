//! The catalogue as a page of the documentation.

use tidegauge_aggregate::catalogue::{self, Area};

use super::entry::Entry;

const HEAD: &str = "\
# Metrics

<!-- Made by `tidegauge metrics --markdown`; change the catalogue and make it again. -->

Every metric of the catalogue: what it says, exactly how it is counted, and where that comes from. `tidegauge metrics NAME` tells the same.

Each is reported for a window and a group as rows of the Parquet table `metrics` and, as configured, as the gauge `tidegauge_<name>` with
`tidegauge_<name>_samples` (the sample size) and, where there is an interval, `_lower` and `_upper`. A metric can be grouped by every dimension that all its facts carry; by default that gives the groupings named below.

So that SLO tools can take rates over any time, there are counters, without `window`: counts of facts as `tidegauge_<name>_total`, and the two parts of
every ratio of counts as `tidegauge_<name>_numerator_total` and `_denominator_total`. Distinct ids do not add up, so there are counters of sessions only: a session
counts once in every hour of event time in which it is active (`tidegauge_sessions_total`), and as crashed once in every hour in which it has a fatal error
(`tidegauge_crashed_sessions_total`); beyond `limits.distinct_k` sessions an hour these are estimates, as the distinct counts are. Counters begin at 0 with the
process, and count what it reads: with several processes, take the sum of them.
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
