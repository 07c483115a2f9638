//! Panels and how a dashboard is put together from them.

use serde_json::{Value, json};
use tidegauge_aggregate::catalogue::Unit;

use crate::config::Bound;

const WIDTH: usize = 24;
const HEIGHT: usize = 8;
/// Of Grafana's dashboard model; newer ones convert it.
const SCHEMA: u32 = 39;

/// One question to Prometheus, and what its series are called.
pub(super) struct Query {
    pub(super) expression: String,
    pub(super) legend: String,
}

impl Query {
    pub(super) fn new(expression: impl Into<String>, legend: impl Into<String>) -> Query {
        Query {
            expression: expression.into(),
            legend: legend.into(),
        }
    }
}

/// A panel before it has a place.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) description: String,
    /// `timeseries` or `bargauge`.
    pub(super) kind: &'static str,
    pub(super) unit: &'static str,
    pub(super) queries: Vec<Query>,
    /// Where good ends.
    pub(super) bound: Option<Bound>,
    /// Title and address of a page that explains it.
    pub(super) link: (&'static str, String),
    pub(super) width: usize,
}

/// What the interval of a value, and its sample size, are called in legends.
pub(super) const LOWER: &str = "lower";
pub(super) const UPPER: &str = "upper";
pub(super) const SAMPLES: &str = "samples";

/// Grafana's name of a unit.
pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Ratio | Unit::Difference => "percentunit",
        Unit::Seconds => "s",
        Unit::Count => "short",
        Unit::Points(_) | Unit::Currency | Unit::Factor => "none",
    }
}

impl Panel {
    fn to_json(&self, id: usize, (x, y): (usize, usize)) -> Value {
        let source = json!({"type": "prometheus", "uid": "${datasource}"});
        let instant = self.kind != "timeseries";
        let targets: Vec<Value> = self
            .queries
            .iter()
            .zip('A'..='Z')
            .map(|(query, letter)| {
                json!({
                    "refId": letter, "datasource": source, "expr": query.expression, "legendFormat": query.legend,
                    "instant": instant, "range": !instant, "editorMode": "code",
                })
            })
            .collect();
        json!({
            "id": id,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": source,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": HEIGHT},
            "links": [link(self.link.0, &self.link.1)],
            "targets": targets,
            "options": self.options(),
            "fieldConfig": {"defaults": self.defaults(), "overrides": overrides(&self.queries)},
        })
    }

    fn options(&self) -> Value {
        match self.kind {
            "timeseries" => json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull"]},
                "tooltip": {"mode": "multi", "sort": "none"},
            }),
            _ => json!({
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "orientation": "horizontal", "displayMode": "gradient", "valueMode": "color", "namePlacement": "auto",
                "showUnfilled": true, "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": false, "calcs": []},
            }),
        }
    }

    fn defaults(&self) -> Value {
        let steps = match self.bound {
            None => json!([{"color": "green", "value": null}]),
            Some(Bound::AtLeast(bound)) => json!([{"color": "red", "value": null}, {"color": "green", "value": bound}]),
            Some(Bound::AtMost(bound)) => json!([{"color": "green", "value": null}, {"color": "red", "value": bound}]),
        };
        let mut defaults = json!({
            "unit": self.unit,
            "thresholds": {"mode": "absolute", "steps": steps},
        });
        if self.kind == "timeseries" {
            let style = if self.bound.is_some() { "dashed" } else { "off" };
            defaults["custom"] = json!({
                "drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "auto", "spanNulls": false,
                "thresholdsStyle": {"mode": style},
            });
        }
        defaults
    }
}

/// Intervals become bands, and samples bars in the background with an axis of their own.
fn overrides(queries: &[Query]) -> Value {
    let has = |legend: &str| queries.iter().any(|query| query.legend == legend);
    let on = |legend: &str, properties: Value| json!({"matcher": {"id": "byName", "options": legend}, "properties": properties});
    let mut found = Vec::new();
    if has(LOWER) && has(UPPER) {
        let hidden = json!({"legend": true, "tooltip": false, "viz": false});
        let bound = |more: Option<Value>| {
            let mut properties = vec![
                json!({"id": "custom.lineWidth", "value": 0}),
                json!({"id": "custom.showPoints", "value": "never"}),
                json!({"id": "custom.hideFrom", "value": hidden}),
                json!({"id": "color", "value": {"mode": "fixed", "fixedColor": "blue"}}),
            ];
            properties.extend(more);
            Value::from(properties)
        };
        let below = json!({"id": "custom.fillBelowTo", "value": LOWER});
        found.push(on(LOWER, bound(None)));
        let mut upper = bound(Some(below));
        if let Some(properties) = upper.as_array_mut() {
            properties.push(json!({"id": "custom.fillOpacity", "value": 20}));
        }
        found.push(on(UPPER, upper));
    }
    if has(SAMPLES) {
        let properties = json!([
            {"id": "unit", "value": "short"},
            {"id": "custom.drawStyle", "value": "bars"},
            {"id": "custom.fillOpacity", "value": 10},
            {"id": "custom.lineWidth", "value": 0},
            {"id": "custom.axisPlacement", "value": "right"},
            {"id": "custom.thresholdsStyle", "value": {"mode": "off"}},
            {"id": "color", "value": {"mode": "fixed", "fixedColor": "text"}},
            {"id": "min", "value": 0},
        ]);
        found.push(on(SAMPLES, properties));
    }
    Value::from(found)
}

/// A link to a page outside, with all that Grafana's schema asks for.
fn link(title: &str, url: &str) -> Value {
    json!({
        "title": title, "url": url, "type": "link", "icon": "doc", "tooltip": "", "tags": [],
        "targetBlank": true, "asDropdown": false, "includeVars": false, "keepTime": false,
    })
}

/// A dashboard of panels, laid out from left to right.
pub(super) fn dashboard(name: &str, title: &str, variables: Vec<Value>, panels: &[Panel], runbook: &str) -> Value {
    let (mut x, mut y) = (0, 0);
    let mut placed = Vec::new();
    for (panel, id) in panels.iter().zip(1..) {
        if x + panel.width > WIDTH {
            (x, y) = (0, y + HEIGHT);
        }
        placed.push(panel.to_json(id, (x, y)));
        x += panel.width;
    }
    let source = json!({
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
        "refresh": 1, "hide": 0, "multi": false, "includeAll": false,
    });
    let variables: Vec<Value> = std::iter::once(source).chain(variables).collect();
    json!({
        "uid": format!("tidegauge-{name}"),
        "title": title,
        "tags": ["tidegauge"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": variables},
        "annotations": {"list": [{
            "name": "Alerts", "enable": true, "iconColor": "red", "titleFormat": "{{alertname}}",
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "expr": "ALERTS{alertname=~\"Tidegauge.+\",alertstate=\"firing\"}",
        }]},
        "links": [
            {
                "title": "Tidegauge", "type": "dashboards", "tags": ["tidegauge"], "asDropdown": true, "includeVars": true,
                "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "",
            },
            link("Runbook", runbook),
        ],
        "panels": placed,
    })
}
