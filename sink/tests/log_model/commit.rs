//! `CommitLog::commit`, `catch_up`, `finish_moves`, `discard`, and the merger that goes with them, step by step.

use crate::model::{Setup, State};
use crate::process::{At, Draft, Goal, Op, Outcome, Process, Then};
use crate::world::{Break, Entry, Nonce, Panes, Range, Set, World};

impl Setup {
    /// Sets out to do something. `None` where it cannot. What is staged first is staged in the same step.
    pub(crate) fn begin(&self, state: &mut State, n: usize, op: Op) -> Option<()> {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        p.last = Outcome::Nothing;
        match op {
            Op::Retry => {
                p.catch_up(Goal::Draft);
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
        // Whoever begins another commit has given up the last one.
        p.given_up = p.draft.take().or(p.given_up);
        match op {
            Op::Commit(partition) => p.draft = Some(self.next_offsets(p, partition)?),
            Op::CommitAndPublish(_) | Op::Publish if self.keeps(Break::OthersNotMerged) && !self.take_others(world, p) => return Some(()),
            Op::CommitAndPublish(partition) => {
                let mut draft = self.next_offsets(p, partition)?;
                draft.publication = Some(p.publication(Some(draft.nonce)));
                p.draft = Some(draft);
            }
            Op::Publish => {
                let publication = p.publication(None);
                p.draft = Some(Draft {
                    publication: Some(publication),
                    ..Draft::new(p.name()?, p.view.seq)
                });
            }
            Op::Checkpoint | Op::CheckpointKeeping => {
                if self.keeps(Break::OthersNotSummed) && !self.take_others(world, p) {
                    return Some(());
                }
                self.begin_sum(world, p, op == Op::CheckpointKeeping)?;
                if p.at == At::OpenList {
                    return Some(());
                }
            }
            Op::Clear if self.keeps(Break::MovedUnconfirmed) => p.catch_up(Goal::Clear),
            Op::Clear => self.move_files(world, p, Then::Clear),
            Op::Recover => p.reload(Goal::Merger, Outcome::Nothing),
            Op::Retry | Op::Discard => {}
        }
        p.ops -= 1;
        if let Some(draft) = p.draft.filter(Draft::stages) {
            world.staged.insert(draft.nonce);
            if draft.range.is_some() {
                world.files.deltas.insert(draft.nonce);
            }
            if draft.snapshot {
                world.files.snapshots.insert(draft.nonce);
            }
            p.catch_up(Goal::Draft);
        }
        Some(())
    }

    fn next_offsets(&self, p: &mut Process, partition: u8) -> Option<Draft> {
        let from = p.view.next[usize::from(partition)];
        // Zombies do not cut at the same offsets.
        let to = from + 1 + p.number % 2;
        Some(Draft {
            range: Some(Range { partition, from, to }),
            snapshot: from.is_multiple_of(2),
            ..Draft::new(p.name()?, p.view.seq)
        })
    }

    /// `absorb`: merges the deltas of other writers' entries. What is gone, or was not seen, shows that a checkpoint went past them.
    fn take_others(&self, world: &World, p: &mut Process) -> bool {
        let missing = !p.waiting.merged.without(world.files.deltas).is_empty()
            || (!p.waiting.merged.is_empty() && !p.parts.without(world.files.parts).is_empty());
        if (p.skipped && self.keeps(Break::SkippedNotMerged)) || missing {
            p.reload(Goal::Merger, Outcome::Nothing);
            return false;
        }
        p.panes.merged = p.panes.merged.and(p.waiting.merged);
        p.panes.due = p.panes.due.and(p.waiting.due);
        if let Some((_, through, _)) = p.view.published.filter(|(seq, ..)| *seq > p.panes.base) {
            p.panes.published(through);
        }
        p.others = Set::default();
        p.waiting = Panes::default();
        p.skipped = false;
        true
    }

    pub(crate) fn step_read(&self, state: &mut State, n: usize) {
        let State {
            world,
            processes,
            won,
            broken,
            ..
        } = state;
        let p = &mut processes[n];
        match p.at {
            At::CatchUp => match world.log[usize::from(p.view.seq) + 1] {
                None => p.at = At::ListAfterReading { follows: true },
                Some(entry) if entry.previous != Some(p.view.nonce) => p.at = At::ListAfterReading { follows: false },
                Some(entry) => {
                    *broken |= !self.advance(p, &entry);
                    p.others.insert(entry.nonce);
                    p.waiting.add(&entry);
                    let own = p.draft.is_some_and(|draft| draft.nonce == entry.nonce);
                    p.skipped |= entry.publication.is_some() && !own;
                }
            },
            At::ListAfterReading { follows } => {
                if self.keeps(Break::NoListAfterReading) && overtaken(world, p, p.view.seq, p.view.nonce) {
                    p.reload(p.goal, Outcome::Reloaded);
                } else if !follows {
                    *broken = true;
                    p.crash();
                } else if let Some(draft) = p.draft.filter(|draft| p.others.has(draft.nonce)) {
                    p.others.remove(draft.nonce);
                    if let Some(entry) = world.chain.iter().find(|entry| entry.nonce == draft.nonce) {
                        p.waiting.merged.remove(entry.nonce);
                        p.waiting.due.remove(entry.seq);
                        p.panes.add(entry);
                    }
                    won.insert(draft.nonce);
                    self.committed(world, p, &draft, Outcome::RecognisedAfterwards);
                } else {
                    self.caught_up(world, p, broken);
                }
            }
            _ => {}
        }
    }

    /// Everything was read.
    pub(crate) fn caught_up(&self, world: &World, p: &mut Process, broken: &mut bool) {
        match p.goal {
            Goal::Nothing => p.rest(),
            Goal::Start => self.move_files(world, p, Then::Opened),
            Goal::Merger => p.at = At::OpenLoad,
            Goal::Draft => self.decide(p, broken),
            Goal::Clear => self.move_files(world, p, Then::Clear),
            Goal::ClearAgain(writers, newest) => p.at = At::ClearListAgain(writers, newest),
            Goal::Collect(newest) => self.collect_from(p, newest),
        }
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
                let outcome = match p.last {
                    _ if read_back => Outcome::RecognisedAfterwards,
                    Outcome::Reloaded => Outcome::WentOn,
                    _ => Outcome::Committed,
                };
                self.committed(world, p, &draft, outcome);
            }
            At::Discard => {
                let why = p.last;
                discard(world, p, &draft);
                p.draft = None;
                if why == Outcome::Stale {
                    p.reload(Goal::Merger, why);
                } else {
                    p.start_again(why);
                }
            }
            _ => {}
        }
    }

    /// Rules 1, 5, 6 and 9: what becomes of a draft after everything was read.
    fn decide(&self, p: &mut Process, broken: &mut bool) {
        let Some(draft) = p.draft else { return };
        let landed_late = p.given_up.is_some_and(|given_up| p.others.has(given_up.nonce));
        if landed_late {
            p.last = Outcome::LandedLate;
        }
        if self.keeps(Break::FenceIgnored) && p.view.fenced.has(p.writer()) {
            (p.at, p.last) = (At::Discard, Outcome::Fenced);
            return;
        }
        if draft.announces.is_some_and(|after| after != p.view.announced) && self.keeps(Break::AnnouncedAfterAny) {
            p.draft = None;
            p.reload(Goal::Merger, Outcome::Forestalled);
            return;
        }
        let trusted = !self.keeps(Break::DraftTrustedAfterReload) && p.last == Outcome::Reloaded;
        if let Some(range) = draft.range
            && self.keeps(Break::NoPrecondition)
            && !trusted
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
            let reaches = Some(publication.through) >= p.view.announced || !self.keeps(Break::PublicationBelowCheckpoint);
            if !first || !own_kept || !reaches {
                p.last = Outcome::Stale;
                if draft.range.is_none() {
                    p.at = At::Discard;
                    return;
                }
                // The records are committed without the results.
                let Some(draft) = &mut p.draft else { return };
                draft.publication = None;
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

    pub(crate) fn committed(&self, world: &World, p: &mut Process, draft: &Draft, outcome: Outcome) {
        if let Some(publication) = draft.publication {
            p.panes.published(publication.through);
        }
        p.draft = None;
        p.last = outcome;
        match draft.announces {
            Some(_) if self.keeps(Break::CheckpointBeforeMoves) => self.move_files(world, p, Then::Sum),
            Some(_) => p.at = At::SumStage,
            None => self.move_files(world, p, Then::Committed),
        }
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
            Then::Opened => p.rest(),
            Then::Committed if !p.clearing.is_empty() => self.fence_next(world, p),
            Then::Committed => p.rest(),
            Then::Clear => p.at = At::ClearList,
            Then::ClearAgain(writers) => p.at = At::ClearNewest(writers),
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
