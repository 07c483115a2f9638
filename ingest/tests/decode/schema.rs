//! `docs/event.schema.json` says the same as the decoder, as far as JSON Schema can.
//!
//! The schema is read by the few keywords that it uses; any other keyword is a failure, so none is ignored in silence.

use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::documents::document;
use crate::properties::object;
use crate::{decoder, record};

/// The schema of an event.
pub(crate) struct Schema(Value);

impl Schema {
    pub(crate) fn load() -> Schema {
        Schema(serde_json::from_str(&document("event.schema.json")).unwrap())
    }

    pub(crate) fn accepts(&self, text: &str) -> bool {
        serde_json::from_str(text).is_ok_and(|value| self.holds(&self.0, &value))
    }

    fn holds(&self, schema: &Value, value: &Value) -> bool {
        let schema = schema.as_object().unwrap();
        schema
            .iter()
            .all(|(keyword, argument)| self.keyword(schema, keyword, argument, value))
    }

    fn keyword(&self, schema: &Map<String, Value>, keyword: &str, argument: &Value, value: &Value) -> bool {
        let members = |schema: &Map<String, Value>| {
            let Some(object) = value.as_object() else { return true };
            schema
                .iter()
                .all(|(name, schema)| object.get(name).is_none_or(|value| self.holds(schema, value)))
        };
        let least = |bound: &Value| bound.as_f64().unwrap();
        let length = |count: fn(&Value) -> Option<usize>| count(value).map(|length| length as u64);
        let characters = |value: &Value| value.as_str().map(|text| text.chars().count());
        let items = |value: &Value| value.as_array().map(Vec::len);
        match keyword {
            "$schema" | "$id" | "$defs" | "title" | "description" | "default" => true,
            "$ref" => self.holds(
                self.0.pointer(argument.as_str().unwrap().strip_prefix('#').unwrap()).unwrap(),
                value,
            ),
            "type" => match argument {
                Value::Array(types) => types.iter().any(|name| has_type(value, name.as_str().unwrap())),
                name => has_type(value, name.as_str().unwrap()),
            },
            "enum" => argument.as_array().unwrap().contains(value),
            "const" => argument == value,
            "required" => value.as_object().is_none_or(|object| {
                let names = argument.as_array().unwrap();
                names.iter().all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "properties" => members(argument.as_object().unwrap()),
            // Only used without `properties` beside it.
            "additionalProperties" => value
                .as_object()
                .is_none_or(|object| object.values().all(|value| self.holds(argument, value))),
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| self.holds(argument, item))),
            "minLength" => length(characters).is_none_or(|length| length >= argument.as_u64().unwrap()),
            "maxLength" => length(characters).is_none_or(|length| length <= argument.as_u64().unwrap()),
            "minItems" => length(items).is_none_or(|length| length >= argument.as_u64().unwrap()),
            "maxItems" => length(items).is_none_or(|length| length <= argument.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|number| number >= least(argument)),
            "maximum" => value.as_f64().is_none_or(|number| number <= least(argument)),
            "pattern" => value
                .as_str()
                .is_none_or(|text| regex::Regex::new(argument.as_str().unwrap()).unwrap().is_match(text)),
            "allOf" => argument.as_array().unwrap().iter().all(|schema| self.holds(schema, value)),
            "anyOf" => argument.as_array().unwrap().iter().any(|schema| self.holds(schema, value)),
            "if" => !self.holds(argument, value) || self.holds(&schema["then"], value),
            "then" => schema.contains_key("if"),
            other => panic!("the schema uses `{other}`, which this test does not know"),
        }
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("the schema names the type `{other}`"),
    }
}

fn decodes(text: &str) -> bool {
    decoder().decode(&record(Some(text.as_bytes()), None)).is_ok()
}

#[test]
fn schema_and_decoder_agree_on_good_and_bad_events() {
    let schema = Schema::load();
    let good = [
        r#"{"type":"task_started","time":0,"task":"t","attempt_id":"a","outcome":7,"score":[]}"#,
        r#"{"type":"task_finished","time":0,"task":"t","attempt_id":"a","outcome":"success","clicks":2147483648,"duration_ms":null}"#,
        r#"{"type":"error","time":"2025-01-29 08:00:60.123456z","code":"c","severity":null}"#,
        r#"{"type":"survey_shown","time":0,"instrument":"csat","scope":"touchpoint","score":99}"#,
        r#"{"type":"survey_response","time":0,"instrument":"nps","score":9.0}"#,
        r#"{"type":"survey_response","time":0,"instrument":"sus","score":0.5}"#,
        r#"{"type":"survey_response","time":0,"instrument":"sus","score":null,"answers":[1,2,3,4,5,1,2,3,4,5]}"#,
        r#"{"type":"feedback","time":0,"text":""}"#,
        r#"{"type":"feedback","time":0,"text":null,"sentiment":-1}"#,
        r#"{"type":"ticket_reopened","time":0,"ticket_id":"k","priority":""}"#,
        r#"{"type":"purchased","time":0,"user_id":"u","amount":"001.50","plan":7}"#,
        r#"{"type":"purchased","time":0,"user_id":"u","amount":"1000000000000000.00"}"#,
        r#"{"type":"purchased","time":0,"user_id":"u","amount":1e15}"#,
        r#"{"type":"churned","time":9214646399999,"user_id":"u","attributes":{"a":null,"b":1,"c":"x","d":false},"unknown":{}}"#,
    ];
    let bad = [
        r#"[]"#,
        r#"{}"#,
        r#"{"type":"feedback","text":"x"}"#,
        r#"{"type":null,"time":0}"#,
        r#"{"type":"ticket_closed","time":0}"#,
        r#"{"type":"feedback","text":"x","time":1.5}"#,
        r#"{"type":"feedback","text":"x","time":-1}"#,
        r#"{"type":"feedback","text":"x","time":9214646400000}"#,
        r#"{"type":"feedback","text":"x","time":"2025-01-29T08:00:00"}"#,
        r#"{"type":"feedback","text":"x","time":"2025-01-29T24:00:00Z"}"#,
        r#"{"type":"feedback","text":"x","time":"2025-01-29T08:00:00,5Z"}"#,
        r#"{"type":"feedback","text":"x","time":"2025-01-29T08:00:00+24:00"}"#,
        r#"{"type":"feedback","text":"x","time":0,"user_id":""}"#,
        r#"{"type":"feedback","text":"x","time":0,"product":7}"#,
        r#"{"type":"feedback","text":"x","time":0,"attributes":[]}"#,
        r#"{"type":"feedback","text":"x","time":0,"attributes":{"a":{}}}"#,
        r#"{"type":"feedback","time":0}"#,
        r#"{"type":"feedback","time":0,"text":null}"#,
        r#"{"type":"feedback","time":0,"sentiment":1.1}"#,
        r#"{"type":"feedback","time":0,"sentiment":"good"}"#,
        r#"{"type":"task_started","time":0,"task":"t","attempt_id":null}"#,
        r#"{"type":"task_finished","time":0,"task":"t","attempt_id":"a","outcome":"abandoned"}"#,
        r#"{"type":"task_finished","time":0,"task":"t","attempt_id":"a","outcome":"failure","clicks":2147483649}"#,
        r#"{"type":"task_abandoned","time":0,"task":"t","attempt_id":"a","reason":7}"#,
        r#"{"type":"error","time":0,"code":"c","severity":"bad"}"#,
        r#"{"type":"interaction","time":0,"action":"tap"}"#,
        r#"{"type":"interaction","time":0,"action":"click","latency_ms":1099511627777}"#,
        r#"{"type":"survey_shown","time":0}"#,
        r#"{"type":"survey_shown","time":0,"instrument":"nps","scope":"world"}"#,
        r#"{"type":"survey_response","time":0,"instrument":"nps"}"#,
        r#"{"type":"survey_response","time":0,"instrument":"nps","score":11}"#,
        r#"{"type":"survey_response","time":0,"instrument":"csat","score":0}"#,
        r#"{"type":"survey_response","time":0,"instrument":"ces","score":7.5}"#,
        r#"{"type":"survey_response","time":0,"instrument":"seq","score":8}"#,
        r#"{"type":"survey_response","time":0,"instrument":"sus"}"#,
        r#"{"type":"survey_response","time":0,"instrument":"sus","score":100.5}"#,
        r#"{"type":"survey_response","time":0,"instrument":"sus","score":null,"answers":null}"#,
        r#"{"type":"survey_response","time":0,"instrument":"sus","answers":[1,2,3]}"#,
        r#"{"type":"survey_response","time":0,"instrument":"nps","score":9,"answers":[1,2,3,4,5,1,2,3,4,6]}"#,
        r#"{"type":"ticket_opened","time":0}"#,
        r#"{"type":"signed_up","time":0}"#,
        r#"{"type":"converted","time":0,"user_id":"u","plan":7}"#,
        r#"{"type":"purchased","time":0,"user_id":"u"}"#,
        r#"{"type":"purchased","time":0,"user_id":"u","amount":-1}"#,
        r#"{"type":"purchased","time":0,"user_id":"u","amount":".5"}"#,
        r#"{"type":"purchased","time":0,"user_id":"u","amount":"5."}"#,
        r#"{"type":"purchased","time":0,"user_id":"u","amount":"1000000000000000.01"}"#,
        r#"{"type":"churned","time":0,"user_id":"u","reason":[]}"#,
    ];
    for text in good {
        assert!(
            decodes(text) && schema.accepts(text),
            "decoder: {}, schema: {}: {text}",
            decodes(text),
            schema.accepts(text)
        );
    }
    for text in bad {
        assert!(
            !decodes(text) && !schema.accepts(text),
            "decoder: {}, schema: {}: {text}",
            decodes(text),
            schema.accepts(text)
        );
    }
}

proptest! {
    #[test]
    fn the_schema_accepts_whatever_the_decoder_accepts(object in object()) {
        let text = Value::Object(object).to_string();
        prop_assert!(!decodes(&text) || Schema::load().accepts(&text), "{}", text);
    }
}
