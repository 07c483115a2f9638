//! `tidegauge metrics`.

mod entry;
mod markdown;

use clap::Args;
use serde_json::{Value, json};
use tidegauge_aggregate::catalogue::{self, Metric};

use self::entry::Entry;
use super::failure::Failure;
use super::{Context, output};

const AFTER_HELP: &str = "\
Examples:
  tidegauge metrics                              all of them
  tidegauge metrics task_success_ratio           everything about one
  tidegauge metrics --json | jq -r '.metrics[] | select(.area == \"CX\") | .name'";

/// The catalogue: what each metric says, exactly how it is counted, and where that comes from
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// The metric to explain
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// The whole catalogue as the page docs/metrics.md
    #[arg(long, conflicts_with_all = ["json", "name"])]
    markdown: bool,
}

pub(super) fn run(options: &Options, context: &Context) -> Result<(), Failure> {
    if options.markdown {
        return output::print(&markdown::page());
    }
    let Some(name) = &options.name else {
        if options.json {
            let metrics: Vec<Value> = catalogue::metrics().map(|metric| Entry::new(metric).to_json()).collect();
            return output::print_json(&json!({"metrics": metrics}));
        }
        return output::print(&table(context));
    };
    let metric = catalogue::find(name.strip_prefix("tidegauge_").unwrap_or(name)).ok_or_else(|| unknown(name))?;
    let entry = Entry::new(metric);
    if options.json {
        output::print_json(&entry.to_json())
    } else {
        output::print(&entry.describe(context.style))
    }
}

fn table(context: &Context) -> String {
    let mut rows = vec![["name", "area", "unit", "what it says"].map(str::to_owned).to_vec()];
    let row = |metric: &Metric| {
        vec![
            metric.name.to_owned(),
            metric.area.as_str().to_owned(),
            metric.unit.describe(),
            metric.help.to_owned(),
        ]
    };
    rows.extend(catalogue::metrics().map(row));
    let text = output::columns(&rows, &[]);
    match text.split_once('\n') {
        Some((head, rest)) => format!("{}\n{rest}", context.style.title(head)),
        None => text,
    }
}

fn unknown(name: &str) -> Failure {
    let near = nearest(name);
    let hint = match near.as_slice() {
        [] => "`tidegauge metrics` lists all of them".to_owned(),
        [one] => format!("did you mean `{one}`?"),
        several => format!(
            "did you mean {}?",
            several.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
        ),
    };
    Failure::Usage(format!("there is no metric `{name}`; {hint}"))
}

/// At most three names of the catalogue that `name` may have been meant as, best first: misspelt ones, then those that hold it.
fn nearest(name: &str) -> Vec<&'static str> {
    let wanted = name.to_lowercase().replace('-', "_");
    let mut found: Vec<(usize, &'static str)> = catalogue::metrics()
        .filter_map(|metric| {
            let distance = strsim::damerau_levenshtein(&wanted, metric.name);
            let allowed = (wanted.len().max(metric.name.len()) / 3).max(2);
            let holds = wanted.len() >= 3 && metric.name.contains(&wanted);
            (distance <= allowed)
                .then_some((distance, metric.name))
                .or(holds.then_some((1_000 + distance, metric.name)))
        })
        .collect();
    found.sort_unstable();
    let best = found.first().map_or(0, |(distance, _)| *distance);
    // A clear misspelling has one answer.
    let keep = if best <= 2 { 1 } else { 3 };
    found.into_iter().take(keep).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_metric_finds_its_neighbour() {
        assert_eq!(nearest("task_sucess_ratio"), ["task_success_ratio"]);
        assert_eq!(nearest("revenu"), ["revenue"]);
        assert!(nearest("churn").contains(&"churn_ratio"));
        assert!(nearest("quantum_flux_capacity_of_everything").is_empty());
    }
}
