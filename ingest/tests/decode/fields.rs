//! What each kind of value may be and what it becomes.

use tidegauge_aggregate::event::{Attribute, AttributeValue, Body, Common, Effort, EventType, Instrument, Scope, Severity};

use crate::{decoder, reason, record, with_event};

/// A valid event of each type, without optional fields and without the closing brace.
const LEAST: [(EventType, &str); 18] = [
    (EventType::TaskStarted, r#""task":"t","attempt_id":"a""#),
    (EventType::TaskFinished, r#""task":"t","attempt_id":"a","outcome":"failure""#),
    (EventType::TaskAbandoned, r#""task":"t","attempt_id":"a""#),
    (EventType::Error, r#""code":"c""#),
    (EventType::Interaction, r#""action":"view""#),
    (EventType::SurveyShown, r#""instrument":"nps""#),
    (EventType::SurveyResponse, r#""instrument":"nps","score":9"#),
    (EventType::Feedback, r#""text":"x""#),
    (EventType::TicketOpened, r#""ticket_id":"k""#),
    (EventType::TicketResponded, r#""ticket_id":"k""#),
    (EventType::TicketResolved, r#""ticket_id":"k""#),
    (EventType::TicketReopened, r#""ticket_id":"k""#),
    (EventType::TicketEscalated, r#""ticket_id":"k""#),
    (EventType::SignedUp, r#""user_id":"u""#),
    (EventType::Referred, r#""user_id":"u""#),
    (EventType::Converted, r#""user_id":"u""#),
    (EventType::Purchased, r#""user_id":"u","amount":1"#),
    (EventType::Churned, r#""user_id":"u""#),
];

fn event(event_type: EventType, more: &str) -> String {
    let least = LEAST.iter().find(|(listed, _)| *listed == event_type).unwrap().1;
    format!(
        r#"{{"type":"{}","time":5,{least}{}{more}}}"#,
        event_type.as_str(),
        if more.is_empty() { "" } else { "," }
    )
}

/// Which types list each field that is not common to all, with a value that is wrong wherever the field is listed.
const LISTED: [(&str, &str, &[EventType]); 22] = {
    use EventType::*;
    [
        (
            "task",
            "\"\"",
            &[TaskStarted, TaskFinished, TaskAbandoned, Error, SurveyShown, SurveyResponse],
        ),
        ("attempt_id", "7", &[TaskStarted, TaskFinished, TaskAbandoned, Error]),
        ("outcome", "\"abandoned\"", &[TaskFinished]),
        ("duration_ms", "1.0", &[TaskFinished, TaskAbandoned]),
        ("clicks", "-1", &[TaskFinished, TaskAbandoned]),
        ("errors", "\"1\"", &[TaskFinished, TaskAbandoned]),
        ("reason", "[]", &[TaskAbandoned, Churned]),
        ("code", "\"\"", &[Error]),
        ("severity", "\"Fatal\"", &[Error]),
        ("message", "1", &[Error]),
        ("action", "\"tap\"", &[Interaction]),
        ("target", "1", &[Interaction]),
        ("latency_ms", "1099511627777", &[Interaction]),
        ("instrument", "\"NPS\"", &[SurveyShown, SurveyResponse]),
        ("score", "\"1\"", &[SurveyResponse]),
        ("answers", "{}", &[SurveyResponse]),
        ("scope", "\"\"", &[SurveyShown, SurveyResponse]),
        (
            "touchpoint",
            "true",
            &[
                SurveyShown,
                SurveyResponse,
                Feedback,
                TicketOpened,
                TicketResponded,
                TicketResolved,
                TicketReopened,
                TicketEscalated,
            ],
        ),
        ("comment", "{}", &[SurveyResponse]),
        (
            "category",
            "1",
            &[TicketOpened, TicketResponded, TicketResolved, TicketReopened, TicketEscalated],
        ),
        ("plan", "1", &[Converted]),
        ("currency", "1", &[Purchased]),
    ]
};

#[test]
fn a_wrong_value_matters_only_where_the_type_lists_the_field() {
    for (event_type, _) in LEAST {
        let bare = event(event_type, "");
        with_event(&bare, |plain| {
            assert_eq!(plain.event_type(), event_type);
            for (field, wrong, listed) in LISTED {
                let value = event(event_type, &format!("\"{field}\":{wrong}"));
                if listed.contains(&event_type) {
                    assert_eq!(reason(&value), ("invalid_field", field), "{value}");
                } else {
                    with_event(&value, |event| assert_eq!(event, plain, "{value}"));
                }
            }
            for field in [
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
            ] {
                assert_eq!(reason(&event(event_type, &format!("\"{field}\":7"))), ("invalid_field", field));
            }
        });
    }
}

#[test]
fn ids_have_1_to_128_bytes_and_dimensions_at_most_128() {
    let with = |field: &str, value: &str| event(EventType::Feedback, &format!("\"{field}\":\"{value}\""));
    let longest = "é".repeat(64);
    with_event(&with("user_id", &longest), |event| {
        assert_eq!(event.user_id, Some(longest.as_str()))
    });
    with_event(&with("user_id", &"\\u00e9".repeat(64)), |event| {
        assert_eq!(event.user_id, Some(longest.as_str()))
    });
    assert_eq!(reason(&with("user_id", &format!("{longest}x"))), ("invalid_field", "user_id"));
    assert_eq!(reason(&with("user_id", "")), ("invalid_field", "user_id"));
    with_event(&with("product", &longest), |event| {
        assert_eq!(event.common(Common::Product), Some(longest.as_str()))
    });
    assert_eq!(reason(&with("product", &format!("{longest}x"))), ("invalid_field", "product"));
    with_event(&with("product", ""), |event| assert_eq!(event.common(Common::Product), None));
    let text = "x".repeat(100_000);
    with_event(&format!(r#"{{"type":"feedback","time":5,"text":"{text}"}}"#), |event| {
        assert_eq!(
            event.body,
            Body::Feedback {
                text: Some(&text),
                sentiment_micros: None,
                touchpoint: None
            }
        );
    });
}

#[test]
fn integers_count_as_written_and_within_their_range() {
    let with = |value: &str| event(EventType::TaskFinished, value);
    let effort = |value: &str| {
        with_event(&with(value), |event| match event.body {
            Body::TaskFinished { effort, .. } => effort,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(
        effort(r#""clicks":-0,"errors":2147483648"#),
        Effort {
            duration_ms: None,
            clicks: Some(0),
            errors: Some(1 << 31)
        }
    );
    assert_eq!(effort(r#""duration_ms":1099511627776"#).duration_ms, Some(1 << 40));
    for value in ["2147483649", "-1", "5.0", "1e3", "0.0", "\"5\"", "true", "99999999999999999999"] {
        assert_eq!(
            reason(&with(&format!("\"clicks\":{value}"))),
            ("invalid_field", "clicks"),
            "{value}"
        );
    }
    assert_eq!(reason(&with("\"duration_ms\":1099511627777")), ("invalid_field", "duration_ms"));
}

#[test]
fn scores_lie_in_the_range_of_their_instrument() {
    let response =
        |instrument: &str, score: &str| format!(r#"{{"type":"survey_response","time":5,"instrument":"{instrument}","score":{score}}}"#);
    for (instrument, least, greatest) in [("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7), ("seq", 1, 7), ("sus", 0, 100)] {
        for score in [least, greatest] {
            with_event(&response(instrument, &format!("{score}.0e0")), |event| {
                let Body::SurveyResponse {
                    score_micros,
                    scope: Scope::Brand,
                    ..
                } = event.body
                else {
                    panic!("{event:?}")
                };
                assert_eq!(score_micros, score * 1_000_000);
            });
        }
        for score in [
            format!("{}", least - 1),
            format!("{greatest}.00000000000000000001"),
            "1e999999999".to_owned(),
        ] {
            assert_eq!(
                reason(&response(instrument, &score)),
                ("invalid_field", "score"),
                "{instrument} {score}"
            );
        }
        let halves = response(instrument, "1.5");
        if instrument == "sus" {
            with_event(&halves, |event| {
                assert!(matches!(
                    event.body,
                    Body::SurveyResponse {
                        score_micros: 1_500_000,
                        ..
                    }
                ))
            });
        } else {
            assert_eq!(reason(&halves), ("invalid_field", "score"), "{instrument}");
        }
    }
}

#[test]
fn sus_answers_make_a_score_unless_there_is_one() {
    let response = |more: &str| format!(r#"{{"type":"survey_response","time":5,"instrument":"sus",{more}}}"#);
    let score = |more: &str| {
        with_event(&response(more), |event| match event.body {
            Body::SurveyResponse {
                instrument: Instrument::Sus,
                score_micros,
                ..
            } => score_micros,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(score(r#""answers":[5,1,5,1,5,1,5,1,5,1]"#), 100_000_000);
    assert_eq!(score(r#""answers":[ 1 ,5,1,5,1,5,1,5,1,5]"#), 0);
    assert_eq!(score(r#""answers":[4,2,3,2,4,1,5,3,4,2]"#), 75_000_000);
    assert_eq!(score(r#""score":12.5,"answers":[5,1,5,1,5,1,5,1,5,1]"#), 12_500_000);
    for answers in [
        "[]",
        "[5,1,5,1,5,1,5,1,5]",
        "[5,1,5,1,5,1,5,1,5,1,5]",
        "[0,1,5,1,5,1,5,1,5,1]",
        "[6,1,5,1,5,1,5,1,5,1]",
        "[5.0,1,5,1,5,1,5,1,5,1]",
        "[\"5\",1,5,1,5,1,5,1,5,1]",
        "[null,1,5,1,5,1,5,1,5,1]",
        "\"5151515151\"",
        "[[5,1],5,1,5,1,5,1,5,1]",
        "7",
    ] {
        assert_eq!(
            reason(&response(&format!("\"score\":50,\"answers\":{answers}"))),
            ("invalid_field", "answers"),
            "{answers}"
        );
    }
}

#[test]
fn amounts_are_numbers_or_plain_digits_with_a_point_inside() {
    let purchase = |amount: &str| format!(r#"{{"type":"purchased","time":5,"user_id":"u","amount":{amount}}}"#);
    for (amount, micros) in [
        ("19.99", 19_990_000),
        ("\"19.99\"", 19_990_000),
        ("\"0019.99\"", 19_990_000),
        ("\"0\"", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("2e2", 200_000_000),
        ("0.0000005", 1),
        ("\"0.00000049\"", 0),
        ("1e15", 10_i128.pow(21)),
        ("\"1000000000000000.0\"", 10_i128.pow(21)),
        ("\"1\\u0039.99\"", 19_990_000),
    ] {
        with_event(&purchase(amount), |event| {
            assert_eq!(
                event.body,
                Body::Purchased {
                    amount_micros: micros,
                    currency: None
                },
                "{amount}"
            );
        });
    }
    for amount in [
        "-1",
        "-0.0000000001",
        "1000000000000000.0000001",
        "1e16",
        "\"\"",
        "\".\"",
        "\".5\"",
        "\"5.\"",
        "\"1.2.3\"",
        "\"+1\"",
        "\"-1\"",
        "\"-0\"",
        "\"1e2\"",
        "\" 1\"",
        "\"1,5\"",
        "\"1_000\"",
        "\"1000000000000001\"",
        "\"NaN\"",
        "\"٣\"",
        "true",
        "[1]",
        "{}",
    ] {
        assert_eq!(reason(&purchase(amount)), ("invalid_field", "amount"), "{amount}");
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    with_event(&event(EventType::Error, ""), |event| {
        assert!(matches!(
            event.body,
            Body::Error {
                severity: Severity::Major,
                ..
            }
        ))
    });
    with_event(&event(EventType::SurveyShown, ""), |event| {
        assert!(matches!(event.body, Body::SurveyShown { scope: Scope::Brand, .. }))
    });
    with_event(&event(EventType::Error, "\"severity\":null"), |event| {
        assert!(matches!(
            event.body,
            Body::Error {
                severity: Severity::Major,
                ..
            }
        ))
    });
}

#[test]
fn of_duplicate_keys_the_last_wins_however_it_is_spelled() {
    let feedback = |more: &str| format!(r#"{{"type":"error","time":7,"time":5,"t\u0079pe":"feedback","text":"x",{more}}}"#);
    with_event(&feedback(r#""product":7,"prod\u0075ct":"shop""#), |event| {
        assert_eq!((event.time.0, event.common(Common::Product)), (5, Some("shop")));
    });
    with_event(&feedback(r#""product":"shop","product":null"#), |event| {
        assert_eq!(event.common(Common::Product), None)
    });
    assert_eq!(reason(&feedback(r#""product":"shop","product":7"#)), ("invalid_field", "product"));
    assert_eq!(reason(&feedback(r#""time":null"#)), ("missing_field", "time"));
    with_event(
        &feedback(r#""attributes":[],"attributes":{"a":[],"b":1,"\u0061":"x\n","c":{},"c":null}"#),
        |event| {
            let expected = [
                Attribute {
                    name: "a",
                    value: AttributeValue::Text("x\n"),
                },
                Attribute {
                    name: "b",
                    value: AttributeValue::Number("1"),
                },
            ];
            assert_eq!(event.attributes, expected);
        },
    );
}

#[test]
fn attributes_are_scalars_kept_as_written() {
    let with = |attributes: &str| event(EventType::Feedback, &format!("\"attributes\":{attributes}"));
    with_event(
        &with(r#"{"z": "", "n": 1.0, "m": -0, "huge": 1e999, "t": true, "f": false, "none": null, "": "é\t"}"#),
        |event| {
            let expected = [
                ("z", AttributeValue::Text("")),
                ("n", AttributeValue::Number("1.0")),
                ("m", AttributeValue::Number("-0")),
                ("huge", AttributeValue::Number("1e999")),
                ("t", AttributeValue::Bool(true)),
                ("f", AttributeValue::Bool(false)),
                ("", AttributeValue::Text("é\t")),
            ]
            .map(|(name, value)| Attribute { name, value });
            assert_eq!(event.attributes, expected);
        },
    );
    for attributes in ["{}", "null"] {
        with_event(&with(attributes), |event| assert_eq!(event.attributes, []));
    }
    for attributes in ["[]", "\"{}\"", "1", "{\"a\":[]}", "{\"a\":{}}", "{\"a\":1,\"b\":{\"c\":1}}"] {
        assert_eq!(reason(&with(attributes)), ("invalid_field", "attributes"), "{attributes}");
    }
}

#[test]
fn many_attributes_keep_their_order_and_cost_no_square() {
    let many: Vec<String> = (0..30_000)
        .map(|number| format!("\"{}\":{number}", (number * 7_919) % 20_000))
        .collect();
    with_event(
        &event(EventType::Feedback, &format!("\"attributes\":{{{}}}", many.join(","))),
        |event| {
            assert_eq!(event.attributes.len(), 20_000);
            assert_eq!(
                event.attributes[0],
                Attribute {
                    name: "0",
                    value: AttributeValue::Number("20000")
                }
            );
            assert_eq!(event.attributes[19_999].value, AttributeValue::Number("19999"));
        },
    );
}

#[test]
fn unknown_names_are_counted_in_accepted_events() {
    let mut decoder = decoder();
    let feedback = |more: &str| event(EventType::Feedback, more).into_bytes();
    assert!(
        decoder
            .decode(&record(Some(&feedback(r#""b":1,"a":{"c":1},"\u0062":null,"score":[]"#)), None))
            .is_ok()
    );
    assert!(decoder.decode(&record(Some(&feedback(r#""b":1,"product":7"#)), None)).is_err());
    assert_eq!(decoder.unknown_fields().iter().collect::<Vec<_>>(), [("a", 1), ("b", 2)]);
    assert_eq!((decoder.unknown_fields().other(), decoder.unknown_fields().total()), (0, 3));
}
