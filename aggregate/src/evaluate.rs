//! From what the groups of one window position hold to the rows of every metric.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalogue::{Bits, Formula, GAP_INDICATORS, Metric, UserExpr, bits};
use crate::event::Common;
use crate::indicator;
use crate::layout::{Compiled, Program};
use crate::measure::{Sketch, Theta};
use crate::pane::GroupState;
use crate::plan::Plan;
use crate::row::{GroupKey, MetricRow};
use crate::spec::Dimension;
use crate::tallied::{Cell, count, tallied};
use crate::time::EventTime;
use crate::window::{Folded, Sources, fold};

const ACTIVE: UserExpr = UserExpr {
    all: bits::ACTIVE,
    none: 0,
    purchases: 0,
};
const FRICTION: UserExpr = UserExpr {
    all: bits::ACTIVE | bits::FRICTION,
    none: 0,
    purchases: 0,
};
const CALM: UserExpr = UserExpr {
    all: bits::ACTIVE,
    none: bits::FRICTION,
    purchases: 0,
};
const SEEN: UserExpr = UserExpr {
    all: bits::SEEN,
    none: 0,
    purchases: 0,
};

/// Numerator and denominator of each ratio that spikes are looked for in, for each group of one window position.
pub(crate) type SpikeCounts = Folded<Vec<(u64, u64)>>;

/// One window position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) window: usize,
    pub(crate) start: EventTime,
    pub(crate) end: EventTime,
}

impl Position {
    pub(crate) fn ending(plan: &Plan, window: usize, end: EventTime) -> Position {
        let size = plan.spec.windows.get(window).map_or(0, |w| w.size);
        Position {
            window,
            start: end.minus(size),
            end,
        }
    }
}

/// What one grouping of one position needs besides its own groups.
struct Frame<'a> {
    plan: &'a Plan,
    position: Position,
    grouping: usize,
    previous: Folded<Sketch>,
    baseline: Vec<Arc<SpikeCounts>>,
    gaps: BTreeMap<(GroupKey, &'static str, &'static str), Gap>,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    least: f64,
    greatest: f64,
    n: u64,
    values: u32,
}

/// Gives the spike counts of a grouping in the position that ends at a time; a memo may stand behind it.
pub(crate) type Baseline<'a> = dyn FnMut(usize, EventTime) -> Arc<SpikeCounts> + 'a;

/// Every row of one window position, for the groupings wanted.
pub(crate) fn rows(
    plan: &Plan,
    sources: &Sources<'_>,
    position: Position,
    groupings: &[usize],
    baseline: &mut Baseline<'_>,
) -> Vec<MetricRow> {
    let level = plan.level_of(position.window);
    let whole = |grouping: usize| {
        let (from, to) = (position.start, position.end);
        fold(
            sources,
            level,
            from,
            to,
            grouping,
            plan.spec.max_groups,
            Clone::clone,
            GroupState::merge,
        )
    };
    let reported = plan
        .spec
        .windows
        .get(position.window)
        .map(|w| w.groupings.as_slice())
        .unwrap_or_default();
    let mut folded: BTreeMap<usize, Folded<GroupState>> = groupings.iter().map(|g| (*g, whole(*g))).collect();
    for grouping in groupings {
        for (_, finer) in finer_groupings(plan, *grouping, reported) {
            folded.entry(finer).or_insert_with(|| whole(finer));
        }
    }
    let mut rows = Vec::new();
    for grouping in groupings {
        let Some(groups) = folded.get(grouping) else { continue };
        if groups.kept.is_empty() && groups.other.is_none() {
            continue;
        }
        let frame = Frame {
            plan,
            position,
            grouping: *grouping,
            previous: previous_users(plan, sources, position, *grouping),
            baseline: baselines(plan, position, *grouping, baseline),
            gaps: gaps(plan, *grouping, reported, &folded),
        };
        let dimensions = plan.spec.groupings.get(*grouping).map_or(0, |g| g.dimensions.len());
        for (key, hash, state) in groups.groups(dimensions) {
            frame.group_rows(&key, hash, state, &mut rows);
        }
    }
    rows
}

fn previous_users(plan: &Plan, sources: &Sources<'_>, position: Position, grouping: usize) -> Folded<Sketch> {
    if !plan.layout.keeps_users.get(grouping).copied().unwrap_or(false) {
        return Folded::default();
    }
    let size = position.end.0 - position.start.0;
    let (from, to) = (position.start.minus(size), position.start);
    let level = plan.level_of(position.window);
    fold(
        sources,
        level,
        from,
        to,
        grouping,
        plan.spec.max_groups,
        |s| s.users.clone(),
        |users, s| users.merge(&s.users),
    )
}

fn baselines(plan: &Plan, position: Position, grouping: usize, counts: &mut Baseline<'_>) -> Vec<Arc<SpikeCounts>> {
    let Some(spike) = plan.spec.spike.filter(|s| s.window == position.window) else {
        return Vec::new();
    };
    if plan.layout.spikes.get(grouping).is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    let size = position.end.0 - position.start.0;
    (1..=spike.baseline / size.max(1))
        .map(|i| counts(grouping, position.end.minus(i * size)))
        .collect()
}

/// The counts of one position that spikes compare with.
pub(crate) fn spike_counts(plan: &Plan, sources: &Sources<'_>, window: usize, grouping: usize, end: EventTime) -> SpikeCounts {
    let position = Position::ending(plan, window, end);
    let level = plan.level_of(window);
    let folded = fold(
        sources,
        level,
        position.start,
        position.end,
        grouping,
        plan.spec.max_groups,
        Clone::clone,
        GroupState::merge,
    );
    let ratios = plan.layout.spikes.get(grouping).map(Vec::as_slice).unwrap_or_default();
    let counts = |state: &GroupState| -> Vec<(u64, u64)> {
        ratios
            .iter()
            .filter_map(|i| plan.layout.compiled.get(*i))
            .map(|c| ratio_sample(c, state))
            .collect()
    };
    Folded {
        kept: folded.kept.iter().map(|(key, state)| (key.clone(), counts(state))).collect(),
        other: folded.other.as_ref().map(counts),
    }
}

/// Numerator and denominator of a ratio over facts or users, as sampled.
fn ratio_sample(compiled: &Compiled, state: &GroupState) -> (u64, u64) {
    match (&compiled.program, compiled.metric.formula) {
        (
            Program::Ratio {
                numerator, denominator, ..
            },
            _,
        ) => (state.tally.counts[*numerator as usize], state.tally.counts[*denominator as usize]),
        (_, Formula::UserRatio { numerator, denominator }) => {
            let theta = state.users.bound();
            let of = |expr: UserExpr| state.users.count(theta, |b| expr.holds(b));
            (of(numerator.and(denominator)), of(denominator))
        }
        _ => (0, 0),
    }
}

/// The groupings among those reported that are this one plus platform or channel, as a set.
fn finer_groupings(plan: &Plan, grouping: usize, reported: &[usize]) -> Vec<(Common, usize)> {
    let Some(coarse) = plan.spec.groupings.get(grouping) else {
        return Vec::new();
    };
    if plan.layout.gaps.get(grouping).is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for common in [Common::Platform, Common::Channel] {
        let extra = Dimension::Common(common);
        if coarse.dimensions.contains(&extra) {
            continue;
        }
        let is_finer = |g: &&usize| {
            plan.spec.groupings.get(**g).is_some_and(|fine| {
                fine.dimensions.len() == coarse.dimensions.len() + 1
                    && fine.dimensions.contains(&extra)
                    && coarse.dimensions.iter().all(|d| fine.dimensions.contains(d))
            })
        };
        found.extend(reported.iter().find(is_finer).map(|g| (common, *g)));
    }
    found
}

const GAP_LEAST_N: u64 = 30;

fn gaps(
    plan: &Plan,
    grouping: usize,
    reported: &[usize],
    folded: &BTreeMap<usize, Folded<GroupState>>,
) -> BTreeMap<(GroupKey, &'static str, &'static str), Gap> {
    let mut gaps: BTreeMap<_, Gap> = BTreeMap::new();
    for (common, finer) in finer_groupings(plan, grouping, reported) {
        let (Some(groups), Some(fine), Some(coarse)) = (
            folded.get(&finer),
            plan.spec.groupings.get(finer),
            plan.spec.groupings.get(grouping),
        ) else {
            continue;
        };
        let place = |wanted: &Dimension| fine.dimensions.iter().position(|d| d == wanted);
        let Some(own) = place(&Dimension::Common(common)) else { continue };
        let places: Vec<usize> = coarse.dimensions.iter().filter_map(place).collect();
        for ((_, key), state) in &groups.kept {
            if key.get(own).is_none_or(Option::is_none) {
                continue;
            }
            let coarse_key: GroupKey = places.iter().map(|p| key.get(*p).cloned().flatten()).collect();
            for compiled in plan.layout.gaps[grouping].iter().filter_map(|i| plan.layout.compiled.get(*i)) {
                let (numerator, n) = ratio_sample(compiled, state);
                if n < GAP_LEAST_N {
                    continue;
                }
                let value = numerator as f64 / n as f64;
                let gap = gaps
                    .entry((coarse_key.clone(), common.as_str(), compiled.metric.name))
                    .or_insert(Gap {
                        least: value,
                        greatest: value,
                        n: 0,
                        values: 0,
                    });
                gap.least = gap.least.min(value);
                gap.greatest = gap.greatest.max(value);
                gap.n += n;
                gap.values += 1;
            }
        }
    }
    gaps
}

impl Frame<'_> {
    fn group_rows(&self, key: &GroupKey, hash: u64, state: &GroupState, rows: &mut Vec<MetricRow>) {
        let users = Users {
            sketch: &state.users,
            theta: state.users.bound(),
        };
        for index in &self.plan.layout.reported[self.grouping] {
            let compiled = &self.plan.layout.compiled[*index];
            let mut put = |cell: Cell| rows.push(self.row(key, compiled.metric, cell));
            match &compiled.program {
                Program::Direct => self.direct(compiled.metric, key, hash, state, &users, &mut put),
                program => tallied(program, state, &mut put),
            }
        }
    }

    fn row(&self, key: &GroupKey, metric: &'static Metric, cell: Cell) -> MetricRow {
        MetricRow {
            window: self.position.window,
            window_start: self.position.start,
            window_end: self.position.end,
            grouping: self.grouping,
            group: key.clone(),
            metric: metric.name,
            stat: cell.stat,
            label: cell.label,
            value: Some(cell.estimate.value),
            lower: cell.estimate.lower,
            upper: cell.estimate.upper,
            n: cell.n,
            numerator: cell.parts.map(|p| p.0),
            denominator: cell.parts.map(|p| p.1),
            revision: 0,
        }
    }

    fn direct(&self, metric: &Metric, key: &GroupKey, hash: u64, state: &GroupState, users: &Users<'_>, put: &mut impl FnMut(Cell)) {
        match metric.formula {
            Formula::Users(expr) => count(users.estimate(expr), put),
            Formula::UserRatio { numerator, denominator } => users.ratio(numerator.and(denominator), denominator, put),
            Formula::Sessions => {
                let sessions = Users {
                    sketch: &state.sessions,
                    theta: state.sessions.bound(),
                };
                count(sessions.estimate(ACTIVE), put);
            }
            Formula::CrashFreeSessions => {
                let sessions = Users {
                    sketch: &state.sessions,
                    theta: state.sessions.bound(),
                };
                sessions.ratio(
                    UserExpr {
                        none: bits::CRASHED,
                        ..ACTIVE
                    },
                    ACTIVE,
                    put,
                );
            }
            Formula::Retention => self.retention(key, hash, users, put),
            Formula::Revenue | Formula::AverageOrderValue | Formula::RevenuePerUser | Formula::LifetimeValue => {
                self.money(metric.formula, state, users, put);
            }
            Formula::Lift { event, among } => {
                let sample = |expr: UserExpr| users.sample(expr.and(among));
                let (a, n1) = (sample(FRICTION.and(event)), sample(FRICTION));
                let (b, n2) = (sample(CALM.and(event)), sample(CALM));
                if let Some(lift) = indicator::lift(a, n1, b, n2) {
                    put(Cell::of(lift, users.theta.estimate(n1 + n2)));
                }
            }
            Formula::ConsistencyGap => {
                for dimension in [Common::Platform, Common::Channel] {
                    for name in GAP_INDICATORS {
                        if let Some(gap) = self.gaps.get(&(key.clone(), dimension.as_str(), name))
                            && gap.values >= 2
                            && hash != u64::MAX
                        {
                            put(Cell::of(gap.greatest - gap.least, gap.n).label(&format!("{}/{name}", dimension.as_str())));
                        }
                    }
                }
            }
            Formula::SpikeExcess => self.spikes(key, hash, state, users, put),
            // All others are tallied.
            _ => (),
        }
    }

    fn retention(&self, key: &GroupKey, hash: u64, users: &Users<'_>, put: &mut impl FnMut(Cell)) {
        let Some(previous) = self.previous.get(hash, key) else { return };
        let theta = users.theta.min(previous.bound());
        let before = previous.count(theta, |b| ACTIVE.holds(b));
        let both = users
            .sketch
            .count_joined(previous, theta, |now, then| ACTIVE.holds(now) && ACTIVE.holds(then));
        if let Some(ratio) = indicator::wilson(both, before) {
            put(Cell::ratio(ratio, theta.estimate(both), theta.estimate(before)));
        }
    }

    fn money(&self, formula: Formula, state: &GroupState, users: &Users<'_>, put: &mut impl FnMut(Cell)) {
        let seen = users.estimate(SEEN);
        let churned = users.sample(UserExpr {
            all: bits::SEEN | bits::CHURNED,
            ..SEEN
        });
        let churn = churned as f64 / users.sample(SEEN).max(1) as f64;
        for (currency, revenue) in state.tally.money.currencies() {
            let amount = revenue.amount_micros as f64 / 1e6;
            let per_user = amount / seen as f64;
            let cell = match formula {
                Formula::Revenue => Cell::of(amount, revenue.purchases),
                Formula::AverageOrderValue => Cell::of(amount / revenue.purchases as f64, revenue.purchases),
                _ if seen == 0 => continue,
                Formula::RevenuePerUser => Cell::of(per_user, seen),
                _ if churned == 0 => continue,
                _ => Cell::of(per_user * self.plan.spec.gross_margin / churn, seen),
            };
            put(Cell {
                label: currency.map(Arc::from),
                ..cell
            });
        }
    }

    fn spikes(&self, key: &GroupKey, hash: u64, state: &GroupState, users: &Users<'_>, put: &mut impl FnMut(Cell)) {
        if self.baseline.is_empty() {
            return;
        }
        for (place, index) in self.plan.layout.spikes[self.grouping].iter().enumerate() {
            let compiled = &self.plan.layout.compiled[*index];
            let (k1, n1) = ratio_sample(compiled, state);
            let counts = |b: &Arc<SpikeCounts>| b.get(hash, key).and_then(|c| c.get(place)).copied().unwrap_or((0, 0));
            let baseline: Vec<(u64, u64)> = self.baseline.iter().map(counts).collect();
            let Some(spike) = indicator::spike(k1, n1, &baseline) else {
                continue;
            };
            let sampled = matches!(compiled.metric.formula, Formula::UserRatio { .. });
            let scale = |n: u64| if sampled { users.theta.estimate(n) } else { n };
            put(Cell::ratio(spike.excess, scale(k1), scale(n1)).label(compiled.metric.name));
        }
    }
}

/// A sketch with the bound that its samples are taken below.
struct Users<'a> {
    sketch: &'a Sketch,
    theta: Theta,
}

impl Users<'_> {
    fn sample(&self, expr: UserExpr) -> u64 {
        self.sketch.count(self.theta, |b: Bits| expr.holds(b))
    }

    fn estimate(&self, expr: UserExpr) -> u64 {
        self.theta.estimate(self.sample(expr))
    }

    fn ratio(&self, numerator: UserExpr, denominator: UserExpr, put: &mut impl FnMut(Cell)) {
        let (k, n) = (self.sample(numerator), self.sample(denominator));
        if let Some(estimate) = indicator::wilson(k, n) {
            put(Cell::ratio(estimate, self.theta.estimate(k), self.theta.estimate(n)));
        }
    }
}
