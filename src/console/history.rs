//! Committed results of the past, as they stand in the table `metrics`, within a bound of memory.
//!
//! Of each window and grouping the newest positions are kept in full; before them, of windows that overlap, those that do not. When there are more
//! points than allowed, the window and grouping with the most of them gives its oldest position up, so that a grouping of many groups does not cost
//! the others their past.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegauge_aggregate::row::{GroupKey, MetricRow};
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::{EventTime, Millis};

/// Positions of a window that are kept in full.
const RECENT: i64 = 60;
/// Positions of a window at most.
const POSITIONS: usize = 240;

/// One number of the past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// End of the window position.
    pub end: EventTime,
    /// The estimate; NaN where a revision took it back.
    value: f64,
    lower: f64,
    upper: f64,
    /// Sample size.
    pub n: u64,
    numerator: u64,
    denominator: u64,
    /// How often it was corrected.
    pub revision: u32,
}

/// Stands for no count: a point of options would be half as large again.
const NO_COUNT: u64 = u64::MAX;

impl Point {
    fn of(row: &MetricRow) -> Point {
        Point {
            end: row.window_end,
            value: row.value.unwrap_or(f64::NAN),
            lower: row.lower.unwrap_or(f64::NAN),
            upper: row.upper.unwrap_or(f64::NAN),
            n: row.n,
            numerator: row.numerator.unwrap_or(NO_COUNT),
            denominator: row.denominator.unwrap_or(NO_COUNT),
            revision: row.revision,
        }
    }

    /// The estimate, unless a revision took it back.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        real(self.value)
    }

    /// The interval, where there is one.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        Some((real(self.lower)?, real(self.upper)?))
    }

    /// Numerator, where there is one.
    #[must_use]
    pub fn numerator(&self) -> Option<u64> {
        (self.numerator != NO_COUNT).then_some(self.numerator)
    }

    /// Denominator, where there is one.
    #[must_use]
    pub fn denominator(&self) -> Option<u64> {
        (self.denominator != NO_COUNT).then_some(self.denominator)
    }
}

fn real(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// What a line of points is about, within a window and a grouping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The metric.
    pub metric: &'static str,
    /// Which number of it.
    pub stat: &'static str,
    /// The group.
    pub group: GroupKey,
    /// What it is split by besides.
    pub label: Option<Arc<str>>,
}

impl SeriesKey {
    /// What a row is a point of.
    #[must_use]
    pub fn of(row: &MetricRow) -> SeriesKey {
        SeriesKey {
            metric: row.metric,
            stat: row.stat,
            group: row.group.clone(),
            label: row.label.clone(),
        }
    }
}

/// All that is kept of one window and grouping.
#[derive(Debug)]
struct Shelf {
    series: BTreeMap<SeriesKey, Vec<Point>>,
    /// How many points each position has.
    positions: BTreeMap<EventTime, usize>,
    points: usize,
    /// Positions up to here were given up and do not come back by halves.
    given_up: EventTime,
}

impl Default for Shelf {
    fn default() -> Shelf {
        Shelf {
            series: BTreeMap::new(),
            positions: BTreeMap::new(),
            points: 0,
            given_up: EventTime::MIN,
        }
    }
}

/// Committed results of the past.
#[derive(Debug)]
pub struct History {
    /// Size and slide of each window.
    windows: Vec<(Millis, Millis)>,
    shelves: BTreeMap<(usize, usize), Shelf>,
    most: usize,
    points: usize,
}

impl History {
    /// Empty, for so many points at most.
    #[must_use]
    pub fn new(spec: &Spec, most: usize) -> History {
        History {
            windows: spec.windows.iter().map(|w| (w.size, w.slide)).collect(),
            shelves: BTreeMap::new(),
            most,
            points: 0,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.shelves.clear();
        self.points = 0;
    }

    /// Adds a row, unless it is older than what is kept or a higher revision of it is there. Rows may come in any order.
    pub fn add(&mut self, row: &MetricRow) {
        let Some((size, slide)) = self.windows.get(row.window).copied() else {
            return;
        };
        let shelf = self.shelves.entry((row.window, row.grouping)).or_default();
        let newest = shelf.positions.last_key_value().map(|(end, _)| *end);
        let end = row.window_end;
        if end <= shelf.given_up || newest.is_some_and(|newest| !is_kept(end, newest, size, slide)) {
            return;
        }
        if shelf.insert(SeriesKey::of(row), Point::of(row)) {
            self.points += 1;
        }
        if newest.is_some_and(|newest| end > newest) {
            let old: Vec<EventTime> = shelf
                .positions
                .range(..end.minus(RECENT.saturating_mul(slide)))
                .map(|(old, _)| *old)
                .filter(|old| !is_kept(*old, end, size, slide))
                .collect();
            self.points -= old.into_iter().map(|old| shelf.remove(old)).sum::<usize>();
        }
        while shelf.positions.len() > POSITIONS {
            self.points -= shelf.give_up_oldest();
        }
        while self.points > self.most {
            let Some(largest) = self.shelves.values_mut().max_by_key(|shelf| shelf.points) else {
                return;
            };
            self.points -= largest.give_up_oldest();
        }
    }

    /// The lines of a metric's number in a window and a grouping, by group and label.
    pub fn series(
        &self,
        window: usize,
        grouping: usize,
        metric: &'static str,
        stat: &'static str,
    ) -> impl Iterator<Item = (&SeriesKey, &[Point])> {
        let shelf = self.shelves.get(&(window, grouping));
        let all = shelf.into_iter().flat_map(|shelf| &shelf.series);
        let mine = move |(key, _): &(&SeriesKey, &Vec<Point>)| key.metric == metric && key.stat == stat;
        all.filter(mine).map(|(key, points)| (key, points.as_slice()))
    }

    /// One line, oldest point first.
    #[must_use]
    pub fn line(&self, window: usize, grouping: usize, key: &SeriesKey) -> &[Point] {
        let shelf = self.shelves.get(&(window, grouping));
        shelf.and_then(|shelf| shelf.series.get(key)).map_or(&[], Vec::as_slice)
    }

    /// The newest position of a window and a grouping.
    #[must_use]
    pub fn newest(&self, window: usize, grouping: usize) -> Option<EventTime> {
        let shelf = self.shelves.get(&(window, grouping))?;
        shelf.positions.last_key_value().map(|(end, _)| *end)
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn approximate_bytes(&self) -> u64 {
        let series: usize = self.shelves.values().map(|shelf| shelf.series.len()).sum();
        (self.points * size_of::<Point>() + series * 160) as u64
    }

    /// How many points there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points == 0
    }
}

/// Whether a position is among the recent ones, or one of those before that do not overlap.
fn is_kept(end: EventTime, newest: EventTime, size: Millis, slide: Millis) -> bool {
    end >= newest.minus(RECENT.saturating_mul(slide)) || end.0.rem_euclid(size.max(1)) == 0
}

impl Shelf {
    /// Gives whether it is one more.
    fn insert(&mut self, key: SeriesKey, point: Point) -> bool {
        let line = self.series.entry(key).or_default();
        match line.binary_search_by_key(&point.end, |known| known.end) {
            Ok(at) => {
                if let Some(known) = line.get_mut(at).filter(|known| known.revision <= point.revision) {
                    *known = point;
                }
                false
            }
            Err(at) => {
                line.insert(at, point);
                *self.positions.entry(point.end).or_default() += 1;
                self.points += 1;
                true
            }
        }
    }

    /// Gives how many points that were.
    fn remove(&mut self, end: EventTime) -> usize {
        self.series.retain(|_, line| {
            if let Ok(at) = line.binary_search_by_key(&end, |point| point.end) {
                line.remove(at);
            }
            !line.is_empty()
        });
        let gone = self.positions.remove(&end).unwrap_or_default();
        self.points -= gone;
        gone
    }

    fn give_up_oldest(&mut self) -> usize {
        let Some((end, _)) = self.positions.first_key_value() else {
            return 0;
        };
        let end = *end;
        self.given_up = self.given_up.max(end);
        self.remove(end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MINUTE: i64 = 60_000;

    fn row(window: usize, end: i64, group: &str, value: f64, revision: u32) -> MetricRow {
        MetricRow {
            window,
            window_start: EventTime(end - 5 * MINUTE),
            window_end: EventTime(end),
            grouping: 1,
            group: Arc::from([Some(Arc::from(group))]),
            metric: "task_success_ratio",
            stat: "value",
            label: None,
            value: Some(value),
            lower: None,
            upper: None,
            n: 1,
            numerator: None,
            denominator: None,
            revision,
        }
    }

    fn history(most: usize) -> History {
        History::new(&Spec::default(), most)
    }

    fn ends(history: &History, window: usize, group: &str) -> Vec<i64> {
        let key = SeriesKey::of(&row(window, 0, group, 0.0, 0));
        history.line(window, 1, &key).iter().map(|point| point.end.0 / MINUTE).collect()
    }

    /// The five-minute window, sliding by one.
    const FIVE: usize = 1;

    #[test]
    fn recent_positions_are_kept_in_full_and_older_ones_where_they_do_not_overlap() {
        let (mut forwards, mut backwards) = (history(100_000), history(100_000));
        for minute in 0..=100 {
            forwards.add(&row(FIVE, minute * MINUTE, "a", 0.5, 0));
            backwards.add(&row(FIVE, (100 - minute) * MINUTE, "a", 0.5, 0));
        }
        let kept: Vec<i64> = (0..=100).filter(|minute| *minute >= 40 || minute % 5 == 0).collect();
        assert_eq!(ends(&forwards, FIVE, "a"), kept);
        assert_eq!(ends(&backwards, FIVE, "a"), kept, "whichever way they come");
        assert_eq!(forwards.len(), kept.len());
    }

    #[test]
    fn the_highest_revision_wins_in_any_order_and_a_row_taken_back_stays_so() {
        let mut history = history(100);
        let key = SeriesKey::of(&row(FIVE, MINUTE, "a", 0.0, 0));
        let value = |history: &History| history.line(FIVE, 1, &key)[0].value();
        history.add(&row(FIVE, MINUTE, "a", 0.5, 1));
        history.add(&row(FIVE, MINUTE, "a", 0.4, 0));
        assert_eq!(value(&history), Some(0.5));
        history.add(&MetricRow {
            value: None,
            ..row(FIVE, MINUTE, "a", 0.0, 2)
        });
        history.add(&row(FIVE, MINUTE, "a", 0.5, 1));
        assert_eq!((value(&history), history.len()), (None, 1));
    }

    #[test]
    fn what_has_most_points_gives_its_oldest_up_and_does_not_get_it_back_by_halves() {
        let mut history = history(30);
        let hour = 2;
        for position in 1..=10 {
            history.add(&row(hour, position * 5 * MINUTE, "few", 0.5, 0));
        }
        for position in 1..=10 {
            for group in ["a", "b", "c", "d"] {
                history.add(&row(FIVE, position * MINUTE, group, 0.5, 0));
            }
        }
        assert_eq!(ends(&history, hour, "few").len(), 10, "the small one keeps its past");
        assert_eq!(ends(&history, FIVE, "a"), [6, 7, 8, 9, 10]);
        history.add(&row(FIVE, MINUTE, "a", 0.5, 1));
        assert_eq!(ends(&history, FIVE, "a"), [6, 7, 8, 9, 10]);
        assert_eq!(history.len(), 30);
    }

    #[test]
    fn a_single_position_beyond_the_bound_is_not_kept_at_all() {
        let mut history = history(3);
        for group in ["a", "b", "c", "d", "e"] {
            history.add(&row(FIVE, MINUTE, group, 0.5, 0));
        }
        assert!(history.is_empty());
    }

    #[test]
    fn no_more_positions_are_kept_than_allowed() {
        let mut history = history(100_000);
        for position in 0..1_000 {
            history.add(&row(FIVE, position * 5 * MINUTE, "a", 0.5, 0));
        }
        assert_eq!(history.len(), POSITIONS);
    }
}
