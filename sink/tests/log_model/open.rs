//! `open::read`, `CommitLog::open` and `clear_abandoned`, step by step.

use crate::model::{Setup, State};
use crate::process::{At, Draft, Outcome, Process, Then};
use crate::world::{Break, Set, World, Writer};

impl Setup {
    pub(crate) fn step_open(&self, state: &mut State, n: usize) {
        let State {
            world, processes, broken, ..
        } = state;
        let p = &mut processes[n];
        match p.at {
            At::OpenList => {
                let why = p.last;
                *p = Process::new(p.number, p.life, p.ops, At::OpenLog);
                (p.last, p.base) = (why, world.newest_checkpoint());
                if let Some(seq) = p.base {
                    p.at = At::OpenCheckpoint(seq);
                }
            }
            At::OpenCheckpoint(seq) => match world.checkpoints[usize::from(seq)] {
                Some(checkpoint) => {
                    (p.view, p.panes, p.part) = (checkpoint.view, checkpoint.panes, Some(checkpoint.part));
                    p.recent.parts.insert(checkpoint.part);
                    p.at = At::OpenLog;
                }
                None => read_again(world, p, broken),
            },
            At::OpenLog => {
                let last = world.entries().members().last();
                if p.base.is_none() && world.log[0].is_none() {
                    read_again(world, p, broken);
                } else {
                    self.next_entry(world, p, last.unwrap_or(0));
                }
            }
            At::OpenEntry { last } => match world.log[usize::from(p.view.seq) + 1] {
                Some(entry) if self.advance(p, &entry) => {
                    p.panes.add(&entry);
                    if let Some(publication) = entry.publication {
                        p.panes.published(publication.through);
                    }
                    self.next_entry(world, p, last);
                }
                _ => read_again(world, p, broken),
            },
            At::OpenListAgain => {
                if world.newest_checkpoint() == p.base {
                    self.move_files(world, p, Then::Opened);
                } else {
                    p.at = At::OpenList;
                }
            }
            At::OpenLoad => {
                let deltas = p.recent.deltas.without(p.others).without(world.files.deltas);
                let parts = p.recent.parts.without(world.files.parts);
                if deltas.is_empty() && parts.is_empty() {
                    p.at = At::Idle;
                } else {
                    read_again(world, p, broken);
                }
            }
            _ => {}
        }
    }

    fn next_entry(&self, world: &World, p: &mut Process, last: u8) {
        if p.view.seq < last {
            p.at = At::OpenEntry { last };
        } else if self.keeps(Break::NoListAfterOpening) {
            p.at = At::OpenListAgain;
        } else {
            self.move_files(world, p, Then::Opened);
        }
    }

    pub(crate) fn step_clear(&self, state: &mut State, n: usize) {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        match p.at {
            At::ClearList => {
                p.clearing = self
                    .unnamed(world, p)
                    .names()
                    .map(|nonce| nonce.writer())
                    .filter(|w| *w != p.writer())
                    .collect();
                if self.keeps(Break::NoFence) {
                    p.to_fence = p.clearing;
                }
                self.fence_next(world, p);
            }
            At::ClearListAgain(writers) => {
                let found = self.unnamed(world, p).names().filter(|nonce| writers.has(nonce.writer())).collect();
                p.at = At::ClearDelete(found);
                done_clearing(p, found, writers);
            }
            At::ClearDelete(mut left) => {
                if let Some(nonce) = left.names().next() {
                    left.remove(nonce);
                    let named = p.named();
                    world.staged.remove(nonce);
                    if !named.deltas.has(nonce) {
                        world.files.deltas.remove(nonce);
                    }
                    if !named.snapshots.has(nonce) {
                        world.files.snapshots.remove(nonce);
                    }
                    if !named.parts.has(nonce) && self.dead_parts(world).has(nonce) {
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
            p.at = At::CatchUp;
        } else {
            let writers = std::mem::take(&mut p.clearing);
            self.move_files(world, p, Then::ClearAgain(writers));
        }
    }

    /// `unnamed_files`, by the names of the entries or checkpoints that they were made for.
    fn unnamed(&self, world: &World, p: &Process) -> Set {
        let named = p.named();
        world
            .staged
            .without(p.moves)
            .and(world.files.deltas.without(named.deltas))
            .and(world.files.snapshots.without(named.snapshots))
            .and(self.dead_parts(world).without(named.parts))
    }

    /// Parts that no checkpoint to come can name.
    fn dead_parts(&self, world: &World) -> Set {
        if !self.keeps(Break::PartsClearedEarly) {
            return world.files.parts;
        }
        let newest = world.newest_checkpoint().unwrap_or(0);
        world.files.parts.names().filter(|part| world.part_of(*part) < newest).collect()
    }
}

fn fence(p: &mut Process, writer: Writer) -> Option<Draft> {
    Some(Draft {
        nonce: p.name()?,
        based_on: p.view.seq,
        range: None,
        snapshot: false,
        fenced: Some(writer),
        publication: None,
    })
}

fn done_clearing(p: &mut Process, left: Set, writers: Set) {
    if left.is_empty() {
        p.at = At::OpenLoad;
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
