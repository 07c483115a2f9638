//! The OpenMetrics text format 1.0, which the prometheus crate does not write.

use std::collections::HashSet;
use std::fmt::Write;

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// Writes families as OpenMetrics text. Gauges and counters only: the page has nothing else.
pub(super) fn encode(families: &[MetricFamily]) -> String {
    let names: HashSet<&str> = families.iter().map(MetricFamily::name).collect();
    let mut out = String::new();
    for family in families {
        let name = family.name();
        let counter = family.get_field_type() == MetricType::COUNTER;
        // In OpenMetrics a counter `x_total` is the sample of a family `x`. Where a gauge has that name (the count of the window beside
        // the count since the start), two families would clash, so the counter goes under its full name, with the type left open.
        let (family_name, kind) = match name.strip_suffix("_total").filter(|_| counter) {
            Some(base) if !names.contains(base) => (base, "counter"),
            _ if counter => (name, "unknown"),
            _ => (name, "gauge"),
        };
        out.push_str("# TYPE ");
        out.push_str(family_name);
        out.push(' ');
        out.push_str(kind);
        out.push_str("\n# HELP ");
        out.push_str(family_name);
        out.push(' ');
        escape(&mut out, family.help());
        out.push('\n');
        for metric in family.get_metric() {
            let value = if counter {
                metric.get_counter().get_value()
            } else {
                metric.get_gauge().get_value()
            };
            sample(&mut out, name, metric, value);
        }
    }
    out.push_str("# EOF\n");
    out
}

fn sample(out: &mut String, name: &str, metric: &Metric, value: f64) {
    out.push_str(name);
    for (i, label) in metric.get_label().iter().enumerate() {
        out.push(if i == 0 { '{' } else { ',' });
        out.push_str(label.name());
        out.push_str("=\"");
        escape(out, label.value());
        out.push('"');
    }
    if !metric.get_label().is_empty() {
        out.push('}');
    }
    let written = match value {
        f64::INFINITY => write!(out, " +Inf"),
        f64::NEG_INFINITY => write!(out, " -Inf"),
        _ => write!(out, " {value}"),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    out.push('\n');
}

/// Escapes a label value or help text.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}
