//! The report as people read it.

use super::report::{Report, Written};
use crate::cli::hidden::plain;
use crate::cli::output::{self, Style};

/// Partitions first, since they are what is looked for, then the pipeline as a whole.
pub(super) fn for_people(report: &Report, style: Style) -> String {
    let mut text = format!("{}\n", style.title(&report.location));
    text.push_str(&partitions(report));
    text.push('\n');
    for (title, line) in pipeline(report) {
        text.push_str(&format!("{}{line}\n", style.title(&format!("{title:<13}"))));
    }
    if !report.log.tables.is_empty() {
        let mut rows = vec![words(["table", "rows", "files", "size"])];
        rows.extend(report.log.tables.iter().map(|(name, table)| {
            vec![
                name.clone(),
                output::grouped(table.rows),
                output::grouped(table.files),
                output::bytes(table.bytes),
            ]
        }));
        text.push_str(&format!("\n{}", output::columns(&rows, &[1, 2, 3])));
    }
    for trouble in report.troubles() {
        text.push_str(&format!("\n{} {}\n", style.bad("problem"), plain(&trouble)));
    }
    text
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn partitions(report: &Report) -> String {
    let mut rows = vec![words([
        "partition",
        "position",
        "lag",
        "watermark",
        "behind",
        "idle",
        "records",
        "late",
        "rejected",
    ])];
    rows.extend(report.rows.iter().map(|row| {
        vec![
            plain(&row.partition.to_string()).into_owned(),
            row.position.to_string(),
            row.lag().map_or_else(|| "-".to_owned(), |lag| output::grouped(lag.unsigned_abs())),
            row.watermark.map_or_else(|| "-".to_owned(), output::time),
            row.watermark.map_or_else(|| "-".to_owned(), |at| ago(report.now, at)),
            if row.idle { "idle" } else { "-" }.to_owned(),
            output::grouped(row.counters.records),
            output::grouped(row.counters.late),
            output::grouped(row.rejected()),
        ]
    }));
    output::columns(&rows, &[1, 2, 4, 6, 7, 8])
}

fn pipeline(report: &Report) -> Vec<(&'static str, String)> {
    let log = &report.log;
    let now = report.now;
    let mut lines = vec![("last commit", written(&report.last_commit, now))];
    if report.newest.seq != report.last_commit.seq {
        lines.push(("newest entry", written(&report.newest, now)));
    }
    let published = match (report.published(), log.closed) {
        (_, Some(seq)) => format!("everything; the input was closed by entry {seq}"),
        (Some(watermark), None) => format!(
            "up to the watermark {}, {} behind now",
            output::time(watermark),
            ago(now, watermark)
        ),
        (None, None) => "nothing yet".to_owned(),
    };
    lines.push(("published", published));
    for (name, end) in report.windows().into_iter().filter(|_| log.closed.is_none()) {
        let line = end.map_or_else(|| "-".to_owned(), |end| format!("{}, {} ago", output::time(end), ago(now, end)));
        lines.push(("", format!("{name:<4} window ends up to {line}")));
    }
    lines.push(("epoch", log.epoch.to_string()));
    lines.push(("gaps", log.gaps.to_string()));
    lines.push(("fenced", format!("{} writers", log.fenced.len())));
    lines
}

fn written(entry: &Written, now: i64) -> String {
    let kind = entry.kind.map_or_else(String::new, |kind| format!(" ({kind})"));
    let by = entry.by.map_or_else(String::new, |(writer, at)| {
        format!(", {}, {} ago, by writer {writer}", output::time(at), ago(now, at))
    });
    format!("entry {}{kind}{by}", entry.seq)
}

/// How long before now.
fn ago(now: i64, then: i64) -> String {
    output::span(now.saturating_sub(then))
}
