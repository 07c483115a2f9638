//! The rules of the commit log as a model, searched whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod commit;
mod model;
mod open;
mod process;
mod properties;
mod sum;
mod world;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use model::{Role, Setup};
use process::Op;
use properties::*;
use world::Break;

#[test]
fn explore() {
    let only = std::env::var("ONLY").ok();
    for (name, setup) in setups() {
        if only.as_ref().is_some_and(|o| o != name) { continue; }
        let begun = Instant::now();
        let checker = setup.checker().threads(1).target_state_count(6_000_000).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        println!("{name}: {} states, {} unique, depth {}, {:?}", checker.state_count(), checker.unique_state_count(), checker.max_depth(), begun.elapsed());
        for (property, path) in checker.discoveries() {
            if ALWAYS.contains(&property) {
                println!("  VIOLATED {property}");
                for a in path.clone().into_actions() { println!("      {a:?}"); }
                println!("{:#?}", path.last_state());
            } else { println!("  found {property}"); }
        }
    }
}

fn setups() -> Vec<(&'static str, Setup)> {
    let role = |opened, clears, ops, may| Role { opened, clears, ops, may };
    let breaks = None;
    vec![
        ("zombie", Setup { roles: vec![
            role(true, false, 2, &[Op::Commit(0), Op::Commit(1), Op::Retry, Op::Discard]),
            role(true, false, 2, &[Op::Commit(0), Op::Retry, Op::Discard])], faults: 2, crashes: 0, breaks }),
        ("fence", Setup { roles: vec![
            role(true, false, 2, &[Op::Commit(0), Op::Retry]),
            role(false, true, 1, &[Op::Commit(0), Op::Commit(1)])], faults: 1, crashes: 1, breaks }),
        ("collect", Setup { roles: vec![
            role(true, false, 3, &[Op::Commit(0), Op::Checkpoint]),
            role(true, false, 2, &[Op::Commit(0), Op::Retry])], faults: 1, crashes: 1, breaks }),
        ("reporters", Setup { roles: vec![
            role(true, false, 3, &[Op::Commit(0), Op::Publish, Op::Checkpoint]),
            role(true, false, 3, &[Op::CommitAndPublish(1), Op::Checkpoint])], faults: 0, crashes: 0, breaks }),
    ]
}
