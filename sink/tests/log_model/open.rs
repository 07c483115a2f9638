//! `open::read`, `CommitLog::open`, `recover` and `clear_abandoned`, step by step.

use crate::model::{Setup, State};
use crate::process::{At, Draft, Goal, Outcome, Process, Then};
use crate::world::{Binary, Break, Entry, Panes, Seq, Set, World, Writer};

impl Setup {
    pub(crate) fn step_open(&self, state: &mut State, n: usize) {
        let State {
            world, processes, broken, ..
        } = state;
        let p = &mut processes[n];
        match p.at {
            At::OpenList => {
                if !self.keeps(Break::MovesRemembered) && p.goal != Goal::Start && p.moves_before.is_empty() {
                    p.moves_before = p.moves;
                }
                p.forget();
                p.base = world.newest_checkpoint();
                p.at = p.base.map_or(At::OpenLog, At::OpenCheckpoint);
            }
            At::OpenCheckpoint(seq) => match world.checkpoints[usize::from(seq)] {
                Some(checkpoint) => {
                    (p.view, p.panes, p.parts) = (checkpoint.view, checkpoint.panes, checkpoint.parts);
                    p.recent.parts = checkpoint.parts;
                    p.panes.base = seq;
                    p.at = At::OpenLog;
                }
                None => read_again(world, p, broken),
            },
            At::OpenLog => {
                let last = world.entries().members().last();
                if p.base.is_none() && world.log[0].is_none() {
                    read_again(world, p, broken);
                } else {
                    self.next_entry(world, p, last.unwrap_or(0), broken);
                }
            }
            At::OpenEntry { last } => match world.log[usize::from(p.view.seq) + 1] {
                Some(entry) if self.follows(p, &entry) => {
                    p.panes.add(&entry);
                    if let Some(publication) = entry.publication {
                        p.panes.published(publication.through);
                    }
                    self.next_entry(world, p, last, broken);
                }
                _ => read_again(world, p, broken),
            },
            At::OpenListAgain => {
                if world.newest_checkpoint() == p.base {
                    self.opened(world, p, broken);
                } else {
                    p.at = At::OpenList;
                }
            }
            At::OpenLoad => {
                let deltas = p.recent.deltas.without(world.files.deltas);
                let parts = p.parts.without(world.files.parts);
                if deltas.is_empty() && parts.is_empty() {
                    p.skipped = false;
                    p.rest();
                } else {
                    read_again(world, p, broken);
                }
            }
            _ => {}
        }
    }

    fn follows(&self, p: &mut Process, entry: &Entry) -> bool {
        let follows = p.view.apply(entry, self.breaks);
        p.remember(entry);
        follows
    }

    fn next_entry(&self, world: &World, p: &mut Process, last: u8, broken: &mut bool) {
        if p.view.seq < last {
            p.at = At::OpenEntry { last };
        } else if self.keeps(Break::NoListAfterOpening) {
            p.at = At::OpenListAgain;
        } else {
            self.opened(world, p, broken);
        }
    }

    fn opened(&self, world: &World, p: &mut Process, broken: &mut bool) {
        p.skipped = true;
        if p.goal != Goal::Merger {
            // What the entries add to panes was not read.
            p.panes = Panes::default();
        }
        p.moves = p.moves.and(std::mem::take(&mut p.moves_before));
        if p.head_before.take() != Some(p.view.nonce) || !self.keeps(Break::PendingForgotten) {
            p.pending = Set::default();
        }
        self.caught_up(world, p, broken);
    }

    pub(crate) fn step_clear(&self, state: &mut State, n: usize) {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        match p.at {
            At::ClearList => {
                p.clearing = self
                    .unnamed(world, p, world.newest_checkpoint(), true)
                    .names()
                    .map(|nonce| nonce.writer())
                    .filter(|w| *w != p.writer())
                    .collect();
                if self.keeps(Break::NoFence) {
                    p.to_fence = p.clearing;
                }
                self.fence_next(world, p);
            }
            At::ClearNewest(writers) => {
                let newest = world.newest_checkpoint();
                if self.keeps(Break::ClearedInSpiteOfAnnouncement) {
                    p.catch_up(Goal::ClearAgain(writers, newest));
                } else {
                    p.at = At::ClearListAgain(writers, newest);
                }
            }
            At::ClearListAgain(writers, newest) => {
                let mut found = Set::default();
                // The newest checkpoint gave way to a newer one: another time.
                if newest.is_none_or(|newest| world.checkpoints[usize::from(newest)].is_some()) {
                    let settled = newest == p.view.announced || !self.keeps(Break::ClearedInSpiteOfAnnouncement);
                    let unnamed = self.unnamed(world, p, newest, settled);
                    found = unnamed.names().filter(|nonce| writers.has(nonce.writer())).collect();
                }
                p.at = At::ClearDelete(found);
                done_clearing(p, found, writers);
            }
            At::ClearDelete(mut left) => {
                if let Some(nonce) = left.names().next() {
                    left.remove(nonce);
                    let named = self.named(world, p, world.newest_checkpoint());
                    world.staged.remove(nonce);
                    if !named.deltas.has(nonce) {
                        world.files.deltas.remove(nonce);
                    }
                    if !named.snapshots.has(nonce) {
                        world.files.snapshots.remove(nonce);
                    }
                    if !named.parts.has(nonce) {
                        world.files.parts.remove(nonce);
                    }
                    p.at = At::ClearDelete(left);
                }
                done_clearing(p, left, Set::default());
            }
            _ => {}
        }
    }

    pub(crate) fn fence_next(&self, world: &World, p: &mut Process) {
        p.to_fence = p.to_fence.without(p.view.fenced);
        let next = p.to_fence.first();
        p.draft = next.and_then(|writer| fence(p, writer));
        if p.draft.is_some() {
            p.catch_up(Goal::Draft);
        } else {
            let writers = std::mem::take(&mut p.clearing);
            self.move_files(world, p, Then::ClearAgain(writers));
        }
    }

    /// `unnamed_files`, by the names of the entries or checkpoints that they were made for.
    fn unnamed(&self, world: &World, p: &Process, newest: Option<Seq>, settled: bool) -> Set {
        let named = self.named(world, p, newest);
        world
            .staged
            .without(p.moves)
            .and(world.files.deltas.without(named.deltas))
            .and(world.files.snapshots.without(named.snapshots))
            .and(self.dead_parts(world, newest, settled).without(named.parts))
    }

    /// What this process knows to be named, and what the newest checkpoint names, which may be another's.
    fn named(&self, world: &World, p: &Process, newest: Option<Seq>) -> Binary {
        let own = p.named();
        let newest = newest.filter(|_| self.keeps(Break::NewestNotNamed));
        let newest = newest.and_then(|newest| world.checkpoints[usize::from(newest)]);
        newest.map_or(own, |newest| own.and(newest.named()))
    }

    /// Parts that no checkpoint to come can name.
    fn dead_parts(&self, world: &World, newest: Option<Seq>, settled: bool) -> Set {
        if !self.keeps(Break::PartsClearedEarly) {
            return world.files.parts;
        }
        let to_come = |part| !settled || newest.is_none_or(|newest| world.part_of(part) > newest);
        world.files.parts.names().filter(|part| !to_come(*part)).collect()
    }
}

fn fence(p: &mut Process, writer: Writer) -> Option<Draft> {
    Some(Draft {
        fenced: Some(writer),
        ..Draft::new(p.name()?, p.view.seq)
    })
}

fn done_clearing(p: &mut Process, left: Set, writers: Set) {
    if left.is_empty() {
        p.rest();
        if !writers.is_empty() || p.last == Outcome::Nothing {
            p.last = Outcome::Cleared;
        }
    }
}

/// What was to be read is not there or does not fit: a newer checkpoint must explain it.
fn read_again(world: &World, p: &mut Process, broken: &mut bool) {
    *broken |= world.newest_checkpoint() == p.base;
    p.at = At::OpenList;
}
