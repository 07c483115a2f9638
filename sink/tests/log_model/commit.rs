//! `CommitLog::commit`, `catch_up`, `finish_moves`, `discard`, step by step.

use crate::model::{Setup, State};
use crate::process::{At, Draft, Op, Outcome, Process, Then};
use crate::world::{Break, Entry, Nonce, Range, Set, World};

impl Setup {
    /// Sets out to do something. `None` where it cannot.
    pub(crate) fn begin(&self, state: &mut State, n: usize, op: Op) -> Option<()> {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        p.last = Outcome::Nothing;
        match op {
            Op::Retry => {
                p.at = At::CatchUp;
                return Some(());
            }
            Op::Discard => {
                if let Some(draft) = p.given_up.take() {
                    discard(world, p, &draft);
                }
                return Some(());
            }
            _ => {}
        }
        p.ops -= 1;
        // Whoever begins another commit has given up the last one.
        p.given_up = p.draft.take().or(p.given_up);
        match op {
            Op::Commit(partition) | Op::CommitAndPublish(partition) => {
                let from = p.view.next[usize::from(partition)];
                // Zombies do not cut at the same offsets.
                let range = Range {
                    partition,
                    from,
                    to: from + 1 + p.number % 2,
                };
                let nonce = p.name()?;
                let publishes = matches!(op, Op::CommitAndPublish(_));
                if publishes && !self.take_others(world, p) {
                    return Some(());
                }
                p.draft = Some(Draft {
                    nonce,
                    based_on: p.view.seq,
                    range: Some(range),
                    snapshot: from % 2 == 0,
                    fenced: None,
                    publication: publishes.then(|| p.publication(Some(nonce))),
                });
                p.at = At::Stage;
            }
            Op::Publish => {
                if self.keeps(Break::OthersNotMerged) && !self.take_others(world, p) {
                    return Some(());
                }
                p.draft = Some(Draft {
                    nonce: p.name()?,
                    based_on: p.view.seq,
                    range: None,
                    snapshot: false,
                    fenced: None,
                    publication: Some(p.publication(None)),
                });
                p.at = At::Stage;
            }
            _ => {
                if self.keeps(Break::OthersNotSummed) && !self.take_others(world, p) {
                    return Some(());
                }
                p.at = At::SumList;
            }
        }
        Some(())
    }

    /// Merges the deltas of other writers' entries; a delta that is gone shows that a checkpoint went past them.
    fn take_others(&self, world: &World, p: &mut Process) -> bool {
        if !p.waiting.merged.without(world.files.deltas).is_empty() {
            p.start_again(Outcome::Overtaken);
            return false;
        }
        p.panes.merged = p.panes.merged.and(p.waiting.merged);
        p.panes.due = p.panes.due.and(p.waiting.due);
        p.panes.published(p.view.published.map_or(0, |(_, through, _)| through));
        p.others = Set::default();
        p.waiting = crate::world::Panes::default();
        true
    }

    pub(crate) fn step_commit(&self, state: &mut State, n: usize) {
        let State {
            world,
            processes,
            won,
            broken,
            ..
        } = state;
        let p = &mut processes[n];
        let Some(draft) = p.draft else { return };
        match p.at {
            At::Stage => {
                world.staged.insert(draft.nonce);
                if draft.range.is_some() {
                    world.files.deltas.insert(draft.nonce);
                }
                if draft.snapshot {
                    world.files.snapshots.insert(draft.nonce);
                }
                p.at = At::CatchUp;
            }
            At::CatchUp => match world.log[usize::from(p.view.seq) + 1] {
                None => p.at = At::ListAfterReading { follows: true },
                Some(entry) if entry.previous != Some(p.view.nonce) => p.at = At::ListAfterReading { follows: false },
                Some(entry) => {
                    *broken |= !self.advance(p, &entry);
                    p.others.insert(entry.nonce);
                    p.waiting.add(&entry);
                }
            },
            At::ListAfterReading { follows } => {
                if self.keeps(Break::NoListAfterReading) && overtaken(world, p, p.view.seq, p.view.nonce) {
                    p.start_again(Outcome::Overtaken);
                } else if !follows {
                    *broken = true;
                    p.crash();
                } else if p.others.has(draft.nonce) {
                    p.others.remove(draft.nonce);
                    if let Some(entry) = world.chain.iter().find(|entry| entry.nonce == draft.nonce) {
                        p.waiting.merged.remove(entry.nonce);
                        p.waiting.due.remove(entry.seq);
                        p.panes.add(entry);
                    }
                    won.insert(draft.nonce);
                    self.committed(world, p, &draft, Outcome::RecognisedAfterwards);
                } else {
                    self.decide(world, p, &draft, broken);
                }
            }
            At::Create => {
                let entry = p.entry(&draft);
                p.pending.insert(draft.nonce);
                p.at = if world.create(crate::world::Object::Entry(entry)) || !self.keeps(Break::ExistsIsSuccess) {
                    At::ListAfterCreate { read_back: false }
                } else {
                    At::ReadBack
                };
            }
            At::ReadBack => {
                p.at = match world.log[usize::from(p.view.seq) + 1] {
                    None => At::Create,
                    Some(entry) if entry.nonce == draft.nonce => At::ListAfterCreate { read_back: true },
                    Some(_) => At::CatchUp,
                }
            }
            At::ListAfterCreate { read_back } => {
                let entry = p.entry(&draft);
                if self.keeps(Break::NoListAfterCreate) && overtaken(world, p, entry.seq, entry.nonce) {
                    p.start_again(Outcome::Overtaken);
                    return;
                }
                *broken |= !self.advance(p, &entry);
                p.panes.add(&entry);
                won.insert(draft.nonce);
                let outcome = if read_back {
                    Outcome::RecognisedAfterwards
                } else {
                    Outcome::Committed
                };
                self.committed(world, p, &draft, outcome);
            }
            At::Discard => {
                let why = p.last;
                discard(world, p, &draft);
                p.start_again(why);
            }
            _ => {}
        }
    }

    /// Rules 1, 5 and 6: what becomes of a draft after everything was read.
    fn decide(&self, world: &World, p: &mut Process, draft: &Draft, broken: &mut bool) {
        let landed_late = p.given_up.is_some_and(|given_up| p.others.has(given_up.nonce));
        if landed_late {
            p.last = Outcome::LandedLate;
        }
        if self.keeps(Break::FenceIgnored) && p.view.fenced.has(p.writer()) {
            (p.at, p.last) = (At::Discard, Outcome::Fenced);
            return;
        }
        if let Some(range) = draft.range
            && self.keeps(Break::NoPrecondition)
        {
            let newest = p.view.next[usize::from(range.partition)];
            *broken |= range.from > newest;
            if range.from < newest {
                p.at = At::Discard;
                if !landed_late {
                    p.last = Outcome::Zombie;
                }
                return;
            }
        }
        if let Some(publication) = draft.publication {
            let newest = p.view.published.map(|(seq, ..)| seq);
            let first = publication.previous == newest || !self.keeps(Break::PublicationWithoutPrevious);
            let own_kept = publication.through <= draft.based_on || draft.based_on == p.view.seq || !self.keeps(Break::OwnThroughKept);
            if !first || !own_kept {
                p.last = Outcome::Stale;
                if self.keeps(Break::OthersNotMerged) && !self.take_others(world, p) {
                    return;
                }
                // The results are computed again, and staged under the same name.
                let publication = p.publication(draft.range.map(|_| draft.nonce));
                p.draft = Some(Draft {
                    based_on: p.view.seq,
                    publication: Some(publication),
                    ..*draft
                });
                p.at = At::Stage;
                return;
            }
        }
        p.at = At::Create;
    }

    /// `advance`: an entry is part of the chain for this process. Gives whether it follows.
    pub(crate) fn advance(&self, p: &mut Process, entry: &Entry) -> bool {
        let follows = p.view.apply(entry, self.breaks);
        p.pending = Set::default();
        p.remember(entry);
        follows
    }

    fn committed(&self, world: &World, p: &mut Process, draft: &Draft, outcome: Outcome) {
        if let Some(publication) = draft.publication {
            p.panes.published(publication.through);
        }
        p.draft = None;
        p.last = outcome;
        self.move_files(world, p, Then::Committed);
    }

    /// Goes on to the moves that are left, or past them.
    pub(crate) fn move_files(&self, world: &World, p: &mut Process, then: Then) {
        p.at = At::Move(then);
        if p.moves.is_empty() {
            self.after_moves(world, p, then);
        }
    }

    pub(crate) fn step_move(&self, state: &mut State, n: usize, then: Then) {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        if let Some(file) = p.moves.names().next() {
            world.publish(file);
            p.moves.remove(file);
        }
        if p.moves.is_empty() {
            self.after_moves(world, p, then);
        }
    }

    fn after_moves(&self, world: &World, p: &mut Process, then: Then) {
        match then {
            Then::Opened if self.roles[usize::from(p.number)].clears => p.at = At::ClearList,
            Then::Opened => p.at = At::OpenLoad,
            Then::Committed if !p.clearing.is_empty() => self.fence_next(world, p),
            Then::Committed => p.at = At::Idle,
            Then::ClearAgain(writers) => p.at = At::ClearListAgain(writers),
            Then::Sum => p.at = At::SumStage,
        }
    }
}

/// `compare_checkpoints`
pub(crate) fn overtaken(world: &World, p: &Process, seq: u8, nonce: Nonce) -> bool {
    match world.newest_checkpoint().filter(|newest| *newest >= seq && Some(*newest) != p.base) {
        Some(newest) => newest > seq || world.checkpoints[usize::from(newest)].is_some_and(|c| c.view.nonce != nonce),
        None => false,
    }
}

/// Deletes what a draft staged, unless it may still land or an entry names it.
pub(crate) fn discard(world: &mut World, p: &Process, draft: &Draft) {
    if p.pending.has(draft.nonce) {
        return;
    }
    let named = p.named();
    if !p.moves.has(draft.nonce) {
        world.staged.remove(draft.nonce);
    }
    if !named.deltas.has(draft.nonce) {
        world.files.deltas.remove(draft.nonce);
    }
    if !named.snapshots.has(draft.nonce) {
        world.files.snapshots.remove(draft.nonce);
    }
}
