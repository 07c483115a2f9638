//! The demo's producer: two hours of history as fast as the pipeline takes it, then traffic in real time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::generate::{Generator, Options, Schedule};
use crate::pipeline::PipelineError;

/// History at the start: what windows of an hour and the ones before them, which they are compared with, are computed from.
const HISTORY_MS: i64 = 130 * 60_000;
/// So many records of it, so that a high rate does not make the start long.
const HISTORY_RECORDS: f64 = 1_600_000.0;
/// The embedded broker keeps a few MiB a partition and then drops the oldest, so traffic must not run far ahead of the pipeline.
const AHEAD: u64 = 20_000;

/// A running producer.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    pub(super) sent: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

pub(super) fn clock() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

impl Traffic {
    pub(super) fn start(brokers: &str, rate: f64, seed: u64, partitions: u32, handled: Arc<AtomicU64>) -> Result<Traffic, PipelineError> {
        let failed = |what: &str, error: &dyn std::fmt::Display| PipelineError {
            message: format!("{what}: {error}"),
            usage: false,
            again: false,
        };
        let options = Options {
            seed,
            start: clock() - HISTORY_MS.min((HISTORY_RECORDS / rate * 1_000.0) as i64),
            rate,
            users: 5_000,
            partitions,
            schedule: Some(Schedule::default()),
            ..Options::default()
        };
        let generator = Generator::new(&options).map_err(|e| PipelineError {
            message: e.to_string(),
            usage: true,
            again: false,
        })?;
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "50000")
            .create()
            .map_err(|e| failed("the demo's producer cannot be made", &e))?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let running = Running {
            producer,
            stop: Arc::clone(&stop),
            sent: Arc::clone(&sent),
            handled,
        };
        let thread = std::thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(move || running.run(generator));
        let thread = thread.map_err(|e| failed("the demo's producer cannot be started", &e))?;
        Ok(Traffic {
            stop,
            sent,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

struct Running {
    producer: BaseProducer,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    handled: Arc<AtomicU64>,
}

impl Running {
    fn run(self, mut generator: Generator) {
        while !self.stop.load(Ordering::Relaxed) {
            let record = generator.draw();
            while self.early(record.timestamp) {
                self.producer.poll(Duration::from_millis(10));
                if self.stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            let mut message = BaseRecord::<[u8], [u8]>::to(record.topic)
                .partition(record.partition)
                .timestamp(record.timestamp)
                .key(record.key());
            if let Some(value) = record.value() {
                message = message.payload(value);
            }
            while let Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) = self.producer.send(message) {
                message = again;
                self.producer.poll(Duration::from_millis(10));
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            let sent = self.sent.fetch_add(1, Ordering::Relaxed);
            if sent.is_multiple_of(64) {
                self.producer.poll(Duration::ZERO);
            }
        }
        let _ = self.producer.flush(Duration::from_secs(2));
    }

    /// Whether a record is not to be sent yet.
    fn early(&self, timestamp: i64) -> bool {
        let ahead = self
            .sent
            .load(Ordering::Relaxed)
            .saturating_sub(self.handled.load(Ordering::Relaxed));
        timestamp > clock() || ahead >= AHEAD
    }
}
