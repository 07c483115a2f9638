//! The free attributes of an event as one JSON text.

use tidegauge_aggregate::event::{Attribute, AttributeValue};

/// Appends `{"name": value, "name": value}` in the event's order: strings with the least escaping that JSON allows, numbers as written.
pub(super) fn write_json(out: &mut String, attributes: &[Attribute<'_>]) {
    out.push('{');
    for (i, attribute) in attributes.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_string(out, attribute.name);
        out.push_str(": ");
        match attribute.value {
            AttributeValue::Text(text) => write_string(out, text),
            AttributeValue::Number(text) => out.push_str(text),
            AttributeValue::Bool(true) => out.push_str("true"),
            AttributeValue::Bool(false) => out.push_str("false"),
        }
    }
    out.push('}');
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    // Whatever has to be escaped is one byte long, so the cuts fall between characters.
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => {
                const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
                let code = control as usize;
                out.push_str("\\u00");
                out.push(HEX[(code >> 4) & 15]);
                out.push(HEX[code & 15]);
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn json(attributes: &[Attribute<'_>]) -> String {
        let mut out = String::new();
        write_json(&mut out, attributes);
        out
    }

    #[test]
    fn numbers_stay_as_written() {
        let attributes = [
            Attribute {
                name: "plan",
                value: AttributeValue::Text("pro"),
            },
            Attribute {
                name: "seats",
                value: AttributeValue::Number("1.0"),
            },
            Attribute {
                name: "zero",
                value: AttributeValue::Number("-0"),
            },
            Attribute {
                name: "beta",
                value: AttributeValue::Bool(true),
            },
            Attribute {
                name: "old",
                value: AttributeValue::Bool(false),
            },
        ];
        assert_eq!(
            json(&attributes),
            r#"{"plan": "pro", "seats": 1.0, "zero": -0, "beta": true, "old": false}"#
        );
        assert_eq!(json(&[]), "{}");
    }

    #[test]
    fn any_string_comes_back_through_a_json_parser() {
        let nasty: String = (0u8..=127).map(char::from).chain("äé漢😀\u{2028}\u{7f}\u{80}".chars()).collect();
        let text = json(&[Attribute {
            name: &nasty,
            value: AttributeValue::Text(&nasty),
        }]);
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed[&nasty], serde_json::Value::String(nasty.clone()));
    }
}
