//! What librdkafka calls back: rebalances, statistics, errors, logs.
//!
//! A callback only sends a message to the coordinator and waits for its answer; what is done with partitions is decided there. All
//! callbacks run on the thread that polls, in Rust frames; a panic in one is turned into a fatal error so that it cannot end the polling.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};

use super::cluster;
use super::reader::{KafkaReader, note_signal};
use super::stats::StatsCell;
use crate::source::{Answer, Offered, PartitionRef, Reply, SourceError, SourceEvent, Start, Started};

/// How long the coordinator may take to say where to start; below `max.poll.interval.ms`.
const ASSIGN_DEADLINE: Duration = Duration::from_secs(300);
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// State that the callbacks share with the source.
pub(super) struct Context {
    /// Set once after creation; weak, so that readers and the source alone decide how long the consumer lives.
    pub(super) consumer: OnceLock<Weak<BaseConsumer<Context>>>,
    /// The thread that serves the main queue.
    pub(super) poller: OnceLock<ThreadId>,
    pub(super) stats: StatsCell,
    /// The source was dropped: no answer will come.
    pub(super) abandoned: AtomicBool,
    events: Sender<SourceEvent>,
    revoke_deadline: Duration,
    /// What is assigned, with the flag that tells its reader that it no longer is.
    assigned: Mutex<BTreeMap<PartitionRef, Arc<AtomicBool>>>,
}

impl Context {
    pub(super) fn new(events: Sender<SourceEvent>, revoke_deadline: Duration) -> Self {
        Self {
            consumer: OnceLock::new(),
            poller: OnceLock::new(),
            stats: StatsCell::default(),
            abandoned: AtomicBool::new(false),
            events,
            revoke_deadline,
            assigned: Mutex::default(),
        }
    }

    pub(super) fn send(&self, event: SourceEvent) {
        // A coordinator that is gone needs no news.
        let _ = self.events.send(event);
    }

    pub(super) fn fail(&self, fatal: bool, message: String) {
        self.send(SourceEvent::Error(SourceError { fatal, message }));
    }

    pub(super) fn assigned(&self) -> Vec<PartitionRef> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PartitionRef, Arc<AtomicBool>>> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(&self, base: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let partitions = partitions_of(list);
        let consumer = self.consumer.get().and_then(Weak::upgrade);
        let (Some(consumer), false) = (consumer, partitions.is_empty()) else {
            return incremental(base, list, true);
        };
        let offered = offer(base, &partitions);
        let starts = self.ask_for_starts(offered.clone());
        let mut resolved = TopicPartitionList::with_capacity(partitions.len());
        let mut held = TopicPartitionList::new();
        let mut started = Vec::with_capacity(partitions.len());
        // Whoever paused a partition in an earlier life of it is gone.
        let _ = base.resume(list);
        for (offered, start) in offered.iter().zip(starts) {
            let PartitionRef { topic, partition } = &offered.partition;
            let offset = self.resolve(base, offered, start);
            resolved.add_partition_offset(topic, *partition, offset.map_or(Offset::End, Offset::Offset))?;
            let flag = Arc::new(AtomicBool::new(false));
            self.lock().insert(offered.partition.clone(), Arc::clone(&flag));
            // Before fetching starts, or the first records would land in the main queue.
            match (consumer.split_partition_queue(topic, *partition), offset) {
                (Some(queue), Some(start)) => {
                    let reader = KafkaReader::new(Arc::clone(&consumer), queue, offered.partition.clone(), start, flag);
                    started.push(Started {
                        partition: offered.partition.clone(),
                        start,
                        reader: Box::new(reader),
                    });
                }
                (Some(_), None) => drop(held.add_partition(topic, *partition)),
                (None, _) => self.fail(
                    true,
                    format!("{}: librdkafka has no queue for it; restart the process", offered.partition),
                ),
            }
        }
        incremental(base, &resolved, true)?;
        if held.count() > 0 {
            base.pause(&held)?;
        }
        self.send(SourceEvent::Started(started));
        Ok(())
    }

    fn ask_for_starts(&self, offered: Vec<Offered>) -> Vec<Start> {
        let count = offered.len();
        let (reply, pending) = Reply::channel();
        self.send(SourceEvent::Assigned {
            partitions: offered,
            reply,
        });
        match pending.wait(ASSIGN_DEADLINE, &self.abandoned) {
            Answer::Given(starts) if starts.len() == count => starts,
            Answer::Given(starts) => {
                self.fail(
                    true,
                    format!(
                        "{count} partitions were assigned but {} starts given: a bug, please report it",
                        starts.len()
                    ),
                );
                vec![Start::Hold; count]
            }
            Answer::Dropped => vec![Start::Hold; count],
            Answer::TimedOut => {
                let seconds = ASSIGN_DEADLINE.as_secs();
                self.fail(
                    true,
                    format!("the positions of {count} assigned partitions were not found within {seconds} s; check the output store"),
                );
                vec![Start::Hold; count]
            }
        }
    }

    fn resolve(&self, base: &BaseConsumer<Self>, offered: &Offered, start: Start) -> Option<i64> {
        let partition = &offered.partition;
        let found = match start {
            Start::Hold => return None,
            Start::At(offset) => return Some(offset),
            Start::Earliest => offered
                .watermarks
                .map(|watermarks| watermarks.low)
                .ok_or_else(|| "its offsets are unknown".to_owned()),
            Start::Latest => offered
                .watermarks
                .map(|watermarks| watermarks.high)
                .ok_or_else(|| "its offsets are unknown".to_owned()),
            Start::Time(ms) => cluster::offset_at(base, partition, ms, QUERY_TIMEOUT).map_err(|error| error.to_string()),
        };
        found
            .map_err(|reason| {
                self.fail(
                    true,
                    format!("{partition}: where to start could not be asked of its broker: {reason}; check the broker and restart"),
                );
            })
            .ok()
    }

    fn revoke(&self, base: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let partitions = partitions_of(list);
        if base.assignment_lost() {
            self.forget(&partitions);
            self.send(SourceEvent::Lost(partitions));
        } else if !partitions.is_empty() {
            let (reply, pending) = Reply::channel();
            let deadline = Instant::now() + self.revoke_deadline;
            self.send(SourceEvent::Revoked {
                partitions: partitions.clone(),
                deadline,
                reply,
            });
            if pending.wait(self.revoke_deadline, &self.abandoned) == Answer::TimedOut {
                let seconds = self.revoke_deadline.as_secs_f64();
                tracing::warn!(
                    seconds,
                    "partitions are given back before they were committed; what was staged for them will be read again"
                );
            }
            self.forget(&partitions);
        }
        incremental(base, list, false)
    }

    fn forget(&self, partitions: &[PartitionRef]) {
        let mut assigned = self.lock();
        for partition in partitions {
            if let Some(flag) = assigned.remove(partition) {
                flag.store(true, Ordering::Release);
            }
        }
    }
}

/// A partition list in order, so that nothing depends on the broker's.
fn partitions_of(list: &TopicPartitionList) -> Vec<PartitionRef> {
    let mut partitions: Vec<_> = list
        .elements()
        .iter()
        .map(|element| PartitionRef::new(element.topic(), element.partition()))
        .collect();
    partitions.sort_unstable();
    partitions
}

fn offer(base: &BaseConsumer<Context>, partitions: &[PartitionRef]) -> Vec<Offered> {
    let ask = |partition: &PartitionRef| {
        cluster::watermarks(base, partition, QUERY_TIMEOUT)
            .inspect_err(|error| tracing::warn!(%partition, %error, "the broker does not tell which offsets it holds"))
            .ok()
    };
    partitions
        .iter()
        .map(|partition| Offered {
            partition: partition.clone(),
            watermarks: ask(partition),
        })
        .collect()
}

fn incremental(base: &BaseConsumer<Context>, list: &TopicPartitionList, add: bool) -> KafkaResult<()> {
    match (base.rebalance_protocol(), add) {
        (RebalanceProtocol::Cooperative, true) => base.incremental_assign(list),
        (RebalanceProtocol::Cooperative, false) => base.incremental_unassign(list),
        (_, true) => base.assign(list),
        (_, false) => base.unassign(),
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, base: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let outcome = catch_unwind(AssertUnwindSafe(|| match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(base, list),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.revoke(base, list),
            other => {
                self.fail(
                    false,
                    format!(
                        "the consumer group failed to rebalance: {}; it will try again",
                        RDKafkaErrorCode::from(other)
                    ),
                );
                incremental(base, list, false)
            }
        }));
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(true, format!("a rebalance could not be carried out: {error}; restart the process")),
            Err(_) => self.fail(
                true,
                "a rebalance ended in a panic: a bug, please report it with the log; restart the process".to_owned(),
            ),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // A rebalance in between makes this normal; the commit log is what counts.
            tracing::info!(%error, "offsets for lag tools were not taken by the consumer group; the next commit sends them again");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.stats.set(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if self.poller.get() != Some(&std::thread::current().id()) {
            return note_signal(code, reason);
        }
        match explain(code) {
            Some(advice) => self.fail(false, format!("Kafka: {reason} ({code}); {advice}")),
            None => tracing::warn!(%code, reason, "Kafka client"),
        }
    }
}

/// What to do about errors that do not go away by themselves.
pub(super) fn explain(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "check sasl.mechanism, sasl.username and sasl.password in kafka.security against the broker's"
        }
        Code::SSL => {
            "check kafka.security: protocol, tls.ca (the authority that signed the broker's certificate), and the host names in it"
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic => "create the topic, or correct kafka.topics",
        Code::TopicAuthorizationFailed => "grant READ and DESCRIBE on the topic to the user of kafka.security",
        Code::GroupAuthorizationFailed => "grant READ on the consumer group kafka.group_id to the user of kafka.security",
        Code::ClusterAuthorizationFailed => "grant DESCRIBE on the cluster to the user of kafka.security",
        Code::PollExceeded => "the process was stopped or starved for minutes; partitions come back by themselves",
        _ => return None,
    })
}

pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::warn!(target: "librdkafka", facility, message);
        }
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => tracing::info!(target: "librdkafka", facility, message),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, message),
    }
}
