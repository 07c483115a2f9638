//! What is known before anything was looked at: how to connect, and where results will go. It is written as TOML and read as the file will be,
//! so that references to the environment and to files are resolved in one way only, and stay references in the file.

use tidegauge_ingest::kafka::Settings;

use crate::cli::failure::Failure;
use crate::cli::{hidden, kafka};
use crate::config::{self, Config, ProcessEnvironment};

/// The beginning of a configuration.
pub(super) struct Draft {
    /// As the file will have it.
    pub(super) brokers: String,
    /// Tables of keys below `kafka` that `--set` gave, each with its lines; the first has no name.
    pub(super) set: Vec<(String, Vec<String>)>,
    pub(super) url: String,
    pub(super) config: Config,
}

impl Draft {
    pub(super) fn new(brokers: &str, set: &[(String, String)], url: Option<&str>) -> Result<Draft, Failure> {
        let mut tables = vec![("kafka".to_owned(), Vec::new())];
        for (key, value) in set {
            let (table, name) = placed(key)?;
            if config::is_secret(key) && !is_reference(value) {
                return Err(Failure::Usage(format!(
                    "--set {key}: a secret on the command line would be seen by everybody on this host, and written into the file; put it into \
                     the environment or a file, and say --set '{key}=${{NAME}}' or --set '{key}={{ file = \"/run/secrets/x\" }}'"
                )));
            }
            let line = format!("{name} = {}", literal(value));
            match tables.iter_mut().find(|(known, _)| *known == table) {
                Some((_, lines)) => lines.push(line),
                None => tables.push((table, vec![line])),
            }
        }
        let url = match url {
            Some(url) => url.to_owned(),
            None => beside()?,
        };
        let mut draft = Draft {
            brokers: brokers.to_owned(),
            set: tables,
            url,
            config: Config::for_replay("", "(defaults)", &ProcessEnvironment)?,
        };
        draft.config = config::parse(&draft.toml(), "--set and the environment", &ProcessEnvironment)?;
        hidden::keep(&draft.config);
        Ok(draft)
    }

    fn toml(&self) -> String {
        let mut text = String::new();
        for (table, lines) in &self.set {
            text.push_str(&format!("[{table}]\n"));
            if table == "kafka" {
                text.push_str(&format!("brokers = {}\n", literal(&self.brokers)));
            }
            lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        }
        text + &format!("[output]\nurl = {}\n", quoted(&self.url))
    }

    /// How to connect, for these topics.
    pub(super) fn settings(&self, topics: &[String]) -> Settings {
        let mut settings = kafka::settings(&self.config);
        settings.topics = topics.to_vec();
        settings
    }
}

/// The table that a key is written in, and its name there. Properties of librdkafka have dots in their names.
fn placed(key: &str) -> Result<(String, String), Failure> {
    let below = key.strip_prefix("kafka.").filter(|below| !below.is_empty());
    let Some(below) = below.filter(|below| !matches!(*below, "brokers" | "topics")) else {
        return Err(Failure::Usage(format!(
            "--set {key}: only keys of [kafka] are needed for connecting, and brokers and topics have options of their own; edit the rest in the file"
        )));
    };
    Ok(match below.split_once('.') {
        Some(("client", property)) => ("kafka.client".to_owned(), quoted(property)),
        Some(("security", rest)) => ("kafka.security".to_owned(), rest.to_owned()),
        _ => ("kafka".to_owned(), below.to_owned()),
    })
}

/// A value as TOML: what is a reference to a file, a number or a truth value stays one; the rest is text.
fn literal(value: &str) -> String {
    let parsed = format!("value = {value}").parse::<toml::Table>();
    let keeps = |value: &toml::Value| matches!(value, toml::Value::Table(_) | toml::Value::Integer(_) | toml::Value::Boolean(_));
    match parsed.ok().and_then(|mut table| table.remove("value")).filter(keeps) {
        Some(_) => value.trim().to_owned(),
        None => quoted(value),
    }
}

fn is_reference(value: &str) -> bool {
    (value.starts_with("${") && value.ends_with('}')) || literal(value).starts_with('{')
}

/// A TOML string on one line: as JSON has it, but for one character that TOML wants escaped.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

fn beside() -> Result<String, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::Running(format!(
            "the current directory cannot be found: {error}; say where tables go with --output-url"
        ))
    })?;
    Ok(format!("file://{}", here.join("tidegauge-output").display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn draft(set: &[(&str, &str)]) -> Result<Draft, String> {
        let set: Vec<_> = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Draft::new("broker:9092", &set, Some("s3://bucket/a")).map_err(|failure| match failure {
            Failure::Usage(message) => message,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn keys_are_written_into_their_tables() {
        let toml = draft(&[
            ("kafka.security.protocol", "ssl"),
            ("kafka.group_id", "ux"),
            ("kafka.client.fetch.min.bytes", "1000"),
            ("kafka.security.tls.ca", "/etc/ca.pem"),
        ])
        .unwrap()
        .toml();
        let wanted = "[kafka]\nbrokers = \"broker:9092\"\ngroup_id = \"ux\"\n[kafka.security]\nprotocol = \"ssl\"\ntls.ca = \"/etc/ca.pem\"\n\
                      [kafka.client]\n\"fetch.min.bytes\" = 1000\n[output]\nurl = \"s3://bucket/a\"\n";
        assert_eq!(toml, wanted);
    }

    #[test]
    fn a_secret_in_the_clear_is_refused_without_being_repeated() {
        for key in ["kafka.security.sasl.password", "kafka.client.ssl.key.password"] {
            let message = draft(&[(key, "hunter2")]).err().unwrap();
            assert!(message.contains("${NAME}") && !message.contains("hunter2"), "{message}");
        }
        assert!(is_reference("${KAFKA_PASSWORD}") && is_reference("{ file = \"/run/secrets/x\" }"));
    }

    #[test]
    fn what_connecting_does_not_need_is_left_to_the_file() {
        for key in ["time.lateness", "kafka.topics", "kafka.", "output.url"] {
            assert!(draft(&[(key, "x")]).err().unwrap().contains(key), "{key}");
        }
        assert!(draft(&[("kafka.isolatoin", "x")]).err().unwrap().contains("isolation"));
    }
}
