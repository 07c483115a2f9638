//! The wall clock. Nothing that depends on it reaches a result; it decides what is idle and how far ahead a partition may be.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegauge_aggregate::time::EventTime;

/// What time it is.
pub(crate) fn now() -> EventTime {
    #[cfg(test)]
    if let Some(now) = simulated::now() {
        return now;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A clock that a simulation sets.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;

    use tidegauge_aggregate::time::EventTime;
    use tokio::time::Instant;

    thread_local! {
        static CLOCK: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
    }

    /// From now on it is `time`, and goes on with the runtime's time; without one, with the real clock.
    pub(crate) fn set(time: Option<i64>) {
        CLOCK.set(time.map(|time| (Instant::now(), time)));
    }

    pub(crate) fn now() -> Option<EventTime> {
        let (since, time) = CLOCK.get()?;
        Some(EventTime(time + since.elapsed().as_millis() as i64))
    }
}
