//! Rows of the indicators that are computed from one group's additive measures alone.

use std::sync::Arc;

use crate::indicator::{self, Estimate};
use crate::layout::Program;
use crate::measure::Unit;
use crate::pane::GroupState;

/// The parts of a row that its formula decides.
pub(crate) struct Cell {
    pub(crate) stat: &'static str,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) estimate: Estimate,
    pub(crate) n: u64,
    pub(crate) parts: Option<(u64, u64)>,
}

impl Cell {
    pub(crate) fn of(estimate: impl Into<Estimate>, n: u64) -> Cell {
        Cell {
            stat: "value",
            label: None,
            estimate: estimate.into(),
            n,
            parts: None,
        }
    }

    pub(crate) fn ratio(estimate: impl Into<Estimate>, numerator: u64, denominator: u64) -> Cell {
        Cell {
            parts: Some((numerator, denominator)),
            ..Cell::of(estimate, denominator)
        }
    }

    pub(crate) fn stat(self, stat: &'static str) -> Cell {
        Cell { stat, ..self }
    }

    pub(crate) fn label(self, label: &str) -> Cell {
        Cell {
            label: Some(Arc::from(label)),
            ..self
        }
    }
}

pub(crate) fn count(n: u64, put: &mut impl FnMut(Cell)) {
    if n > 0 {
        put(Cell::of(n as f64, n));
    }
}

/// Rows of the formulas over additive measures.
pub(crate) fn tallied(program: &Program, state: &GroupState, put: &mut impl FnMut(Cell)) {
    let tally = &state.tally;
    let counts = |slot: u16| tally.counts[slot as usize];
    match program {
        Program::Count(slot) => count(counts(*slot), put),
        Program::CountBy(entries) => {
            for (label, slot) in entries {
                count(counts(*slot), &mut |cell: Cell| put(cell.label(label)));
            }
        }
        Program::Ratio {
            numerator,
            denominator,
            interval,
        } => ratio(counts(*numerator), counts(*denominator), *interval, put),
        Program::RatioBy(entries) => {
            for (label, numerator, denominator, interval) in entries {
                ratio(counts(*numerator), counts(*denominator), *interval, &mut |cell: Cell| {
                    put(cell.label(label))
                });
            }
        }
        Program::Mean { moment, scale, low, high } => {
            let moment = &tally.moments[*moment as usize];
            if let Some(mean) = indicator::mean(moment, *scale, *low..=*high) {
                put(Cell::of(mean, moment.n));
            }
        }
        Program::Distribution {
            histogram,
            seconds,
            quantiles,
            moment,
            log,
            label,
        } => {
            let histogram = &tally.histograms[*histogram as usize];
            let n = histogram.n();
            let mut labelled = |cell: Cell| {
                put(Cell {
                    label: label.as_deref().map(Arc::from),
                    ..cell
                })
            };
            let unit = if *seconds { Unit::Seconds } else { Unit::Count };
            for percent in *quantiles {
                if let Some(value) = histogram.quantile(unit, *percent) {
                    labelled(Cell::of(value, n).stat(crate::catalogue::quantile_name(*percent)));
                }
            }
            if let Some((slot, scale)) = moment
                && let Some(mean) = indicator::mean(&tally.moments[*slot as usize], *scale, 0.0..=f64::INFINITY)
            {
                labelled(Cell::of(mean, n).stat("mean"));
            }
            if let Some(slot) = log
                && let Some(mean) = indicator::geomean(&tally.logs[*slot as usize])
            {
                labelled(Cell::of(mean, n).stat("geomean"));
            }
        }
        Program::DistributionBy(programs) => {
            for program in programs {
                tallied_one(program, state, put);
            }
        }
        Program::Nps {
            promoters,
            detractors,
            responses,
        } => {
            let n = counts(*responses);
            if let Some(nps) = indicator::nps(counts(*promoters), counts(*detractors), n) {
                put(Cell::of(nps, n));
            }
        }
        Program::Apdex { satisfied, tolerated, all } => {
            let (satisfied, tolerated, n) = (counts(*satisfied), counts(*tolerated), counts(*all));
            if let Some(score) = indicator::apdex(satisfied, tolerated.saturating_sub(satisfied), n) {
                put(Cell::of(score, n));
            }
        }
        Program::Direct => (),
    }
}

/// One level of nesting, without a closure type that grows with it.
fn tallied_one(program: &Program, state: &GroupState, put: &mut dyn FnMut(Cell)) {
    if !matches!(program, Program::DistributionBy(_)) {
        tallied(program, state, &mut |cell| put(cell));
    }
}

fn ratio(numerator: u64, denominator: u64, interval: bool, put: &mut impl FnMut(Cell)) {
    let estimate = if interval {
        indicator::wilson(numerator, denominator).map(Estimate::from)
    } else {
        indicator::ratio::ratio(numerator, denominator).map(Estimate::from)
    };
    if let Some(estimate) = estimate {
        put(Cell::ratio(estimate, numerator, denominator));
    }
}
