//! `Tally`: every additive measure of one group, as the layout lays them out.

use serde::{Deserialize, Serialize};

use crate::catalogue::Amount;
use crate::fact::Fact;
use crate::layout::Layout;
use crate::measure::{Histogram, LogMoment, MOST_COUNTED, Moment, Money, Unit};

/// The additive measures of one group: all but the distinct counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Facts of any kind that the group holds.
    pub facts: u64,
    pub(crate) counts: Box<[u64]>,
    pub(crate) moments: Box<[Moment]>,
    pub(crate) logs: Box<[LogMoment]>,
    pub(crate) histograms: Box<[Histogram]>,
    pub(crate) money: Money,
}

impl Tally {
    pub(crate) fn new(layout: &Layout) -> Tally {
        Tally {
            facts: 0,
            counts: vec![0; layout.counts].into_boxed_slice(),
            moments: vec![Moment::default(); layout.moments].into_boxed_slice(),
            logs: vec![LogMoment::default(); layout.logs].into_boxed_slice(),
            histograms: vec![Histogram::default(); layout.histograms].into_boxed_slice(),
            money: Money::default(),
        }
    }

    /// Whether the measures are laid out as `layout` says; false for state of another specification.
    #[must_use]
    pub fn fits(&self, layout: &Layout) -> bool {
        let moments = self.moments.iter().map(|m| m.n).chain(self.logs.iter().map(|l| l.n));
        let mut counted = std::iter::once(self.facts).chain(self.counts.iter().copied()).chain(moments);
        self.counts.len() == layout.counts
            && self.moments.len() == layout.moments
            && self.logs.len() == layout.logs
            && self.histograms.len() == layout.histograms
            && counted.all(|n| n <= MOST_COUNTED)
            && self.histograms.iter().all(Histogram::is_sound)
            && self.money.is_sound()
    }

    /// An estimate of the memory that the measures take.
    pub(crate) fn approximate_bytes(&self) -> u64 {
        let fixed = size_of_val(&*self.counts) + size_of_val(&*self.moments) + size_of_val(&*self.logs) + size_of_val(&*self.histograms);
        let buckets: usize = self.histograms.iter().map(Histogram::buckets_held).sum();
        (fixed + buckets * size_of::<(i16, u64)>() + self.money.currencies().count() * 64) as u64
    }

    #[inline]
    pub(crate) fn add(&mut self, layout: &Layout, fact: &Fact, currency: Option<&str>) {
        self.facts += 1;
        let feeds = &layout.feeds[fact.kind as usize];
        for (when, slot) in &feeds.counts {
            if when.holds(fact) {
                self.counts[*slot as usize] += 1;
            }
        }
        for (when, of, slot) in &feeds.moments {
            if let Some(value) = of.of(fact)
                && when.holds(fact)
            {
                self.moments[*slot as usize].add(value);
            }
        }
        for (when, slot) in &feeds.logs {
            if let Some(value) = fact.value
                && when.holds(fact)
            {
                self.logs[*slot as usize].add(value);
            }
        }
        for (when, of, slot) in &feeds.histograms {
            if let Some(value) = of.of(fact)
                && when.holds(fact)
            {
                let unit = if *of == Amount::Millis { Unit::Seconds } else { Unit::Count };
                self.histograms[*slot as usize].add(unit, value);
            }
        }
        if feeds.money {
            self.money.add(currency, fact.amount_micros);
        }
    }

    /// Empties every measure and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.facts = 0;
        self.counts.fill(0);
        self.moments.fill(Moment::default());
        self.logs.fill(LogMoment::default());
        for histogram in &mut self.histograms {
            histogram.clear();
        }
        self.money = Money::default();
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        self.facts += other.facts;
        for (a, b) in self.counts.iter_mut().zip(&other.counts) {
            *a += b;
        }
        for (a, b) in self.moments.iter_mut().zip(&other.moments) {
            a.merge(b);
        }
        for (a, b) in self.logs.iter_mut().zip(&other.logs) {
            a.merge(b);
        }
        for (a, b) in self.histograms.iter_mut().zip(&other.histograms) {
            a.merge(b);
        }
        self.money.merge(&other.money);
    }
}
