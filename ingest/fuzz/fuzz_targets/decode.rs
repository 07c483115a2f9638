//! Bytes of any kind go in as a record's value. The decoder must not panic, must give the same answer twice (its scratch space is
//! reused), and must call everything JSON that an independent parser does, within the contract's narrower rules.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_aggregate::record::{Record, RejectReason};
use tidegauge_ingest::decode::{DecodeLimits, Decoder};

fuzz_target!(|bytes: &[u8]| {
    let record = Record {
        topic: "t",
        partition: 0,
        offset: 0,
        timestamp: Some(1_738_137_600_000),
        key: None,
        value: Some(bytes),
        headers: &[],
    };
    let mut decoder = Decoder::new(DecodeLimits::default());
    let first = format!("{:?}", decoder.decode(&record));
    let second = decoder.decode(&record);
    assert_eq!(first, format!("{second:?}"));

    let parsed = serde_json::from_slice::<serde_json::Value>(bytes);
    match second {
        Err(reject) => {
            assert!(!reject.detail.is_empty() && reject.detail.len() < 4_096 && !reject.detail.chars().any(char::is_control));
            if reject.reason == RejectReason::NotJson && parsed.as_ref().is_ok_and(serde_json::Value::is_object) {
                assert!(reject.detail.contains("nested deeper"), "refused, but an object: {}", reject.detail);
            }
        }
        // The other parser refuses numbers beyond a double's range, which are JSON all the same.
        Ok(event) => {
            let fault = parsed.err().map(|fault| fault.to_string()).unwrap_or_default();
            assert!(
                fault.is_empty() || fault.contains("out of range"),
                "accepted, but no JSON ({fault}): {event:?}"
            );
        }
    }
});
