//! The configuration as people meet it: what is accepted, what is refused and how that is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tidegauge::config::{
    Bound, Compression, Config, ConfigErrors, FixedEnvironment, Isolation, Location, Mistake, OnGap, Place, Start, Table, load, parse,
    reference,
};
use tidegauge_aggregate::spec::{Spec, Spike};
use tidegauge_aggregate::time::EventTime;

const SECRET: &str = "hunter2-3f9a";
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ingest/fuzz/seeds/config");
const REQUIRED: &str = "kafka.brokers = \"b:9092\"\noutput.url = \"file:///data\"\n";

fn nothing() -> FixedEnvironment {
    FixedEnvironment::default()
}

fn replay(text: &str) -> Result<Config, ConfigErrors> {
    Config::for_replay(text, "t.toml", &nothing())
}

/// All mistakes as `line:column message`, so that a test states place and words together.
fn mistakes(text: &str) -> Vec<String> {
    replay(text)
        .expect_err("the configuration is wrong")
        .mistakes
        .iter()
        .map(|mistake| mistake.to_string().replace("t.toml:", ""))
        .collect()
}

/// Exactly one mistake, whose text begins and ends so.
#[track_caller]
fn one(text: &str, start: &str, part: &str) {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(start) && found[0].contains(part), "{found:#?}");
}

#[test]
fn five_mistakes_are_reported_at_once_each_where_it_stands() {
    let text = "\
[time]
latness = \"2m\"
idle_after = \"5\"

[limits]
max_groups = 0
max_record_bytes = 5

[output]
on_gap = \"halt\"
";
    assert_eq!(
        mistakes(text),
        [
            "2:1: unknown key `latness` in [time]: did you mean `lateness`?",
            "3:14: `time.idle_after` is a duration without a unit: found \"5\", expected a whole number with a unit (ms, s, m, h or d, like \
             \"2m\"), 0ms to 7d; did you mean `5s`?",
            "6:14: `limits.max_groups` is out of range: found 0, expected an integer from 1 to 1000000",
            "7:20: `limits.max_record_bytes` is of the wrong type: found 5, expected a whole number with a unit (B, KiB, MiB, GiB, TiB, kB, MB or \
             GB, like \"128MiB\"), 1B to 1GiB; did you mean `\"5B\"`?",
            "10:10: `output.on_gap` is none of its values: found \"halt\", expected `stop` or `record`",
        ]
    );
}

#[test]
fn every_key_is_accepted_and_lands_where_it_should() {
    let text = include_str!("config/every-key.toml");
    let config = parse(text, "t.toml", &nothing()).unwrap();
    let kafka = &config.kafka;
    assert_eq!(kafka.brokers.as_ref().unwrap().as_str(), "broker-1:9092,broker-2:9092");
    let topics: Vec<_> = kafka.topics.iter().map(|topic| (topic.name.as_str(), topic.regex)).collect();
    assert_eq!(topics, [("telemetry", false), ("^feedback\\..*", true)]);
    assert_eq!((kafka.group_id.as_str(), kafka.isolation), ("gauges", Isolation::ReadUncommitted));
    assert_eq!(kafka.start, Start::At(EventTime(1_767_225_600_000)));
    assert_eq!(kafka.dead_letter_topic.as_ref().unwrap().as_str(), "dead");
    let properties: Vec<_> = kafka
        .properties()
        .into_iter()
        .map(|(name, value)| format!("{name}={}", *value))
        .collect();
    let expected = "fetch.min.bytes=100000 queued.max.messages.kbytes=65536 sasl.mechanisms=SCRAM-SHA-512 sasl.password=p sasl.username=u \
                    security.protocol=sasl_ssl socket.keepalive.enable=true ssl.ca.location=/ca.pem ssl.certificate.location=/cert.pem \
                    ssl.key.location=/key.pem";
    assert_eq!(properties.join(" "), expected);

    let output = &config.output;
    let bucket = Location::Remote {
        scheme: "s3",
        bucket: "bucket".to_owned(),
        prefix: "a/b".to_owned(),
    };
    assert_eq!(**output.location.as_ref().unwrap(), bucket);
    let intervals = [
        output.commit_interval,
        output.live_interval,
        output.snapshot_interval,
        output.abandoned_after,
    ];
    assert_eq!(intervals.map(|i| i.as_millis()), [60_000, 1_000, 120_000, 90_000]);
    assert_eq!((output.checkpoint_every, output.target_file_size), (7, 1 << 20));
    assert_eq!((output.compression, output.on_gap), (Compression::Zstd(9), OnGap::Record));
    assert_eq!(output.tables, [Table::Metrics, Table::Rejects]);

    let spec = &config.spec;
    let times = [
        spec.lateness,
        spec.revision_horizon,
        spec.max_future_skew,
        spec.attempt_timeout,
        spec.ticket_retention,
    ];
    assert_eq!(times, [1_000, 2_000, 3_000, 4_000, 5_000]);
    assert_eq!(
        [spec.first_response_target, spec.resolution_target, spec.apdex_threshold],
        [6_000, 7_000, 250]
    );
    assert_eq!((spec.gross_margin, spec.max_record_bytes), (0.5, 6_144));
    assert_eq!([spec.max_groups, spec.distinct_k, spec.distinct_k_groups], [11, 16, 17]);
    assert_eq!(
        [spec.max_attempts, spec.max_tickets, spec.max_journeys, spec.max_event_ids],
        [12, 13, 14, 15]
    );
    let groupings: Vec<_> = spec.groupings.iter().map(|g| g.name()).collect();
    assert_eq!(groupings, ["overall", "product", "product+attributes.plan"]);
    let windows: Vec<_> = spec
        .windows
        .iter()
        .map(|w| (w.name.as_str(), w.size, w.slide, w.groupings.clone()))
        .collect();
    assert_eq!(
        windows,
        [("short", 60_000, 30_000, vec![0, 2]), ("long", 600_000, 600_000, vec![0, 1, 2])]
    );
    assert_eq!((spec.journeys[0].name.as_str(), spec.journeys[0].within), ("buy", 90_000));
    assert_eq!(spec.journeys[0].steps, ["search", "checkout"]);
    assert_eq!(
        spec.spike,
        Some(Spike {
            window: 0,
            baseline: 120_000
        })
    );

    let target = &config.targets[0];
    assert_eq!(
        (target.metric.as_str(), target.window, target.grouping),
        ("task_success_ratio", 1, 2)
    );
    assert_eq!(
        target.filter,
        [("product", "shop"), ("attributes.plan", "pro")].map(|(d, v)| (d.to_owned(), v.to_owned()))
    );
    assert_eq!(
        (config.targets[0].bound, config.targets[1].bound),
        (Bound::AtLeast(0.95), Bound::AtMost(3.0))
    );
    assert_eq!((target.stat.as_deref(), config.targets[1].stat.as_deref()), (None, Some("p95")));
    assert_eq!((&config.prometheus.groupings, &config.prometheus.windows), (&vec![2, 0], &vec![1]));
    assert_eq!((config.prometheus.max_series, config.prometheus.windows_named), (9, true));
    assert_eq!(
        (config.http.listen.to_string().as_str(), config.http.history_points),
        ("0.0.0.0:80", 250_000)
    );
    assert_eq!((config.idle_after, config.max_partition_skew), (Duration::from_secs(9), 10_000));
    assert_eq!((config.workers, config.shutdown_timeout), (Some(3), Duration::from_secs(8)));
}

#[test]
fn the_file_of_every_key_misses_none_of_the_reference() {
    let text = include_str!("config/every-key.toml");
    let config = parse(text, "t.toml", &nothing()).unwrap();
    let keys = reference();
    let names = keys.lines().filter_map(|line| line.strip_prefix("- **`")?.split('`').next());
    for name in names.map(|path| path.rsplit('.').next().unwrap()) {
        let written = text
            .lines()
            .any(|line| line.starts_with(&format!("{name} =")) || line.contains(&format!("{name}]")));
        assert!(
            written || text.contains(&format!(".{name} =")),
            "{name} is not in the file of every key"
        );
        assert!(
            config.to_redacted_toml().contains(name),
            "{name} is not in the redacted configuration"
        );
    }
}

#[test]
fn no_file_at_all_is_the_default_of_everything() {
    let config = Config::load_for_replay(None, &nothing()).unwrap();
    assert_eq!(config.spec, Spec::default());
    assert_eq!((config.kafka.brokers, config.output.location), (None, None));
    assert_eq!(
        (config.prometheus.windows, config.prometheus.groupings),
        (vec![1, 2, 3], vec![0, 1, 2])
    );
    assert!(!config.prometheus.windows_named);
    assert_eq!((config.workers, config.kafka.start), (None, Start::Earliest));
}

#[test]
fn a_service_needs_brokers_and_an_output() {
    let errors = parse("\n[kafka]\n", "t.toml", &nothing()).unwrap_err().to_string();
    assert!(errors.contains("t.toml:2:2: `kafka.brokers` is missing"), "{errors}");
    assert!(errors.contains("t.toml:1:1: `output.url` is missing"), "{errors}");
    assert!(errors.ends_with("2 mistakes in the configuration"), "{errors}");
    parse(REQUIRED, "t.toml", &nothing()).unwrap();
}

#[test]
fn every_golden_configuration_is_accepted() {
    let mut seen = 0;
    for case in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).unwrap() {
        let file = case.unwrap().path().join("config.toml");
        if file.exists() {
            let config = Config::load_for_replay(Some(&file), &nothing()).unwrap_or_else(|errors| panic!("{errors}"));
            assert!(config.spec.spike.is_some());
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} golden configurations");
}

#[test]
fn what_is_shown_of_a_configuration_reads_back_as_the_same() {
    for text in [
        "",
        include_str!("config/every-key.toml"),
        include_str!("golden/journeys/config.toml"),
    ] {
        let config = replay(text).unwrap();
        let again = replay(config.to_redacted_toml()).unwrap_or_else(|errors| panic!("{errors}\n{}", config.to_redacted_toml()));
        assert_eq!(
            (again.spec, again.targets, again.prometheus.groupings),
            (config.spec, config.targets, config.prometheus.groupings)
        );
    }
}

#[test]
fn broken_syntax_is_reported_with_its_line_and_does_not_hide_other_mistakes() {
    let found = mistakes("[time]\nlateness = \nidle_afer = \"1s\"\n[limits]\nmax_groups = 1 2\n");
    assert!(
        found[0].starts_with("2:") && found.iter().any(|m| m.starts_with("5:")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|m| m == "3:1: unknown key `idle_afer` in [time]: did you mean `idle_after`?"),
        "{found:#?}"
    );
    let found = mistakes("[time\nlateness = \"2m\"\n");
    assert!(found.iter().all(|m| m.starts_with("1:")), "{found:#?}");
    let found = mistakes("[time]\nlateness = \"2m\"\nlateness = \"3m\"\n");
    assert!(found[0].starts_with("3:1: duplicate key"), "{found:#?}");
}

#[test]
fn broken_syntax_around_a_secret_does_not_show_it() {
    let password = "kafka.security.sasl.password";
    let broken = [
        format!("{password} = {SECRET}"),
        format!("{password} = \"{SECRET}"),
        format!("{password} = '{SECRET}\n"),
        format!("{password} {SECRET}"),
        format!("{password} = \"{SECRET}\" \"{SECRET}\""),
        format!("{password} = \"{SECRET}\"\n{password} = \"{SECRET}\""),
        format!("{password} =\n\"{SECRET}\""),
        format!("{password} = \"\\q{SECRET}\""),
    ];
    for text in broken {
        let errors = replay(&text).unwrap_err();
        assert!(!format!("{errors} {errors:?}").contains(SECRET), "{errors}");
    }
}

#[test]
fn unknown_keys_are_found_at_every_level() {
    one("tme = 1", "1:1: unknown key `tme` at the top level", "did you mean `time`?");
    one(
        "kafka.security.sasl.pasword = \"x\"",
        "1:21: unknown key `pasword` in [kafka.security.sasl]",
        "`password`",
    );
    one(
        "[kafka]\nlateness = \"2m\"",
        "2:1: unknown key `lateness` in [kafka]",
        "did you mean `time.lateness`?",
    );
    one(
        "[[window]]\nname = \"w\"\nsize = \"1m\"\nslid = \"1m\"",
        "4:1: unknown key `slid` in [[window]]",
        "did you mean `slide`?",
    );
    one("[http]\nzzzzzz = 1", "2:1: unknown key `zzzzzz` in [http]", "expected `listen`");
    one("time = 5", "1:8: `time` is of the wrong type", "expected a table with `lateness`, ");
    one("[window]\nname = \"a\"", "1:", "did you mean `[[window]]`?");
    one(
        "window = [1]\n[spike]",
        "1:11: an item of `window` is of the wrong type: found 1",
        "expected a table with `name`",
    );
}

#[test]
fn a_configuration_file_that_is_not_there_is_a_mistake_too() {
    let errors = load(Path::new("/nowhere/t.toml"), &nothing()).unwrap_err();
    assert_eq!(
        errors.mistakes[0].place,
        Place::File {
            file: "/nowhere/t.toml".to_owned(),
            line: 1,
            column: 1
        }
    );
    assert!(errors.mistakes[0].message.contains("cannot be read"));
}

#[test]
fn mistakes_are_objects_for_scripts() {
    let mistake: &Mistake = &replay("tme = 1").unwrap_err().mistakes[0];
    let json = serde_json::to_value(mistake).unwrap();
    assert_eq!(
        (&json["file"], &json["line"], &json["column"]),
        (&"t.toml".into(), &1.into(), &1.into())
    );
    assert_eq!(json["suggestion"], "time");
    let wrong = FixedEnvironment::with(&[("TIDEGAUGE_TIME__LATENES", "2m")]);
    let json = serde_json::to_value(Config::for_replay("", "t.toml", &wrong).unwrap_err()).unwrap();
    assert_eq!(json["mistakes"][0]["variable"], "TIDEGAUGE_TIME__LATENES");
    assert_eq!(json["mistakes"][0]["suggestion"], "TIDEGAUGE_TIME__LATENESS");
}

#[test]
fn the_reference_page_lists_every_key_as_it_is() {
    const BEGIN: &str = "<!-- keys:begin -->\n";
    const END: &str = "<!-- keys:end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let wanted = format!("\n{}\n", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(listed, wanted, "write the page again with UPDATE_DOCS=1 cargo test --test config");
}

/// Reads a text, by both ways in: what is refused has mistakes, each at a place of the text.
fn read_or_told(text: &str) {
    for read in [replay(text), parse(text, "t.toml", &nothing())] {
        let Err(errors) = read else { continue };
        assert!(!errors.mistakes.is_empty());
        for mistake in &errors.mistakes {
            let Place::File { line, column, .. } = mistake.place else {
                panic!("no variable is set: {mistake}");
            };
            let columns = text.split('\n').nth(line - 1).map(|text| text.chars().count());
            assert!(columns.is_some_and(|columns| (1..=columns + 1).contains(&column)), "{mistake}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_its_mistakes_are_told(text in "\\PC*") {
        read_or_told(&text);
    }

    #[test]
    fn bytes_that_are_no_text_are_one_mistake_and_all_others_are_read_as_text(bytes in prop::collection::vec(any::<u8>(), 0..8)) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let told = load(file.path(), &nothing()).unwrap_err().mistakes.len();
        let text = std::str::from_utf8(&bytes).map(|text| parse(text, "t.toml", &nothing()).unwrap_err().mistakes.len());
        prop_assert_eq!(told, text.unwrap_or(1));
    }

    #[test]
    fn any_mixture_of_its_own_words_is_read_or_told(words in prop::collection::vec(prop::sample::select(&[
        "[", "]", "[[", "]]", "{", "}", "\"", "=", ".", ",", "\n", " ", "window", "grouping", "journey", "target", "spike", "kafka", "client",
        "size", "slide", "name", "steps", "where", "file", "\"5m\"", "\"1h\"", "\"0ms\"", "${", "-1", "1e400", "99999999999999999999", "true",
        "2026-01-01", "dimensions", "\"product\"", "metric", "at_least", "\u{feff}", "é", "\"\"\"", "#",
    ][..]), 0..60)) {
        read_or_told(&words.concat());
    }

    #[test]
    fn any_change_of_a_whole_file_is_read_or_told(
        seed in prop::sample::select(&["every-key.toml", "tour.toml", "wrong.toml"][..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..30, "[\\[\\]{}=\"'.,#0-9a-z\n-]{0,6}"), 1..4),
    ) {
        let mut text: Vec<char> = std::fs::read_to_string(Path::new(SEEDS).join(seed)).unwrap().chars().collect();
        for (at, length, put) in changes {
            let at = at.index(text.len() + 1);
            let end = text.len().min(at + length);
            text.splice(at..end, put.chars());
        }
        read_or_told(&text.into_iter().collect::<String>());
    }

    #[test]
    fn no_variable_makes_it_panic(value in "\\PC*", name in prop::sample::select(&[
        "TIDEGAUGE_WINDOW", "TIDEGAUGE_KAFKA__CLIENT", "TIDEGAUGE_LIMITS__MAX_GROUPS", "TIDEGAUGE_KAFKA__TOPICS", "TIDEGAUGE_TIME__LATENESS",
        "TIDEGAUGE_OUTPUT__URL", "TIDEGAUGE_KAFKA__BROKERS", "TIDEGAUGE_VALUE__GROSS_MARGIN", "TIDEGAUGE_TARGET",
    ][..])) {
        let _ = Config::for_replay("", "t.toml", &FixedEnvironment::with(&[(name, &value)]));
    }

    #[test]
    fn a_wrong_secret_is_never_part_of_a_message(key in prop::sample::select(&[
        "time.lateness", "limits.max_groups", "limits.max_record_bytes", "output.on_gap", "output.url", "http.listen", "kafka.topics",
        "kafka.brokers", "kafka.start", "value.gross_margin", "output.compression", "output.tables", "spike.window", "kafka.security.tls.ca",
    ][..]), by_file in any::<bool>()) {
        let env = FixedEnvironment::with(&[("S", SECRET)]).and_file("/s", SECRET);
        let reference = if by_file { "{ file = \"/s\" }" } else { "\"${S}\"" };
        let value = if key.ends_with("topics") || key.ends_with("tables") { format!("[{reference}]") } else { reference.to_owned() };
        let shown = match Config::for_replay(&format!("{key} = {value}"), "t.toml", &env) {
            Ok(config) => format!("{config:?} {:?} {:?}", config.kafka, config.output),
            Err(errors) => format!("{errors} {errors:?} {}", serde_json::to_string(&errors).unwrap()),
        };
        prop_assert!(!shown.contains(SECRET), "{}", shown);
    }
}
