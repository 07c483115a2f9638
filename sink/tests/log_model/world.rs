//! The store, and what the files in it say. Reads and writes are single steps; what lies between them is in `process`.

use std::fmt;

/// Partitions of the one topic.
pub(crate) const PARTITIONS: usize = 2;
/// Places in the log; no configuration fills them.
pub(crate) const SEQS: usize = 12;
/// Names that one writer may give.
const NAMES_OF_A_WRITER: u8 = 5;
/// Writers that one process may be, one after another.
pub(crate) const LIVES: u8 = 4;

/// Name of an entry, of its files, or of a part of a checkpoint. It tells the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Nonce(u8);

pub(crate) type Writer = u8;
pub(crate) type Seq = u8;

impl Nonce {
    pub(crate) const GENESIS: Nonce = Nonce(63);

    pub(crate) fn new(writer: Writer, count: u8) -> Option<Nonce> {
        (count < NAMES_OF_A_WRITER).then_some(Nonce(writer * NAMES_OF_A_WRITER + count))
    }

    pub(crate) fn writer(self) -> Writer {
        self.0 / NAMES_OF_A_WRITER
    }
}

/// A set of small numbers: names, seqs or writers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Set(u64);

impl Set {
    pub(crate) fn has(self, member: impl Into<u8>) -> bool {
        self.0 & (1 << member.into()) != 0
    }

    pub(crate) fn insert(&mut self, member: impl Into<u8>) {
        self.0 |= 1 << member.into();
    }

    pub(crate) fn remove(&mut self, member: impl Into<u8>) {
        self.0 &= !(1 << member.into());
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn first(self) -> Option<u8> {
        self.members().next()
    }

    pub(crate) fn and(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Set) -> Set {
        Set(self.0 & !other.0)
    }

    pub(crate) fn members(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |member| self.has(*member))
    }

    pub(crate) fn names(self) -> impl Iterator<Item = Nonce> {
        self.members().map(Nonce)
    }
}

impl From<Nonce> for u8 {
    fn from(nonce: Nonce) -> u8 {
        nonce.0
    }
}

impl<T: Into<u8>> FromIterator<T> for Set {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Set {
        let mut set = Set::default();
        members.into_iter().for_each(|member| set.insert(member));
        set
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members()).finish()
    }
}

/// Half-open offsets of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    pub(crate) partition: u8,
    pub(crate) from: u8,
    pub(crate) to: u8,
}

/// Results that an entry makes official. There is one window, published as revision 0, 1, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Publication {
    pub(crate) previous: Option<Seq>,
    pub(crate) through: Seq,
    pub(crate) revision: u8,
    /// The entries whose deltas the results were computed from. No rule reads it: it is what the properties are about.
    pub(crate) contents: Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    pub(crate) nonce: Nonce,
    pub(crate) previous: Option<Nonce>,
    pub(crate) writer: Writer,
    pub(crate) range: Option<Range>,
    /// The newest snapshot of the partition that it moves: its own or one carried on.
    pub(crate) snapshot: Option<Nonce>,
    pub(crate) fenced: Option<Writer>,
    /// Of an entry that announces a checkpoint: the newest such entry before it.
    pub(crate) announces: Option<Option<Seq>>,
    pub(crate) publication: Option<Publication>,
}

impl Entry {
    pub(crate) fn has_data(&self) -> bool {
        self.range.is_some() || self.publication.is_some()
    }
}

/// What a writer or a checkpoint knows of the log: `LogState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) seq: Seq,
    pub(crate) nonce: Nonce,
    pub(crate) next: [u8; PARTITIONS],
    pub(crate) snapshots: [Option<Nonce>; PARTITIONS],
    /// Seq, `through` and revision of the newest publication.
    pub(crate) published: Option<(Seq, Seq, u8)>,
    pub(crate) fenced: Set,
    /// The newest entry that announces a checkpoint.
    pub(crate) announced: Option<Seq>,
}

impl View {
    pub(crate) const GENESIS: View = View {
        seq: 0,
        nonce: Nonce::GENESIS,
        next: [0; PARTITIONS],
        snapshots: [None; PARTITIONS],
        published: None,
        fenced: Set(0),
        announced: None,
    };

    /// `LogState::apply`; gives whether the entry follows. What the rules under test would let through is left to the properties.
    pub(crate) fn apply(&mut self, entry: &Entry, breaks: &[Break]) -> bool {
        let in_place = entry
            .range
            .is_none_or(|range| self.next[usize::from(range.partition)] == range.from);
        let after = entry.publication.is_none_or(|p| p.previous == self.published.map(|(seq, ..)| seq));
        let announces = entry.announces.is_none_or(|after| after == self.announced);
        let follows = entry.seq == self.seq + 1
            && entry.previous == Some(self.nonce)
            && !self.fenced.has(entry.writer)
            && (in_place || breaks.contains(&Break::NoPrecondition))
            && (after || breaks.contains(&Break::PublicationWithoutPrevious))
            && (announces || breaks.contains(&Break::AnnouncedAfterAny));
        if follows {
            (self.seq, self.nonce) = (entry.seq, entry.nonce);
            if let Some(range) = entry.range {
                self.next[usize::from(range.partition)] = range.to;
                self.snapshots[usize::from(range.partition)] = entry.snapshot;
            }
            if let Some(p) = entry.publication {
                self.published = Some((entry.seq, p.through, p.revision));
            }
            if let Some(writer) = entry.fenced {
                self.fenced.insert(writer);
            }
            if entry.announces.is_some() {
                self.announced = Some(entry.seq);
            }
        }
        follows
    }

    pub(crate) fn named_snapshots(&self) -> Set {
        self.snapshots.iter().flatten().copied().collect()
    }
}

/// What a merger has applied, and what of it no publication contains yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Panes {
    pub(crate) merged: Set,
    /// Seqs of the entries to publish.
    pub(crate) due: Set,
    /// The checkpoint that they were read from. It does not say which entry its panes came from: the next publication contains them all.
    pub(crate) base: Seq,
}

impl Panes {
    pub(crate) fn add(&mut self, entry: &Entry) {
        if entry.range.is_some() {
            self.merged.insert(entry.nonce);
            self.due.insert(entry.seq);
        }
    }

    /// Forgets what a publication through an entry has made official.
    pub(crate) fn published(&mut self, through: Seq) {
        self.due = self.due.members().filter(|seq| *seq > through.max(self.base)).collect();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Checkpoint {
    pub(crate) view: View,
    pub(crate) panes: Panes,
    /// The files that hold the panes: one written for it, and those of its base that it keeps.
    pub(crate) parts: Set,
}

impl Checkpoint {
    pub(crate) fn named(&self) -> Binary {
        Binary {
            deltas: Set::default(),
            snapshots: self.view.named_snapshots(),
            parts: self.parts,
        }
    }
}

/// A create that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    Entry(Entry),
    Checkpoint(Checkpoint),
}

/// Binary files by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Binary {
    pub(crate) deltas: Set,
    pub(crate) snapshots: Set,
    pub(crate) parts: Set,
}

impl Binary {
    pub(crate) fn and(self, other: Binary) -> Binary {
        Binary {
            deltas: self.deltas.and(other.deltas),
            snapshots: self.snapshots.and(other.snapshots),
            parts: self.parts.and(other.parts),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) log: [Option<Entry>; SEQS],
    pub(crate) checkpoints: [Option<Checkpoint>; SEQS],
    pub(crate) staged: Set,
    pub(crate) placed: Set,
    pub(crate) files: Binary,
    /// The seq that a part's name says.
    part_seqs: [Set; SEQS],
    pub(crate) under_way: Option<Object>,
    /// What was created first at each place, whether or not it was collected since. No rule reads it.
    pub(crate) chain: Vec<Entry>,
}

impl World {
    pub(crate) fn new() -> World {
        let genesis = Entry {
            seq: 0,
            nonce: Nonce::GENESIS,
            previous: None,
            writer: Nonce::GENESIS.writer(),
            range: None,
            snapshot: None,
            fenced: None,
            announces: None,
            publication: None,
        };
        let mut log = [None; SEQS];
        log[0] = Some(genesis);
        World {
            log,
            checkpoints: [None; SEQS],
            staged: Set::default(),
            placed: Set::default(),
            files: Binary::default(),
            part_seqs: [Set::default(); SEQS],
            under_way: None,
            chain: vec![genesis],
        }
    }

    /// `create_if_absent`; gives whether it did.
    pub(crate) fn create(&mut self, object: Object) -> bool {
        match object {
            Object::Entry(entry) => {
                let place = &mut self.log[usize::from(entry.seq)];
                if place.is_some() {
                    return false;
                }
                *place = Some(entry);
                // A place that a collection emptied is not the chain's any more.
                if usize::from(entry.seq) >= self.chain.len() {
                    self.chain.push(entry);
                }
            }
            Object::Checkpoint(checkpoint) => {
                let place = &mut self.checkpoints[usize::from(checkpoint.view.seq)];
                if place.is_some() {
                    return false;
                }
                *place = Some(checkpoint);
            }
        }
        true
    }

    pub(crate) fn newest_checkpoint(&self) -> Option<Seq> {
        self.checkpoints.iter().flatten().map(|c| c.view.seq).max()
    }

    pub(crate) fn entries(&self) -> Set {
        self.log.iter().flatten().map(|entry| entry.seq).collect()
    }

    /// Writes a part of the checkpoint at an entry.
    pub(crate) fn stage_part(&mut self, part: Nonce, seq: Seq) {
        self.files.parts.insert(part);
        self.part_seqs[usize::from(seq)].insert(part);
    }

    pub(crate) fn part_of(&self, part: Nonce) -> Seq {
        (0..)
            .zip(&self.part_seqs)
            .find(|(_, parts)| parts.has(part))
            .map_or(0, |(seq, _)| seq)
    }

    /// Moves a data file into place.
    pub(crate) fn publish(&mut self, file: Nonce) {
        if self.staged.has(file) {
            self.staged.remove(file);
            self.placed.insert(file);
        }
    }
}

/// A rule left out, so that a test can show that the properties notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Break {
    /// Rule 1: positions are not compared with the log.
    NoPrecondition,
    /// Rule 2: "exists" is taken for one's own success.
    ExistsIsSuccess,
    /// Rule 2: what was staged is deleted although the create may still land.
    DeletedWhileUnknown,
    /// Rule 5: staged files of others are deleted without a fence.
    NoFence,
    /// Rule 5: a writer does not look for its own fence.
    FenceIgnored,
    /// Rule 5: an entry without its files in place is summed up and removed.
    CheckpointBeforeMoves,
    /// Rule 5: parts of a checkpoint that may still be created are deleted like staged files.
    PartsClearedEarly,
    /// Rule 5: what another process's checkpoint names is deleted like staged files.
    NewestNotNamed,
    /// Rule 5: parts are deleted although a checkpoint is announced that may keep them.
    ClearedInSpiteOfAnnouncement,
    /// Rule 5: files are moved for entries that were read before the checkpoints could be listed.
    MovedUnconfirmed,
    /// Rule 6: a publication need not name the newest one.
    PublicationWithoutPrevious,
    /// Rule 6: results that include the entry's own delta are kept when another entry came between.
    OwnThroughKept,
    /// Rule 6: a publication need not reach the newest checkpoint announced.
    PublicationBelowCheckpoint,
    /// Rule 6: entries of other writers are counted as published without being merged.
    OthersNotMerged,
    /// Rule 6: a checkpoint does not say what is still to be published.
    DueForgotten,
    /// Rule 9: a checkpoint is written while entries of others wait to be merged.
    OthersNotSummed,
    /// Rule 9: checkpoints are not listed after a create.
    NoListAfterCreate,
    /// Rule 9: checkpoints are not listed after entries were read.
    NoListAfterReading,
    /// Rule 9: nor when the log is opened.
    NoListAfterOpening,
    /// Rule 9: after a reload, a draft is not compared with the log any more.
    DraftTrustedAfterReload,
    /// Rule 9: a reload forgets that a draft may still land, although its place is not taken.
    PendingForgotten,
    /// Rule 9: a reload remembers the moves of what was read before.
    MovesRemembered,
    /// Rule 9: a merger goes on after a reload as if it had seen everything.
    SkippedNotMerged,
    /// Rule 9: a collection does not keep what the checkpoint names.
    CollectionKeepsNothing,
    /// Rule 9: what lies at the place of a collected entry is taken for that entry.
    CollectionTrustsPlaces,
    /// Rule 9: checkpoints are not announced.
    NoAnnouncement,
    /// Rule 9: an announcement need not follow the newest one.
    AnnouncedAfterAny,
    /// Rule 9: the base is not compared with the newest checkpoint before the announcement.
    BaseNotCheckedBefore,
    /// Rule 9: nor after it.
    BaseNotCheckedAfter,
    /// Rule 9: a collection begins although a newer checkpoint is announced.
    CollectedInSpiteOfAnnouncement,
    /// Rule 9: a collection looks for the newest checkpoint after it read the announcements.
    CollectionListsLate,
}
