//! The configuration as text: what was found, and as comments what could be said about it.

use std::fmt::Write;
use std::path::Path;

use super::draft::{Draft, quoted};
use super::found::{Found, Looked};
use super::seen::Seen;
use crate::cli::hidden::plain;
use crate::cli::output;
use crate::config::{self, ProcessEnvironment};

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

/// Something that could be said, and why.
struct Suggestion {
    why: &'static str,
    toml: String,
}

fn suggestions(text: &mut String, seen: &Seen, lateness: i64) {
    text.push_str("\n# What the sample holds, and how often:\n");
    for (title, names) in seen.lists() {
        let _ = writeln!(text, "#   {title:<12}{}", plain(&names));
    }
    let slowest = output::span(seen.slowest);
    let _ = write!(text, "#\n# The slowest event came {slowest} after a newer one of its partition; ");
    text.push_str(if seen.slowest > lateness {
        "that is beyond the lateness, so it would count as late.\n"
    } else {
        "that is within the lateness.\n"
    });
    let plain = text.clone();
    for Suggestion { why, toml } in made(seen, lateness) {
        // Names that a configuration cannot hold, such as some with control characters, make a suggestion that `check` would refuse.
        if config::parse(&format!("{plain}{toml}"), "suggestion", &ProcessEnvironment).is_ok() {
            let _ = writeln!(text, "\n# {why}");
            toml.lines().for_each(|line| text.push_str(&format!("#{line}\n")));
        }
    }
}

fn made(seen: &Seen, lateness: i64) -> Vec<Suggestion> {
    let mut made = vec![Suggestion {
        why: "Longer makes results later and fewer events late.",
        toml: format!("[time]\nlateness = \"{}\"\n", output::duration(lateness)),
    }];
    if let Some((product, tasks)) = seen.busiest() {
        made.extend(tasks.first().map(|task| target(product, task)));
        made.extend((tasks.len() > 1).then(|| journey(&tasks)));
    }
    made.extend(seen.attribute().map(grouping));
    made
}

fn target(product: Option<&str>, task: &str) -> Suggestion {
    let product = product.map_or_else(String::new, |product| format!("product = {}, ", quoted(product)));
    Suggestion {
        why: "What you want of a metric: an alert by `tidegauge rules`, a line by `tidegauge dashboard`. `tidegauge metrics` lists the metrics.",
        toml: format!(
            "[[target]]\nmetric = \"task_success_ratio\"\nwindow = \"1h\"\ngrouping = \"product+task\"\nwhere = {{ {product}task = {} }}\n\
             at_least = 0.9\n",
            quoted(task)
        ),
    }
}

fn journey(tasks: &[&str]) -> Suggestion {
    let steps: Vec<String> = tasks.iter().take(3).map(|task| quoted(task)).collect();
    let steps = steps.join(", ");
    Suggestion {
        why: "Tasks that people do one after the other. Put them into their order: here they are by frequency.",
        toml: format!("[[journey]]\nname = \"journey\"\nsteps = [{steps}]\nwithin = \"30m\"\n"),
    }
}

/// The list replaces the default one, so the default ones stand here too.
fn grouping(attribute: &str) -> Suggestion {
    let attribute = format!("attributes.{attribute}");
    let mut groupings: Vec<Vec<&str>> = vec![Vec::new(), vec!["product"]];
    groupings.extend(["task", "platform", "channel", "version", "touchpoint", &attribute].map(|dimension| vec!["product", dimension]));
    let mut toml = String::new();
    for grouping in &groupings {
        let dimensions: Vec<String> = grouping.iter().map(|dimension| quoted(dimension)).collect();
        let _ = write!(toml, "[[grouping]]\ndimensions = [{}]\n", dimensions.join(", "));
    }
    let _ = write!(
        toml,
        "[prometheus]\ngroupings = [\"overall\", \"product\", \"product+task\", {}]\n",
        quoted(&format!("product+{attribute}"))
    );
    Suggestion {
        why: "Also by an attribute. The list replaces the default one, which is here too; take away what you do not need.",
        toml,
    }
}
