//! What a pipeline is asked to compute: everything that changes a result, and nothing else.

use serde::{Deserialize, Serialize};

use crate::event::Common;
use crate::time::Millis;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// Name of the grouping without dimensions.
pub const OVERALL: &str = "overall";
/// Value of every dimension of the group that takes what is beyond a bound.
pub const OTHER: &str = "__other__";

/// Most attribute dimensions that a specification may use: their values live on the stack while a record is handled.
pub const MAX_ATTRIBUTE_DIMENSIONS: usize = 16;

/// One dimension of a grouping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dimension {
    /// A common field of every event.
    Common(Common),
    /// The task; carried by attempts, errors and surveys.
    Task,
    /// The touchpoint; carried by surveys, feedback and tickets.
    Touchpoint,
    /// A free attribute by name.
    Attribute(String),
}

impl Dimension {
    /// Reads `product`, `task`, `attributes.NAME`, ...; `None` for any other name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Dimension> {
        if let Some(name) = text.strip_prefix("attributes.") {
            return (!name.is_empty()).then(|| Dimension::Attribute(name.to_owned()));
        }
        match text {
            "task" => Some(Dimension::Task),
            "touchpoint" => Some(Dimension::Touchpoint),
            _ => Common::ALL.into_iter().find(|c| c.as_str() == text).map(Dimension::Common),
        }
    }

    /// The name as configured and as a Parquet column: `product`, `attributes.plan`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Dimension::Common(common) => common.as_str().to_owned(),
            Dimension::Task => "task".to_owned(),
            Dimension::Touchpoint => "touchpoint".to_owned(),
            Dimension::Attribute(name) => format!("attributes.{name}"),
        }
    }
}

/// A list of dimensions by which results are reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grouping {
    /// The dimensions in configured order; empty is `overall`.
    pub dimensions: Vec<Dimension>,
}

impl Grouping {
    /// `overall`, or the names of the dimensions joined by `+`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.dimensions.is_empty() {
            return OVERALL.to_owned();
        }
        self.dimensions.iter().map(Dimension::name).collect::<Vec<_>>().join("+")
    }
}

/// A window: its size, how far apart its positions are, and the groupings it is reported for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Name, as in the `window` column and label.
    pub name: String,
    /// Length in milliseconds.
    pub size: Millis,
    /// Distance between positions; equal to `size` for a tumbling window, else it divides it.
    pub slide: Millis,
    /// Indices into [`Spec::groupings`].
    pub groupings: Vec<usize>,
}

/// A journey: tasks that a person should succeed in, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journey {
    /// Name, as in labels.
    pub name: String,
    /// At least two tasks, each once.
    pub steps: Vec<String>,
    /// Time from the first success within which the run must be completed.
    pub within: Millis,
}

/// The window in which spikes are looked for and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spike {
    /// Index into [`Spec::windows`].
    pub window: usize,
    /// Length of the baseline; a multiple of the window's size.
    pub baseline: Millis,
}

/// Everything that changes a result. Two pipelines with equal specs over the same log give the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the fields are the configuration keys of the same names, documented in docs/configuration.md"
)]
pub struct Spec {
    pub lateness: Millis,
    pub revision_horizon: Millis,
    pub max_future_skew: Millis,
    pub max_record_bytes: u64,
    pub attempt_timeout: Millis,
    pub ticket_retention: Millis,
    pub first_response_target: Millis,
    pub resolution_target: Millis,
    pub apdex_threshold: Millis,
    pub gross_margin: f64,
    pub max_groups: usize,
    pub distinct_k: usize,
    pub distinct_k_groups: usize,
    pub max_attempts: usize,
    pub max_tickets: usize,
    pub max_journeys: usize,
    pub max_event_ids: usize,
    pub groupings: Vec<Grouping>,
    pub windows: Vec<Window>,
    pub journeys: Vec<Journey>,
    pub spike: Option<Spike>,
}

impl Spec {
    /// The distinct attribute names that some grouping uses, in order of first use.
    #[must_use]
    pub fn attribute_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for dimension in self.groupings.iter().flat_map(|g| &g.dimensions) {
            if let Dimension::Attribute(name) = dimension
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        }
        names
    }

    /// The distinct dimensions that some grouping uses, in order of first use: the dimension columns of `metrics`.
    #[must_use]
    pub fn dimensions(&self) -> Vec<&Dimension> {
        let mut found: Vec<&Dimension> = Vec::new();
        for dimension in self.groupings.iter().flat_map(|g| &g.dimensions) {
            if !found.contains(&dimension) {
                found.push(dimension);
            }
        }
        found
    }

    /// The distinct slides in ascending order: the levels at which panes are kept.
    #[must_use]
    pub fn slides(&self) -> Vec<Millis> {
        let mut slides: Vec<Millis> = self.windows.iter().map(|w| w.slide).collect();
        slides.sort_unstable();
        slides.dedup();
        slides
    }

    /// The default groupings.
    #[must_use]
    pub fn default_groupings() -> Vec<Grouping> {
        let product = || Dimension::Common(Common::Product);
        [
            vec![],
            vec![product()],
            vec![product(), Dimension::Task],
            vec![product(), Dimension::Common(Common::Platform)],
            vec![product(), Dimension::Common(Common::Channel)],
            vec![product(), Dimension::Common(Common::Version)],
            vec![product(), Dimension::Touchpoint],
        ]
        .into_iter()
        .map(|dimensions| Grouping { dimensions })
        .collect()
    }

    /// The default windows over these groupings: a default window skips a grouping that is not configured.
    #[must_use]
    pub fn default_windows(groupings: &[Grouping]) -> Vec<Window> {
        let named = |names: &[&str]| -> Vec<usize> {
            groupings
                .iter()
                .enumerate()
                .filter(|(_, g)| names.contains(&g.name().as_str()))
                .map(|(i, _)| i)
                .collect()
        };
        let all: Vec<usize> = (0..groupings.len()).collect();
        let window = |name: &str, size, slide, groupings| Window {
            name: name.to_owned(),
            size,
            slide,
            groupings,
        };
        vec![
            window("1m", MINUTE, MINUTE, named(&[OVERALL, "product"])),
            window("5m", 5 * MINUTE, MINUTE, named(&[OVERALL, "product", "product+task"])),
            window("1h", HOUR, 5 * MINUTE, all.clone()),
            window("24h", DAY, HOUR, all.clone()),
            window("7d", 7 * DAY, DAY, all),
        ]
    }
}

impl Default for Spec {
    fn default() -> Self {
        let groupings = Spec::default_groupings();
        let windows = Spec::default_windows(&groupings);
        Spec {
            lateness: 2 * MINUTE,
            revision_horizon: DAY,
            max_future_skew: 5 * MINUTE,
            max_record_bytes: 1 << 20,
            attempt_timeout: 30 * MINUTE,
            ticket_retention: 30 * DAY,
            first_response_target: HOUR,
            resolution_target: DAY,
            apdex_threshold: 500,
            gross_margin: 1.0,
            max_groups: 1_000,
            distinct_k: 65_536,
            distinct_k_groups: 4_096,
            max_attempts: 5_000_000,
            max_tickets: 5_000_000,
            max_journeys: 5_000_000,
            max_event_ids: 5_000_000,
            spike: windows
                .iter()
                .position(|w| w.name == "5m")
                .map(|window| Spike { window, baseline: HOUR }),
            groupings,
            windows,
            journeys: Vec::new(),
        }
    }
}
