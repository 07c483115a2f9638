//! The records as a stream: repeatable, in bounds, in the order of a real log.

use super::*;
use std::collections::{HashMap, HashSet};

const TYPES: [&str; 18] = [
    "task_started",
    "task_finished",
    "task_abandoned",
    "error",
    "interaction",
    "survey_shown",
    "survey_response",
    "feedback",
    "ticket_opened",
    "ticket_responded",
    "ticket_resolved",
    "ticket_reopened",
    "ticket_escalated",
    "signed_up",
    "referred",
    "converted",
    "purchased",
    "churned",
];

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let options = Options {
        bad: 0.01,
        schedule: Some(Schedule {
            every_ms: 60_000,
            duration_ms: 30_000,
            strength: 0.7,
        }),
        ..options()
    };
    let first = drawn(&options, 30_000);
    assert_eq!(first, drawn(&options, 30_000));
    let other = drawn(&Options { seed: 2, ..options }, 30_000);
    let same = first.iter().zip(&other).filter(|(one, two)| bytes(one) == bytes(two)).count();
    assert_eq!(same, 0);
}

#[test]
fn records_do_not_depend_on_the_portions_in_which_they_are_drawn() {
    let options = Options { bad: 0.01, ..options() };
    let whole = drawn(&options, 20_000);
    let mut generator = Generator::new(&options).unwrap();
    let mut at = 0;
    for portion in [1, 7, 500, 3, 4096, 1, 15_392] {
        for expected in &whole[at..at + portion] {
            assert_eq!(generator.draw(), expected);
        }
        at += portion;
        assert!(generator.event_time() <= whole[at - 1].timestamp);
    }
    assert_eq!(at, whole.len());
}

#[test]
fn the_traffic_of_a_seed_is_the_same_on_every_machine() {
    let options = Options {
        bad: 0.01,
        ..Options::default()
    };
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in drawn(&options, 20_000).iter().flat_map(bytes) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    // Changes with every change of the traffic, and only then.
    assert_eq!(hash, 0xf12e_08d4_c4ac_ccd2, "{hash:#x}");
}

#[test]
fn good_records_do_not_depend_on_the_share_of_refused_ones() {
    let values = |bad| {
        let good = drawn(&Options { bad, ..options() }, 20_000)
            .into_iter()
            .filter(|record| record.refused.is_none());
        good.take(10_000).collect::<Vec<_>>()
    };
    assert!(values(0.0) == values(0.3));
}

#[test]
fn every_type_of_event_occurs() {
    let counts = counted(LONG.iter().map(|(_, event)| text(event, "type").to_owned()));
    for name in TYPES {
        assert!(counts.get(name).is_some_and(|&count| count >= 3), "{name}: {counts:?}");
    }
    assert_eq!(counts.len(), TYPES.len(), "{counts:?}");
}

#[test]
fn refused_records_have_the_share_that_was_asked_for_and_every_reason() {
    let records = drawn(
        &Options {
            bad: 0.05,
            oversized: Some(5_000),
            ..options()
        },
        100_000,
    );
    let refused: Vec<_> = records.iter().filter(|record| record.refused.is_some()).collect();
    let share = refused.len() as f64 / records.len() as f64;
    assert!((share - 0.05).abs() < 0.003, "{share}");
    let counts = counted(refused.iter().filter_map(|record| record.refused).map(str::to_owned));
    let reasons = [
        "bad_time",
        "empty",
        "future_time",
        "invalid_field",
        "missing_field",
        "not_json",
        "too_large",
        "unknown_type",
    ]
    .map(str::to_owned);
    assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), reasons);
    for record in refused {
        let length = record.value().map_or(0, <[u8]>::len);
        assert_eq!(record.refused == Some("too_large"), length > 5_000);
        assert_eq!(record.refused == Some("empty"), length == 0);
        let object = serde_json::from_slice::<Value>(record.value().unwrap_or_default()).is_ok_and(|value| value.is_object());
        let deep = record.value().is_some_and(|value| value.windows(65).any(|part| part == [b'['; 65]));
        assert_eq!(!matches!(record.refused, Some("empty" | "not_json")), object && !deep);
    }
}

#[test]
fn nothing_is_refused_unless_asked_for() {
    assert!(drawn(&options(), 20_000).iter().all(|record| record.refused.is_none()));
}

#[test]
fn events_are_of_the_usual_size() {
    let events = &USUAL[..50_000];
    let mean = events.iter().map(|(record, _)| record.value().unwrap().len()).sum::<usize>() as f64 / 50_000.0;
    assert!((230.0..310.0).contains(&mean), "{mean}");
    let fields = events.iter().map(|(_, event)| event.as_object().unwrap().len()).sum::<usize>() as f64 / 50_000.0;
    assert!((11.0..15.0).contains(&fields), "{fields}");
}

#[test]
fn the_rate_is_the_mean_of_a_week() {
    let options = Options { rate: 1.0, ..options() };
    let mut generator = Generator::new(&options).unwrap();
    let mut count = 0_u32;
    while generator.draw().timestamp < START + 7 * 86_400_000 {
        count += 1;
    }
    let rate = f64::from(count) / (7.0 * 86_400.0);
    assert!((rate - 1.0).abs() < 0.03, "{rate}");
}

#[test]
fn the_first_minutes_are_as_busy_as_the_next() {
    let minutes = counted(
        USUAL
            .iter()
            .map(|(record, _)| (record.timestamp - START) / 60_000)
            .filter(|minute| *minute < 4)
            .map(|m| m.to_string()),
    );
    let (least, most) = (minutes.values().min().unwrap(), minutes.values().max().unwrap());
    assert_eq!(minutes.len(), 4);
    assert!(*most < least + least / 4, "{minutes:?}");
}

/// The rules of the contract for watermark and lateness, per partition of a topic.
#[test]
fn most_events_are_a_little_out_of_order_and_few_are_late() {
    let mut watermarks = HashMap::new();
    let (mut late, mut behind) = (0.0, 0.0);
    for (record, event) in USUAL.iter() {
        let watermark = watermarks.entry((record.topic, record.partition)).or_insert(i64::MIN);
        let time = time(event);
        if time < watermark.saturating_sub(120_000) {
            late += 1.0;
            continue;
        }
        behind += f64::from(u8::from(time < *watermark));
        *watermark = (*watermark).max(time.min(record.timestamp));
        assert!(
            time <= record.timestamp + 300_000,
            "{time} is too far ahead of {}",
            record.timestamp
        );
    }
    assert_eq!(watermarks.len(), 8);
    let (late, behind) = (late / USUAL.len() as f64, behind / USUAL.len() as f64);
    assert!((0.001..0.02).contains(&late), "{late}");
    assert!(behind > 0.3, "{behind}");
}

#[test]
fn a_few_events_arrive_twice_with_the_same_id_and_time_in_the_same_partition() {
    let mut seen = HashMap::new();
    let mut twice = 0.0;
    for (record, event) in USUAL.iter() {
        let id = text(event, "event_id");
        if id.is_empty() {
            continue;
        }
        if let Some(first) = seen.insert(id, record) {
            assert_eq!(
                (first.partition, first.topic, first.key(), first.value()),
                (record.partition, record.topic, record.key(), record.value())
            );
            twice += 1.0;
        }
    }
    assert!((0.001..0.01).contains(&(twice / USUAL.len() as f64)), "{twice}");
}

#[test]
fn everything_of_an_attempt_or_a_ticket_is_in_one_partition() {
    let mut places = HashMap::new();
    let mut seen = HashSet::new();
    for (record, event) in USUAL.iter() {
        for name in ["attempt_id", "ticket_id"] {
            let id = text(event, name);
            if id.is_empty() {
                continue;
            }
            let place = (record.topic, record.partition, record.key().to_vec());
            assert_eq!(*places.entry(id.to_owned()).or_insert(place.clone()), place, "{id}");
            seen.insert((name, record.partition));
        }
    }
    assert_eq!(seen.len(), 8, "every partition has attempts and tickets");
}

#[test]
fn no_record_is_before_the_event_time_that_was_reached() {
    let mut generator = Generator::new(&Options { bad: 0.1, ..options() }).unwrap();
    for _ in 0..50_000 {
        let reached = generator.event_time();
        assert!(generator.draw().timestamp >= reached);
    }
}

#[test]
fn files_have_a_line_per_record_and_are_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        partitions: 3,
        bad: 0.05,
        ..options()
    };
    let mut told = 0;
    let written = write_files(directory.path(), &mut Generator::new(&options).unwrap(), 20_000, &mut |written| {
        told = written.records
    })
    .unwrap();
    assert_eq!((written.records, told), (20_000, 20_000));
    let (mut lines, mut length) = (0, 0);
    for (topic, partition) in TOPICS.iter().flat_map(|topic| (0..3).map(move |partition| (topic, partition))) {
        let content = std::fs::read_to_string(directory.path().join(topic).join(format!("{partition}.jsonl"))).unwrap();
        length += content.len() as u64;
        for line in content.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["timestamp"].is_i64() && line["key"].is_string());
            assert!(line.get("value").is_some() != line.get("value_base64").is_some());
            lines += 1;
        }
    }
    assert_eq!((lines, length), (20_000, written.bytes));
    let error = write_files(directory.path(), &mut Generator::new(&options).unwrap(), 1, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("0.jsonl") && error.contains("choose an empty directory"), "{error}");
}

#[test]
fn an_empty_partition_has_its_file_too() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        partitions: 5,
        ..options()
    };
    write_files(directory.path(), &mut Generator::new(&options).unwrap(), 0, &mut |_| {}).unwrap();
    assert_eq!(std::fs::read(directory.path().join(FEEDBACK).join("4.jsonl")).unwrap(), b"");
}

#[test]
fn options_out_of_range_are_refused_with_what_they_may_be() {
    let mut lasting = Incident::usual(IncidentKind::Slow);
    lasting.duration_ms = 0;
    let wrong = [
        (
            Options {
                rate: f64::NAN,
                ..options()
            },
            "rate",
        ),
        (Options { rate: 0.0, ..options() }, "rate"),
        (Options { users: 0, ..options() }, "users"),
        (
            Options {
                partitions: 0,
                ..options()
            },
            "partitions",
        ),
        (Options { bad: 1.0, ..options() }, "less than 1"),
        (Options { start: -1, ..options() }, "start"),
        (
            Options {
                incidents: vec![lasting],
                ..options()
            },
            "slow",
        ),
        (
            Options {
                schedule: Some(Schedule {
                    every_ms: 0,
                    duration_ms: 1,
                    strength: 1.0,
                }),
                ..options()
            },
            "schedule",
        ),
    ];
    for (options, word) in wrong {
        let message = Generator::new(&options).err().unwrap().to_string();
        assert!(message.contains(word), "{message}");
    }
}
