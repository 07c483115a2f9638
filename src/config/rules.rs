//! Rules for single strings. Each message completes "`key` is ...".

use std::net::SocketAddr;

use tidegauge_aggregate::event::Common;
use tidegauge_aggregate::event::MAX_DIMENSION_BYTES;
use tidegauge_aggregate::spec::Dimension;

use super::error::Problem;
use super::location::Location;
use super::metric::metric_names;
use super::model::Compression;
use super::nearest::nearest;

/// The longest topic name that Kafka allows.
const MAX_TOPIC_CHARS: usize = 249;
/// The longest name of an attribute that may become a dimension.
const MAX_ATTRIBUTE_BYTES: usize = 256;

pub(super) fn any(_: &str) -> Result<(), Problem> {
    Ok(())
}

pub(super) fn non_empty(text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() {
        Err(Problem::new("empty"))
    } else {
        Ok(())
    }
}

/// Names that become column values and labels, and ids of the event contract.
pub(super) fn name(text: &str) -> Result<(), Problem> {
    non_empty(text)?;
    if text.len() > MAX_DIMENSION_BYTES {
        return Err(Problem::new(format!("longer than {MAX_DIMENSION_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::new("a name with control characters"));
    }
    Ok(())
}

/// Labels join a journey's name and a step by `/`.
pub(super) fn journey_name(text: &str) -> Result<(), Problem> {
    name(text)?;
    if text.contains('/') {
        return Err(Problem::new("a name with a `/`, which separates journey and step in results").suggest(Some(text.replace('/', "-"))));
    }
    Ok(())
}

pub(super) fn brokers(text: &str) -> Result<(), Problem> {
    for broker in text.split(',').map(str::trim) {
        let address = broker.split_once("://").map_or(broker, |(_, address)| address);
        if address.is_empty() || address.contains(char::is_whitespace) {
            return Err(Problem::new("a list with an empty or broken address"));
        }
        // Without brackets nobody can tell the last group of an IPv6 address from a port.
        let port = match address.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((_, ""))) => None,
            Some(Some((_, port))) => Some(port.strip_prefix(':').unwrap_or("")),
            Some(None) => return Err(Problem::new("a list with an address whose bracket is never closed")),
            None if address.matches(':').count() > 1 => {
                return Err(Problem::new("a list with an IPv6 address without brackets").suggest(Some(format!("[{address}]:9092"))));
            }
            None => address.split_once(':').map(|(_, port)| port),
        };
        if port.is_some_and(|port| port.parse::<u16>().ok().is_none_or(|port| port == 0)) {
            return Err(Problem::new("a list with a port that is no number from 1 to 65535"));
        }
    }
    Ok(())
}

pub(super) fn topic(text: &str) -> Result<(), Problem> {
    if text.starts_with('^') {
        return if text.len() > 1 {
            Ok(())
        } else {
            Err(Problem::new("a regular expression that matches every topic"))
        };
    }
    if text.is_empty() || text.len() > MAX_TOPIC_CHARS || text == "." || text == ".." {
        return Err(Problem::new("no topic name"));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.chars().all(legal) {
        return Ok(());
    }
    let meant = text.contains(['*', '+', '[', '(', '|']).then(|| format!("^{text}"));
    Err(Problem::new("no topic name: Kafka allows letters, digits, `.`, `_` and `-`").suggest(meant))
}

pub(super) fn dead_letter_topic(text: &str) -> Result<(), Problem> {
    if text.starts_with('^') {
        return Err(Problem::new("a regular expression, and records are written to one topic"));
    }
    if text.is_empty() { Ok(()) } else { topic(text) }
}

pub(super) fn compression(text: &str) -> Result<(), Problem> {
    match Compression::parse(text) {
        Some(_) => Ok(()),
        None => Err(Problem::new("no known compression").suggest(nearest(text, ["zstd(1)", "snappy", "lz4", "none"]))),
    }
}

pub(super) fn url(text: &str) -> Result<(), Problem> {
    Location::parse(text).map(|_| ())
}

pub(super) fn listen(text: &str) -> Result<(), Problem> {
    if text.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    let meant = text.rsplit_once(':').and_then(|(host, port)| {
        let host = if host.is_empty() { "0.0.0.0" } else { "127.0.0.1" };
        port.parse::<u16>().ok().map(|port| format!("{host}:{port}"))
    });
    Err(Problem::new("no address with a port").suggest(meant))
}

pub(super) fn dimension(text: &str) -> Result<(), Problem> {
    match Dimension::parse(text) {
        Some(Dimension::Attribute(name)) if name.len() > MAX_ATTRIBUTE_BYTES || name.chars().any(char::is_control) => Err(Problem::new(
            format!("an attribute name longer than {MAX_ATTRIBUTE_BYTES} bytes or with control characters"),
        )),
        Some(_) => Ok(()),
        None => {
            let names = Common::ALL.into_iter().map(Common::as_str).chain(["task", "touchpoint"]);
            let attribute = text.strip_prefix("attribute.").map(|name| format!("attributes.{name}"));
            Err(Problem::new("no dimension").suggest(attribute.or_else(|| nearest(text, names))))
        }
    }
}

pub(super) fn metric(text: &str) -> Result<(), Problem> {
    if metric_names().contains(&text) {
        return Ok(());
    }
    Err(Problem::new("no metric of the catalogue (see `tidegauge metrics`)").suggest(nearest(text, metric_names().iter().copied())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn brokers_are_addresses_with_or_without_a_port() {
        for good in ["a", "a:9092", "a:9092, b:9093", "[::1]:9092", "[::1]", "SSL://a:9093", "10.0.0.1:1"] {
            assert_eq!(brokers(good), Ok(()), "{good}");
        }
        for bad in ["", "a,", ",a", "a b", "a:0", "a:x", "a:70000", "::1", "[::1", "[::1]x"] {
            assert!(brokers(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn topics_are_names_that_kafka_allows_or_regular_expressions() {
        for good in ["product.telemetry", "^customer\\..*", "A_b-9"] {
            assert_eq!(topic(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", "^", &"x".repeat(250)] {
            assert!(topic(bad).is_err(), "{bad}");
        }
        assert_eq!(topic("product.*").unwrap_err().suggestion.as_deref(), Some("^product.*"));
    }

    #[test]
    fn an_unknown_dimension_gets_the_nearest_one() {
        assert_eq!(dimension("attributes.plan"), Ok(()));
        assert_eq!(dimension("prodct").unwrap_err().suggestion.as_deref(), Some("product"));
        assert_eq!(
            dimension("attribute.plan").unwrap_err().suggestion.as_deref(),
            Some("attributes.plan")
        );
        assert!(dimension("attributes.").is_err());
    }

    #[test]
    fn a_listen_address_without_a_host_gets_one_suggested() {
        assert_eq!(listen("[::]:0"), Ok(()));
        assert_eq!(listen(":9464").unwrap_err().suggestion.as_deref(), Some("0.0.0.0:9464"));
        assert_eq!(listen("localhost:9464").unwrap_err().suggestion.as_deref(), Some("127.0.0.1:9464"));
    }
}
