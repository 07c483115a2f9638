//! What one event costs on its way into a compressed row group: `cargo bench -p tidegauge-sink --bench tables`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidegauge_aggregate::event::{Action, Attribute, AttributeValue, Body, Effort, Event, Instrument, Scope, Severity};
use tidegauge_aggregate::record::Record;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::table::{Compression, FileIdentity, Table, TableOptions, TableSet, WorkerTables, assemble};

const EVENTS: usize = 131_072;
const START: i64 = 1_738_137_600_000;

/// The strings of one event, owned, since events borrow.
struct Strings {
    event_id: String,
    user_id: String,
    session_id: String,
    attempt_id: String,
    task: String,
    version: String,
    target: String,
}

/// Splitmix64: the same events on every machine.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn strings(n: usize) -> Strings {
    let r = mix(n as u64);
    Strings {
        event_id: format!("{r:016x}"),
        user_id: format!("user-{:06}", r % 100_000),
        session_id: format!("session-{:07}", r % 300_000),
        attempt_id: format!("attempt-{:08}", n / 2),
        task: format!("task-{}", r % 20),
        version: format!("4.{}.{}", r % 3, (r >> 8) % 5),
        target: format!("button-{}", (r >> 16) % 200),
    }
}

fn event<'a>(n: usize, s: &'a Strings, attributes: &'a [Attribute<'a>]) -> Event<'a> {
    let r = mix(n as u64 ^ 0xABCD);
    let pick = |values: &[&'static str]| Some(values[(r >> 20) as usize % values.len()]);
    let ms = (r >> 32) as i64 % 5_000;
    let body = match r % 20 {
        0..10 => Body::Interaction {
            action: Action::ALL[(r >> 8) as usize % Action::ALL.len()],
            target: Some(&s.target),
            latency_ms: Some(ms),
        },
        10..13 => Body::TaskStarted {
            task: &s.task,
            attempt_id: &s.attempt_id,
        },
        13..16 => Body::TaskFinished {
            task: &s.task,
            attempt_id: &s.attempt_id,
            success: r & 64 == 0,
            effort: Effort {
                duration_ms: Some(ms),
                clicks: Some(ms % 17),
                errors: Some(ms % 3),
            },
        },
        16 => Body::Error {
            code: "E_TIMEOUT",
            severity: Severity::Major,
            task: Some(&s.task),
            attempt_id: Some(&s.attempt_id),
            message: Some("the payment provider did not answer in time"),
        },
        17 => Body::SurveyResponse {
            instrument: Instrument::Nps,
            score_micros: (ms % 11) * 1_000_000,
            scope: Scope::Brand,
            task: None,
            touchpoint: Some("checkout"),
            comment: Some("works well, but could be faster on my phone"),
        },
        18 => Body::Feedback {
            text: Some("where did the old menu go?"),
            sentiment_micros: Some(-250_000),
            touchpoint: Some("menu"),
        },
        _ => Body::Purchased {
            amount_micros: i128::from(ms) * 10_000,
            currency: Some("EUR"),
        },
    };
    Event {
        time: EventTime(START + n as i64 * 20),
        event_id: Some(&s.event_id),
        user_id: Some(&s.user_id),
        session_id: Some(&s.session_id),
        common: [
            pick(&["shop", "account", "help"]),
            pick(&["ios", "android", "web"]),
            pick(&["app", "web"]),
            Some(&s.version),
            pick(&["DE", "FR", "US", "JP"]),
            pick(&["free", "pro"]),
        ],
        attributes: if n.is_multiple_of(4) { attributes } else { &[] },
        body,
    }
}

fn tables(c: &mut Criterion) {
    let strings: Vec<Strings> = (0..EVENTS).map(strings).collect();
    let attributes = [
        Attribute {
            name: "experiment",
            value: AttributeValue::Text("b"),
        },
        Attribute {
            name: "seats",
            value: AttributeValue::Number("12"),
        },
    ];
    let value = [b' '; 250];
    let append = |tables: &mut WorkerTables| {
        for (n, s) in strings.iter().enumerate() {
            let event = event(n, s, &attributes);
            let record = Record {
                topic: "product.telemetry",
                partition: (n % 4) as i32,
                offset: (n / 4) as i64,
                timestamp: Some(event.time.0 + 40),
                key: None,
                value: Some(&value),
                headers: &[],
            };
            tables.append_event(&record, &event).unwrap();
        }
    };
    let fresh = |options: &TableOptions| WorkerTables::new(options).unwrap();
    let mut group = c.benchmark_group("events");
    group
        .throughput(Throughput::Elements(EVENTS as u64))
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.bench_function("generate", |b| {
        b.iter_custom(|n| {
            cpu_time(
                n,
                || (),
                |()| {
                    strings.iter().enumerate().for_each(|(n, s)| {
                        black_box(event(n, s, &attributes));
                    })
                },
            )
        });
    });
    let mut options = TableOptions::new(Arc::new(Spec::default()));
    options.tables = [Table::Events].into_iter().collect::<TableSet>();
    for compression in [Compression::Zstd(1), Compression::None] {
        options.compression = compression;
        let full = |mut tables: WorkerTables| {
            append(&mut tables);
            tables.flush().unwrap()
        };
        group.bench_function(format!("append and encode, {compression}"), |b| {
            b.iter_custom(|n| cpu_time(n, || fresh(&options), full));
        });
    }
    let identity = FileIdentity {
        nonce: "bench".to_owned(),
        version: "0".to_owned(),
    };
    let encoded = |options: &TableOptions| {
        let mut tables = fresh(options);
        append(&mut tables);
        tables.flush().unwrap()
    };
    options.compression = Compression::Zstd(1);
    let bytes: usize = assemble(encoded(&options), &identity)
        .unwrap()
        .iter()
        .map(|file| file.bytes.len())
        .sum();
    println!("zstd(1): {} bytes per event", bytes / EVENTS);
    group.bench_function("splice", |b| {
        b.iter_custom(|n| cpu_time(n, || encoded(&options), |groups| assemble(groups, &identity).unwrap()))
    });
    group.finish();
}

/// Time that this thread was on a CPU, since builds share the machine; wall time where the system does not tell.
fn cpu_time<I, O>(iterations: u64, setup: impl Fn() -> I, run: impl Fn(I) -> O) -> Duration {
    let start = Instant::now();
    let clock = || -> Option<Duration> {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    let now = || clock().unwrap_or_else(|| start.elapsed());
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        let input = setup();
        let before = now();
        let output = black_box(run(black_box(input)));
        total += now().saturating_sub(before);
        drop(output);
    }
    total.max(Duration::from_nanos(1))
}

criterion_group!(benches, tables);
criterion_main!(benches);
