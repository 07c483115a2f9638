//! Where things lie below the output.

use super::{Nonce, WriterId};

/// Entries.
pub const LOG: &str = "_tidegauge/log";
/// Checkpoints.
pub const CHECKPOINT: &str = "_tidegauge/checkpoint";
/// Data files before their entry, by writer.
pub const STAGING: &str = "_tidegauge/staging";
/// Pane deltas, by writer.
pub const DELTA: &str = "_tidegauge/delta";
/// Snapshots and the binary parts of checkpoints, by writer.
pub const STATE: &str = "_tidegauge/state";

/// What processes have handled but not committed, by writer: soft state for the reporter's gauges.
pub const LIVE: &str = "_tidegauge/live";

/// The file of an entry.
#[must_use]
pub fn entry(seq: u64) -> String {
    format!("{LOG}/{seq:020}.json")
}

/// The file of a checkpoint.
#[must_use]
pub fn checkpoint(seq: u64) -> String {
    format!("{CHECKPOINT}/{seq:020}.json")
}

/// The seq in the name of an entry or a checkpoint; `None` for any other file.
#[must_use]
pub fn seq(path: &str) -> Option<u64> {
    let name = path.rsplit_once('/')?.1.strip_suffix(".json")?;
    if name.len() == 20 && name.bytes().all(|b| b.is_ascii_digit()) {
        name.parse().ok()
    } else {
        None
    }
}

/// A pane delta.
#[must_use]
pub fn delta(writer: WriterId, nonce: Nonce) -> String {
    format!("{DELTA}/{writer}/{nonce}.delta")
}

/// A writer's share of the gauges.
#[must_use]
pub fn live(writer: WriterId) -> String {
    format!("{LIVE}/{writer}/share.live")
}

/// A snapshot of a partition. The number keeps partitions of topics with equal safe names apart.
#[must_use]
pub fn snapshot(writer: WriterId, nonce: Nonce, topic: &str, partition: i32, offset: i64) -> String {
    format!(
        "{STATE}/{writer}/{nonce}-{}-{:08x}-{partition}-{offset}.snapshot",
        safe(topic),
        crc32fast::hash(topic.as_bytes())
    )
}

/// A binary part of a checkpoint.
#[must_use]
pub fn state(writer: WriterId, nonce: Nonce, seq: u64, name: &str) -> String {
    format!(
        "{STATE}/{writer}/{nonce}-{seq}-{}-{:08x}.state",
        safe(name),
        crc32fast::hash(name.as_bytes())
    )
}

/// The seq of the checkpoint that a binary part was written for; `None` for any other file.
#[must_use]
pub fn state_seq(path: &str) -> Option<u64> {
    let name = path.strip_prefix(STATE)?.strip_suffix(".state")?.rsplit_once('/')?.1;
    name.split('-').nth(1)?.parse().ok()
}

/// Whether a path lies in one of the staging directories.
#[must_use]
pub fn is_staged(path: &str) -> bool {
    path.strip_prefix(STAGING).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a path lies where only Tidegauge looks.
#[must_use]
pub fn is_private(path: &str) -> bool {
    path.strip_prefix(crate::store::PRIVATE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The writer below whose directory a path lies in `directory`.
#[must_use]
pub fn writer_of(path: &str, directory: &str) -> Option<WriterId> {
    WriterId::parse(path.strip_prefix(directory)?.strip_prefix('/')?.split('/').next()?)
}

/// A name that is safe in a path: other characters than letters, digits, `-`, `_` and `.` become `_`, at most 100 remain.
#[must_use]
pub fn safe(name: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c
        } else {
            '_'
        }
    };
    name.chars().map(keep).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_entries_sort_like_their_numbers() {
        assert!(entry(9) < entry(10));
        assert_eq!(seq(&entry(u64::MAX)), Some(u64::MAX));
        assert_eq!(seq("_tidegauge/log/1.json"), None);
        assert_eq!(seq("_tidegauge/log/00000000000000000001.json.tmp"), None);
    }

    #[test]
    fn two_topics_that_differ_in_an_unsafe_character_have_different_snapshots() {
        let path = |topic| snapshot(WriterId(1), Nonce(2), topic, 0, 5);
        assert_ne!(path("a b"), path("a/b"));
        assert_eq!(path("a/b").matches('/').count(), 3);
        assert_eq!(writer_of(&path("x"), STATE), Some(WriterId(1)));
    }

    #[test]
    fn a_part_of_a_checkpoint_tells_which_one_it_was_written_for() {
        assert_eq!(state_seq(&state(WriterId(1), Nonce(2), 77, "panes/0/3")), Some(77));
        assert_eq!(state_seq(&snapshot(WriterId(1), Nonce(2), "t", 0, 5)), None);
        assert_eq!(state_seq("_tidegauge/state/x.state"), None);
    }
}
