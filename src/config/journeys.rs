//! Journeys: tasks that a person should succeed in, in order.

use tidegauge_aggregate::spec::Journey;

use super::error::Problem;
use super::groupings::MOST;
use super::keys;
use super::reader::{Reader, is_whole, item, texts};
use super::tree::{Origin, Table};
use super::value;
use super::windows::origin_of;

/// Most steps of a journey.
const MAX_STEPS: usize = 100;

pub(super) fn journeys(reader: &mut Reader<'_>) -> Vec<Journey> {
    let tables = reader.tables(&keys::JOURNEY).unwrap_or_default();
    if tables.written > MOST {
        let place = reader.place(&keys::JOURNEY);
        let problem = Problem::new("`journey` has too many items").found(tables.written.to_string());
        reader.report(&place, problem.expected(format!("at most {MOST} journeys")));
    }
    let mut journeys: Vec<Journey> = Vec::new();
    for (table, origin) in tables.items {
        for key in [&keys::JOURNEY_NAME, &keys::JOURNEY_STEPS] {
            if table.get(key.name).is_none() {
                reader.missing(key, origin);
            }
        }
        let steps = steps(reader, table);
        let name = item(table, &keys::JOURNEY_NAME, value::text);
        let within = item(table, &keys::JOURNEY_WITHIN, value::duration);
        let (Some(name), Some(within)) = (name, within) else { continue };
        if journeys.iter().any(|other| other.name == name) {
            report_twice(reader, table, origin, &name);
            continue;
        }
        journeys.push(Journey { name, steps, within });
    }
    journeys
}

fn report_twice(reader: &mut Reader<'_>, table: &Table, origin: &Origin, name: &str) {
    let problem = Problem::new(format!("journey `{name}` is configured twice")).expected("each name once");
    reader.report(&origin_of(table, &["name"], origin), problem);
}

fn steps(reader: &mut Reader<'_>, table: &Table) -> Vec<String> {
    let Some(entry) = table.get(keys::JOURNEY_STEPS.name) else {
        return Vec::new();
    };
    let mut steps: Vec<String> = Vec::new();
    for (task, node) in texts(&entry.node, &keys::JOURNEY_STEPS) {
        if steps.contains(&task) {
            let problem = Problem::new("a task stands twice in a journey").found(node.describe(false));
            reader.report(&node.origin, problem.expected("each task once"));
        }
        steps.push(task);
    }
    if is_whole(&entry.node, &keys::JOURNEY_STEPS) && !(2..=MAX_STEPS).contains(&steps.len()) {
        let problem = Problem::new("`journey[].steps` has too few or too many tasks").found(steps.len().to_string());
        reader.report(&entry.node.origin, problem.expected(format!("2 to {MAX_STEPS} tasks")));
    }
    steps
}
