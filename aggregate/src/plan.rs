//! A specification and everything derived from it, shared by all that computes under it.

use crate::fact::FACT_KINDS;
use crate::layout::Layout;
use crate::spec::{Dimension, Spec};
use crate::time::{EventTime, Millis};

/// A level of panes: a slide and the groupings that some window of that slide reports.
#[derive(Clone, Debug)]
pub struct Level {
    /// Length of its panes.
    pub slide: Millis,
    pub(crate) groupings: Vec<usize>,
}

/// A specification with what is compiled from it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The specification.
    pub spec: Spec,
    /// The catalogue compiled for it.
    pub layout: Layout,
    /// Levels of panes by ascending slide.
    pub levels: Vec<Level>,
    /// For each window, its level.
    pub(crate) level_of: Vec<usize>,
    /// For each grouping and each of its dimensions, the place among the attribute dimensions (0 for others).
    pub(crate) attribute_places: Vec<Vec<usize>>,
    /// Names of the attribute dimensions.
    pub(crate) attribute_names: Vec<String>,
    /// For each grouping, the kinds of fact that carry all of its dimensions, by bit.
    pub(crate) carried_kinds: Vec<u32>,
}

impl Plan {
    /// Compiles a specification.
    #[must_use]
    pub fn new(spec: Spec) -> Plan {
        let layout = Layout::new(&spec);
        let slides = spec.slides();
        let levels: Vec<Level> = slides
            .iter()
            .map(|slide| {
                let mut groupings: Vec<usize> = spec
                    .windows
                    .iter()
                    .filter(|w| w.slide == *slide)
                    .flat_map(|w| w.groupings.iter().copied())
                    .collect();
                groupings.sort_unstable();
                groupings.dedup();
                Level { slide: *slide, groupings }
            })
            .collect();
        let level_of = spec
            .windows
            .iter()
            .map(|w| slides.iter().position(|s| *s == w.slide).unwrap_or(0))
            .collect();
        let attribute_names: Vec<String> = spec.attribute_names().into_iter().map(str::to_owned).collect();
        let place = |dimension: &Dimension| match dimension {
            Dimension::Attribute(name) => attribute_names.iter().position(|n| n == name).unwrap_or(0),
            _ => 0,
        };
        let attribute_places = spec.groupings.iter().map(|g| g.dimensions.iter().map(place).collect()).collect();
        let carried_kinds = layout
            .carried
            .iter()
            .map(|carried| (0..FACT_KINDS).filter(|k| carried[*k]).fold(0u32, |bits, k| bits | 1 << k))
            .collect();
        Plan {
            layout,
            levels,
            level_of,
            attribute_places,
            attribute_names,
            carried_kinds,
            spec,
        }
    }

    /// The smallest slide: the length of base panes.
    #[must_use]
    pub fn base_slide(&self) -> Millis {
        self.levels.first().map_or(60_000, |l| l.slide)
    }

    #[inline]
    pub(crate) fn base_pane(&self, time: EventTime) -> EventTime {
        time.floor_to(self.base_slide())
    }

    pub(crate) fn sketch_size(&self, grouping: usize) -> usize {
        match self.spec.groupings.get(grouping) {
            Some(g) if g.dimensions.is_empty() => self.spec.distinct_k,
            _ => self.spec.distinct_k_groups,
        }
    }

    /// The level that a window's panes are on.
    #[must_use]
    pub(crate) fn level_of(&self, window: usize) -> usize {
        self.level_of.get(window).copied().unwrap_or(0)
    }

    /// How far back of its end a position of a window looks: at itself, the window before it and, where spikes are looked for, the baseline.
    pub(crate) fn reach(&self, window: usize) -> Millis {
        let size = self.spec.windows.get(window).map_or(0, |w| w.size);
        let baseline = self.spec.spike.filter(|s| s.window == window).map_or(0, |s| s.baseline);
        size.saturating_add(size.max(baseline))
    }
}
