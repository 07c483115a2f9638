//! Brokers that do not answer, topics that are not there, and rights that are missing.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::kafka::{self, PASSWORD, USER};
use crate::producing::{Message, produce, producer};
use crate::service::{configuration, now, run};

struct Place {
    directory: TempDir,
    configuration: PathBuf,
}

impl Place {
    fn new(brokers: &str, topics: &[&str], more: &str) -> Place {
        let directory = TempDir::new().unwrap();
        let configuration = configuration(directory.path(), brokers, topics, &directory.path().join("output"), more);
        Place { directory, configuration }
    }

    fn file(&self) -> &str {
        self.configuration.to_str().unwrap()
    }

    fn output(&self) -> PathBuf {
        self.directory.path().join("output")
    }
}

fn holds_data(output: &Path) -> bool {
    ["metrics", "events", "_tidegauge/log"]
        .iter()
        .any(|name| output.join(name).exists())
}

#[test]
fn an_unreachable_broker_is_named_with_the_reason_and_what_to_check() {
    let place = Place::new("127.0.0.1:1", &["t"], "");
    let expected = ["kafka.brokers: 127.0.0.1:1", "Connection refused", "check kafka.brokers"];
    run(&["check", "--connect", "-c", place.file()]).assert(1, &expected);
    run(&["run", "-c", place.file()]).assert(1, &expected);
    assert!(!holds_data(&place.output()), "an output of nothing was begun");
}

#[test]
fn a_topic_that_does_not_exist_is_named_together_with_those_that_do() {
    let broker = kafka::shared();
    broker.create_topic("telemetry", 1, &[]);
    let place = Place::new(&broker.bootstrap(), &["telemetry", "telemtry"], "");
    let expected = ["\"telemtry\" does not exist", "correct kafka.topics", "telemetry"];
    run(&["check", "--connect", "-c", place.file()]).assert(1, &expected);
    run(&["run", "-c", place.file()]).assert(1, &expected);
    assert!(!holds_data(&place.output()), "an output of nothing was begun");
}

#[test]
fn missing_rights_are_named_one_after_the_other_until_it_runs() {
    let broker = kafka::shared();
    broker.create_topic("guarded", 1, &[]);
    let event = format!(r#"{{"type":"interaction","action":"click","time":{}}}"#, now());
    produce(&producer(&broker.bootstrap(), &[]), "guarded", 0, &[Message::text(&event)]);
    let security = |password: &str| {
        format!(
            r#"kafka.group_id = "guarded"
kafka.security.protocol = "sasl_ssl"
kafka.security.sasl.mechanism = "SCRAM-SHA-256"
kafka.security.sasl.username = "{USER}"
kafka.security.sasl.password = "{password}"
kafka.security.tls.ca = "{}"
"#,
            broker.certificate().display()
        )
    };
    let place = |password: &str| Place::new(&broker.secure_bootstrap(), &["guarded"], &security(password));
    let both = |place: &Place, parts: &[&str]| {
        run(&["check", "--connect", "-c", place.file()]).assert(1, parts);
        let said = run(&["run", "--until-end", "-c", place.file()]);
        said.assert(1, parts);
        assert!(!said.err.contains(PASSWORD), "{}", said.err);
    };
    both(&place("looking-glass"), &["kafka.security", "sasl.password"]);
    let place = place(PASSWORD);
    both(&place, &["topic \"guarded\"", "grant READ and DESCRIBE"]);

    let allow = |arguments: &[&str]| {
        let user = format!("User:{USER}");
        let arguments = [&["--add", "--allow-principal", &user][..], arguments].concat();
        broker.tool("org.apache.kafka.tools.AclCommand", &arguments);
    };
    allow(&["--operation", "Describe", "--topic", "guarded"]);
    run(&["check", "--connect", "-c", place.file()]).assert(1, &["topic \"guarded\"", "grant READ"]);
    allow(&["--operation", "Read", "--topic", "guarded"]);
    both(&place, &["kafka.group_id \"guarded\"", "grant READ"]);
    allow(&["--operation", "Read", "--group", "guarded"]);
    run(&["check", "--connect", "-c", place.file()]).assert(0, &["of the newest 1, 1 are good events"]);
    let said = run(&["run", "--until-end", "--close", "--json", "-c", place.file()]);
    said.assert(0, &[]);
    assert_eq!(said.json()["counters"]["accepted"], 1);
}
