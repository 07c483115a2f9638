//! Which format a scraper gets.

use std::cmp::Ordering;

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics text format 1.0.0.
    OpenMetrics,
}

/// The page could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the metrics page: {0}; this is a bug in tidegauge, please report it with this message")]
pub struct RenderError(#[from] pub(super) prometheus::Error);

impl Format {
    /// The format that an `Accept` header prefers; without one, or where both are as welcome, the older text format unless OpenMetrics is named
    /// with at least the same weight.
    #[must_use]
    pub fn negotiate(accept: Option<&str>) -> Format {
        let mut text: f32 = 0.0;
        let mut open: f32 = 0.0;
        for range in accept.unwrap_or("").split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or("").to_ascii_lowercase();
            let mut quality: f32 = 1.0;
            let mut known = true;
            for (key, value) in parts.filter_map(|p| p.split_once('=')) {
                match key.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => known = matches!(value.trim(), "1.0.0" | "0.0.1" | "0.0.4"),
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if known => open = open.max(quality),
                "text/plain" | "text/*" | "*/*" => text = text.max(quality),
                _ => {}
            }
        }
        match open.partial_cmp(&text) {
            Some(Ordering::Greater | Ordering::Equal) if open > 0.0 => Format::OpenMetrics,
            _ => Format::Text,
        }
    }

    /// The `Content-Type` of a page.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prometheus_server_gets_openmetrics() {
        let server = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::negotiate(Some(server)), Format::OpenMetrics);
    }

    #[test]
    fn everyone_else_gets_text() {
        let cases = [
            None,
            Some(""),
            Some("*/*"),
            Some("text/html,application/xhtml+xml,*/*;q=0.8"),
            Some("text/plain;version=0.0.4"),
            Some("application/openmetrics-text;q=0.2,text/plain;q=0.9"),
            Some("application/openmetrics-text;version=2.0.0"),
            Some("application/openmetrics-text;q=0"),
            Some("application/openmetrics-text;q=nonsense"),
        ];
        for accept in cases {
            assert_eq!(Format::negotiate(accept), Format::Text, "{accept:?}");
        }
    }
}
