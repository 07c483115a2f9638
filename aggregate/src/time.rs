//! Event time in milliseconds and the arithmetic of aligned windows.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, in UTC. Also right before the epoch, where window arithmetic must round down, not towards zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(pub i64);

/// A span of time in milliseconds; never negative in a validated [`crate::spec::Spec`].
pub type Millis = i64;

impl EventTime {
    /// Earlier than every event; the watermark of a partition that has accepted nothing.
    pub const MIN: EventTime = EventTime(i64::MIN);
    /// Later than every event; the watermark of a closed partition.
    pub const MAX: EventTime = EventTime(i64::MAX);

    /// This time plus `span`, saturating at the ends of the range.
    #[must_use]
    pub fn plus(self, span: Millis) -> EventTime {
        EventTime(self.0.saturating_add(span))
    }

    /// This time minus `span`; the two ends of the range stay where they are, since "nothing yet" minus a lateness is still "nothing yet".
    #[must_use]
    pub fn minus(self, span: Millis) -> EventTime {
        match self {
            EventTime::MIN | EventTime::MAX => self,
            EventTime(ms) => EventTime(ms.saturating_sub(span)),
        }
    }

    /// Whether it is so far from the ends of the range that differences of two such times, and sums with spans, stay within it.
    pub(crate) fn is_moderate(self) -> bool {
        self.0.unsigned_abs() <= 1 << 60
    }

    /// Start of the aligned interval of length `size` that holds this time.
    #[must_use]
    pub fn floor_to(self, size: Millis) -> EventTime {
        EventTime(self.0.div_euclid(size).saturating_mul(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_rounds_down_before_the_epoch_too() {
        assert_eq!(EventTime(-1).floor_to(60_000), EventTime(-60_000));
        assert_eq!(EventTime(-60_000).floor_to(60_000), EventTime(-60_000));
        assert_eq!(EventTime(59_999).floor_to(60_000), EventTime(0));
    }

    #[test]
    fn nothing_yet_minus_a_lateness_is_still_nothing_yet() {
        assert_eq!(EventTime::MIN.minus(1), EventTime::MIN);
        assert_eq!(EventTime::MAX.minus(1), EventTime::MAX);
    }
}
