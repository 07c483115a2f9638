//! The state space: whose turn it is, and how the store answers.

use stateright::{Model, Property};

use crate::process::{At, Goal, Op, Outcome, Process};
use crate::properties;
use crate::world::{Break, Object, SEQS, Set, World};

/// What a process is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    /// Whether it has opened the log already, as of genesis.
    pub(crate) opened: bool,
    /// Whether it clears what others left when it starts.
    pub(crate) clears: bool,
    /// Whether it goes on to something else when it is not known whether a draft with files was committed. The program never does: it tries again
    /// for as long as it lives.
    pub(crate) gives_up: bool,
    /// How many things it sets out to do, in all its lives.
    pub(crate) ops: u8,
    pub(crate) may: &'static [Op],
}

/// A small world that is searched whole.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) roles: Vec<Role>,
    /// What has been done already: who began what, and how far it went.
    pub(crate) so_far: &'static [(usize, Op, At)],
    /// Answers of the store that are lost, wrong or late.
    pub(crate) faults: u8,
    /// Whether a create may also land after its answer, as on a store behind a network.
    pub(crate) late: bool,
    /// Whether checkpoints may fail to be listed, too.
    pub(crate) unlisted: bool,
    /// Whether a checkpoint may be written over genesis alone.
    pub(crate) from_nothing: bool,
    pub(crate) crashes: u8,
    /// The rules left out.
    pub(crate) breaks: &'static [Break],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) processes: Vec<Process>,
    pub(crate) faults: u8,
    pub(crate) crashes: u8,
    /// Drafts that their writers believe to be entries.
    pub(crate) won: Set,
    /// Whether a process met a log that no concurrent checkpoint explains.
    pub(crate) broken: bool,
}

/// How a create fails to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// It did what it should; the answer is an error, or "exists".
    AnswerLost,
    /// It did nothing.
    Refused,
    /// It will do so later, if ever.
    Late,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The next operation of a process.
    Step(usize),
    Begin(usize, Op),
    Unclear(usize, Fault),
    /// The checkpoints cannot be listed after entries were read.
    Unlisted(usize),
    /// The attempts of a commit are used up.
    GiveUp(usize),
    Crash(usize),
    Start(usize),
    /// A create that is under way lands.
    Land,
}

impl Model for Setup {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let at = |role: &Role| if role.opened { At::Idle } else { At::Down };
        let processes = self.roles.iter().zip(0..).map(|(role, n)| Process::new(n, 0, role.ops, at(role)));
        let mut state = State {
            world: World::new(),
            processes: processes.collect(),
            faults: self.faults,
            crashes: self.crashes,
            won: Set::default(),
            broken: false,
        };
        for (n, op, until) in self.so_far {
            if self.begin(&mut state, *n, *op).is_none() {
                return Vec::new();
            }
            while state.processes[*n].at != *until {
                self.step(&mut state, *n);
            }
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.world.under_way.is_some() {
            actions.push(Action::Land);
        }
        for (n, p) in state.processes.iter().enumerate() {
            match p.at {
                At::Down => {
                    if p.life < crate::world::LIVES {
                        actions.push(Action::Start(n));
                    }
                    continue;
                }
                At::Idle => actions.extend(
                    self.roles[n]
                        .may
                        .iter()
                        .filter(|op| self.possible(p, **op))
                        .map(|op| Action::Begin(n, *op)),
                ),
                At::ReadBack if p.draft.is_some_and(|d| d.fenced.is_none()) => actions.extend([Action::Step(n), Action::GiveUp(n)]),
                _ => actions.push(Action::Step(n)),
            }
            if state.faults > 0 && matches!(p.at, At::Create | At::SumCreate) {
                actions.extend([Fault::AnswerLost, Fault::Refused].map(|fault| Action::Unclear(n, fault)));
                if self.late && state.world.under_way.is_none() {
                    actions.push(Action::Unclear(n, Fault::Late));
                }
            }
            if state.faults > 0 && self.unlisted && matches!(p.at, At::ListAfterReading { .. }) {
                actions.push(Action::Unlisted(n));
            }
            if state.crashes > 0 {
                actions.push(Action::Crash(n));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(n) => self.step(&mut state, n),
            Action::Begin(n, op) => self.begin(&mut state, n, op)?,
            Action::Unclear(n, fault) => {
                state.faults -= 1;
                let object = self.object(&state.processes[n])?;
                match fault {
                    Fault::AnswerLost => drop(state.world.create(object)),
                    Fault::Refused => {}
                    Fault::Late => state.world.under_way = Some(object),
                }
                self.unclear(&mut state.processes[n], object);
            }
            Action::Unlisted(n) => {
                state.faults -= 1;
                state.processes[n].give_up(Outcome::Unlisted);
            }
            Action::GiveUp(n) => self.give_up(&mut state, n),
            Action::Crash(n) => {
                state.crashes -= 1;
                state.processes[n].crash();
            }
            Action::Start(n) => state.processes[n].reload(Goal::Start, Outcome::Nothing),
            Action::Land => {
                let object = state.world.under_way.take()?;
                state.world.create(object);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Setup {
    fn possible(&self, p: &Process, op: Op) -> bool {
        // What was read is not known to be the log: whoever commits next does so from where it stood before.
        if p.last == Outcome::Unlisted && !matches!(op, Op::Retry | Op::Clear) {
            return false;
        }
        if p.draft.is_some() && !self.roles[usize::from(p.number)].gives_up {
            return op == Op::Retry;
        }
        let room = usize::from(p.view.seq) + 1 < SEQS;
        match op {
            Op::Retry => p.draft.is_some(),
            Op::Discard => p.given_up.is_some(),
            Op::Checkpoint => p.ops > 0 && room && (p.view.seq > p.base.unwrap_or(0) || self.from_nothing),
            Op::CheckpointKeeping => p.ops > 0 && room && p.view.seq > p.base.unwrap_or(0) && !p.parts.is_empty(),
            Op::Publish => p.ops > 0 && room && (p.skipped || !p.panes.due.and(p.waiting.due).is_empty()),
            Op::Commit(_) | Op::CommitAndPublish(_) | Op::Clear => p.ops > 0 && room,
            Op::Recover => p.ops > 0,
        }
    }

    pub(crate) fn step(&self, state: &mut State, n: usize) {
        match state.processes[n].at {
            At::Down | At::Idle => {}
            At::OpenList | At::OpenCheckpoint(_) | At::OpenLog | At::OpenEntry { .. } | At::OpenListAgain | At::OpenLoad => {
                self.step_open(state, n)
            }
            At::ClearList | At::ClearNewest(_) | At::ClearListAgain(..) | At::ClearDelete(_) => self.step_clear(state, n),
            At::Move(then) => self.step_move(state, n, then),
            At::SumStage | At::SumCreate | At::SumReadBack => self.step_sum(state, n),
            At::CatchUp | At::ListAfterReading { .. } => self.step_read(state, n),
            At::Create | At::ReadBack | At::ListAfterCreate { .. } | At::Discard => self.step_commit(state, n),
            _ => self.step_collect(state, n),
        }
    }

    pub(crate) fn keeps(&self, rule: Break) -> bool {
        !self.breaks.contains(&rule)
    }

    /// What a process is about to create.
    pub(crate) fn object(&self, p: &Process) -> Option<Object> {
        match p.at {
            At::Create => p.draft.map(|draft| Object::Entry(p.entry(&draft))),
            At::SumCreate => p.sum.map(Object::Checkpoint),
            _ => None,
        }
    }

    fn unclear(&self, p: &mut Process, object: Object) {
        if let Object::Entry(entry) = object {
            p.pending.insert(entry.nonce);
            p.at = At::ReadBack;
        } else {
            p.at = At::SumReadBack;
        }
    }

    /// `CommitError::Unknown`: nothing is deleted, and the draft may be committed again.
    fn give_up(&self, state: &mut State, n: usize) {
        let p = &mut state.processes[n];
        p.give_up(Outcome::Unknown);
        if !self.keeps(Break::DeletedWhileUnknown)
            && let Some(draft) = p.draft.take()
        {
            state.world.staged.remove(draft.nonce);
            state.world.files.deltas.remove(draft.nonce);
            state.world.files.snapshots.remove(draft.nonce);
        }
    }
}
