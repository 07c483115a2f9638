//! A coordinator and worker in one thread: reads everything that a source hands out and remembers it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tidegauge_ingest::kafka::{KafkaSource, Settings};
use tidegauge_ingest::source::{Offered, PartitionReader, PartitionRef, ReadError, Source, SourceEvent, Start};

/// One record that was read, in full.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub offset: i64,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

pub type Starts = Box<dyn FnMut(&Offered) -> Start>;

pub struct Reading {
    pub source: KafkaSource,
    pub readers: BTreeMap<PartitionRef, Box<dyn PartitionReader>>,
    pub seen: BTreeMap<PartitionRef, Vec<Seen>>,
    /// Position and whether it is the end, per partition.
    pub state: BTreeMap<PartitionRef, (i64, bool)>,
    pub offered: Vec<Offered>,
    pub revoked: Vec<PartitionRef>,
    pub lost: Vec<PartitionRef>,
    pub errors: Vec<String>,
    pub read_errors: Vec<ReadError>,
    pub stopped: bool,
    /// Records handed out by one read.
    pub batch: usize,
    events: Receiver<SourceEvent>,
    starts: Starts,
}

impl Reading {
    pub fn start(settings: &Settings, starts: impl FnMut(&Offered) -> Start + 'static) -> Reading {
        let (sender, events) = channel();
        let source = KafkaSource::start(settings, sender).expect("the source starts");
        Reading {
            source,
            readers: BTreeMap::new(),
            seen: BTreeMap::new(),
            state: BTreeMap::new(),
            offered: Vec::new(),
            revoked: Vec::new(),
            lost: Vec::new(),
            errors: Vec::new(),
            read_errors: Vec::new(),
            stopped: false,
            batch: 500,
            events,
            starts: Box::new(starts),
        }
    }

    /// Handles what happened and reads one batch of each partition.
    pub fn step(&mut self) -> usize {
        while let Ok(event) = self.events.try_recv() {
            self.handle(event);
        }
        let mut records = 0;
        let mut failed = Vec::new();
        for (partition, reader) in &mut self.readers {
            let seen = self.seen.entry(partition.clone()).or_default();
            let mut last = None;
            let outcome = reader.read(self.batch, &mut |record| {
                assert_eq!((record.topic, record.partition), (&*partition.topic, partition.partition));
                assert!(last < Some(record.offset), "{partition}: offset {} after {last:?}", record.offset);
                last = Some(record.offset);
                seen.push(Seen {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record
                        .headers
                        .iter()
                        .map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec)))
                        .collect(),
                });
            });
            match outcome {
                Ok(state) => {
                    records += state.records;
                    self.state.insert(partition.clone(), (state.position, state.at_end));
                }
                Err(error) => failed.push((partition.clone(), error)),
            }
        }
        for (partition, error) in failed {
            self.readers.remove(&partition);
            self.read_errors.push(error);
        }
        records
    }

    fn handle(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Assigned { partitions, reply } => {
                let starts = partitions.iter().map(|offered| (self.starts)(offered)).collect();
                self.offered.extend(partitions);
                reply.send(starts);
            }
            SourceEvent::Started(started) => {
                for started in started {
                    assert!(
                        self.readers.insert(started.partition.clone(), started.reader).is_none(),
                        "two readers of {}",
                        started.partition
                    );
                }
            }
            SourceEvent::Revoked { partitions, reply, .. } => {
                partitions.iter().for_each(|partition| drop(self.readers.remove(partition)));
                self.revoked.extend(partitions);
                reply.send(());
            }
            SourceEvent::Lost(partitions) => {
                partitions.iter().for_each(|partition| drop(self.readers.remove(partition)));
                self.lost.extend(partitions);
            }
            SourceEvent::Error(error) => self.errors.push(error.message),
            SourceEvent::Stopped => self.stopped = true,
        }
    }

    /// Steps until the condition holds.
    pub fn until(&mut self, what: &str, condition: impl Fn(&Reading) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            if self.step() == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(
                Instant::now() < deadline,
                "{what}: not within a minute; {} records, state {:?}, errors {:?}, {:?}",
                self.count(),
                self.state,
                self.errors,
                self.read_errors
            );
        }
    }

    /// Records read so far.
    pub fn count(&self) -> usize {
        self.seen.values().map(Vec::len).sum()
    }

    /// All partitions that are read stand at their end, and there are this many.
    pub fn at_end(&self, partitions: usize) -> bool {
        self.readers.len() == partitions
            && self
                .readers
                .keys()
                .all(|partition| self.state.get(partition).is_some_and(|(_, at_end)| *at_end))
    }

    /// Values of one partition as text, in order.
    pub fn values(&self, topic: &str, partition: i32) -> Vec<String> {
        let seen = self.seen.get(&PartitionRef::new(topic, partition));
        seen.into_iter()
            .flatten()
            .map(|seen| String::from_utf8_lossy(seen.value.as_deref().unwrap_or_default()).into_owned())
            .collect()
    }

    /// Leaves the group.
    pub fn stop(&mut self) {
        self.source.stop();
        self.until("leave the group", |reading| reading.stopped);
    }
}
