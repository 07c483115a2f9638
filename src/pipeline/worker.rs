//! The hot loop: a thread that owns whole partitions. It hears from the coordinator a few times a second and shares nothing per event.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::time::{EventTime, Millis};
use tidegauge_ingest::source::PartitionRef;
use tidegauge_sink::table::{EncodedRowGroup, TableError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::board::Board;
use super::clock::now;
use super::lane::{Lane, LaneCut, LaneError, Tools};
use crate::console::pipeline::Refused;

/// What a worker is asked to do.
pub(crate) enum Order {
    /// Take over a partition.
    Add(Box<Lane>),
    /// Hand over pane deltas, and with `cut` everything else that a commit needs.
    Drain(DrainOrder, oneshot::Sender<Result<Drained, TableError>>),
}

/// What to hand over.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrainOrder {
    /// Row groups and positions too: a cut.
    pub(crate) cut: bool,
    /// Snapshots of the partitions, at exactly the cut.
    pub(crate) snapshots: bool,
    /// The input ends here: fire all timers first.
    pub(crate) close: bool,
    /// Partitions to give up in the same moment, so that nothing of theirs is handled after the cut.
    pub(crate) release: Arc<[PartitionRef]>,
}

/// What a worker hands over.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    pub(crate) delta: PaneStore,
    pub(crate) lanes: Vec<LaneCut>,
    pub(crate) groups: Vec<EncodedRowGroup>,
    pub(crate) unknown_fields: u64,
    pub(crate) refused: Vec<Refused>,
}

/// What a worker reports by itself.
#[derive(Debug)]
pub(crate) enum Report {
    /// A partition cannot go on. What it handled before is still part of the next cut.
    Failed(PartitionRef, LaneError),
}

/// Settings of all workers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerRules {
    pub(crate) idle_after: Duration,
    pub(crate) skew: Millis,
    /// A worker waits for a commit beyond so many uncommitted records of the process.
    pub(crate) most_records: u64,
    /// And beyond so many buffered bytes.
    pub(crate) most_bytes: u64,
}

/// A running worker.
pub(crate) struct Worker {
    hands: Hands,
    /// Lanes it has been given.
    pub(crate) lanes: Vec<PartitionRef>,
}

/// What does the work.
enum Hands {
    Thread {
        orders: Sender<Order>,
        thread: Thread,
        join: Option<JoinHandle<()>>,
    },
    /// Whoever gives the orders, in simulations.
    #[cfg(test)]
    Inline(Box<Running>),
}

const PARK: Duration = Duration::from_millis(20);

impl Worker {
    pub(crate) fn start(
        index: usize,
        tools: Tools,
        rules: WorkerRules,
        board: Arc<Board>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> std::io::Result<Worker> {
        let (orders, inbox) = channel();
        let join = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            Running::new(tools, rules, board, reports).run(&inbox);
        })?;
        Ok(Worker {
            hands: Hands::Thread {
                orders,
                thread: join.thread().clone(),
                join: Some(join),
            },
            lanes: Vec::new(),
        })
    }

    /// A worker without a thread: [`Worker::round`] makes it work.
    #[cfg(test)]
    pub(crate) fn inline(tools: Tools, rules: WorkerRules, board: Arc<Board>, reports: mpsc::UnboundedSender<Report>) -> Worker {
        Worker {
            hands: Hands::Inline(Box::new(Running::new(tools, rules, board, reports))),
            lanes: Vec::new(),
        }
    }

    /// One batch of every partition, of a worker without a thread.
    #[cfg(test)]
    pub(crate) fn round(&mut self) -> usize {
        match &mut self.hands {
            Hands::Inline(running) => running.round(),
            Hands::Thread { .. } => 0,
        }
    }

    /// Sends an order; a worker that has ended takes none, which its report has told already.
    pub(crate) fn order(&mut self, order: Order) {
        match &mut self.hands {
            Hands::Thread { orders, thread, .. } => {
                let _ = orders.send(order);
                thread.unpark();
            }
            #[cfg(test)]
            Hands::Inline(running) => running.obey(order),
        }
    }

    pub(crate) fn add(&mut self, mut lane: Box<Lane>) {
        #[cfg_attr(not(test), allow(irrefutable_let_patterns))]
        if let Hands::Thread { thread, .. } = &self.hands {
            lane.reader.wake(thread.clone());
        }
        self.lanes.push(lane.partition.clone());
        self.order(Order::Add(lane));
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        // Without inline hands there is no other kind.
        #[cfg_attr(not(test), allow(irrefutable_let_patterns))]
        if let Hands::Thread { orders, thread, join } = self {
            // A closed inbox ends the thread.
            let (closed, _) = channel();
            *orders = closed;
            thread.unpark();
            if let Some(join) = join.take() {
                let _ = join.join();
            }
        }
    }
}

/// Whether a partition has to wait for slower ones. Its own watermark counts as at most the wall clock too: one that lives in next year waits for
/// nobody, since nobody will ever catch up with it.
fn ahead(watermark: EventTime, limit: EventTime, clock: EventTime) -> bool {
    limit != EventTime::MIN && watermark.min(clock) > limit
}

struct Running {
    tools: Tools,
    rules: WorkerRules,
    board: Arc<Board>,
    reports: mpsc::UnboundedSender<Report>,
    lanes: Vec<Lane>,
    /// Bytes of buffered rows as last told to the board.
    buffered: u64,
}

impl Running {
    fn new(tools: Tools, rules: WorkerRules, board: Arc<Board>, reports: mpsc::UnboundedSender<Report>) -> Running {
        Running {
            tools,
            rules,
            board,
            reports,
            lanes: Vec::new(),
            buffered: 0,
        }
    }

    fn run(mut self, inbox: &Receiver<Order>) {
        loop {
            loop {
                match inbox.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            if self.round() == 0 {
                std::thread::park_timeout(PARK);
            }
        }
    }

    /// One batch of every lane that may go on. Gives how many records were handled.
    fn round(&mut self) -> usize {
        let held = self.board.uncommitted_records.load(Ordering::Relaxed) >= self.rules.most_records
            || self.board.buffered_bytes.load(Ordering::Relaxed) >= self.rules.most_bytes;
        let clock = now();
        let limit = self.board.limit(self.rules.skew, clock);
        let mut handled = 0;
        let mut index = 0;
        while let Some(lane) = self.lanes.get_mut(index) {
            if lane.halted {
                index += 1;
                continue;
            }
            let waits = lane.counts() && (held || ahead(lane.state.watermark(), limit, clock));
            lane.status.waiting.store(waits, Ordering::Relaxed);
            if waits {
                index += 1;
                continue;
            }
            match lane.step(&mut self.tools) {
                Ok(step) => {
                    handled += step.records;
                    lane.status.done.store(step.done, Ordering::Relaxed);
                    let quiet = lane.status.at_end.load(Ordering::Relaxed) && lane.accepted_at.elapsed() >= self.rules.idle_after;
                    lane.status.idle.store(quiet, Ordering::Relaxed);
                    index += 1;
                }
                Err(error) => {
                    lane.halted = true;
                    lane.status.waiting.store(true, Ordering::Relaxed);
                    let _ = self.reports.send(Report::Failed(lane.partition.clone(), error));
                    index += 1;
                }
            }
        }
        if handled > 0 {
            self.board.records.fetch_add(handled as u64, Ordering::Relaxed);
            self.board.uncommitted_records.fetch_add(handled as u64, Ordering::Relaxed);
            self.tell_buffered();
        }
        handled
    }

    fn tell_buffered(&mut self) {
        let bytes = self.tools.tables.buffered_bytes() as u64;
        if bytes >= self.buffered {
            self.board.buffered_bytes.fetch_add(bytes - self.buffered, Ordering::Relaxed);
        } else {
            self.board.buffered_bytes.fetch_sub(self.buffered - bytes, Ordering::Relaxed);
        }
        self.buffered = bytes;
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Add(mut lane) => {
                lane.accepted_at = Instant::now();
                self.lanes.push(*lane);
            }
            Order::Drain(order, reply) => {
                let drained = self.drain(&order);
                self.lanes.retain(|lane| !order.release.contains(&lane.partition));
                // Whoever asked may have given up; then the process starts again from the log.
                let _ = reply.send(drained);
            }
        }
    }

    fn drain(&mut self, order: &DrainOrder) -> Result<Drained, TableError> {
        let mut drained = Drained {
            unknown_fields: self.tools.decoder.unknown_fields().total(),
            refused: std::mem::take(&mut self.tools.refused).into(),
            ..Drained::default()
        };
        for lane in self.lanes.iter_mut().filter(|lane| lane.counts()) {
            if order.close {
                let tables = &mut self.tools.tables;
                let mut written = Ok(());
                lane.state.close(&mut |attempt| {
                    if written.is_ok() {
                        written = tables.append_attempt(&lane.partition.topic, lane.partition.partition, attempt);
                    }
                });
                written?;
                lane.status.watermark.store(lane.state.watermark().0, Ordering::Relaxed);
            }
            let max_groups = lane.state.plan().spec.max_groups;
            drained.delta.merge_owned(lane.state.take_delta(), max_groups);
            drained.lanes.push(LaneCut {
                partition: lane.partition.clone(),
                from: lane.from,
                to: lane.position,
                watermark: lane.state.watermark(),
                idle: lane.status.idle.load(Ordering::Relaxed),
                done: lane.finished(),
                last: lane.last.record(),
                counters: lane.state.counters.clone(),
                tracked: lane.state.tracked(),
                snapshot: if order.snapshots || (order.cut && lane.compacted && lane.from != lane.position) {
                    postcard::to_allocvec(&lane.state.snapshot()).ok()
                } else {
                    None
                },
            });
            if order.cut {
                lane.from = lane.position;
            }
        }
        if order.cut {
            drained.groups = self.tools.tables.flush()?;
            self.tell_buffered();
        }
        Ok(drained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_lives_in_next_year_does_not_wait_for_ever() {
        let clock = EventTime(1_000_000);
        assert!(ahead(EventTime(900_000), EventTime(800_000), clock));
        assert!(
            !ahead(EventTime(i64::MAX / 2), EventTime(1_000_500), clock),
            "nobody can be ahead of the clock"
        );
        assert!(
            !ahead(EventTime(900_000), EventTime::MIN, clock),
            "who has accepted nothing yet makes nobody wait"
        );
    }
}
