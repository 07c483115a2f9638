//! Dashboards about customers: the metrics of the catalogue, and the targets.

use serde_json::{Value, json};
use tidegauge_aggregate::catalogue::{self, Area, Formula, Metric};
use tidegauge_aggregate::spec::{Grouping, Window};

use super::panel::{LOWER, Panel, Query, SAMPLES, UPPER, unit};
use crate::cli::exported::{Aim, Exported, Selector, has_interval, is_count, labels};
use crate::config::Bound;

/// What a product owner looks at first.
const FIRST: [&str; 10] = [
    "task_success_ratio",
    "crash_free_session_ratio",
    "satisfaction_ratio",
    "nps",
    "csat_ratio",
    "contact_ratio",
    "churn_ratio",
    "retention_ratio",
    "conversion_ratio",
    "revenue",
];

/// What one grouping shows, in the window that the reader chooses.
pub(super) struct View<'a> {
    exported: Exported<'a>,
    /// Products if they are exported, else everything together, else what comes first.
    grouping: &'a Grouping,
    windows: Vec<&'a Window>,
    /// What stands before `/docs` in links.
    pages: &'a str,
}

impl<'a> View<'a> {
    /// None where no metric reaches Prometheus.
    pub(super) fn new(exported: Exported<'a>, pages: &'a str) -> Option<View<'a>> {
        let shown = &exported.config.prometheus.groupings;
        let all: Vec<&Grouping> = shown
            .iter()
            .filter_map(|index| exported.config.spec.groupings.get(*index))
            .collect();
        let product = all.iter().find(|grouping| labels(grouping) == ["product"]);
        let overall = all.iter().find(|grouping| grouping.dimensions.is_empty());
        let grouping = product.or(overall).or(all.first())?;
        let windows = exported.windows();
        (!windows.is_empty()).then_some(View {
            exported,
            grouping,
            windows,
            pages,
        })
    }

    /// The choices that a reader has: the window, and a value of each dimension.
    pub(super) fn variables(&self) -> Vec<Value> {
        let first = self.windows.get(1).or(self.windows.first());
        let is_first = |window: &Window| first.is_some_and(|first| first.name == window.name);
        let options: Vec<Value> = self
            .windows
            .iter()
            .map(|window| json!({"text": window.name, "value": window.name, "selected": is_first(window)}))
            .collect();
        let names: Vec<String> = self.windows.iter().map(|window| window.name.replace(',', "\\,")).collect();
        let current = first.map(|window| json!({"text": window.name, "value": window.name}));
        let mut variables = vec![json!({
            "name": "window", "label": "Window", "type": "custom", "query": names.join(","), "options": options, "current": current,
            "hide": 0, "multi": false, "includeAll": false,
        })];
        let counted = catalogue::metrics().find(|metric| self.exported.groupings(metric, None).contains(&self.grouping));
        let series = Selector::default()
            .with("grouping", &self.grouping.name())
            .of(&format!("{}_samples", counted.map_or("users", |metric| metric.name)));
        for label in labels(self.grouping) {
            let query = format!("label_values({series}, {label})");
            variables.push(json!({
                "name": label, "label": label, "type": "query", "definition": query, "query": {"query": query, "refId": label},
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "refresh": 2, "sort": 1, "hide": 0, "multi": false, "includeAll": false,
            }));
        }
        variables
    }

    /// A panel for each metric of some areas that the grouping carries.
    pub(super) fn areas(&self, areas: &[Area]) -> Vec<Panel> {
        let metrics = catalogue::metrics().filter(|metric| areas.contains(&metric.area));
        metrics.filter_map(|metric| self.metric(metric, 8)).collect()
    }

    /// What matters most, every target, and the tasks of the product.
    pub(super) fn first(&self) -> Vec<Panel> {
        let mut panels: Vec<Panel> = FIRST.iter().filter_map(|name| self.metric(catalogue::find(name)?, 8)).collect();
        panels.extend(self.tasks());
        panels.extend(catalogue::find("spike_excess").and_then(|metric| self.metric(metric, 8)));
        let mut aims = self.exported.targets();
        aims.sort_by_cached_key(Aim::describe);
        panels.extend(aims.iter().map(|aim| self.target(aim)));
        panels
    }

    fn groups(&self) -> Selector {
        // Grafana puts the value of the variable in.
        let selector = Selector::default().with("grouping", &self.grouping.name());
        labels(self.grouping)
            .iter()
            .fold(selector, |selector, label| selector.with(label, &format!("${label}")))
    }

    fn metric(&self, metric: &'static Metric, width: usize) -> Option<Panel> {
        let spec = &self.exported.config.spec;
        let spike = matches!(metric.formula, Formula::SpikeExcess);
        let there = match metric.formula {
            Formula::JourneyRuns | Formula::JourneyStepRatio | Formula::JourneyDuration { .. } => !spec.journeys.is_empty(),
            Formula::ConsistencyGap => self.has_finer(),
            Formula::SpikeExcess => self.exported.spike_window().is_some(),
            _ => true,
        };
        if !there || !self.exported.groupings(metric, None).contains(&self.grouping) {
            return None;
        }
        // Spikes are looked for in one window only.
        let window = self
            .exported
            .spike_window()
            .filter(|_| spike)
            .map_or("$window", |window| &window.name);
        let series = self.groups().with("window", window);
        let stats = metric.stats().len() > 1;
        let names = metric.label_names().iter().copied().chain(stats.then_some("stat"));
        let legend: Vec<String> = names.map(|name| format!("{{{{{name}}}}}")).collect();
        let single = legend.is_empty();
        let legend = if single { "value".to_owned() } else { legend.join(" ") };
        let mut queries = vec![Query::new(series.of(metric.name), legend)];
        if single {
            queries.extend(around(metric, &series, &series, None));
        }
        let bound = self
            .exported
            .targets()
            .iter()
            .find(|aim| aim.metric.name == metric.name && aim.grouping == self.grouping && aim.groups() == self.every_group())
            .map(|aim| aim.bound);
        Some(Panel {
            title: metric.name.to_owned(),
            description: format!("{} {}.", metric.help, metric.definition),
            kind: "timeseries",
            unit: unit(metric.unit),
            queries,
            bound,
            link: ("What it says", format!("{}/docs/metrics.md#{}", self.pages, metric.name)),
            width,
        })
    }

    fn every_group(&self) -> Selector {
        Selector::default().with("grouping", &self.grouping.name())
    }

    /// Whether gaps between platforms or channels can be told.
    fn has_finer(&self) -> bool {
        let own = labels(self.grouping);
        let finer = |grouping: &Grouping| {
            let all = labels(grouping);
            all.len() == own.len() + 1
                && own.iter().all(|label| all.contains(label))
                && ["platform", "channel"]
                    .iter()
                    .any(|gap| all.iter().any(|label| label == gap) && !own.iter().any(|label| label == gap))
        };
        self.exported.config.spec.groupings.iter().any(finer)
    }

    /// Success of each task of the product.
    fn tasks(&self) -> Option<Panel> {
        let own = labels(self.grouping);
        let metric = catalogue::find("task_success_ratio")?;
        let wanted: Vec<String> = own.iter().cloned().chain(["task".to_owned()]).collect();
        let grouping = self
            .exported
            .groupings(metric, None)
            .into_iter()
            .find(|grouping| labels(grouping) == wanted)?;
        let selector = own
            .iter()
            .fold(Selector::default().with("grouping", &grouping.name()), |selector, label| {
                selector.with(label, &format!("${label}"))
            });
        Some(Panel {
            title: "task_success_ratio by task".to_owned(),
            description: metric.help.to_owned(),
            kind: "bargauge",
            unit: unit(metric.unit),
            queries: vec![Query::new(
                format!("sort({})", selector.with("window", "$window").of(metric.name)),
                "{{task}}",
            )],
            bound: None,
            link: ("What it says", format!("{}/docs/metrics.md#{}", self.pages, metric.name)),
            width: 8,
        })
    }

    /// A target with its line: the window and groups are its own.
    fn target(&self, aim: &Aim<'_>) -> Panel {
        let metric = aim.metric;
        let groups = aim.groups().with("window", &aim.window.name);
        let series = aim.stat.map_or_else(|| groups.clone(), |stat| groups.clone().with("stat", stat));
        let free: Vec<String> = labels(aim.grouping).into_iter().filter(|label| !groups.names(label)).collect();
        let legend: Vec<String> = free
            .iter()
            .map(String::as_str)
            .chain(metric.label_names().iter().copied())
            .map(|name| format!("{{{{{name}}}}}"))
            .collect();
        let single = legend.is_empty();
        let legend = if single { "value".to_owned() } else { legend.join(" ") };
        let mut queries = vec![Query::new(series.of(metric.name), legend)];
        if single {
            queries.extend(around(metric, &series, &groups, aim.stat));
        }
        let section = match aim.bound {
            Bound::AtLeast(_) => "tidegaugebelowtarget",
            Bound::AtMost(_) => "tidegaugeabovetarget",
        };
        Panel {
            title: aim.describe(),
            description: format!("A target of the configuration. {}", metric.help),
            kind: "timeseries",
            unit: unit(metric.unit),
            queries,
            bound: Some(aim.bound),
            link: ("What to do", format!("{}/docs/runbook.md#{section}", self.pages)),
            width: 8,
        }
    }
}

/// The interval of a series, where it has one, and its sample size.
fn around(metric: &Metric, series: &Selector, groups: &Selector, stat: Option<&str>) -> Vec<Query> {
    let of = |selector: &Selector, suffix: &str| selector.of(&format!("{}_{suffix}", metric.name));
    let mut queries = Vec::new();
    if has_interval(metric, stat) {
        queries.extend([LOWER, UPPER].map(|end| Query::new(of(series, end), end)));
    }
    if !is_count(metric) {
        queries.push(Query::new(of(groups, SAMPLES), SAMPLES));
    }
    queries
}
