//! `docs/events.md` shows only what the decoder accepts, and refuses what it says is refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tidegauge_aggregate::event::EventType;
use tidegauge_aggregate::record::RejectReason;

use crate::{refused, schema, with_event_at};

/// The text of one file of `docs`.
pub(crate) fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)).unwrap()
}

/// The `json` blocks of the page.
pub(crate) fn examples() -> Vec<String> {
    document("events.md")
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Reason and example of each row of the table of refused records that has an example.
fn refused_examples() -> Vec<(String, String)> {
    let page = document("events.md");
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix("` |")?.split(" | ").collect();
        let [reason, _, example] = cells[..] else { return None };
        Some((reason.strip_suffix('`')?.to_owned(), example.strip_prefix('`')?.to_owned()))
    };
    let table = page.split("## Refused records").nth(1).unwrap();
    table.lines().filter_map(row).collect()
}

#[test]
fn every_documented_example_is_accepted_and_every_type_has_one() {
    let schema = schema::Schema::load();
    let mut types = BTreeSet::new();
    for example in examples() {
        // The examples have dates of their own, so they are read as records without a timestamp.
        types.insert(with_event_at(&example, None, |event| event.event_type()));
        assert!(schema.accepts(&example), "{example}");
    }
    assert_eq!(types, EventType::ALL.iter().copied().collect());
}

#[test]
fn every_documented_reject_is_refused_for_the_reason_that_is_documented() {
    let examples = refused_examples();
    assert_eq!(examples.len(), 12);
    let mut reasons = BTreeSet::new();
    for (reason, example) in &examples {
        let reject = refused(example);
        assert_eq!(reject.reason.as_str(), reason, "{example}: {}", reject.detail);
        reasons.insert(reject.reason);
    }
    let without_example = [RejectReason::Empty, RejectReason::TooLarge];
    assert_eq!(reasons.len() + without_example.len(), RejectReason::ALL.len());
}
