//! `CommitLog::checkpoint` and `collect_garbage`, step by step.

use crate::commit::overtaken;
use crate::model::{Setup, State};
use crate::process::{At, Outcome, Process, Then};
use crate::world::{Binary, Break, Checkpoint, Entry, Object, Set, World};

impl Setup {
    pub(crate) fn step_sum(&self, state: &mut State, n: usize) {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        match p.at {
            At::SumList => {
                if overtaken(world, p, p.view.seq, p.view.nonce) {
                    p.start_again(Outcome::Overtaken);
                } else if self.keeps(Break::CheckpointBeforeMoves) {
                    self.move_files(world, p, Then::Sum);
                } else {
                    p.at = At::SumStage;
                }
            }
            At::SumStage => {
                let kept = p.part.filter(|_| !self.keeps(Break::PartsKept));
                let Some(part) = kept.or_else(|| p.name()) else {
                    p.at = At::Idle;
                    return;
                };
                if kept.is_none() {
                    world.stage_part(part, p.view.seq);
                }
                p.sum = Some(Checkpoint {
                    view: p.view,
                    panes: p.panes,
                    part,
                });
                if !self.keeps(Break::DueForgotten)
                    && let Some(sum) = &mut p.sum
                {
                    sum.panes.due = Set::default();
                }
                p.at = At::SumCreate;
            }
            At::SumCreate => {
                let Some(sum) = p.sum else { return };
                if world.create(Object::Checkpoint(sum)) {
                    summed(p, sum);
                } else {
                    p.at = At::SumReadBack;
                }
            }
            At::SumReadBack => {
                let Some(own) = p.sum.take() else { return };
                match world.checkpoints[usize::from(own.view.seq)] {
                    // Put off to a later time.
                    None => p.at = At::Idle,
                    Some(theirs) if theirs.view.nonce != own.view.nonce => p.start_again(Outcome::Overtaken),
                    Some(theirs) => {
                        if theirs.part != own.part && p.part != Some(own.part) {
                            world.files.parts.remove(own.part);
                        }
                        summed(p, theirs);
                    }
                }
            }
            _ => {}
        }
    }

    pub(crate) fn step_collect(&self, state: &mut State, n: usize) {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        match p.at {
            At::CollectList => p.at = world.newest_checkpoint().map_or(At::Idle, At::CollectRead),
            At::CollectRead(newest) => {
                p.sum = world.checkpoints[usize::from(newest)];
                p.at = if p.sum.is_some() { At::CollectLog } else { At::Idle };
            }
            At::CollectLog => {
                let newest = newest(p);
                go_on_with_entries(p, world.entries().members().filter(|seq| *seq <= newest).collect(), false);
            }
            At::CollectEntries { mut left, emptied } => {
                let Some(seq) = left.first() else { return };
                match world.log[usize::from(seq)] {
                    Some(entry) if !emptied => {
                        let named = Binary {
                            deltas: entry.range.iter().map(|_| entry.nonce).collect(),
                            snapshots: entry.snapshot.into_iter().collect(),
                            parts: Set::default(),
                        };
                        if self.of_the_chain(world, p, &entry) {
                            self.delete_unless_kept(world, p, named);
                        }
                    }
                    // Another process removes the same.
                    None if !emptied => {
                        stop(p);
                        return;
                    }
                    _ => {
                        world.log[usize::from(seq)] = None;
                        left.remove(seq);
                    }
                }
                go_on_with_entries(p, left, !emptied);
            }
            At::CollectListAgain => {
                let newest = newest(p);
                let older = world.checkpoints.iter().flatten().map(|c| c.view.seq);
                go_on(p, older.filter(|seq| *seq < newest).collect(), false);
            }
            At::CollectCheckpoints { mut left, emptied } => {
                let Some(seq) = left.first() else { return };
                match world.checkpoints[usize::from(seq)] {
                    Some(old) if !emptied => {
                        let named = Binary {
                            deltas: Set::default(),
                            snapshots: old.view.named_snapshots(),
                            parts: [old.part].into_iter().collect(),
                        };
                        self.delete_unless_kept(world, p, named);
                        go_on(p, left, true);
                    }
                    None if !emptied => stop(p),
                    _ => {
                        world.checkpoints[usize::from(seq)] = None;
                        left.remove(seq);
                        go_on(p, left, false);
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether what follows an entry names it. One that does not belong there landed late, and its draft may be an entry elsewhere.
    fn of_the_chain(&self, world: &World, p: &Process, entry: &Entry) -> bool {
        let follower = world.log[usize::from(entry.seq) + 1].and_then(|next| next.previous);
        let head = p.sum.filter(|sum| sum.view.seq == entry.seq).map(|sum| sum.view.nonce);
        head.or(follower) == Some(entry.nonce) || !self.keeps(Break::CollectionTrustsPlaces)
    }

    fn delete_unless_kept(&self, world: &mut World, p: &Process, named: Binary) {
        let mut keep = Binary::default();
        if self.keeps(Break::CollectionKeepsNothing) {
            keep = p.recent;
            if let Some(newest) = p.sum {
                keep.snapshots = keep.snapshots.and(newest.view.named_snapshots());
                keep.parts.insert(newest.part);
            }
        }
        let files = &mut world.files;
        files.deltas = files.deltas.without(named.deltas.without(keep.deltas));
        files.snapshots = files.snapshots.without(named.snapshots.without(keep.snapshots));
        files.parts = files.parts.without(named.parts.without(keep.parts));
    }
}

fn newest(p: &Process) -> u8 {
    p.sum.map_or(0, |checkpoint| checkpoint.view.seq)
}

/// `after_checkpoint`
fn summed(p: &mut Process, checkpoint: Checkpoint) {
    p.base = Some(checkpoint.view.seq);
    p.part = Some(checkpoint.part);
    p.recent = Binary {
        parts: [checkpoint.part].into_iter().collect(),
        ..Binary::default()
    };
    p.sum = None;
    p.at = At::CollectList;
}

fn go_on_with_entries(p: &mut Process, left: Set, emptied: bool) {
    p.at = if left.is_empty() {
        At::CollectListAgain
    } else {
        At::CollectEntries { left, emptied }
    };
}

fn go_on(p: &mut Process, left: Set, emptied: bool) {
    p.at = At::CollectCheckpoints { left, emptied };
    if left.is_empty() {
        stop(p);
    }
}

fn stop(p: &mut Process) {
    p.sum = None;
    p.at = At::Idle;
}
