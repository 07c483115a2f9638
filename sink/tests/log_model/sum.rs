//! `CommitLog::checkpoint` and `collect_garbage`, step by step.

use crate::model::{Setup, State};
use crate::process::{At, Draft, Goal, Outcome, Process, Then};
use crate::world::{Binary, Break, Checkpoint, Entry, Object, Seq, Set, World};

impl Setup {
    /// Compares the base with the newest checkpoint, and announces another.
    pub(crate) fn begin_sum(&self, world: &World, p: &mut Process, keeping: bool) -> Option<()> {
        if self.keeps(Break::BaseNotCheckedBefore) && world.newest_checkpoint() != p.base {
            p.reload(Goal::Merger, Outcome::Overtaken);
            return Some(());
        }
        p.kept = if keeping { p.parts } else { Set::default() };
        if self.keeps(Break::NoAnnouncement) {
            p.draft = Some(Draft {
                announces: Some(p.view.announced),
                ..Draft::new(p.name()?, p.view.seq)
            });
            p.catch_up(Goal::Draft);
        } else if self.keeps(Break::CheckpointBeforeMoves) {
            self.move_files(world, p, Then::Sum);
        } else {
            p.at = At::SumStage;
        }
        Some(())
    }

    pub(crate) fn step_sum(&self, state: &mut State, n: usize) {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        match p.at {
            At::SumStage => {
                let behind = !p.others.is_empty() || p.skipped;
                if behind && self.keeps(Break::OthersNotSummed) {
                    stop(p);
                    return;
                }
                if self.keeps(Break::BaseNotCheckedAfter) && world.newest_checkpoint() != p.base {
                    p.reload(Goal::Merger, Outcome::Overtaken);
                    return;
                }
                let announced = self.keeps(Break::NoAnnouncement).then_some(p.view.nonce);
                let Some(part) = announced.or_else(|| p.name()) else {
                    stop(p);
                    return;
                };
                world.stage_part(part, p.view.seq);
                let mut sum = Checkpoint {
                    view: p.view,
                    panes: p.panes,
                    parts: std::mem::take(&mut p.kept),
                };
                sum.parts.insert(part);
                sum.panes.base = 0;
                if !self.keeps(Break::DueForgotten) {
                    sum.panes.due = Set::default();
                }
                p.sum = Some(sum);
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
                    None => stop(p),
                    Some(theirs) if theirs.view.nonce != own.view.nonce => p.reload(Goal::Merger, Outcome::Overtaken),
                    Some(theirs) => {
                        world.files.parts = world.files.parts.without(own.parts.without(p.parts).without(theirs.parts));
                        summed(p, theirs);
                    }
                }
            }
            _ => {}
        }
    }

    /// Begins where no newer checkpoint is announced than the one that is to be collected up to.
    pub(crate) fn collect_from(&self, p: &mut Process, newest: Option<Seq>) {
        let announced = p.view.announced == newest || !self.keeps(Break::NoAnnouncement);
        match newest {
            None if !self.keeps(Break::CollectionListsLate) => p.at = At::CollectListLate,
            Some(newest) if announced || !self.keeps(Break::CollectedInSpiteOfAnnouncement) => p.at = At::CollectRead(newest),
            _ => stop(p),
        }
    }

    pub(crate) fn step_collect(&self, state: &mut State, n: usize) {
        let State { world, processes, .. } = state;
        let p = &mut processes[n];
        match p.at {
            At::CollectList if self.keeps(Break::CollectionListsLate) => p.catch_up(Goal::Collect(world.newest_checkpoint())),
            At::CollectList => p.catch_up(Goal::Collect(None)),
            At::CollectListLate => match world.newest_checkpoint() {
                Some(newest) if Some(newest) == p.view.announced => p.at = At::CollectRead(newest),
                _ => stop(p),
            },
            At::CollectRead(newest) => match world.checkpoints[usize::from(newest)] {
                Some(checkpoint) => (p.sum, p.at) = (Some(checkpoint), At::CollectLog),
                None => stop(p),
            },
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
                        self.delete_unless_kept(world, p, old.named());
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
                keep = keep.and(newest.named());
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
    p.parts = checkpoint.parts;
    p.recent = Binary {
        parts: checkpoint.parts,
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
    (p.sum, p.kept) = (None, Set::default());
    p.rest();
}
