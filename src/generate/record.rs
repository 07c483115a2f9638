//! What the generator hands out.

use super::random::mix;

/// One record, ready to be produced to Kafka or written to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedRecord {
    /// [`TELEMETRY`](super::TELEMETRY) or [`FEEDBACK`](super::FEEDBACK).
    pub topic: &'static str,
    /// Partition, from a stable hash of the key.
    pub partition: i32,
    /// Record timestamp: when the producer sent it, some network delay after the event.
    pub timestamp: i64,
    /// Why the contract refuses it, in the contract's words; `None` for a good record.
    pub refused: Option<&'static str>,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) tombstone: bool,
}

impl GeneratedRecord {
    pub(super) fn new() -> GeneratedRecord {
        GeneratedRecord {
            topic: super::TELEMETRY,
            partition: 0,
            timestamp: 0,
            refused: None,
            key: Vec::with_capacity(64),
            value: Vec::with_capacity(1024),
            tombstone: false,
        }
    }

    /// Record key: a user, session or ticket id, always ASCII.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Record value; `None` is a tombstone.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        (!self.tombstone).then_some(self.value.as_slice())
    }

    /// Copies another record into this one's buffers.
    pub(super) fn copy_from(&mut self, other: &GeneratedRecord) {
        self.topic = other.topic;
        self.partition = other.partition;
        self.timestamp = other.timestamp;
        self.refused = other.refused;
        self.tombstone = other.tombstone;
        self.key.clone_from(&other.key);
        self.value.clone_from(&other.value);
    }
}

/// The partition of a key, by a hash that never changes: FNV-1a, and then mixed, since keys that count up differ in a few low bits only.
pub(super) fn partition(key: &[u8], partitions: u32) -> i32 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in key {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    }
    (((mix(hash) >> 32) * u64::from(partitions)) >> 32) as i32
}
