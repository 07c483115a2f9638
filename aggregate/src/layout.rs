//! The catalogue compiled for one specification: which measures a group keeps, which facts feed them, and which metrics a grouping can carry.

use crate::catalogue::{self, Amount, Bits, Formula, GAP_INDICATORS, Metric, SPIKE_INDICATORS, Select, Threshold, Values, When, bits};
use crate::fact::{FACT_KINDS, Fact, FactKind};
use crate::spec::{Dimension, Spec};

/// Place of a measure in a group.
pub type Slot = u16;

/// The measures that one kind of fact feeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feeds {
    pub(crate) counts: Vec<(When, Slot)>,
    pub(crate) moments: Vec<(When, Amount, Slot)>,
    pub(crate) logs: Vec<(When, Slot)>,
    pub(crate) histograms: Vec<(When, Amount, Slot)>,
    pub(crate) money: bool,
    pub(crate) marks: Vec<(Bits, When)>,
}

/// A metric whose selections have been resolved to slots.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are those of `Formula`")]
pub(crate) enum Program {
    Count(Slot),
    CountBy(Vec<(String, Slot)>),
    Ratio {
        numerator: Slot,
        denominator: Slot,
        interval: bool,
    },
    RatioBy(Vec<(String, Slot, Slot, bool)>),
    Mean {
        moment: Slot,
        scale: f64,
        low: f64,
        high: f64,
    },
    Distribution {
        histogram: Slot,
        seconds: bool,
        quantiles: &'static [u32],
        moment: Option<(Slot, f64)>,
        log: Option<Slot>,
        label: Option<String>,
    },
    DistributionBy(Vec<Program>),
    Nps {
        promoters: Slot,
        detractors: Slot,
        responses: Slot,
    },
    Apdex {
        satisfied: Slot,
        tolerated: Slot,
        all: Slot,
    },
    /// Formulas over sketches and money need no slots.
    Direct,
}

/// A metric and how to compute it.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) metric: &'static Metric,
    pub(crate) program: Program,
}

/// What is kept and computed under one specification.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(crate) feeds: Vec<Feeds>,
    pub(crate) counts: usize,
    pub(crate) moments: usize,
    pub(crate) logs: usize,
    pub(crate) histograms: usize,
    pub(crate) compiled: Vec<Compiled>,
    /// For each grouping, indices into `compiled` that it can carry.
    pub(crate) reported: Vec<Vec<usize>>,
    /// For each grouping, the ratios that spikes are looked for in, as indices into `compiled`.
    pub(crate) spikes: Vec<Vec<usize>>,
    /// For each grouping, the ratios whose gap can be looked at, as indices into `compiled`.
    pub(crate) gaps: Vec<Vec<usize>>,
    /// For each grouping, whether it keeps user and session sketches.
    pub(crate) keeps_users: Vec<bool>,
    /// For each grouping, by kind of fact, whether the kind carries all of its dimensions.
    pub(crate) carried: Vec<[bool; FACT_KINDS]>,
}

/// Gives each distinct (fact, condition, amount) one slot.
struct Allocator<'a> {
    spec: &'a Spec,
    layout: Layout,
}

impl Allocator<'_> {
    fn resolve(&self, when: When) -> When {
        let When::ValueAtMost(threshold) = when else { return when };
        let millis = match threshold {
            Threshold::Apdex => self.spec.apdex_threshold,
            Threshold::ApdexTolerated => self.spec.apdex_threshold.saturating_mul(4),
            Threshold::FirstResponse => self.spec.first_response_target,
            Threshold::Resolution => self.spec.resolution_target,
            Threshold::Millis(millis) => millis,
        };
        When::ValueAtMost(Threshold::Millis(millis))
    }

    fn count(&mut self, select: Select) -> Slot {
        let when = self.resolve(select.when);
        let counts = &mut self.layout.feeds[select.fact as usize].counts;
        if let Some((_, slot)) = counts.iter().find(|(w, _)| *w == when) {
            return *slot;
        }
        let slot = self.layout.counts as Slot;
        counts.push((when, slot));
        self.layout.counts += 1;
        slot
    }

    fn moment(&mut self, values: Values) -> Slot {
        let when = self.resolve(values.select.when);
        let moments = &mut self.layout.feeds[values.select.fact as usize].moments;
        if let Some((_, _, slot)) = moments.iter().find(|(w, of, _)| *w == when && *of == values.of) {
            return *slot;
        }
        let slot = self.layout.moments as Slot;
        moments.push((when, values.of, slot));
        self.layout.moments += 1;
        slot
    }

    fn log(&mut self, select: Select) -> Slot {
        let when = self.resolve(select.when);
        let slot = self.layout.logs as Slot;
        self.layout.feeds[select.fact as usize].logs.push((when, slot));
        self.layout.logs += 1;
        slot
    }

    fn histogram(&mut self, values: Values) -> Slot {
        let when = self.resolve(values.select.when);
        let slot = self.layout.histograms as Slot;
        self.layout.feeds[values.select.fact as usize]
            .histograms
            .push((when, values.of, slot));
        self.layout.histograms += 1;
        slot
    }

    fn program(&mut self, metric: &Metric) -> Program {
        match metric.formula {
            Formula::Count(select) => Program::Count(self.count(select)),
            Formula::CountBy(entries) => Program::CountBy(
                entries
                    .iter()
                    .map(|(label, select)| ((*label).to_owned(), self.count(*select)))
                    .collect(),
            ),
            Formula::Ratio {
                numerator,
                denominator,
                interval,
            } => Program::Ratio {
                numerator: self.count(numerator),
                denominator: self.count(denominator),
                interval,
            },
            Formula::RatioBy(entries) => Program::RatioBy(
                entries
                    .iter()
                    .map(|(label, n, d)| ((*label).to_owned(), self.count(*n), self.count(*d), false))
                    .collect(),
            ),
            Formula::Mean { of, low, high } => Program::Mean {
                moment: self.moment(of),
                scale: of.of.scale(),
                low,
                high,
            },
            Formula::Distribution {
                of,
                quantiles,
                mean,
                geomean,
            } => Program::Distribution {
                histogram: self.histogram(of),
                seconds: of.of == Amount::Millis,
                quantiles,
                moment: mean.then(|| (self.moment(of), of.of.scale())),
                log: geomean.then(|| self.log(of.select)),
                label: None,
            },
            Formula::Nps {
                promoters,
                detractors,
                responses,
            } => Program::Nps {
                promoters: self.count(promoters),
                detractors: self.count(detractors),
                responses: self.count(responses),
            },
            Formula::Apdex { satisfied, tolerated, all } => Program::Apdex {
                satisfied: self.count(satisfied),
                tolerated: self.count(tolerated),
                all: self.count(all),
            },
            Formula::JourneyRuns => Program::CountBy(
                self.journeys()
                    .into_iter()
                    .map(|(j, name, _)| {
                        (
                            name,
                            self.count(Select {
                                fact: FactKind::Journey,
                                when: When::Journey(j),
                            }),
                        )
                    })
                    .collect(),
            ),
            Formula::JourneyStepRatio => {
                let mut entries = Vec::new();
                for (j, name, steps) in self.journeys() {
                    let runs = self.count(Select {
                        fact: FactKind::Journey,
                        when: When::Journey(j),
                    });
                    for step in 2..=steps {
                        let reached = self.count(Select {
                            fact: FactKind::Journey,
                            when: When::Reached(j, step),
                        });
                        entries.push((format!("{name}/{step}"), reached, runs, true));
                    }
                }
                Program::RatioBy(entries)
            }
            Formula::JourneyDuration { quantiles } => Program::DistributionBy(
                self.journeys()
                    .into_iter()
                    .map(|(j, name, steps)| {
                        let select = Select {
                            fact: FactKind::Journey,
                            when: When::Reached(j, steps),
                        };
                        Program::Distribution {
                            histogram: self.histogram(Values {
                                select,
                                of: Amount::Millis,
                            }),
                            seconds: true,
                            quantiles,
                            moment: None,
                            log: None,
                            label: Some(name),
                        }
                    })
                    .collect(),
            ),
            Formula::Users(_)
            | Formula::UserRatio { .. }
            | Formula::Sessions
            | Formula::CrashFreeSessions
            | Formula::Retention
            | Formula::Revenue
            | Formula::AverageOrderValue
            | Formula::RevenuePerUser
            | Formula::LifetimeValue
            | Formula::Lift { .. }
            | Formula::ConsistencyGap
            | Formula::SpikeExcess => Program::Direct,
        }
    }

    /// Index, name and number of steps of each journey.
    fn journeys(&self) -> Vec<(u16, String, u16)> {
        self.spec
            .journeys
            .iter()
            .enumerate()
            .map(|(i, j)| (i as u16, j.name.clone(), j.steps.len() as u16))
            .collect()
    }
}

impl Layout {
    /// Compiles the catalogue for a specification.
    #[must_use]
    pub fn new(spec: &Spec) -> Layout {
        let empty = Layout {
            feeds: vec![Feeds::default(); FACT_KINDS],
            counts: 0,
            moments: 0,
            logs: 0,
            histograms: 0,
            compiled: Vec::new(),
            reported: Vec::new(),
            spikes: Vec::new(),
            gaps: Vec::new(),
            keeps_users: Vec::new(),
            carried: Vec::new(),
        };
        let mut allocator = Allocator { spec, layout: empty };
        let compiled = catalogue::metrics()
            .map(|metric| Compiled {
                metric,
                program: allocator.program(metric),
            })
            .collect();
        let mut layout = allocator.layout;
        layout.compiled = compiled;
        for (bit, select) in bits::RULES {
            layout.feeds[select.fact as usize].marks.push((*bit, select.when));
        }
        layout.feeds[FactKind::Purchased as usize].money = true;
        for grouping in &spec.groupings {
            layout.add_grouping(spec, &grouping.dimensions);
        }
        layout
    }

    fn add_grouping(&mut self, spec: &Spec, dimensions: &[Dimension]) {
        let carries = |kind: FactKind| dimensions.iter().all(|d| kind.carries(d));
        let fits = |metric: &Metric| metric.facts().into_iter().all(carries);
        let reported: Vec<usize> = self
            .compiled
            .iter()
            .enumerate()
            .filter(|(_, c)| fits(c.metric))
            .map(|(i, _)| i)
            .collect();
        let among = |names: &[&str]| {
            reported
                .iter()
                .copied()
                .filter(|i| names.contains(&self.compiled[*i].metric.name))
                .collect::<Vec<_>>()
        };
        self.spikes.push(if spec.spike.is_some() {
            among(&SPIKE_INDICATORS)
        } else {
            Vec::new()
        });
        self.gaps.push(among(&GAP_INDICATORS));
        self.reported.push(reported);
        self.keeps_users.push(carries(FactKind::Seen));
        let mut carried = [false; FACT_KINDS];
        for (kind, flag) in ALL_KINDS.into_iter().zip(&mut carried) {
            *flag = carries(kind);
        }
        self.carried.push(carried);
    }

    /// The marks that a fact leaves on its user.
    #[inline]
    pub(crate) fn marks(&self, fact: &Fact) -> Bits {
        let mut bits = 0;
        for (bit, when) in &self.feeds[fact.kind as usize].marks {
            if when.holds(fact) {
                bits |= bit;
            }
        }
        bits
    }

    /// The metrics that a grouping can carry, in the order of the catalogue.
    pub fn reported_metrics(&self, grouping: usize) -> impl Iterator<Item = &'static Metric> {
        self.reported.get(grouping).into_iter().flatten().map(|i| self.compiled[*i].metric)
    }
}

const ALL_KINDS: [FactKind; FACT_KINDS] = [
    FactKind::Seen,
    FactKind::Attempt,
    FactKind::Error,
    FactKind::Interaction,
    FactKind::SurveyShown,
    FactKind::SurveyResponse,
    FactKind::Feedback,
    FactKind::TicketOpened,
    FactKind::TicketFirstResponse,
    FactKind::TicketResolved,
    FactKind::TicketReopened,
    FactKind::TicketEscalated,
    FactKind::SignedUp,
    FactKind::Referred,
    FactKind::Converted,
    FactKind::Purchased,
    FactKind::Churned,
    FactKind::Journey,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grouping_with_task_reports_only_what_carries_a_task() {
        let spec = Spec::default();
        let layout = Layout::new(&spec);
        let by_task = spec.groupings.iter().position(|g| g.name() == "product+task").unwrap();
        let names: Vec<&str> = layout.reported_metrics(by_task).map(|m| m.name).collect();
        assert!(names.contains(&"task_success_ratio") && names.contains(&"nps") && names.contains(&"errors"));
        assert!(!names.contains(&"users") && !names.contains(&"tickets_opened") && !names.contains(&"journey_runs"));
        assert!(!layout.keeps_users[by_task]);
    }

    #[test]
    fn equal_selections_share_one_slot() {
        let layout = Layout::new(&Spec::default());
        let denominators: Vec<Slot> = layout
            .compiled
            .iter()
            .filter(|c| c.metric.name.starts_with("task_") && c.metric.name.ends_with("_ratio"))
            .filter_map(|c| match c.program {
                Program::Ratio { denominator, .. } => Some(denominator),
                _ => None,
            })
            .collect();
        assert!(denominators.len() >= 4 && denominators.windows(2).all(|w| w[0] == w[1]));
    }
}
