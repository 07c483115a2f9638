//! Worlds small enough to be searched whole, and each about something else.

use crate::model::{Role, Setup};
use crate::process::Op::{self, Checkpoint, Commit, CommitAndPublish, Discard, Publish, Retry};

/// A process that has the log open at genesis.
fn opened(ops: u8, may: &'static [Op]) -> Role {
    Role {
        opened: true,
        clears: false,
        gives_up: true,
        ops,
        may,
    }
}

/// One that starts at any time and then clears what it believes to be abandoned.
fn starts(ops: u8, may: &'static [Op]) -> Role {
    Role {
        opened: false,
        clears: true,
        gives_up: true,
        ops,
        may,
    }
}

fn setup(roles: Vec<Role>, faults: u8, crashes: u8) -> Setup {
    let (late, breaks) = (true, &[] as &[_]);
    Setup {
        roles,
        faults,
        late,
        crashes,
        breaks,
    }
}

/// Two writers both believe to own partition 0; two answers are unclear.
pub(crate) fn zombie() -> Setup {
    setup(
        vec![
            opened(2, &[Commit(0), Commit(1), Retry, Discard]),
            opened(2, &[Commit(0), Retry, Discard]),
        ],
        2,
        0,
    )
}

/// A process starts and clears up while another still commits, or has crashed.
pub(crate) fn fence() -> Setup {
    setup(vec![opened(2, &[Commit(0), Retry]), starts(1, &[Commit(0), Commit(1)])], 1, 1)
}

/// One process collects what another, slower one has not read.
pub(crate) fn collection() -> Setup {
    setup(vec![opened(3, &[Commit(0), Checkpoint]), opened(2, &[Commit(0), Retry])], 1, 0)
}

/// The same, with two collections and one create that may land in the hole that they leave.
pub(crate) fn two_collections() -> Setup {
    setup(vec![opened(4, &[Commit(0), Checkpoint]), opened(1, &[Commit(1)])], 1, 0)
}

/// Two processes both publish and write checkpoints.
pub(crate) fn reporters() -> Setup {
    setup(
        vec![
            opened(4, &[Commit(0), Publish, Checkpoint]),
            opened(3, &[CommitAndPublish(1), Checkpoint]),
        ],
        0,
        0,
    )
}

/// A second process takes over from one that is still at work.
pub(crate) fn takeover() -> Setup {
    setup(vec![opened(3, &[Commit(0), Checkpoint]), starts(2, &[Commit(0), Checkpoint])], 0, 0)
}

/// One process collects, one commits, one starts.
pub(crate) fn three() -> Setup {
    setup(
        vec![opened(2, &[Commit(0), Checkpoint]), opened(1, &[Commit(1)]), starts(0, &[])],
        0,
        0,
    )
}

/// One process that crashes and starts again.
pub(crate) fn alone() -> Setup {
    let role = starts(4, &[Commit(0), Publish, Checkpoint, Retry]);
    setup(vec![Role { gives_up: false, ..role }], 1, 2)
}
