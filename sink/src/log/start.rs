//! Where partitions begin.

use super::LogState;

impl LogState {
    /// The first offset of a partition that counts in this pipeline; 0 for one that came later.
    #[must_use]
    pub fn start_of(&self, topic: &str, partition: i32) -> i64 {
        let topic = self.identity.topics.iter().find(|t| t.topic == topic);
        topic
            .and_then(|t| t.partitions.iter().find(|p| p.partition == partition))
            .map_or(0, |p| p.start)
    }
}
