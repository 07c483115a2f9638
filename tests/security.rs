//! What must not get out, and what must not get in: secrets, words of others, file modes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/producing.rs"]
mod producing;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kafka::{PASSWORD, USER};
use producing::{Message, produce, producer};
use serde_json::Value;
use service::{Said, Service, configuration, isolated, now, tidegauge};
use tempfile::TempDir;

/// A password that is none.
const WRONG: &str = "looking-glass";
/// What else nobody may see: the passphrase of a key that is not even used.
const PASSPHRASE: &str = "slithy-toves";

/// A service with a login, whose password is given in one of the three ways.
struct Login {
    directory: TempDir,
    configuration: PathBuf,
    password: String,
}

impl Login {
    fn new(password: &str, given: &str) -> Login {
        let broker = kafka::shared();
        let directory = TempDir::new().unwrap();
        let secret = directory.path().join("secret");
        fs::write(&secret, format!("{password}\n")).unwrap();
        let value = match given {
            "inline" => format!("\"{password}\""),
            "environment" => "\"${KAFKA_PASSWORD}\"".to_owned(),
            _ => format!("{{ file = \"{}\" }}", secret.display()),
        };
        let more = format!(
            r#"kafka.group_id = "vault"
kafka.security.protocol = "sasl_ssl"
kafka.security.sasl.mechanism = "SCRAM-SHA-256"
kafka.security.sasl.username = "{USER}"
kafka.security.sasl.password = {value}
kafka.security.tls.ca = "{}"
"#,
            broker.certificate().display()
        );
        let output = directory.path().join("output");
        let configuration = configuration(directory.path(), &broker.secure_bootstrap(), &["vault"], &output, &more);
        // librdkafka tells all that it does.
        let client = format!("kafka.client = {{ \"debug\" = \"all\", \"ssl.key.password\" = \"{PASSPHRASE}\", ");
        let text = fs::read_to_string(&configuration).unwrap().replace("kafka.client = { ", &client);
        assert!(text.contains(PASSPHRASE));
        fs::write(&configuration, text).unwrap();
        Login {
            directory,
            configuration,
            password: password.to_owned(),
        }
    }

    /// A command with everything logged that can be.
    fn command(&self, arguments: &[&str]) -> Said {
        let mut command = tidegauge();
        command.arg(arguments[0]).arg("-c").arg(&self.configuration).args(&arguments[1..]);
        command.env("KAFKA_PASSWORD", &self.password).env("TIDEGAUGE_LOG", "trace");
        Said::of(&command.output().unwrap())
    }
}

fn assert_silent(said: &Said, password: &str, what: &str) {
    for secret in [password, PASSPHRASE] {
        for shown in [&said.out, &said.err] {
            let at = shown
                .find(secret)
                .map(|at| &shown[at.saturating_sub(200)..(at + 100).min(shown.len())]);
            assert!(at.is_none(), "{what} shows {secret}: {}", at.unwrap_or_default());
        }
    }
}

#[test]
fn no_command_shows_a_secret_however_it_was_given_and_whatever_goes_wrong() {
    let broker = kafka::shared();
    broker.create_topic("vault", 1, &[]);
    let event = format!(r#"{{"type":"interaction","action":"click","time":{}}}"#, now());
    produce(&producer(&broker.bootstrap(), &[]), "vault", 0, &[Message::text(&event)]);
    let user = format!("User:{USER}");
    for (kind, name) in [("--topic", "vault"), ("--group", "vault")] {
        let arguments = [
            "--add",
            "--allow-principal",
            &user,
            "--operation",
            "Read",
            "--operation",
            "Describe",
            kind,
            name,
        ];
        broker.tool("org.apache.kafka.tools.AclCommand", &arguments);
    }
    for given in ["inline", "environment", "file"] {
        let commands: [(&[&str], i32, i32); 8] = [
            (&["check"], 0, 0),
            (&["check", "--json"], 0, 0),
            (&["check", "--effective"], 0, 0),
            (&["check", "--connect", "-vv"], 0, 1),
            (&["check", "--connect", "--json"], 0, 1),
            (&["run", "--until-end", "-vv"], 0, 1),
            (&["run", "--until-end", "--log-format", "json"], 0, 1),
            (&["status", "-vv"], 0, 1),
        ];
        for password in [PASSWORD, WRONG] {
            let login = Login::new(password, given);
            for (arguments, right, wrong) in commands {
                let said = login.command(arguments);
                assert_silent(&said, password, &format!("{arguments:?} ({given})"));
                let expected = if password == PASSWORD { right } else { wrong };
                said.assert(expected, &[]);
            }
            // What went wrong with it is told all the same.
            if password == WRONG {
                login.command(&["check", "--connect"]).assert(1, &["sasl.password"]);
            }
            drop(login.directory);
        }
    }
}

#[test]
fn a_mistake_around_a_secret_does_not_show_it() {
    let login = Login::new(PASSWORD, "inline");
    let text = fs::read_to_string(&login.configuration).unwrap();
    for (from, to) in [
        ("sasl.password", "sasl.pasword"),
        ("\"SCRAM-SHA-256\"", "\"SCRAM\""),
        ("\"sasl_ssl\"", "\"plaintext\""),
        ("output.commit_interval = \"1s\"", "output.commit_interval = \"1"),
        ("\"ssl.key.password\"", "\"ssl.key.pasword\""),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&login.configuration, text.replace(from, to)).unwrap();
        for arguments in [
            &["check"][..],
            &["check", "--json"],
            &["check", "--connect", "-vv"],
            &["run", "-vv"],
            &["status"],
        ] {
            let said = login.command(arguments);
            assert_silent(&said, PASSWORD, &format!("{arguments:?} with {to}"));
            assert_eq!(said.status, Some(2), "{to}: {}{}", said.out, said.err);
        }
    }
}

#[test]
fn places_that_came_from_the_environment_are_not_logged() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("hidden-place");
    let configuration = configuration(directory.path(), "${THE_BROKERS}", &["t"], &output, "");
    let text = fs::read_to_string(&configuration).unwrap();
    let url = format!("file://{}", output.display());
    fs::write(&configuration, text.replace(&url, "${THE_OUTPUT}")).unwrap();
    for arguments in [&["run"][..], &["status"], &["check", "--connect"]] {
        let mut command = tidegauge();
        command.arg(arguments[0]).arg("-c").arg(&configuration).args(&arguments[1..]);
        command
            .env("THE_BROKERS", "127.0.0.1:17")
            .env("THE_OUTPUT", &url)
            .env("TIDEGAUGE_LOG", "trace");
        let said = Said::of(&command.output().unwrap());
        said.assert(1, &["***"]);
        let shown = format!("{}{}", said.out, said.err);
        assert!(
            !shown.contains("hidden-place") && !shown.contains("127.0.0.1:17"),
            "{arguments:?}: {shown}"
        );
    }
}

/// Names that do harm where they are not taken for what they are.
const NAMES: [&str; 5] = [
    "<img src=x onerror=alert(1)>",
    "\"} 1\\ntidegauge_ready 0",
    "'; DROP TABLE events; --",
    "\u{202e}backwards",
    "{{ .Evil }} ${HOME} `id`",
];

#[test]
fn names_from_events_are_labels_and_nothing_else() {
    let broker = kafka::shared();
    broker.create_topic("names", 1, &[]);
    let events: Vec<Message> = NAMES
        .iter()
        .map(|name| {
            let event = serde_json::json!({"type": "interaction", "action": "click", "time": now(), "product": name, "user_id": "u"});
            Message::text(&event.to_string())
        })
        .collect();
    let sender = producer(&broker.bootstrap(), &[]);
    produce(&sender, "names", 0, &events);
    // These are no events at all.
    let hostile = ["\u{1b}[31m{", "{\"type\":\"\u{1b}]0;title\u{7}\",\"time\":1}", "{\"a\nb\":"];
    produce(&sender, "names", 0, &hostile.map(Message::text));
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("output");
    let file = configuration(directory.path(), &broker.bootstrap(), &["names"], &output, "");

    let checked = Said::of(&tidegauge().args(["check", "--connect", "-c"]).arg(&file).output().unwrap());
    checked.assert(0, &["refused"]);
    assert_printable(&checked.out);

    let mut command = tidegauge();
    command.args(["run", "-vv", "-c"]).arg(&file);
    let mut service = Service::start(command);
    service.until("show every product", |service| {
        let (_, page) = service.get("/metrics");
        NAMES.iter().all(|name| page.contains(&format!("product=\"{}\"", label(name))))
    });
    let (_, page) = service.get("/metrics");
    assert_eq!(
        page.lines().filter(|line| line.starts_with("tidegauge_ready ")).count(),
        1,
        "a name added a series"
    );
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
    }
    let rows = service.json("/api/v1/metrics");
    let products: Vec<&str> = rows["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["dimensions"]["product"].as_str())
        .collect();
    assert!(NAMES.iter().all(|name| products.contains(name)), "{products:?}");
    let (_, console) = service.get("/");
    assert!(
        !console.contains("onerror") && !console.contains("innerHTML"),
        "the page is the same for everybody"
    );
    assert_printable(&service.log());
    assert_eq!(service.stop(), Some(0));
}

/// As the text format of Prometheus escapes it.
fn label(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[track_caller]
fn assert_printable(text: &str) {
    let harmful = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    let found = text.lines().find(|line| line.contains(harmful));
    assert!(found.is_none(), "{found:?}");
}

#[test]
fn names_of_others_neither_begin_a_log_line_nor_reach_the_terminal() {
    let directory = TempDir::new().unwrap();
    let (records, output) = (directory.path().join("records"), directory.path().join("output"));
    let topic = "to\u{1b}[2Jpic\nerror: forged";
    fs::create_dir_all(records.join(topic)).unwrap();
    fs::write(
        records.join(topic).join("0.jsonl"),
        "{\"timestamp\":1,\"key\":null,\"value\":\"{}\"}\n",
    )
    .unwrap();
    let mut command = tidegauge();
    command.args(["replay", "-vv"]).arg(&records).arg("--output").arg(&output);
    let said = Said::of(&command.output().unwrap());
    said.assert(0, &[]);
    assert_printable(&said.err);
    assert!(!said.err.lines().any(|line| line.starts_with("error: forged")), "{}", said.err);
    // Broken records are told with the place, which has the name in it.
    fs::write(records.join(topic).join("0.jsonl"), "no record\n").unwrap();
    let other = directory.path().join("other");
    let said = Said::of(
        &tidegauge()
            .arg("replay")
            .arg(&records)
            .arg("--output")
            .arg(&other)
            .output()
            .unwrap(),
    );
    assert_ne!(said.status, Some(0));
    assert_printable(&said.err);

    let file = configuration(directory.path(), "127.0.0.1:1", &["t"], &output, "");
    let status = Said::of(&tidegauge().args(["status", "--no-connect", "-c"]).arg(&file).output().unwrap());
    status.assert(0, &["to\\u{1b}[2Jpic"]);
    assert_printable(&status.out);
}

fn walk(path: &Path, each: &mut impl FnMut(&Path, u32)) {
    let about = path.metadata().unwrap();
    each(path, about.permissions().mode() & 0o777);
    if about.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), each));
    }
}

#[test]
fn nothing_of_an_output_is_open_to_others_even_under_a_mask_of_zero() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("output");
    let records = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tour/records");
    let mut command = isolated(Command::new("sh"));
    command.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(tidegauge().get_program());
    command.args(["replay", records, "--json", "--output"]).arg(&output);
    let said = Said::of(&command.output().unwrap());
    said.assert(0, &[]);
    let tables = said.json()["tables"].as_object().map_or(0, serde_json::Map::len);
    let mut files = 0;
    walk(&output, &mut |path, mode| {
        let most = if path.is_dir() { 0o750 } else { 0o640 };
        assert_eq!(mode & !most, 0, "{} has mode {mode:o}", path.display());
        files += usize::from(path.is_file());
    });
    assert!(tables >= 3 && files > 5, "{tables} tables, {files} files");
}

#[test]
fn a_configuration_listens_to_this_host_only_unless_it_says_otherwise() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tidegauge.toml");
    fs::write(&file, "kafka.brokers = \"b:9092\"\noutput.url = \"file:///x\"\n").unwrap();
    let said = service::run(&["check", "--json", "-c", file.to_str().unwrap()]);
    let listen: &Value = &said.json()["config"]["http"]["listen"];
    let address: std::net::SocketAddr = listen.as_str().unwrap().parse().unwrap();
    assert!(address.ip().is_loopback(), "{address}");
}
