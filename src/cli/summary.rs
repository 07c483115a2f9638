//! What an output holds, for people and for scripts.

use serde_json::{Map, Value, json};
use tidegauge_aggregate::record::RejectReason;

use super::failure::Failure;
use super::{Context, output};
use crate::pipeline::Summary;

/// What each counter tells, for the summary that people read.
const MEANINGS: &[(&str, &str)] = &[
    ("records", "read from the input"),
    ("accepted", "events that count"),
    ("late", "events beyond the lateness, in the late table"),
    ("duplicate", "events that were there already"),
    ("late_end", "ends of attempts after their time-out"),
    ("repeated_end", "further ends of an attempt"),
    ("start_after_end", "starts of an attempt that had ended"),
    ("repeated_start", "further starts of an open attempt"),
    ("orphan_end", "ends of attempts whose start was not seen"),
    ("repeated_open", "further openings of a ticket"),
    ("negative_wait", "waits that were negative by clock skew, taken as 0"),
    ("untracked", "attempts, tickets and runs beyond a limit"),
    ("forgotten_event_ids", "event ids forgotten early because of a limit"),
];

/// Prints the summary.
pub(super) fn print(summary: &Summary, as_json: bool, context: &Context) -> Result<(), Failure> {
    if as_json {
        return output::print_json(&to_json(summary));
    }
    if context.quiet {
        return Ok(());
    }
    output::print(&for_people(summary, context.style))
}

/// `{"counters": {..., "rejected": {reason: n}}, "tables": {name: {"files", "rows", "bytes"}}}`.
pub(super) fn to_json(summary: &Summary) -> Value {
    let counters = &summary.counters;
    let mut fields: Map<String, Value> = counters
        .fields()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let rejected: Map<String, Value> = rejects(summary).map(|(reason, count)| (reason.to_owned(), json!(count))).collect();
    fields.insert("rejected".to_owned(), Value::Object(rejected));
    let tables: Map<String, Value> = summary
        .tables
        .iter()
        .map(|(name, table)| {
            (
                name.clone(),
                json!({"files": table.files, "rows": table.rows, "bytes": table.bytes}),
            )
        })
        .collect();
    json!({"counters": fields, "tables": tables})
}

fn rejects(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    RejectReason::ALL
        .into_iter()
        .map(|reason| (reason.as_str(), summary.counters.rejected(reason)))
        .filter(|(_, count)| *count > 0)
}

fn for_people(summary: &Summary, style: output::Style) -> String {
    let mut rows = Vec::new();
    let always = ["records", "accepted", "late", "duplicate"];
    for (name, count) in summary.counters.fields() {
        if count > 0 || always.contains(&name) {
            let meaning = MEANINGS
                .iter()
                .find(|(known, _)| *known == name)
                .map_or("", |(_, meaning)| *meaning);
            rows.push(vec![name.to_owned(), output::grouped(count), meaning.to_owned()]);
        }
        if name == "duplicate" {
            rows.extend(rejects(summary).map(|(reason, count)| {
                vec![
                    format!("rejected: {reason}"),
                    output::grouped(count),
                    "refused, in the rejects table".to_owned(),
                ]
            }));
        }
    }
    let mut text = format!("{}\n{}", style.title("Records"), output::columns(&rows, &[1]));
    if !summary.tables.is_empty() {
        let mut rows = vec![vec!["table".to_owned(), "rows".to_owned(), "files".to_owned(), "size".to_owned()]];
        rows.extend(summary.tables.iter().map(|(name, table)| {
            vec![
                name.clone(),
                output::grouped(table.rows),
                output::grouped(table.files),
                output::bytes(table.bytes),
            ]
        }));
        text.push_str(&format!("\n{}\n{}", style.title("Output"), output::columns(&rows, &[1, 2, 3])));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tidegauge_sink::log::TableTotals;

    use super::*;

    fn summary() -> Summary {
        let mut summary = Summary::default();
        summary.counters.records = 1_003;
        summary.counters.accepted = 1_000;
        summary.counters.late_end = 2;
        summary.counters.reject(RejectReason::NotJson);
        let totals = TableTotals {
            files: 1,
            rows: 1_000,
            bytes: 2_048,
        };
        summary.tables.insert("events".to_owned(), totals);
        summary
    }

    #[test]
    fn the_object_has_every_counter_and_only_the_reasons_that_occurred() {
        let object = to_json(&summary());
        assert_eq!(object["counters"]["records"], 1_004);
        assert_eq!(object["counters"]["rejected"], json!({"not_json": 1}));
        assert_eq!(object["counters"]["late_end"], 2);
        assert_eq!(object["counters"]["negative_wait"], 0);
        assert_eq!(object["tables"], json!({"events": {"files": 1, "rows": 1_000, "bytes": 2_048}}));
    }

    #[test]
    fn every_counter_is_explained() {
        for (name, _) in Summary::default().counters.fields() {
            assert!(MEANINGS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

    #[test]
    fn people_see_what_happened_and_no_zeros_but_the_main_ones() {
        let text = for_people(&summary(), output::Style::of_stdout());
        assert!(
            text.contains("1,004") && text.contains("rejected: not_json") && text.contains("2.0 KiB"),
            "{text}"
        );
        assert!(text.contains("duplicate") && !text.contains("negative_wait"), "{text}");
    }
}
