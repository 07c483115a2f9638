//! How soon spikes tell of incidents of several sizes, and how often they tell of none: days of generated traffic through decoder, partition states
//! and merger. The traffic is the same in every run, so the figures in `docs/spikes.md` are checked and not only printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tidegauge::config::{Config, FixedEnvironment};
use tidegauge::generate::{Generator, Incident, IncidentKind, Options, TOPICS};
use tidegauge_aggregate::merger::Merger;
use tidegauge_aggregate::partition::PartitionState;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::record::Record;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};

const PAGE: &str = "docs/spikes.md";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Records a second, as the mean of a week.
const RATE: f64 = 25.0;
const QUIET_DAYS: i64 = 3;
const STRENGTHS: [f64; 5] = [0.05, 0.1, 0.2, 0.4, 0.7];
/// How often each incident is tried.
const TRIES: usize = 3;
/// From the start of one incident to the start of the next, so that none is in the baseline of another.
const APART: i64 = 95 * MINUTE;
/// Windows in a row that have to show a spike until the rules of `tidegauge rules` alert.
const ROW: usize = 3;
const LASTS: i64 = 20 * MINUTE;

const CONFIG: &str = r#"
[spike]
window = "5m"

[[window]]
name = "5m"
size = "5m"
slide = "1m"

[[grouping]]
dimensions = []

[[grouping]]
dimensions = ["product"]

[[grouping]]
dimensions = ["product", "task"]
"#;

/// Grouping, group and indicator.
type Series = (usize, Vec<Option<String>>, String);

/// A window of a series in which there was something to compare.
struct Seen {
    series: Series,
    end: i64,
    /// Windows in a row that show a spike, up to this one; 0 where it shows none.
    row: usize,
}

/// The definition of a spike, applied to a published row.
fn is_spike(row: &MetricRow) -> bool {
    let (Some(excess), Some(lower), Some(k), Some(n)) = (row.value, row.lower, row.numerator, row.denominator) else {
        return false;
    };
    let before = k as f64 / n as f64 - excess;
    lower > 0.0 && excess >= f64::max(0.02, before / 2.0) && k >= 5
}

/// The windows of all series that the traffic of an hour and `length` more gives.
fn seen(incidents: Vec<Incident>, length: i64) -> Vec<Seen> {
    let spec = Config::for_replay(CONFIG, "spikes", &FixedEnvironment::with(&[])).unwrap().spec;
    let plan = Arc::new(Plan::new(spec.clone()));
    let mut decoder = Decoder::new(DecodeLimits {
        max_record_bytes: spec.max_record_bytes,
        max_future_skew: spec.max_future_skew,
    });
    let options = Options {
        rate: RATE,
        users: 5_000,
        partitions: 1,
        bad: 0.0,
        incidents,
        ..Options::default()
    };
    let mut generator = Generator::new(&options).unwrap();
    let mut states = TOPICS.map(|_| PartitionState::new(Arc::clone(&plan)));
    let mut merger = Merger::new(Arc::clone(&plan));
    let mut found = Vec::new();
    let mut newest: BTreeMap<Series, (i64, usize)> = BTreeMap::new();
    let (mut offset, mut next) = (0, options.start);
    loop {
        let record = generator.draw();
        if record.timestamp >= next {
            for state in &mut states {
                merger.apply(&state.take_delta());
            }
            let watermark = states.iter().map(PartitionState::watermark).min().unwrap_or(EventTime::MIN);
            for row in merger.publish(watermark).rows {
                if row.metric != "spike_excess" || row.value.is_none() {
                    continue;
                }
                let series = (
                    row.grouping,
                    row.group.iter().map(|value| value.as_deref().map(str::to_owned)).collect(),
                    row.label.as_deref().unwrap_or_default().to_owned(),
                );
                let end = row.window_end.0 - options.start;
                let before = newest.get(&series).filter(|(before, _)| end - before == MINUTE);
                let row = if is_spike(&row) { before.map_or(0, |(_, row)| *row) + 1 } else { 0 };
                newest.insert(Clone::clone(&series), (end, row));
                found.push(Seen { series, end, row });
            }
            next += 10 * MINUTE;
        }
        if record.timestamp - options.start >= length + HOUR {
            return found;
        }
        let place = TOPICS.iter().position(|topic| *topic == record.topic).unwrap();
        let event = decoder.decode(&Record {
            topic: record.topic,
            partition: 0,
            offset,
            timestamp: Some(record.timestamp),
            key: Some(record.key()),
            value: record.value(),
            headers: &[],
        });
        states[place].apply(Some(record.timestamp), offset, &event.unwrap(), &mut |_| ());
        offset += 1;
    }
}

/// What was told where nothing goes wrong.
#[derive(Clone, Copy, Default)]
struct Told {
    series_days: usize,
    spikes: usize,
    /// Those that were seen in [`ROW`] windows in a row.
    alerts: usize,
}

/// What is told in quiet days, by indicator.
fn false_alarms() -> BTreeMap<String, Told> {
    let mut watched = BTreeSet::new();
    let mut last: BTreeMap<Series, i64> = BTreeMap::new();
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for seen in seen(Vec::new(), QUIET_DAYS * DAY) {
        let told = told.entry(seen.series.2.clone()).or_default();
        told.series_days += usize::from(watched.insert((seen.series.clone(), seen.end / DAY)));
        told.alerts += usize::from(seen.row == ROW);
        if seen.row > 0 {
            let before = last.insert(seen.series, seen.end);
            // Windows that overlap tell of one thing.
            told.spikes += usize::from(before.is_none_or(|before| seen.end - before > 5 * MINUTE));
        }
    }
    told
}

/// What is expected to tell of an incident.
fn signs(kind: IncidentKind) -> &'static [&'static str] {
    match kind {
        IncidentKind::ErrorSpike => &["task_error_ratio", "task_failure_ratio"],
        IncidentKind::Slow => &["task_abandonment_ratio"],
        IncidentKind::CheckoutOutage => &["task_failure_ratio", "task_error_ratio"],
        IncidentKind::ChurnWave => &["churn_ratio"],
        IncidentKind::SupportFlood => &["contact_ratio"],
    }
}

/// Minutes from the start of each incident of a kind and size to the end of the first window with a spike, and to that of the last of [`ROW`] in a row;
/// `None` where it passed unseen.
type Delays = BTreeMap<(&'static str, usize), Vec<[Option<i64>; 2]>>;

/// The delays of all incidents, several of each.
fn delays() -> Delays {
    let mut incidents = Vec::new();
    for _ in 0..TRIES {
        for (size, strength) in STRENGTHS.into_iter().enumerate() {
            for kind in IncidentKind::ALL {
                let start_ms = 2 * HOUR + incidents.len() as i64 * APART;
                let incident = Incident {
                    start_ms,
                    duration_ms: LASTS,
                    strength,
                    ..Incident::usual(kind)
                };
                incidents.push((size, incident));
            }
        }
    }
    let length = 2 * HOUR + incidents.len() as i64 * APART;
    let seen = seen(incidents.iter().map(|(_, incident)| incident.clone()).collect(), length);
    let mut delays: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (size, incident) in incidents {
        let here = |seen: &&Seen| {
            let group = seen.series.1.iter();
            let hit = |(value, place): (&Option<String>, &Option<String>)| place.is_none() || value == place;
            let inside = seen.end > incident.start_ms && seen.end <= incident.start_ms + LASTS + 5 * MINUTE;
            inside
                && signs(incident.kind).contains(&seen.series.2.as_str())
                && group.zip([&incident.product, &incident.task]).all(|(v, p)| hit((v, p)))
        };
        let first = |row: usize| seen.iter().filter(|seen| seen.row >= row).filter(here).map(|seen| seen.end).min();
        let delay = [1, ROW].map(|row| first(row).map(|end| (end - incident.start_ms) / MINUTE));
        delays.entry((incident.kind.as_str(), size)).or_default().push(delay);
    }
    delays
}

fn line(text: &mut String, name: &str, told: Told) {
    let Told {
        series_days,
        spikes,
        alerts,
    } = told;
    let per_day = |n: usize| n as f64 / series_days as f64;
    writeln!(
        text,
        "| {name} | {series_days} | {spikes} | {:.3} | {alerts} | {:.3} |",
        per_day(spikes),
        per_day(alerts)
    )
    .unwrap();
}

fn table(delays: &Delays, quiet: &BTreeMap<String, Told>) -> String {
    let mut text = "\n| incident | shows in |".to_owned();
    STRENGTHS.iter().for_each(|strength| write!(text, " {strength} |").unwrap());
    text += "\n|---|---|---|---|---|---|---|\n";
    for kind in IncidentKind::ALL {
        let signs: Vec<String> = signs(kind).iter().map(|sign| format!("`{sign}`")).collect();
        write!(text, "| `{}` | {} |", kind.as_str(), signs.join(", ")).unwrap();
        for size in 0..STRENGTHS.len() {
            let all = &delays[&(kind.as_str(), size)];
            let minutes = |delay: Option<i64>| delay.map_or("-".to_owned(), |minutes| minutes.to_string());
            let one = |[spike, alert]: &[Option<i64>; 2]| format!("{}/{}", minutes(*spike), minutes(*alert));
            write!(text, " {} |", all.iter().map(one).collect::<Vec<_>>().join(", ")).unwrap();
        }
        text += "\n";
    }
    text += "\n| indicator | series-days | spikes | per series-day | alerts | per series-day |\n|---|---|---|---|---|---|\n";
    let mut all = Told::default();
    for (name, told) in quiet {
        line(&mut text, &format!("`{name}`"), *told);
        all.series_days += told.series_days;
        all.spikes += told.spikes;
        all.alerts += told.alerts;
    }
    line(&mut text, "all", all);
    text
}

#[test]
fn strong_incidents_are_seen_within_minutes_and_quiet_days_are_quiet() {
    let (delays, quiet) = thread::scope(|scope| {
        let quiet = scope.spawn(false_alarms);
        (delays(), quiet.join().unwrap())
    });
    let table = table(&delays, &quiet);
    println!("{table}");
    let strongest = STRENGTHS.len() - 1;
    for kind in [IncidentKind::ErrorSpike, IncidentKind::CheckoutOutage] {
        let all = &delays[&(kind.as_str(), strongest)];
        assert!(
            all.iter().all(|delay| delay[1].is_some_and(|minutes| minutes <= 10)),
            "{kind:?}: {all:?}"
        );
    }
    let days: usize = quiet.values().map(|told| told.series_days).sum();
    let alerts: usize = quiet.values().map(|told| told.alerts).sum();
    assert!(days > 100 && alerts * 50 <= days, "{alerts} false alerts in {days} series-days");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- figures -->\n").expect("where the figures begin");
    let (_, after) = rest.split_once("<!-- end -->").expect("where they end");
    let wanted = format!("{before}<!-- figures -->\n{table}\n<!-- end -->{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    assert!(page == wanted, "the figures have changed: UPDATE_DOCS=1 cargo test --test spikes");
}
