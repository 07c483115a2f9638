//! Sessions as something that can be counted up: distinct ids do not add up, but those of one hour only ever become more. So a session counts
//! once in every hour of event time in which it is active, and as crashed once in every hour in which it has a fatal error.

use std::collections::BTreeMap;

use crate::catalogue::bits;
use crate::measure::Sketch;
use crate::row::GroupKey;
use crate::time::{EventTime, Millis};

const HOUR: Millis = 3_600_000;
/// Hours that are remembered: those touched last, since partitions may be an hour apart. One that comes back after it was forgotten counts anew.
const HELD: usize = 3;

/// The sessions of the hours that were touched last, the latest at the end.
#[derive(Clone, Debug)]
pub(crate) struct Visits {
    hours: Vec<(EventTime, Groups)>,
    limit: usize,
}

/// By grouping and group.
type Groups = BTreeMap<(usize, GroupKey), Seen>;

#[derive(Clone, Debug)]
struct Seen {
    sessions: Sketch,
    counted: New,
}

/// How many more there are than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct New {
    pub(crate) sessions: u64,
    pub(crate) crashed: u64,
}

impl Visits {
    /// At most about `limit` groups an hour.
    pub(crate) fn new(limit: usize) -> Visits {
        Visits { hours: Vec::new(), limit }
    }

    /// Adds sessions of a pane; tells how many of them are new to its hour, if there are any at all. A group for which there is no room shares that
    /// of `other`.
    pub(crate) fn add(&mut self, pane: EventTime, (grouping, key, other): (usize, &GroupKey, &GroupKey), sessions: &Sketch) -> Option<New> {
        if sessions.is_empty() {
            return None;
        }
        let limit = self.limit;
        let groups = self.touch(pane.floor_to(HOUR));
        let mut of = (grouping, key.clone());
        if groups.len() >= limit && !groups.contains_key(&of) {
            of.1 = other.clone();
        }
        let seen = groups.entry(of).or_insert_with(|| Seen {
            sessions: Sketch::new(sessions.capacity()),
            counted: New::default(),
        });
        seen.sessions.merge(sessions);
        Some(seen.count())
    }

    fn touch(&mut self, hour: EventTime) -> &mut Groups {
        let groups = match self.hours.iter().position(|(known, _)| *known == hour) {
            Some(at) => self.hours.remove(at).1,
            None => Groups::new(),
        };
        if self.hours.len() == HELD {
            self.hours.remove(0);
        }
        &mut self.hours.push_mut((hour, groups)).1
    }
}

impl Seen {
    /// Beyond `k` ids the numbers are estimates, which may sink when there are more: a counter then waits until they have risen again.
    fn count(&mut self) -> New {
        let theta = self.sessions.bound();
        let of = |wanted: fn(u16) -> bool| theta.estimate(self.sessions.count(theta, wanted));
        let sessions = of(|bits| bits & bits::ACTIVE != 0).max(self.counted.sessions);
        let crashed = of(|bits| bits & bits::ACTIVE != 0 && bits & bits::CRASHED != 0).max(self.counted.crashed);
        let new = New {
            sessions: sessions - self.counted.sessions,
            crashed: crashed - self.counted.crashed,
        };
        self.counted = New { sessions, crashed };
        new
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    const MINUTE: Millis = 60_000;

    fn group(name: &str) -> GroupKey {
        vec![Some(Arc::from(name))].into()
    }

    /// Sessions by number, all active, some crashed.
    fn sketch(k: usize, sessions: std::ops::Range<u64>, crashed: bool) -> Sketch {
        let bits = bits::ACTIVE | if crashed { bits::CRASHED } else { 0 };
        Sketch::from_unsorted(k, sessions.map(|n| (xxh3_64(&n.to_le_bytes()), bits)).collect())
    }

    fn new(sessions: u64, crashed: u64) -> Option<New> {
        Some(New { sessions, crashed })
    }

    #[test]
    fn a_session_counts_once_an_hour_and_once_more_when_it_crashes() {
        let mut visits = Visits::new(10);
        let mut add = |minute: i64, sketch: &Sketch| visits.add(EventTime(minute * MINUTE), (0, &group("shop"), &group("other")), sketch);
        assert_eq!(add(0, &sketch(100, 0..10, false)), new(10, 0));
        assert_eq!(add(0, &sketch(100, 5..12, false)), new(2, 0), "the same minute, drained again");
        assert_eq!(add(59, &sketch(100, 0..3, true)), new(0, 3));
        assert_eq!(add(59, &sketch(100, 2..4, true)), new(0, 1));
        assert_eq!(add(60, &sketch(100, 0..12, false)), new(12, 0), "a new hour");
        assert_eq!(add(59, &sketch(100, 10..13, false)), new(1, 0), "the hour before is still known");
        assert_eq!(add(61, &Sketch::new(100)), None);
    }

    #[test]
    fn an_hour_is_forgotten_when_three_others_were_touched_since() {
        let mut visits = Visits::new(10);
        let mut add = |hour: i64| {
            visits.add(
                EventTime(hour * HOUR),
                (0, &group("shop"), &group("other")),
                &sketch(100, 0..1, false),
            )
        };
        // One clock that runs ahead costs a place, no more.
        for (hour, sessions) in [
            (0, 1),
            (900_000, 1),
            (0, 0),
            (1, 1),
            (0, 0),
            (2, 1),
            (0, 0),
            (3, 1),
            (4, 1),
            (5, 1),
            (0, 1),
        ] {
            assert_eq!(add(hour), new(sessions, 0), "{hour}");
        }
    }

    #[test]
    fn counts_never_sink_and_stay_near_the_truth_beyond_k() {
        let mut visits = Visits::new(10);
        let mut total = 0;
        for batch in 0..100 {
            let ids = batch * 1_000..(batch + 1) * 1_000 + 500;
            let added = visits
                .add(EventTime(0), (0, &group("shop"), &group("other")), &sketch(4_096, ids, false))
                .unwrap();
            total += added.sessions;
        }
        let error = (total as f64 / 100_500.0 - 1.0).abs();
        assert!(error < 0.05, "{total}");
    }

    #[test]
    fn groups_for_which_there_is_no_room_share_a_place() {
        let mut visits = Visits::new(1);
        let (a, b, c, other) = (group("a"), group("b"), group("c"), group("other"));
        let mut add = |hour: i64, key, ids| visits.add(EventTime(hour * HOUR), (0, key, &other), &sketch(10, ids, false));
        assert_eq!(add(0, &a, 0..1), new(1, 0));
        assert_eq!(add(0, &b, 0..1), new(1, 0));
        assert_eq!(add(0, &c, 0..2), new(1, 0), "one was counted as b's already");
        assert_eq!(add(0, &a, 0..2), new(1, 0));
        assert_eq!(add(1, &b, 0..2), new(2, 0), "there is room in another hour");
    }
}
