//! A configuration in words: what would run.

use std::fmt::Debug;

use tidegauge_aggregate::spec::{Spec, Window};

use crate::cli::output::{self, Style};
use crate::cli::value;
use crate::config::{Bound, Compression, Config, Guarded, Start, Target};

/// What would run, line by line. Values that must not be shown are `***`.
pub(super) fn describe(config: &Config, style: Style) -> String {
    let mut rows = vec![
        ("reads", reads(config)),
        (
            "",
            format!(
                "as consumer group {}, {}; new partitions from {}",
                shown(&config.kafka.group_id),
                config.kafka.isolation.as_str(),
                start(config.kafka.start)
            ),
        ),
        ("writes", writes(config)),
        (
            "",
            format!(
                "{}, files of {} or what {} bring",
                compression(config.output.compression),
                output::bytes(config.output.target_file_size),
                span(config.output.commit_interval),
            ),
        ),
        (
            "lateness",
            format!(
                "{}; corrections for {}; a quiet partition is idle after {}",
                output::duration(config.spec.lateness),
                output::duration(config.spec.revision_horizon),
                span(config.idle_after),
            ),
        ),
    ];
    if let Some(topic) = &config.kafka.dead_letter_topic {
        rows.push(("rejects", format!("also to the topic {}", shown(topic))));
    }
    let spec = &config.spec;
    list(&mut rows, "windows", spec.windows.iter().map(|window| self::window(window, spec)));
    list(
        &mut rows,
        "journeys",
        spec.journeys.iter().map(|journey| {
            format!(
                "{}: {} within {}",
                journey.name,
                journey.steps.join(" > "),
                output::duration(journey.within)
            )
        }),
    );
    list(&mut rows, "targets", config.targets.iter().map(|target| self::target(target, spec)));
    if let Some(spike) = &spec.spike {
        let name = spec.windows.get(spike.window).map_or("?", |window| window.name.as_str());
        rows.push((
            "spikes",
            format!("{name} against the {} before it", output::duration(spike.baseline)),
        ));
    }
    let names = |of: &[usize], names: Vec<String>| {
        of.iter()
            .filter_map(|index| names.get(*index).cloned())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let windows = names(
        &config.prometheus.windows,
        spec.windows.iter().map(|window| window.name.clone()).collect(),
    );
    rows.push((
        "gauges",
        format!("of {windows} by {}", names(&config.prometheus.groupings, groupings(spec))),
    ));
    rows.push(("pages", format!("http://{}", config.http.listen)));
    rows.into_iter()
        .map(|(title, text)| format!("{}{text}\n", style.title(&format!("{title:<10}"))))
        .collect()
}

fn list(rows: &mut Vec<(&'static str, String)>, title: &'static str, items: impl Iterator<Item = String>) {
    for (index, item) in items.enumerate() {
        rows.push((if index == 0 { title } else { "" }, item));
    }
}

fn reads(config: &Config) -> String {
    let topics: Vec<String> = config.kafka.topics.iter().map(|topic| shown(&topic.name)).collect();
    let brokers = config.kafka.brokers.as_ref().map_or_else(|| "no brokers".to_owned(), shown);
    format!("{} from {brokers} ({})", topics.join(", "), config.kafka.security.protocol.as_str())
}

fn writes(config: &Config) -> String {
    let tables: Vec<&str> = config.output.tables.iter().map(|table| table.as_str()).collect();
    format!("{} to {}", tables.join(", "), location(config))
}

/// Where results go, for people.
pub(in crate::cli) fn location(config: &Config) -> String {
    match &config.output.location {
        None => "nowhere".to_owned(),
        Some(location) if location.is_hidden() => format!("{location:?}"),
        Some(location) => (**location).to_string(),
    }
}

fn window(window: &Window, spec: &Spec) -> String {
    let told = value::duration(&window.name).is_ok_and(|size| i64::try_from(size.as_millis()) == Ok(window.size));
    let size = if told {
        String::new()
    } else {
        format!(" of {}", output::duration(window.size))
    };
    let slide = if window.slide == window.size {
        String::new()
    } else {
        format!(" every {}", output::duration(window.slide))
    };
    let names = groupings(spec);
    let by: Vec<&str> = window
        .groupings
        .iter()
        .filter_map(|index| names.get(*index))
        .map(String::as_str)
        .collect();
    format!("{}{size}{slide} by {}", window.name, by.join(", "))
}

fn target(target: &Target, spec: &Spec) -> String {
    let stat = target.stat.as_ref().map_or_else(String::new, |stat| format!(" {stat}"));
    let window = spec.windows.get(target.window).map_or("?", |window| window.name.as_str());
    let filter: Vec<String> = target.filter.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let place = match (filter.is_empty(), groupings(spec).get(target.grouping)) {
        (false, _) => format!(" where {}", filter.join(" and ")),
        (true, Some(grouping)) => format!(" by {grouping}"),
        (true, None) => String::new(),
    };
    let bound = match target.bound {
        Bound::AtLeast(value) => format!("at least {value}"),
        Bound::AtMost(value) => format!("at most {value}"),
    };
    format!("{}{stat} in {window}{place}: {bound}", target.metric)
}

fn groupings(spec: &Spec) -> Vec<String> {
    spec.groupings.iter().map(|grouping| grouping.name()).collect()
}

fn start(start: Start) -> String {
    match start {
        Start::Earliest => "their oldest record".to_owned(),
        Start::Latest => "their end".to_owned(),
        Start::At(time) => output::time(time.0),
    }
}

fn compression(compression: Compression) -> String {
    match compression {
        Compression::Zstd(level) => format!("zstd({level})"),
        Compression::Snappy => "snappy".to_owned(),
        Compression::Lz4 => "lz4".to_owned(),
        Compression::None => "uncompressed".to_owned(),
    }
}

fn span(duration: std::time::Duration) -> String {
    output::duration(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// The value, or `***` where it came from somewhere secret.
fn shown<T: Debug + ToString>(value: &Guarded<T>) -> String {
    if value.is_hidden() {
        format!("{value:?}")
    } else {
        (**value).to_string()
    }
}
