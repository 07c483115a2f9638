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
    /// Sum the log up, all parts written anew, then collect garbage.
    Checkpoint,
    /// The same, and keep the parts of the last checkpoint.
    CheckpointKeeping,
    /// `clear_abandoned`: fence whoever left files, then delete these.
    Clear,
    /// `begin_again`: make the merger from the log.
    Recover,
    /// Commit the draft again whose outcome is unknown.
    Retry,
    /// Delete what a draft staged that was given up.
    Discard,
}

/// The operation of the store that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Down,
    /// `open::read`, at start or as `recover`: lists checkpoints.
    OpenList,
    OpenCheckpoint(Seq),
    OpenLog,
    OpenEntry {
        last: Seq,
    },
    OpenListAgain,
    /// Makes a merger of the parts of the checkpoint and the deltas after it.
    OpenLoad,
    /// `clear_abandoned`
    ClearList,
    ClearNewest(Set),
    ClearListAgain(Set, Option<Seq>),
    ClearDelete(Set),
    Idle,
    /// `catch_up`: reads the entry after the head.
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
    /// `checkpoint`: compares the base with the newest one, then stages the parts.
    SumStage,
    SumCreate,
    SumReadBack,
    /// `collect_garbage`
    CollectList,
    CollectListLate,
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

/// What a process reads the log for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Goal {
    Nothing,
    Start,
    /// To make the merger of what is read.
    Merger,
    /// To commit the draft.
    Draft,
    Clear,
    /// To delete what these writers left, as far as the checkpoint that was the newest before does not name it.
    ClearAgain(Set, Option<Seq>),
    /// To collect what lies before the checkpoint that was the newest before.
    Collect(Option<Seq>),
}

/// What comes after moving files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Then {
    /// Being open: clear, if alone.
    Opened,
    /// The commit is done.
    Committed,
    /// Look for files to clear.
    Clear,
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
    /// Whether what was read is part of the chain is not known.
    Unlisted,
    Zombie,
    Fenced,
    Overtaken,
    /// A checkpoint went past what was read.
    Reloaded,
    /// A draft was committed after a reload all the same.
    WentOn,
    /// Another announced a checkpoint first.
    Forestalled,
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
    pub(crate) announces: Option<Option<Seq>>,
    pub(crate) publication: Option<Publication>,
}

impl Draft {
    pub(crate) fn new(nonce: Nonce, based_on: Seq) -> Draft {
        Draft {
            nonce,
            based_on,
            range: None,
            snapshot: false,
            fenced: None,
            announces: None,
            publication: None,
        }
    }

    /// Whether there are files to go with it.
    pub(crate) fn stages(&self) -> bool {
        self.range.is_some() || self.publication.is_some()
    }
}

/// `CommitLog` and the merger of one process. A crash or a new start leaves only `life` and `ops`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) number: u8,
    pub(crate) life: u8,
    pub(crate) ops: u8,
    pub(crate) at: At,
    pub(crate) goal: Goal,
    pub(crate) last: Outcome,
    pub(crate) view: View,
    pub(crate) panes: Panes,
    /// Entries of others that wait to be merged, and what they add.
    pub(crate) others: Set,
    pub(crate) waiting: Panes,
    /// Whether something was not seen that the merger has to know: it begins again.
    pub(crate) skipped: bool,
    pub(crate) base: Option<Seq>,
    pub(crate) parts: Set,
    pub(crate) moves: Set,
    /// Moves and head before a reload.
    pub(crate) moves_before: Set,
    pub(crate) head_before: Option<Nonce>,
    pub(crate) recent: Binary,
    pub(crate) pending: Set,
    pub(crate) draft: Option<Draft>,
    pub(crate) given_up: Option<Draft>,
    /// Writers to fence before anything else.
    pub(crate) to_fence: Set,
    pub(crate) clearing: Set,
    /// Parts of the base that the checkpoint to be written keeps.
    pub(crate) kept: Set,
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
            goal: if at == At::OpenList { Goal::Start } else { Goal::Nothing },
            last: Outcome::Nothing,
            view: View::GENESIS,
            panes: Panes::default(),
            others: Set::default(),
            waiting: Panes::default(),
            skipped: false,
            base: None,
            parts: Set::default(),
            moves: Set::default(),
            moves_before: Set::default(),
            head_before: None,
            recent: Binary::default(),
            pending: Set::default(),
            draft: None,
            given_up: None,
            to_fence: Set::default(),
            clearing: Set::default(),
            kept: Set::default(),
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

    /// Reads the log on.
    pub(crate) fn catch_up(&mut self, goal: Goal) {
        (self.at, self.goal) = (At::CatchUp, goal);
    }

    /// `recover`: reads the log from its newest checkpoint.
    pub(crate) fn reload(&mut self, goal: Goal, why: Outcome) {
        (self.at, self.goal, self.last) = (At::OpenList, goal, why);
        if !self.pending.is_empty() {
            self.head_before = Some(self.view.nonce);
        }
    }

    /// What the log says is to be read again; what is under way stays.
    pub(crate) fn forget(&mut self) {
        (self.view, self.panes, self.waiting) = (View::GENESIS, Panes::default(), Panes::default());
        (self.others, self.parts, self.moves) = (Set::default(), Set::default(), Set::default());
        (self.base, self.recent) = (None, Binary::default());
    }

    pub(crate) fn rest(&mut self) {
        (self.at, self.goal) = (At::Idle, Goal::Nothing);
    }

    /// Stops what it is at, whose outcome is unknown. Only what stages files is tried again as it is.
    pub(crate) fn give_up(&mut self, why: Outcome) {
        if self.draft.is_some_and(|draft| !draft.stages()) {
            self.given_up = self.draft.take();
        }
        (self.clearing, self.to_fence, self.kept) = (Set::default(), Set::default(), Set::default());
        self.last = why;
        self.rest();
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
            announces: draft.announces,
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
