//! What holds for all bytes, and for all objects that look somewhat like an event.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use tidegauge_aggregate::event::{Attribute, Event, EventType};

use crate::{decoder, record, reference};

const FIELDS: [&str; 39] = [
    "type",
    "time",
    "event_id",
    "user_id",
    "session_id",
    "product",
    "platform",
    "channel",
    "version",
    "country",
    "segment",
    "attributes",
    "task",
    "attempt_id",
    "outcome",
    "duration_ms",
    "clicks",
    "errors",
    "reason",
    "code",
    "severity",
    "message",
    "action",
    "target",
    "latency_ms",
    "instrument",
    "score",
    "answers",
    "scope",
    "touchpoint",
    "comment",
    "text",
    "sentiment",
    "ticket_id",
    "category",
    "priority",
    "plan",
    "amount",
    "currency",
];

/// A value that is at home in the field, mostly.
fn fitting(field: &'static str) -> BoxedStrategy<Value> {
    let names = |names: &'static [&'static str]| select(names).prop_map(Value::from).boxed();
    match field {
        "time" => prop_oneof![(0_i64..9_214_646_400_000).prop_map(Value::from), rfc3339().prop_map(Value::from)].boxed(),
        "outcome" => names(&["success", "failure"]),
        "severity" => names(&["minor", "major", "fatal"]),
        "action" => names(&["impression", "view", "click", "rage_click", "dead_click", "error_click"]),
        "instrument" => names(&["nps", "csat", "ces", "sus", "seq"]),
        "scope" => names(&["brand", "product", "task", "touchpoint"]),
        "duration_ms" | "latency_ms" => (0_u64..=1 << 40).prop_map(Value::from).boxed(),
        "clicks" | "errors" => (0_u64..=1 << 31).prop_map(Value::from).boxed(),
        "score" => prop_oneof![
            (1_i64..=5).prop_map(Value::from),
            (0_i64..=1000).prop_map(|tenths| json!(tenths as f64 / 10.0))
        ]
        .boxed(),
        "answers" => proptest::collection::vec(1_u8..=5, 10).prop_map(Value::from).boxed(),
        "sentiment" => (-1_000_000_i64..=1_000_000).prop_map(|micros| json!(micros as f64 / 1e6)).boxed(),
        "amount" => (0_u64..100_000_000)
            .prop_flat_map(|cents| {
                select(vec![
                    json!(cents as f64 / 100.0),
                    json!(cents),
                    json!(format!("{}.{:02}", cents / 100, cents % 100)),
                ])
            })
            .boxed(),
        "attributes" => proptest::collection::btree_map("[a-z\"é]{0,3}", scalar(), 0..5)
            .prop_map(|attributes| Value::Object(attributes.into_iter().collect()))
            .boxed(),
        _ => "[ -~é\\n😀]{1,12}".prop_map(Value::from).boxed(),
    }
}

/// A time that is right in nine of ten cases.
fn rfc3339() -> impl Strategy<Value = String> {
    let odd = |range: std::ops::RangeInclusive<u32>, odd: u32| prop_oneof![80 => range, 1 => Just(odd)];
    let year = prop_oneof![20 => 1970_u32..2262, 1 => Just(1969_u32), 1 => Just(2262_u32)];
    let date = (year, odd(1..=12, 13), odd(1..=28, 0), 0_u32..4);
    let time = (
        odd(0..=23, 24),
        odd(0..=59, 60),
        odd(0..=60, 61),
        select(vec!["", ".5", ".05", ".999"]),
    );
    let zone = (select(vec!["Z", "+", "-"]), odd(0..=23, 24), odd(0..=59, 60));
    (date, time, zone).prop_map(
        |((year, month, day, more), (hour, minute, second, fraction), (sign, hours, minutes))| {
            let day = if day == 28 { day + more } else { day };
            let zone = if sign == "Z" {
                sign.to_owned()
            } else {
                format!("{sign}{hours:02}:{minutes:02}")
            };
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}")
        },
    )
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000_i64..1_000_000).prop_map(|value| json!(value as f64 / 100.0)),
        "[ -~é\\n😀]{0,8}".prop_map(Value::from),
    ]
}

/// A value that is at home nowhere, or only by chance.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        scalar(),
        select(vec![
            json!(""),
            json!("x".repeat(128)),
            json!("x".repeat(129)),
            json!([]),
            json!({}),
            json!({"a": []}),
            json!(0),
            json!(1.0)
        ]),
        select(vec![
            json!(-1),
            json!(1_u64 << 31),
            json!((1_u64 << 31) + 1),
            json!((1_u64 << 40) + 1),
            json!(u64::MAX),
            json!(1e15),
            json!(1e17)
        ]),
        select(vec![
            json!("1."),
            json!(".5"),
            json!("1.5"),
            json!([1, 2, 3]),
            json!([1, 2, 3, 4, 5, 5, 4, 3, 2, 6]),
            json!("abandoned")
        ]),
    ]
}

/// An object with the type of an event, most of the fields of the contract and now and then something odd.
pub(crate) fn object() -> impl Strategy<Value = Map<String, Value>> {
    let field = |name: &'static str| {
        let value =
            prop_oneof![600 => fitting(name).prop_map(Some), 120 => Just(None), 4 => odd().prop_map(Some), 4 => Just(Some(Value::Null))];
        value.prop_map(move |value| Some((name.to_owned(), value?)))
    };
    let fields: Vec<_> = FIELDS.iter().skip(1).map(|name| field(name)).collect();
    let event_type = prop_oneof![
        40 => select(EventType::ALL).prop_map(|event_type| json!(event_type.as_str())),
        1 => odd(),
    ];
    (event_type, fields).prop_map(|(event_type, fields)| {
        let mut object: Map<String, Value> = fields.into_iter().flatten().collect();
        object.insert("type".to_owned(), event_type);
        object
    })
}

/// `object` with its keys in the order of `order`, names and strings spelled with escapes here and there, white space between.
fn write(object: &Map<String, Value>, order: &[prop::sample::Index]) -> String {
    let mut keys: Vec<&String> = object.keys().collect();
    let mut written = Vec::new();
    for index in order {
        if keys.is_empty() {
            break;
        }
        let at = index.index(keys.len());
        let key = keys.swap_remove(at);
        let first = key.chars().next().map_or(0, u32::from);
        let name = if at % 5 == 0 && first < 0x10000 && first > 0 {
            format!("\\u{first:04x}{}", &key[1..])
        } else {
            key.clone()
        };
        let value = object[key].to_string();
        written.push(format!(
            "\"{name}\"{}:{}{}",
            " ".repeat(at % 2),
            "\n\t".repeat(at % 3),
            if at % 7 == 0 { value.replace('é', "\\u00E9") } else { value }
        ));
    }
    format!(
        " {{ {} }}\r\n",
        written.join(if order.first().is_some_and(|index| index.index(2) == 0) {
            ","
        } else {
            " ,\t"
        })
    )
}

/// An event with its attributes in the order of their names, as the reference has them.
fn sorted<'a>(event: &Event<'a>, scratch: &'a mut Vec<Attribute<'a>>) -> Event<'a> {
    scratch.extend_from_slice(event.attributes);
    scratch.sort_by_key(|attribute| attribute.name);
    Event {
        attributes: scratch,
        ..*event
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), timestamp: Option<i64>) {
        let _ = decoder().decode(&record(Some(&bytes), timestamp));
    }

    #[test]
    fn no_damage_to_an_event_makes_the_decoder_panic(
        object in object(),
        cut in any::<prop::sample::Index>(),
        byte: u8,
        at in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Value::Object(object).to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decoder().decode(&record(Some(&bytes), None));
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(decoder().decode(&record(Some(&bytes), None)).is_err());
    }

    #[test]
    fn the_decoder_agrees_with_the_slow_one_in_every_order_of_keys(
        object in object(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), FIELDS.len()),
    ) {
        let expected = reference::decode(&object);
        for text in [Value::Object(object.clone()).to_string(), write(&object, &order)] {
            let mut decoder = decoder();
            let decoded = decoder.decode(&record(Some(text.as_bytes()), None));
            let mut scratch = Vec::new();
            match (decoded, &expected) {
                (Ok(event), Ok(expected)) => prop_assert_eq!(sorted(&event, &mut scratch), *expected, "{}", text),
                (Err(reject), Err(expected)) => prop_assert_eq!(reject.reason.as_str(), *expected, "{}: {:?}", text, reject),
                (decoded, expected) => prop_assert!(false, "{text}: {decoded:?} but expected {expected:?}"),
            }
        }
    }
}
