//! The configuration as text: what was found, and as comments what could be said about it.

use std::fmt::Write;
use std::path::Path;

use super::draft::{Draft, quoted};
use super::found::{Found, Looked};
use super::seen::Seen;
use crate::cli::hidden::plain;
use crate::cli::output;

/// A commented configuration.
pub(super) fn text(draft: &Draft, found: &Found, file: &Path) -> String {
    let mut text = String::new();
    let file = if file.as_os_str() == "-" { Path::new("FILE") } else { file };
    let file = file.display().to_string();
    let _ = write!(
        text,
        "# Made by `tidegauge init` from what the topics held. Lines that begin with # are suggestions: take the sign away to follow one.\n\
         # `tidegauge check -c {0} --connect` says whether it will run, `--effective` shows every key with its default.\n\n",
        plain(&file)
    );
    kafka(&mut text, draft, found);
    let _ = write!(
        text,
        "[output]\n# A directory of this host, or a bucket: s3://bucket/prefix, gs://..., az://...\nurl = {}\n\n\
         [http]\n# The page and the gauges (/metrics). They have no login: put a proxy in front before others can reach them.\n\
         listen = \"127.0.0.1:9464\"\n",
        quoted(&draft.url)
    );
    if found.seen.events > 0 {
        suggestions(&mut text, &found.seen, draft.config.spec.lateness);
    }
    text
}

fn kafka(text: &mut String, draft: &Draft, found: &Found) {
    let _ = write!(text, "[kafka]\nbrokers = {}\ntopics = [\n", quoted(&draft.brokers));
    for looked in &found.chosen {
        comment(text, "  # ", looked);
        let _ = writeln!(text, "  {},", quoted(&looked.topic.name));
    }
    text.push_str("]\n");
    if !found.left.is_empty() {
        text.push_str("# Left out, since none of their newest records is an event (docs/events.md has the contract):\n");
        found.left.iter().for_each(|looked| comment(text, "#   ", looked));
    }
    if !found.unseen.is_empty() {
        let _ = writeln!(text, "# Not looked at: {} more topics.", found.unseen.len());
    }
    text.push_str("# Where reading begins at the very first start: earliest, latest, or a time such as 2026-01-31T00:00:00Z.\n#start = \"earliest\"\n");
    for (table, lines) in &draft.set {
        if table != "kafka" {
            let _ = write!(text, "\n[{table}]\n");
        }
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    }
    text.push('\n');
}

fn comment(text: &mut String, sign: &str, looked: &Looked) {
    for line in looked.lines() {
        let _ = writeln!(text, "{sign}{}", plain(&line));
    }
}

fn suggestions(text: &mut String, seen: &Seen, lateness: i64) {
    text.push_str("\n# What the sample holds, and how often:\n");
    for (title, names) in seen.lists() {
        let _ = writeln!(text, "#   {title:<12}{}", plain(&names));
    }
    let slowest = output::span(seen.slowest);
    let verdict = if seen.slowest > lateness {
        "longer than the lateness, so it would have counted as late: later windows for more of them"
    } else {
        "within the lateness"
    };
    let _ = write!(
        text,
        "\n# The slowest event came {slowest} after a newer one of its partition, {verdict}.\n#[time]\n#lateness = \"{}\"\n",
        output::duration(lateness)
    );
    if let Some((product, tasks)) = seen.busiest() {
        target(text, product, &tasks);
        journey(text, &tasks);
    }
    if let Some(attribute) = seen.attribute() {
        grouping(text, attribute);
    }
}

fn target(text: &mut String, product: Option<&str>, tasks: &[&str]) {
    let Some(task) = tasks.first() else { return };
    let product = product.map_or_else(String::new, |product| format!("product = {}, ", quoted(product)));
    let _ = write!(
        text,
        "\n# What you want of a metric: an alert by `tidegauge rules`, a line by `tidegauge dashboard`. `tidegauge metrics` lists the metrics.\n\
         #[[target]]\n#metric = \"task_success_ratio\"\n#window = \"1h\"\n#grouping = \"product+task\"\n#where = {{ {product}task = {} }}\n\
         #at_least = 0.9\n",
        quoted(task)
    );
}

fn journey(text: &mut String, tasks: &[&str]) {
    if tasks.len() < 2 {
        return;
    }
    let steps: Vec<String> = tasks.iter().take(3).map(|task| quoted(task)).collect();
    let _ = write!(
        text,
        "\n# Tasks that people do one after the other. Put them into their order: here they are by frequency.\n\
         #[[journey]]\n#name = \"journey\"\n#steps = [{}]\n#within = \"30m\"\n",
        steps.join(", ")
    );
}

/// The list replaces the default one, so the default ones stand here too.
fn grouping(text: &mut String, attribute: &str) {
    let attribute = format!("attributes.{attribute}");
    let mut groupings: Vec<Vec<&str>> = vec![Vec::new(), vec!["product"]];
    groupings.extend(["task", "platform", "channel", "version", "touchpoint", &attribute].map(|dimension| vec!["product", dimension]));
    text.push_str("\n# Also by an attribute. The list replaces the default one, which is here too; take away what you do not need.\n");
    for grouping in &groupings {
        let dimensions: Vec<String> = grouping.iter().map(|dimension| quoted(dimension)).collect();
        let _ = write!(text, "#[[grouping]]\n#dimensions = [{}]\n", dimensions.join(", "));
    }
    let _ = write!(
        text,
        "#[prometheus]\n#groupings = [\"overall\", \"product\", \"product+task\", {}]\n",
        quoted(&format!("product+{attribute}"))
    );
}
