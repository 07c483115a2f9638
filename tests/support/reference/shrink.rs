//! Makes a failing random case small enough to read.

use std::fmt::Write as _;

use super::random::Case;

/// The smallest case found that still fails: records, journeys, the spike, windows and groupings are left out as long as it does.
pub fn shrink(case: Case, fails: impl Fn(&Case) -> bool) -> Case {
    let mut smallest = case;
    loop {
        let before = size(&smallest);
        for partition in 0..smallest.log.len() {
            records(&mut smallest, partition, &fails);
        }
        for candidate in simpler(&smallest) {
            if size(&candidate) < size(&smallest) && fails(&candidate) {
                smallest = candidate;
            }
        }
        if size(&smallest) == before {
            smallest.log.retain(|(_, _, records)| !records.is_empty());
            return smallest;
        }
    }
}

fn size(case: &Case) -> usize {
    let records: usize = case.log.iter().map(|(_, _, records)| records.len()).sum();
    let windows: usize = case.spec.windows.iter().map(|window| 1 + window.groupings.len()).sum();
    records + case.spec.journeys.len() + windows + usize::from(case.spec.spike.is_some())
}

/// Leaves out stretches of a partition, from long to single records.
fn records(case: &mut Case, partition: usize, fails: &impl Fn(&Case) -> bool) {
    let mut length = case.log[partition].2.len();
    while length > 0 {
        let mut at = 0;
        while at < case.log[partition].2.len() {
            let mut candidate = case.clone();
            let records = &mut candidate.log[partition].2;
            records.drain(at..(at + length).min(records.len()));
            if fails(&candidate) {
                *case = candidate;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
}

/// Cases whose specification asks for one thing less.
fn simpler(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut candidate = case.clone();
        change(&mut candidate);
        cases.push(candidate);
    };
    with(&|c| c.spec.spike = None);
    for index in 0..case.spec.journeys.len() {
        with(&|c| drop(c.spec.journeys.remove(index)));
    }
    for (index, window) in case.spec.windows.iter().enumerate() {
        for position in 0..window.groupings.len() {
            with(&|c| c.spec.windows[index].groupings.retain(|g| *g != window.groupings[position]));
        }
        let named = case.spec.spike.is_some_and(|spike| spike.window >= index);
        if case.spec.windows.len() > 1 && !named {
            with(&|c| drop(c.spec.windows.remove(index)));
        }
    }
    cases
}

/// A case for a person to read.
pub fn describe(case: &Case) -> String {
    let mut text = format!("seed {}\n{:#?}\n", case.seed, case.spec);
    for (topic, partition, records) in &case.log {
        for (offset, record) in records.iter().enumerate() {
            let value = record.value.as_ref().map(|value| String::from_utf8_lossy(value));
            let _ = writeln!(
                text,
                "{topic}/{partition}@{offset} timestamp {:?}: {}",
                record.timestamp,
                value.unwrap_or("null".into())
            );
        }
    }
    text
}
