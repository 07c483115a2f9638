//! Every reason of the contract's table, and that the first that applies is the reason.

use tidegauge_aggregate::record::RejectReason;
use tidegauge_ingest::decode::{DecodeLimits, Decoder};

use crate::{NOW, decoder, reason, record, refused, with_event};

#[test]
fn a_record_without_a_value_is_empty() {
    for value in [None, Some(&b""[..])] {
        let reject = decoder().decode(&record(value, Some(NOW))).unwrap_err();
        assert_eq!((reject.reason, reject.field), (RejectReason::Empty, ""));
    }
    assert_eq!(reason(" "), ("not_json", ""));
}

#[test]
fn the_length_is_judged_before_the_text_is_looked_at() {
    let mut decoder = Decoder::new(DecodeLimits {
        max_record_bytes: 10,
        ..DecodeLimits::default()
    });
    let reject = decoder
        .decode(&record(Some(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None))
        .unwrap_err();
    assert_eq!(reject.reason, RejectReason::TooLarge);
    assert!(
        reject.detail.contains("11 bytes") && reject.detail.contains("at most 10"),
        "{}",
        reject.detail
    );
    let reject = decoder
        .decode(&record(Some(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None))
        .unwrap_err();
    assert_eq!(reject.reason, RejectReason::NotJson);
}

#[test]
fn what_is_not_exactly_one_json_object_is_refused() {
    let mut texts: Vec<String> = [
        "[]",
        "1",
        "null",
        "\"text\"",
        "{",
        "}",
        "{}{}",
        "{} x",
        "{},",
        "[{}]",
        "{'type':1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":-Infinity}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":0x1}",
        "{\"a\":1e}",
        "{\"a\":tru}",
        "{\"a\":True}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":\"\t\"}",
        "{\"\n\":1}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":{\"b\":}}",
        "\u{feff}{}",
        "{}\u{feff}",
        "\u{a0}{}",
        "{}\u{c}",
        "{}\0",
        "{\"a\":\"unterminated}",
        "/**/{}",
        "{\"a\":1}//",
    ]
    .iter()
    .map(|text| (*text).to_owned())
    .collect();
    // An unpaired surrogate, wherever it stands.
    for place in [
        "\"type\":\"X\"",
        "\"X\":1",
        "\"ignored\":\"X\"",
        "\"ignored\":{\"X\":1}",
        "\"ignored\":[[\"X\"]]",
        "\"attributes\":{\"a\":\"X\"}",
    ] {
        for escape in [r"\ud83d", r"\ude00", r"\ud83dx\ude00", r"\ude00\ud83d", r"\uD800\uD800"] {
            texts.push(format!("{{{}}}", place.replace('X', escape)));
        }
    }
    for text in texts {
        assert_eq!(reason(&text), ("not_json", ""), "{text:?}");
    }
    let reject = decoder().decode(&record(Some(b"{\"a\":\"\xff\"}"), None)).unwrap_err();
    assert_eq!(reject.reason, RejectReason::NotJson);
    assert!(reject.detail.contains("at byte 6"), "{}", reject.detail);
}

#[test]
fn json_white_space_around_the_object_is_fine() {
    with_event(
        " \t\r\n{ \"type\" : \"feedback\" ,\n\"time\" : 5 , \"text\" : \"\" }\n\n",
        |event| assert_eq!(event.time.0, 5),
    );
}

#[test]
fn nesting_is_fine_up_to_depth_64_and_refused_beyond() {
    let nested = |open: &str, close: &str, levels: usize| {
        format!(
            "{{\"type\":\"feedback\",\"time\":5,\"text\":\"x\",\"ignored\":{}0{}}}",
            open.repeat(levels),
            close.repeat(levels)
        )
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        with_event(&nested(open, close, 63), |_| ());
        let reject = refused(&nested(open, close, 64));
        assert_eq!(reject.reason, RejectReason::NotJson);
        assert!(reject.detail.contains("deeper than 64"), "{}", reject.detail);
    }
    assert_eq!(reason(&nested("[", "]", 400_000)), ("not_json", ""));
    // Neither width nor brackets in strings are depth, and an escaped quote does not end a string.
    let brackets = "[".repeat(200);
    with_event(
        &format!(
            r#"{{"type":"feedback","time":5,"text":"\"{brackets}\\","\"{brackets}":[{}[]]}}"#,
            "[],".repeat(200)
        ),
        |_| (),
    );
    // It is the text that counts: the depth is judged before the type.
    assert_eq!(
        reason(&format!("{{\"type\":{}{}}}", "[".repeat(64), "]".repeat(64))),
        ("not_json", "")
    );
}

#[test]
fn the_steps_apply_in_the_order_of_the_table() {
    // Each record has every fault of the lines below it.
    for (value, expected) in [
        (r#"{"time":[],"event_id":""}"#, ("missing_field", "type")),
        (r#"{"type":null,"time":[],"event_id":""}"#, ("missing_field", "type")),
        (r#"{"type":7,"time":[],"event_id":""}"#, ("invalid_field", "type")),
        (r#"{"type":["feedback"],"event_id":""}"#, ("invalid_field", "type")),
        (r#"{"type":"","event_id":""}"#, ("unknown_type", "type")),
        (r#"{"type":"Feedback","time":[],"event_id":""}"#, ("unknown_type", "type")),
        (r#"{"type":"ticket_closed","time":"x"}"#, ("unknown_type", "type")),
        (r#"{"type":"task_started","event_id":""}"#, ("missing_field", "time")),
        (r#"{"type":"task_started","time":null,"event_id":""}"#, ("missing_field", "time")),
        (r#"{"type":"task_started","time":5.0,"event_id":""}"#, ("invalid_field", "time")),
        (r#"{"type":"task_started","time":1e3,"event_id":""}"#, ("invalid_field", "time")),
        (r#"{"type":"task_started","time":true,"event_id":""}"#, ("invalid_field", "time")),
        (r#"{"type":"task_started","time":{},"event_id":""}"#, ("invalid_field", "time")),
        (r#"{"type":"task_started","time":"","event_id":""}"#, ("bad_time", "time")),
        (r#"{"type":"task_started","time":"5","event_id":""}"#, ("bad_time", "time")),
        (r#"{"type":"task_started","time":-1,"event_id":""}"#, ("bad_time", "time")),
        (
            r#"{"type":"task_started","time":9214646400000,"event_id":""}"#,
            ("bad_time", "time"),
        ),
        (
            r#"{"type":"task_started","time":99999999999999999999999999,"event_id":""}"#,
            ("bad_time", "time"),
        ),
        (
            r#"{"type":"task_started","time":"2025-01-29T08:05:00.001Z","event_id":""}"#,
            ("future_time", "time"),
        ),
        (
            r#"{"type":"task_started","time":5,"event_id":"","attempt_id":""}"#,
            ("missing_field", "task"),
        ),
        (
            r#"{"type":"task_started","time":5,"event_id":"","task":"","attempt_id":null}"#,
            ("missing_field", "attempt_id"),
        ),
        (
            r#"{"type":"task_started","time":5,"event_id":"","task":"t","attempt_id":"a"}"#,
            ("invalid_field", "event_id"),
        ),
        (
            r#"{"type":"survey_response","time":5,"scope":"?"}"#,
            ("missing_field", "instrument"),
        ),
        (
            r#"{"type":"survey_response","time":5,"instrument":"nps","comment":7}"#,
            ("invalid_field", "comment"),
        ),
        (
            r#"{"type":"survey_response","time":5,"instrument":"enps"}"#,
            ("invalid_field", "instrument"),
        ),
        (
            r#"{"type":"survey_response","time":5,"instrument":"nps","score":"9"}"#,
            ("invalid_field", "score"),
        ),
        (
            r#"{"type":"survey_response","time":5,"instrument":"nps","answers":[1]}"#,
            ("invalid_field", "answers"),
        ),
        (
            r#"{"type":"survey_response","time":5,"instrument":"nps","answers":[1,2,3,4,5,1,2,3,4,5]}"#,
            ("missing_field", "score"),
        ),
        (
            r#"{"type":"survey_response","time":5,"instrument":"sus","score":null,"answers":null}"#,
            ("missing_field", "score"),
        ),
        (
            r#"{"type":"survey_response","time":5,"instrument":"nps","score":11,"comment":7}"#,
            ("invalid_field", "comment"),
        ),
        (
            r#"{"type":"survey_response","time":5,"instrument":"nps","score":11}"#,
            ("invalid_field", "score"),
        ),
        (r#"{"type":"feedback","time":5,"touchpoint":7}"#, ("invalid_field", "touchpoint")),
        (r#"{"type":"feedback","time":5,"sentiment":2}"#, ("invalid_field", "sentiment")),
        (
            r#"{"type":"feedback","time":5,"text":null,"sentiment":null}"#,
            ("missing_field", "text"),
        ),
        (r#"{"type":"purchased","time":5,"amount":-1}"#, ("missing_field", "user_id")),
        (r#"{"type":"purchased","time":5,"user_id":""}"#, ("missing_field", "amount")),
    ] {
        assert_eq!(reason(value), expected, "{value}");
        let detail = refused(value).detail;
        assert!(
            detail.contains(&format!("`{}`", expected.1)),
            "{value}: the detail does not name the field: {detail}"
        );
    }
}

#[test]
fn a_time_is_in_the_future_only_beyond_the_skew_and_only_where_the_record_has_a_timestamp() {
    let value = |time: i64| format!(r#"{{"type":"feedback","text":"x","time":{time}}}"#).into_bytes();
    let skew = DecodeLimits::default().max_future_skew;
    let mut decoder = decoder();
    assert!(decoder.decode(&record(Some(&value(NOW + skew)), Some(NOW))).is_ok());
    let reject = decoder.decode(&record(Some(&value(NOW + skew + 1)), Some(NOW))).unwrap_err();
    assert_eq!(reject.reason, RejectReason::FutureTime);
    assert!(reject.detail.contains("300001 ms later"), "{}", reject.detail);
    assert!(decoder.decode(&record(Some(&value(NOW + skew + 1)), None)).is_ok());
    assert!(decoder.decode(&record(Some(&value(NOW + skew + 1)), Some(-1))).is_ok());
    assert!(decoder.decode(&record(Some(&value(NOW)), Some(i64::MAX))).is_ok());
}

#[test]
fn a_detail_is_bounded_whatever_the_record_holds() {
    let long = "\u{1b}[31m\u{202e}".repeat(50_000).replace('\u{1b}', "\\u001b");
    for value in [
        format!(r#"{{"type":"{long}"}}"#),
        format!(r#"{{"type":"feedback","time":"{long}"}}"#),
        format!(r#"{{"type":"feedback","time":5,"user_id":"{long}"}}"#),
        format!(r#"{{"type":"feedback","time":5,"attributes":{{"{long}":["{long}"]}}}}"#),
        format!(r#"{{"type":"survey_response","time":5,"instrument":"{long}"}}"#),
        format!("\"{long}\""),
    ] {
        let detail = refused(&value).detail;
        assert!(
            detail.len() < 1_500 && !detail.chars().any(char::is_control) && !detail.contains('\u{202e}'),
            "{detail}"
        );
    }
}
