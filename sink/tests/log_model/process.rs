//! What one process has in mind, and where it stands between two operations of the store.

use crate::world::{Binary, Checkpoint, Entry, LIVES, Nonce, Panes, Publication, Range, Seq, Set, View, Writer};

/// What a process may set out to do when it has nothing else to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// Commit the next offsets of a partition.
    Commit(u8),
    /// The same, with the results that include them.
    CommitAndPublish(u8),
    /// Publish what is due.
    Publish,
    /// Sum the log up, then collect garbage.
    Checkpoint,
    /// Commit the draft again whose outcome is unknown.
    Retry,
    /// Delete what a draft staged that was given up.
    Discard,
}

/// The operation of the store that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Down,
    /// `open::read`: lists checkpoints.
    OpenList,
    OpenCheckpoint(Seq),
    OpenLog,
    OpenEntry {
        last: Seq,
    },
    OpenListAgain,
    /// Reads the panes of the checkpoint and the deltas after it.
    OpenLoad,
    /// `clear_abandoned`
    ClearList,
    ClearListAgain(Set),
    ClearDelete(Set),
    Idle,
    Stage,
    /// `commit`: reads the entry after the head.
    CatchUp,
    /// Lists checkpoints, after reading an entry that does not follow or none.
    ListAfterReading {
        follows: bool,
    },
    Create,
    /// Reads back what an unclear create may have written.
    ReadBack,
    ListAfterCreate {
        read_back: bool,
    },
    /// `finish_moves`, one file a step.
    Move(Then),
    Discard,
    /// `checkpoint`
    SumList,
    SumStage,
    SumCreate,
    SumReadBack,
    /// `collect_garbage`
    CollectList,
    CollectRead(Seq),
    CollectLog,
    CollectEntries {
        left: Set,
        emptied: bool,
    },
    CollectListAgain,
    CollectCheckpoints {
        left: Set,
        emptied: bool,
    },
}

/// What comes after moving files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Then {
    /// Being open: clear, if alone.
    Opened,
    /// The commit is done.
    Committed,
    /// Look for files to clear again.
    ClearAgain(Set),
    /// Write the checkpoint.
    Sum,
}

/// How the last thing that a process did ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Nothing,
    Committed,
    /// A create without a clear answer turned out to have happened.
    RecognisedAfterwards,
    /// A draft given up earlier came to light as an entry, which counts as another writer's.
    LandedLate,
    Unknown,
    Zombie,
    Fenced,
    Overtaken,
    Stale,
    Cleared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Draft {
    pub(crate) nonce: Nonce,
    pub(crate) based_on: Seq,
    pub(crate) range: Option<Range>,
    pub(crate) snapshot: bool,
    pub(crate) fenced: Option<Writer>,
    pub(crate) publication: Option<Publication>,
}

/// `CommitLog` and the merger of one process. A crash or a new start leaves only `life` and `ops`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) number: u8,
    pub(crate) life: u8,
    pub(crate) ops: u8,
    pub(crate) at: At,
    pub(crate) last: Outcome,
    pub(crate) view: View,
    pub(crate) panes: Panes,
    /// Entries of others that wait to be merged, and what they add.
    pub(crate) others: Set,
    pub(crate) waiting: Panes,
    pub(crate) base: Option<Seq>,
    pub(crate) part: Option<Nonce>,
    pub(crate) moves: Set,
    pub(crate) recent: Binary,
    pub(crate) pending: Set,
    pub(crate) draft: Option<Draft>,
    pub(crate) given_up: Option<Draft>,
    /// Writers to fence before anything else.
    pub(crate) to_fence: Set,
    pub(crate) clearing: Set,
    /// The checkpoint being written, or the one whose predecessors are being collected.
    pub(crate) sum: Option<Checkpoint>,
    pub(crate) names: u8,
}

impl Process {
    pub(crate) fn new(number: u8, life: u8, ops: u8, at: At) -> Process {
        Process {
            number,
            life,
            ops,
            at,
            last: Outcome::Nothing,
            view: View::GENESIS,
            panes: Panes::default(),
            others: Set::default(),
            waiting: Panes::default(),
            base: None,
            part: None,
            moves: Set::default(),
            recent: Binary::default(),
            pending: Set::default(),
            draft: None,
            given_up: None,
            to_fence: Set::default(),
            clearing: Set::default(),
            sum: None,
            names: 0,
        }
    }

    pub(crate) fn writer(&self) -> Writer {
        self.number * LIVES + self.life
    }

    pub(crate) fn name(&mut self) -> Option<Nonce> {
        let nonce = Nonce::new(self.writer(), self.names)?;
        self.names += 1;
        Some(nonce)
    }

    /// Forgets everything and opens the log under a new id.
    pub(crate) fn start_again(&mut self, why: Outcome) {
        let at = if self.life + 1 < LIVES { At::OpenList } else { At::Down };
        *self = Process::new(self.number, self.life + 1, self.ops, at);
        self.last = why;
    }

    pub(crate) fn crash(&mut self) {
        *self = Process::new(self.number, self.life + 1, self.ops, At::Down);
    }

    /// Files that must stay although this process deletes: `named_files`.
    pub(crate) fn named(&self) -> Binary {
        Binary {
            snapshots: self.recent.snapshots.and(self.view.named_snapshots()),
            ..self.recent
        }
    }

    /// What an entry that now belongs to the chain means for this process, besides its view.
    pub(crate) fn remember(&mut self, entry: &Entry) {
        if entry.has_data() {
            self.moves.insert(entry.nonce);
        }
        if entry.range.is_some() {
            self.recent.deltas.insert(entry.nonce);
        }
        if let Some(snapshot) = entry.snapshot {
            self.recent.snapshots.insert(snapshot);
        }
    }

    /// The entry that a draft becomes if it is written now.
    pub(crate) fn entry(&self, draft: &Draft) -> Entry {
        let carried = draft.range.and_then(|range| self.view.snapshots[usize::from(range.partition)]);
        Entry {
            seq: self.view.seq + 1,
            nonce: draft.nonce,
            previous: Some(self.view.nonce),
            writer: self.writer(),
            range: draft.range,
            snapshot: if draft.snapshot { Some(draft.nonce) } else { carried },
            fenced: draft.fenced,
            publication: draft.publication,
        }
    }

    /// The results as this process can compute them now.
    pub(crate) fn publication(&self, own: Option<Nonce>) -> Publication {
        let mut contents = self.panes.merged;
        if let Some(nonce) = own {
            contents.insert(nonce);
        }
        Publication {
            previous: self.view.published.map(|(seq, ..)| seq),
            through: self.view.seq + u8::from(own.is_some()),
            revision: self.view.published.map_or(0, |(.., revision)| revision + 1),
            contents,
        }
    }
}
