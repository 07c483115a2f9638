//! What the pipeline is compared with: `simdutf8` and `serde_json` into a borrowed struct of a dozen fields, and nothing done with it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use crate::traffic::Traffic;

/// A string that borrows from the text. One with escapes is let go instead of unescaped: `Cow` would allocate for every field.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text<'a>(pub &'a str);

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(text))
    }

    fn visit_str<E>(self, _: &str) -> Result<Text<'de>, E> {
        Ok(Text(""))
    }
}

/// A time as producers write it: text, or a number of milliseconds.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Time<'a> {
    Text(&'a str),
    Number(f64),
}

struct TimeVisitor;

impl<'de> Visitor<'de> for TimeVisitor {
    type Value = Time<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Time<'de>, E> {
        Ok(Time::Text(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Time<'de>, E> {
        Ok(Time::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Time<'de>, E> {
        Ok(Time::Number(number))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Time<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The fields that nearly every consumer of such events wants.
#[derive(Clone, Copy, Debug, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the event contract")]
pub struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    pub event_type: Text<'a>,
    #[serde(borrow)]
    pub time: Time<'a>,
    #[serde(borrow)]
    pub event_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub user_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub product: Option<Text<'a>>,
    #[serde(borrow)]
    pub platform: Option<Text<'a>>,
    #[serde(borrow)]
    pub version: Option<Text<'a>>,
    #[serde(borrow)]
    pub country: Option<Text<'a>>,
    #[serde(borrow)]
    pub task: Option<Text<'a>>,
    #[serde(borrow)]
    pub attempt_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub outcome: Option<Text<'a>>,
    pub duration_ms: Option<i64>,
}

/// Parses every record and gives how many could be.
#[must_use]
pub fn parse(traffic: &Traffic) -> usize {
    let mut parsed = 0;
    for (_, record) in traffic.records() {
        let Some(text) = record.value.and_then(|v| simdutf8::basic::from_utf8(v).ok()) else {
            continue;
        };
        if let Ok(fields) = serde_json::from_str::<Fields<'_>>(text) {
            std::hint::black_box(&fields);
            parsed += 1;
        }
    }
    parsed
}
