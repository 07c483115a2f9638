//! Worlds small enough to be searched whole, and each about something else.

use crate::model::{Role, Setup};
use crate::process::At;
use crate::process::Op::{self, Checkpoint, CheckpointKeeping, Clear, Commit, CommitAndPublish, Discard, Publish, Recover, Retry};

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
        so_far: &[],
        faults,
        late,
        unlisted: false,
        from_nothing: false,
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
            opened(3, &[Commit(0), Publish, Checkpoint]),
            opened(3, &[CommitAndPublish(1), Checkpoint]),
        ],
        0,
        0,
    )
}

/// A second process takes over from one that is still at work.
pub(crate) fn takeover() -> Setup {
    setup(vec![opened(3, &[Commit(0), Checkpoint]), starts(1, &[Commit(0), Checkpoint])], 0, 0)
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

/// One process has collected what the other, about to create an entry, has not read. That entry may land late, in the hole, and be read before
/// the checkpoints can be listed.
pub(crate) fn hole() -> Setup {
    Setup {
        unlisted: true,
        so_far: &[(1, Commit(1), At::Create), (0, Commit(0), At::Idle), (0, Checkpoint, At::Idle)],
        ..setup(vec![opened(3, &[Commit(0)]), opened(3, &[Commit(1), Clear])], 2, 0)
    }
}

/// Two processes write checkpoints, one clears up meanwhile.
pub(crate) fn clearing() -> Setup {
    Setup {
        from_nothing: true,
        ..setup(
            vec![opened(2, &[Checkpoint, CheckpointKeeping]), opened(2, &[Checkpoint, Clear])],
            0,
            0,
        )
    }
}

/// Two processes go on from one checkpoint; one keeps its parts, the other does not.
pub(crate) fn keeping() -> Setup {
    Setup {
        so_far: &[
            (0, Commit(0), At::Idle),
            (0, Checkpoint, At::Idle),
            (0, Commit(0), At::Idle),
            (1, Commit(1), At::Idle),
            (1, Recover, At::Idle),
        ],
        ..setup(
            vec![opened(5, &[Checkpoint, Clear]), opened(4, &[Checkpoint, CheckpointKeeping, Clear])],
            0,
            0,
        )
    }
}

/// Three processes have announced checkpoints, and none has written one yet.
pub(crate) fn announcements() -> Setup {
    Setup {
        from_nothing: true,
        so_far: &[
            (0, Checkpoint, At::SumCreate),
            (1, Checkpoint, At::Idle),
            (1, Checkpoint, At::SumCreate),
            (2, Checkpoint, At::Idle),
            (2, Checkpoint, At::SumCreate),
        ],
        ..setup(vec![opened(1, &[]), opened(3, &[CheckpointKeeping]), opened(2, &[])], 0, 0)
    }
}

/// Two processes publish.
pub(crate) fn publishers() -> Setup {
    setup(
        vec![opened(3, &[Commit(0), Publish]), opened(2, &[CommitAndPublish(1), Publish])],
        1,
        0,
    )
}

/// A process that becomes the reporter while an old draft of its may still land.
pub(crate) fn pending() -> Setup {
    setup(
        vec![opened(2, &[Commit(0), Recover, Discard]), opened(1, &[Commit(1), Checkpoint])],
        1,
        0,
    )
}
