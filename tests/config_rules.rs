//! The rules across keys, the environment, and what is never shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tidegauge::config::{Config, ConfigErrors, FixedEnvironment, Place, parse};
use tidegauge_aggregate::spec::Spike;

const SECRET: &str = "hunter2-3f9a";

fn with(text: &str, env: &FixedEnvironment) -> Result<Config, ConfigErrors> {
    Config::for_replay(text, "t.toml", env)
}

fn accepted(text: &str) -> Config {
    with(text, &FixedEnvironment::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Exactly one mistake, at this line and column, with these words.
#[track_caller]
fn one(text: &str, place: &str, words: &str) {
    let errors = with(text, &FixedEnvironment::default()).expect_err("the configuration is wrong");
    assert_eq!(errors.mistakes.len(), 1, "{errors}");
    let shown = errors.mistakes[0].to_string();
    assert!(shown.starts_with(&format!("t.toml:{place}: ")) && shown.contains(words), "{shown}");
}

fn window(name: &str, size: &str, slide: &str) -> String {
    format!("[[window]]\nname = \"{name}\"\nsize = \"{size}\"\nslide = \"{slide}\"\n")
}

#[test]
fn a_slide_divides_its_size() {
    one(
        &window("a", "5m", "2m"),
        "4:9",
        "does not divide the size of its window: found 2m in 5m",
    );
    one(&window("a", "1m", "5m"), "4:9", "does not divide");
    accepted(&window("a", "6m", "2m"));
}

#[test]
fn sorted_by_slide_each_is_a_multiple_of_the_one_before() {
    let text = window("c", "1h", "20m") + &window("a", "4m", "4m") + &window("b", "6m", "6m");
    let found = with(&text, &FixedEnvironment::default()).unwrap_err();
    let shown: Vec<_> = found.mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 2, "{shown:#?}");
    assert!(
        shown[0].starts_with("t.toml:4:9: the slide of window `c` is no multiple of the next shorter one: found 20m"),
        "{shown:#?}"
    );
    assert!(
        shown[1].starts_with("t.toml:12:9: ") && shown[1].contains("a multiple of 4m, the slide of window `a`"),
        "{shown:#?}"
    );
}

#[test]
fn windows_have_a_name_of_their_own_a_size_and_configured_groupings() {
    one(
        &(window("a", "1m", "1m") + &window("a", "2m", "2m")),
        "6:8",
        "window `a` is configured twice",
    );
    one("[[window]]\nsize = \"1m\"", "1:1", "`window[].name` is missing");
    one("[[window]]\nname = \"a\"", "1:1", "`window[].size` is missing");
    one("window = []", "1:10", "1 to 100 windows");
    let groupings = |list: &str| window("a", "1m", "1m") + "groupings = " + list;
    one(&groupings("[\"prodct\"]"), "5:14", "did you mean `product`?");
    one(&groupings("[\"task+product\"]"), "5:14", "did you mean `product+task`?");
    one(&groupings("[\"product\", \"product\"]"), "5:25", "twice");
    one(&groupings("[]"), "5:13", "is empty");
}

#[test]
fn a_default_window_skips_a_grouping_that_is_not_configured() {
    let config = accepted("[[grouping]]\ndimensions = [\"platform\"]\n[[grouping]]\ndimensions = [\"product\"]");
    let groupings: Vec<_> = config.spec.windows.iter().map(|w| w.groupings.clone()).collect();
    assert_eq!(groupings, [vec![1], vec![1], vec![0, 1], vec![0, 1], vec![0, 1]]);
    assert_eq!(config.prometheus.groupings, [1]);
}

#[test]
fn groupings_are_of_known_dimensions_and_unique() {
    one("[[grouping]]\ndimensions = [\"produkt\"]", "2:15", "did you mean `product`?");
    one("[[grouping]]", "1:1", "`grouping[].dimensions` is missing");
    one(
        "[[grouping]]\ndimensions = [\"task\", \"task\"]",
        "2:23",
        "a dimension stands twice",
    );
    one(
        "[[grouping]]\ndimensions = []\n[[grouping]]\ndimensions = []",
        "4:14",
        "grouping `overall` is configured twice",
    );
    one("grouping = []", "1:12", "1 to 100 groupings");
}

#[test]
fn dimensions_that_would_share_a_label_are_refused() {
    let text = "[[grouping]]\ndimensions = [\"attributes.a.b\"]\n[[grouping]]\ndimensions = [\"attributes.a_b\"]";
    one(
        text,
        "4:15",
        "`attributes.a.b` and `attributes.a_b` would both be the label `attributes_a_b`",
    );
}

#[test]
fn spikes_need_their_window_only_when_they_are_asked_for() {
    assert_eq!(accepted(&window("a", "1m", "1m")).spec.spike, None);
    assert_eq!(
        accepted(&window("5m", "5m", "5m")).spec.spike,
        Some(Spike {
            window: 0,
            baseline: 3_600_000
        })
    );
    one(
        &format!("{}[spike]", window("a", "1m", "1m")),
        "5:2",
        "`spike.window` is missing, and no window is named `5m`",
    );
    one("[spike]\nwindow = \"6m\"", "2:10", "did you mean `1m`?");
    one(
        "[spike]\nbaseline = \"7m\"",
        "2:12",
        "no multiple of the size of window `5m`: found 7m",
    );
    one("[spike]\nbaseline = \"1m\"", "2:12", "no multiple");
    one(&window("5m", "7m", "7m"), "1:1", "`spike.baseline` is no multiple");
}

#[test]
fn journeys_have_two_steps_or_more_each_once_and_a_name_of_their_own() {
    let journey = |name: &str, steps: &str| format!("[[journey]]\nname = \"{name}\"\nsteps = {steps}\n");
    one(&journey("a", "[\"x\"]"), "3:9", "expected 2 to 100 tasks");
    one(&journey("a", "[\"x\", \"y\", \"x\"]"), "3:20", "a task stands twice in a journey");
    one(&journey("a/b", "[\"x\", \"y\"]"), "2:8", "did you mean `a-b`?");
    one(
        &(journey("a", "[\"x\", \"y\"]") + &journey("a", "[\"y\", \"z\"]")),
        "5:8",
        "journey `a` is configured twice",
    );
    assert_eq!(accepted(&journey("a", "[\"x\", \"y\"]")).spec.journeys[0].within, 1_800_000);
}

#[test]
fn targets_name_what_exists_and_is_exported_and_have_one_bound() {
    let target = |rest: &str| format!("[[target]]\nmetric = \"nps\"\nwindow = \"1h\"\n{rest}");
    accepted(&target("at_least = 30"));
    one(&target(""), "1:1", "a target without a bound");
    one(&target("at_least = 1\nat_most = 2"), "5:1", "a target with two bounds");
    one(&target("at_least = nan"), "4:12", "out of range");
    one(
        &target("at_least = 1\ngrouping = \"product+version\""),
        "5:12",
        "its grouping is not exported to Prometheus",
    );
    one(&target("at_least = 1\ngrouping = \"prodcut\""), "5:12", "did you mean `product`?");
    one(
        &target("at_least = 1\ngrouping = \"product\"\nwhere = { task = \"x\" }"),
        "6:11",
        "names \"task\", which is no dimension",
    );
    one(
        &target("at_least = 1\ngrouping = \"product\"\nwhere = { product = 5 }"),
        "6:21",
        "expected a string",
    );
    one(
        "[[target]]\nmetric = \"npss\"\nwindow = \"1h\"\nat_most = 1",
        "2:10",
        "did you mean `nps`?",
    );
    one(
        "[[target]]\nmetric = \"nps\"\nwindow = \"7d\"\nat_most = 1",
        "3:10",
        "its window is not exported",
    );
    one("[[target]]\nmetric = \"nps\"\nat_most = 1", "1:1", "`target[].window` is missing");
}

#[test]
fn what_reaches_prometheus_is_configured() {
    one(
        "prometheus.windows = [\"5m\", \"2h\"]",
        "1:29",
        "`prometheus.windows` names something that is not configured",
    );
    one("prometheus.groupings = [\"overal\"]", "1:25", "did you mean `overall`?");
    assert_eq!(accepted("prometheus.windows = []").prometheus.windows, Vec::<usize>::new());
}

#[test]
fn a_mistake_in_a_window_is_not_blamed_on_those_who_name_it() {
    one(
        "[[window]]\nname = \"5m\"\nsize = \"5\"\n[spike]\nwindow = \"5m\"\n[prometheus]\nwindows = [\"5m\"]",
        "3:8",
        "without a unit",
    );
    one(
        "prometheus.groupings = [\"country\"]\n[[grouping]]\ndimensions = [\"contry\"]",
        "3:15",
        "did you mean `country`?",
    );
}

#[test]
fn properties_that_tidegauge_sets_are_refused_with_the_reason() {
    one(
        "[kafka.client]\nenable.auto.commit = true",
        "2:13",
        "positions are committed with the results",
    );
    one("[kafka.client]\n\"group.id\" = \"x\"", "2:1", "set `kafka.group_id`");
    one("[kafka.client]\nfetch.mni.bytes = 1", "2:11", "fetch.mni.bytes");
    one(
        "[kafka.client]\nfetch.min.bytes = [1]",
        "2:19",
        "expected a string, a number or a boolean",
    );
}

#[test]
fn a_security_setting_that_nothing_uses_is_refused() {
    one(
        "[kafka.security]\ntls.ca = \"/ca.pem\"",
        "2:10",
        "is not used by protocol `plaintext`",
    );
    one(
        "[kafka.security]\nprotocol = \"ssl\"\ntls.cert = \"/c.pem\"",
        "3:12",
        "`kafka.security.tls.key` is missing",
    );
    one(
        "[kafka.security]\nprotocol = \"sasl_ssl\"",
        "2:12",
        "`kafka.security.sasl.mechanism` is missing",
    );
    one(
        "[kafka.security]\nprotocol = \"sasl_ssl\"\nsasl.mechanism = \"scram-sha-256\"",
        "3:18",
        "did you mean `SCRAM-SHA-256`?",
    );
    let login = "[kafka.security]\nprotocol = \"sasl_ssl\"\nsasl.mechanism = \"PLAIN\"\nsasl.username = \"u\"";
    one(login, "2:12", "`kafka.security.sasl.password` is missing");
}

#[test]
fn topics_are_checked_against_each_other() {
    one("kafka.topics = []", "1:16", "is empty");
    one("kafka.topics = [\"a\", \"a\"]", "1:22", "names a topic twice");
    one("[kafka]\ntopics = [\"a\"]\ndead_letter_topic = \"a\"", "3:21", "rejected for ever");
}

#[test]
fn urls_of_outputs_are_absolute_and_hold_no_credentials() {
    one("output.url = \"/data\"", "1:14", "did you mean `file:///data`?");
    one("output.url = \"file://data\"", "1:14", "did you mean `file:///data`?");
    one("output.url = \"s3a://bucket/x\"", "1:14", "did you mean `s3://bucket/x`?");
    one("output.url = \"s3://bucket:9000/x\"", "1:14", "other characters");
    one("output.url = \"s3://bucket/a//b\"", "1:14", "an empty part");
    let errors = with(&format!("output.url = \"s3://key:{SECRET}@bucket\""), &FixedEnvironment::default()).unwrap_err();
    assert!(
        errors.to_string().contains("a URL with credentials") && !errors.to_string().contains(SECRET),
        "{errors}"
    );
}

#[test]
fn files_are_no_larger_than_an_object_store_copies_at_once() {
    one(
        "output.url = \"s3://bucket\"\noutput.target_file_size = \"5GiB\"",
        "2:27",
        "expected 4GiB or less",
    );
    for text in [
        "output.url = \"s3://bucket\"\noutput.target_file_size = \"4GiB\"",
        "output.url = \"file:///data\"\noutput.target_file_size = \"16GiB\"",
    ] {
        accepted(text);
    }
}

#[test]
fn the_environment_overrides_every_kind_of_key() {
    let env = FixedEnvironment::with(&[
        ("TIDEGAUGE_KAFKA__BROKERS", "a:1"),
        ("TIDEGAUGE_KAFKA__TOPICS", "x, ^y.*"),
        ("TIDEGAUGE_KAFKA__CLIENT__FETCH_MIN_BYTES", "7"),
        ("TIDEGAUGE_OUTPUT__URL", "gs://bucket"),
        ("TIDEGAUGE_OUTPUT__TABLES", "[\"late\"]"),
        ("TIDEGAUGE_TIME__LATENESS", "7s"),
        ("TIDEGAUGE_LIMITS__MAX_GROUPS", "8"),
        ("TIDEGAUGE_VALUE__GROSS_MARGIN", "0.25"),
        ("TIDEGAUGE_WINDOW", "[{ name = \"w\", size = \"1m\" }]"),
        ("TIDEGAUGE_LOG", "debug"),
        ("TIDEGAUGE_SERVICE_HOST", "10.0.0.1"),
        ("UNRELATED", "x"),
    ]);
    let config = parse(
        "[kafka]\nbrokers = \"file:9\"\n[time]\nlateness = \"1s\"\nidle_after = \"3s\"",
        "t.toml",
        &env,
    )
    .unwrap();
    assert_eq!(config.kafka.brokers.as_ref().unwrap().as_str(), "a:1");
    assert_eq!(
        config.kafka.topics.iter().map(|t| (t.name.as_str(), t.regex)).collect::<Vec<_>>(),
        [("x", false), ("^y.*", true)]
    );
    assert_eq!(config.kafka.client["fetch.min.bytes"].as_str(), "7");
    assert_eq!(
        (config.spec.lateness, config.idle_after.as_secs(), config.spec.max_groups),
        (7_000, 3, 8)
    );
    assert_eq!(
        (config.spec.gross_margin, config.spec.windows.len(), config.output.tables.len()),
        (0.25, 1, 1)
    );
}

#[test]
fn mistakes_of_the_environment_name_the_variable() {
    let env = FixedEnvironment::with(&[
        ("TIDEGAUGE_KAFKA_BROKERS", "a:1"),
        ("TIDEGAUGE_LIMITS__MAX_GROUPS", "many"),
        ("TIDEGAUGE_TIME", "{}"),
        ("TIDEGAUGE_TIME__LATENESS", "5"),
        ("TIDEGAUGE_WINDOW", "[{ name = \"w\" "),
    ]);
    let errors = with("", &env).unwrap_err();
    let shown: Vec<_> = errors.mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 5, "{shown:#?}");
    assert!(
        shown[0].starts_with("TIDEGAUGE_KAFKA_BROKERS: unknown variable") && shown[0].contains("`TIDEGAUGE_KAFKA__BROKERS`"),
        "{}",
        shown[0]
    );
    assert!(
        shown[1].starts_with("TIDEGAUGE_LIMITS__MAX_GROUPS: `limits.max_groups` is of the wrong type"),
        "{}",
        shown[1]
    );
    assert!(
        shown[2].contains("set key by key: expected `TIDEGAUGE_TIME__LATENESS`"),
        "{}",
        shown[2]
    );
    assert_eq!(
        errors.mistakes[3].place,
        Place::Variable {
            variable: "TIDEGAUGE_TIME__LATENESS".to_owned()
        }
    );
    assert!(shown[4].contains("`window` is no TOML value"), "{}", shown[4]);
}

#[test]
fn references_are_fetched_and_nothing_ever_shows_what_they_held() {
    let text = "
[kafka]
brokers = \"${BROKERS}\"
group_id = { file = \"/run/group\" }
[kafka.security]
protocol = \"sasl_ssl\"
sasl.mechanism = \"PLAIN\"
sasl.username = \"${TIDEGAUGE_USER}\"
sasl.password = { file = \"/run/password\" }
[kafka.client]
ssl.key.password = \"hunter2-3f9a\"
client.id = { file = \"/run/group\" }
[output]
url = \"${URL}\"
[limits]
max_groups = \"${GROUPS}\"
";
    let url = format!("s3://{SECRET}/x");
    let env = FixedEnvironment::with(&[("BROKERS", SECRET), ("TIDEGAUGE_USER", SECRET), ("URL", &url), ("GROUPS", "77")])
        .and_file("/run/group", &format!("{SECRET}\r\n"))
        .and_file("/run/password", &format!("{SECRET}\n"));
    let config = parse(text, "t.toml", &env).unwrap_or_else(|errors| panic!("{errors}"));
    let security = &config.kafka.security;
    let held = [
        config.kafka.brokers.as_ref().unwrap(),
        &config.kafka.group_id,
        security.sasl_username.as_ref().unwrap(),
    ];
    assert!(held.iter().all(|value| value.as_str() == SECRET && value.is_hidden()));
    assert_eq!(
        (security.sasl_password.as_ref().unwrap().expose(), config.spec.max_groups),
        (SECRET, 77)
    );
    assert_eq!(config.kafka.properties()["ssl.key.password"].as_str(), SECRET);
    let password = security.sasl_password.as_ref().unwrap();
    let shown = format!(
        "{config:?} {config:#?} {:?} {:?} {:?} {password}",
        config.kafka,
        config.output,
        config.kafka.properties()
    );
    assert!(!shown.contains(SECRET) && !config.to_redacted_toml().contains(SECRET), "{shown}");
    for reference in [
        "brokers = \"${BROKERS}\"",
        "group_id = { file = \"/run/group\" }",
        "\"ssl.key.password\" = \"***\"",
    ] {
        assert!(config.to_redacted_toml().contains(reference), "{}", config.to_redacted_toml());
    }
}

#[test]
fn a_literal_password_is_hidden_too() {
    let env = FixedEnvironment::with(&[("TIDEGAUGE_KAFKA__SECURITY__SASL__PASSWORD", SECRET)]);
    let text = "[kafka.security]\nprotocol = \"sasl_ssl\"\nsasl.mechanism = \"PLAIN\"\nsasl.username = \"u\"";
    let config = with(text, &env).unwrap();
    assert!(config.to_redacted_toml().contains("password = \"***\""));
    assert!(!format!("{config:?} {:?}", config.kafka).contains(SECRET));
    let number = with("kafka.security.sasl.password = 48151623", &FixedEnvironment::default()).unwrap_err();
    assert!(!format!("{number} {number:?}").contains("48151623"), "{number}");
}

#[test]
fn a_reference_that_leads_nowhere_is_one_mistake() {
    one(
        "kafka.brokers = \"${NOT_SET}\"",
        "1:17",
        "the environment variable `NOT_SET` is not set",
    );
    one(
        "kafka.brokers = { file = \"/nowhere\" }",
        "1:17",
        "the file \"/nowhere\" cannot be read",
    );
    one("kafka.brokers = \"${HOST}:9092\"", "1:17", "expected nothing but \"${NAME}\"");
    let errors = parse(
        "[kafka]\nbrokers = \"${NOT_SET}\"\n[output]\nurl = \"file:///d\"",
        "t.toml",
        &FixedEnvironment::default(),
    );
    assert_eq!(
        errors.unwrap_err().mistakes.len(),
        1,
        "a value that could not be fetched is not missing as well"
    );
}
