//! The live summary of a demo: a small table that redraws on a terminal, plain lines elsewhere.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::time::EventTime;

use super::traffic::{Traffic, clock};
use crate::console::judge;
use crate::pipeline::status::Status;

/// How far the watermark of live traffic is behind the clock at most: lateness, and what it waits for the slowest partition.
const CURRENT_MS: i64 = 180_000;

/// Metrics shown for each product, with the window and how to show them.
const COLUMNS: [(&str, &str, &str, Style); 6] = [
    ("task success", "task_success_ratio", "5m", Style::Percent),
    ("errors/attempt", "errors_per_attempt", "5m", Style::Number),
    ("abandoned", "task_abandonment_ratio", "5m", Style::Percent),
    ("active users", "active_users", "5m", Style::Whole),
    ("contact", "contact_ratio", "1h", Style::Percent),
    ("churn", "churn_ratio", "1h", Style::Percent),
];

#[derive(Clone, Copy)]
enum Style {
    Percent,
    Number,
    Whole,
}

impl Style {
    fn show(self, value: Option<f64>) -> String {
        match (self, value) {
            (_, None) => "-".to_owned(),
            (Style::Percent, Some(v)) => format!("{:.1} %", v * 100.0),
            (Style::Number, Some(v)) => format!("{v:.3}"),
            (Style::Whole, Some(v)) => format!("{v:.0}"),
        }
    }
}

/// Where the summary is shown.
pub(super) struct Screen {
    terminal: bool,
    drawn: usize,
    next: Duration,
}

impl Screen {
    pub(super) fn new(terminal: bool) -> Screen {
        Screen {
            terminal,
            drawn: 0,
            next: Duration::ZERO,
        }
    }

    /// Shows how things stand, if it is time to.
    pub(super) fn show(&mut self, status: &Status, traffic: &Traffic, since: Duration) {
        if since < self.next {
            return;
        }
        let lines = lines(status, traffic, since);
        if self.terminal {
            self.next = since + Duration::from_secs(1);
            self.clear();
            self.drawn = lines.len();
            println!("{}", lines.join("\n"));
        } else {
            // The first lines soon, then at a pace that a log can bear.
            self.next = since + Duration::from_secs(if since < Duration::from_secs(10) { 2 } else { 10 });
            println!("{}", plain(&lines));
        }
    }

    fn clear(&mut self) {
        if self.drawn > 0 {
            print!("\x1b[{}A\x1b[J", self.drawn);
        }
    }

    pub(super) fn end(&mut self) {
        self.drawn = 0;
    }
}

fn plain(lines: &[String]) -> String {
    lines
        .iter()
        .map(|l| l.trim())
        .filter(|l| !l.is_empty())
        .collect::<Vec<_>>()
        .join(" | ")
}

fn value(status: &Status, rows: &[MetricRow], metric: &str, window: &str, product: &str) -> Option<f64> {
    let spec = status.spec();
    rows.iter()
        .find(|row| {
            row.metric == metric
                && row.stat == "value"
                && spec.windows.get(row.window).is_some_and(|w| w.name == window)
                && spec.groupings.get(row.grouping).is_some_and(|g| g.name() == "product")
                && row.group.first().and_then(Option::as_deref) == Some(product)
        })
        .and_then(|row| row.value)
}

fn lines(status: &Status, traffic: &Traffic, since: Duration) -> Vec<String> {
    let rows = status.rows();
    let o = status.operational();
    let seconds = since.as_secs();
    // All that was sent may be read while it is still history that is sent.
    let current = o.watermark.is_some_and(|w| w.plus(CURRENT_MS) >= EventTime(clock()));
    let watermark = o
        .watermark
        .filter(|w| *w != EventTime::MIN)
        .and_then(|w| jiff::Timestamp::from_millisecond(w.0).ok());
    let watermark = watermark.map_or_else(|| "-".to_owned(), |t| t.strftime("%H:%M:%S").to_string());
    let rejected: u64 = o.rejected_records.iter().sum();
    let sent = traffic.sent.load(Ordering::Relaxed);
    let mut lines = vec![format!(
        "{seconds:>5} s  sent {sent}  accepted {}  rejected {rejected}  late {}  watermark {watermark} UTC  {}",
        o.events_accepted,
        o.late_events,
        if o.caught_up && current { "caught up" } else { "catching up" }
    )];
    let mut products: Vec<&str> = rows
        .iter()
        .filter(|r| status.spec().groupings.get(r.grouping).is_some_and(|g| g.name() == "product"))
        .filter_map(|r| r.group.first().and_then(Option::as_deref))
        .collect();
    products.sort_unstable();
    products.dedup();
    let heads: Vec<String> = COLUMNS.iter().map(|(head, _, window, _)| format!("{head} {window}")).collect();
    if !products.is_empty() {
        lines.push(format!(
            "{:<10}{}",
            "product",
            heads.iter().map(|h| format!("{h:>20}")).collect::<String>()
        ));
    }
    for product in products {
        let cells: String = COLUMNS
            .iter()
            .map(|(_, metric, window, style)| format!("{:>20}", style.show(value(status, &rows, metric, window, product))))
            .collect();
        lines.push(format!("{product:<10}{cells}"));
    }
    lines.extend(spikes(status, &rows));
    lines
}

/// What is worse than an hour ago, beyond chance.
fn spikes(status: &Status, rows: &[MetricRow]) -> Vec<String> {
    let spec = status.spec();
    let mut found: Vec<String> = rows
        .iter()
        .filter(|r| r.metric == "spike_excess" && judge::is_spike(r))
        .filter_map(|r| {
            let grouping = spec.groupings.get(r.grouping)?;
            let group = r.group.iter().map(|v| v.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ");
            let place = if grouping.dimensions.is_empty() {
                "overall".to_owned()
            } else {
                group
            };
            Some(format!("SPIKE  {} +{:.1} points in {place}", r.label.as_deref()?, r.value? * 100.0))
        })
        .collect();
    found.sort();
    found.truncate(6);
    found
}

/// What to try next: a command that a shell takes as it stands. `window` and `grouping` are words of SQL, hence their quotes.
#[must_use]
pub fn farewell(directory: &Path) -> String {
    let files = directory.join("metrics/**/*.parquet").display().to_string().replace('\'', "''");
    let query = format!(
        r#"SELECT window_end, product, round(value, 3) AS task_success, n
  FROM read_parquet('{files}')
  WHERE metric = 'task_success_ratio' AND "window" = '5m' AND "grouping" = 'product'
  QUALIFY revision = max(revision) OVER (PARTITION BY window_end, product)
  ORDER BY window_end DESC, product LIMIT 12"#
    );
    // Within double quotes a shell leaves everything else alone.
    let quoted = ['\\', '"', '$', '`']
        .iter()
        .fold(query, |text, c| text.replace(*c, &format!("\\{c}")));
    format!(
        "\nThe tables stay in {}. Try, with DuckDB:\n\n  duckdb -c \"{quoted}\"\n\nor in Python, with pandas or Polars: docs/reading-tables.md",
        directory.display()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_shell_hands_the_query_on_as_sql() {
        let text = farewell(Path::new("./a $HOME `b` \"c\" it's"));
        let (_, command) = text.split_once("duckdb -c ").unwrap();
        let (command, _) = command.split_once("\n\nor ").unwrap();
        let shown = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {command}")])
            .output()
            .unwrap();
        let query = String::from_utf8(shown.stdout).unwrap();
        assert!(
            query.contains(r#"read_parquet('./a $HOME `b` "c" it''s/metrics/**/*.parquet')"#),
            "{query}"
        );
        assert!(query.contains(r#""window" = '5m' AND "grouping" = 'product'"#), "{query}");
    }
}
