//! Records that the contract refuses, for every reason and in many ways.

use super::TOPICS;
use super::json::{Clock, Json, decimal, hex, key};
use super::random::Random;
use super::record::{GeneratedRecord, partition};
use super::world::TimeStyle;

/// Beyond any sensible `max_future_skew`.
const FAR_AHEAD: i64 = 3 * 3_600_000;

/// Every this many refused records one is too large, where that was asked for.
const OVERSIZED_EVERY: u64 = 40;

/// The values of one reason. `@` stands for the record timestamp as an integer, `~` for a time far ahead of it.
struct Family {
    reason: &'static str,
    values: &'static [&'static [u8]],
}

const FAMILIES: [Family; 7] = [
    Family {
        reason: "empty",
        values: &[b""],
    },
    Family {
        reason: "not_json",
        values: &[
            b"{\"type\":\"interaction\",\"time\":@,\"action\":\"cli",
            b"hello",
            b"[{\"type\":\"interaction\",\"time\":@,\"action\":\"view\"}]",
            b"{\"type\":\"error\",\"time\":@,\"code\":\"\xff\xfe\"}",
            b"{\"type\":\"error\",\"time\":@,\"code\":\"\\ud83d\"}",
            b"{\"type\":\"feedback\",\"time\":@,\"sentiment\":NaN}",
            b"{\"type\":\"interaction\",\"time\":@,\"action\":\"view\"}{\"type\":\"interaction\",\"time\":@,\"action\":\"view\"}",
            b"\xef\xbb\xbf{\"type\":\"interaction\",\"time\":@,\"action\":\"view\"}",
            b"<event type=\"interaction\" time=\"@\"/>",
            b"{\"type\":\"interaction\",\"time\":@,\"action\":\"view\",}",
            b"\x00\x00\x00\x00\x2a\x0cinteraction",
        ],
    },
    Family {
        reason: "missing_field",
        values: &[
            b"{\"time\":@,\"user_id\":\"u-1\",\"action\":\"view\"}",
            b"{\"type\":\"interaction\",\"user_id\":\"u-1\",\"action\":\"view\"}",
            b"{\"type\":\"task_started\",\"time\":@,\"task\":\"checkout\"}",
            b"{\"type\":\"task_finished\",\"time\":@,\"task\":\"checkout\",\"attempt_id\":\"a-1\",\"outcome\":null}",
            b"{\"type\":\"purchased\",\"time\":@,\"amount\":\"19.99\",\"currency\":\"EUR\"}",
            b"{\"type\":\"churned\",\"time\":@}",
            b"{\"type\":\"survey_response\",\"time\":@,\"instrument\":\"nps\",\"user_id\":\"u-1\"}",
            b"{\"type\":\"feedback\",\"time\":@,\"user_id\":\"u-1\"}",
            b"{\"type\":\"ticket_opened\",\"time\":@,\"user_id\":\"u-1\"}",
        ],
    },
    Family {
        reason: "invalid_field",
        values: &[
            b"{\"type\":7,\"time\":@}",
            b"{\"type\":\"interaction\",\"time\":@.5,\"action\":\"view\"}",
            b"{\"type\":\"interaction\",\"time\":true,\"action\":\"view\"}",
            b"{\"type\":\"interaction\",\"time\":@,\"action\":\"hover\"}",
            b"{\"type\":\"interaction\",\"time\":@,\"action\":\"view\",\"latency_ms\":-5}",
            b"{\"type\":\"interaction\",\"time\":@,\"action\":\"view\",\"user_id\":\"\"}",
            b"{\"type\":\"interaction\",\"time\":@,\"action\":\"view\",\"user_id\":42}",
            b"{\"type\":\"task_finished\",\"time\":@,\"task\":\"checkout\",\"attempt_id\":\"a-1\",\"outcome\":\"maybe\"}",
            b"{\"type\":\"task_finished\",\"time\":@,\"task\":\"checkout\",\"attempt_id\":\"a-1\",\"outcome\":\"success\",\"clicks\":3.0}",
            b"{\"type\":\"survey_response\",\"time\":@,\"instrument\":\"nps\",\"score\":11}",
            b"{\"type\":\"survey_response\",\"time\":@,\"instrument\":\"csat\",\"score\":4.5}",
            b"{\"type\":\"survey_response\",\"time\":@,\"instrument\":\"sus\",\"answers\":[5,1,5,1]}",
            b"{\"type\":\"purchased\",\"time\":@,\"user_id\":\"u-1\",\"amount\":\"-3\"}",
            b"{\"type\":\"purchased\",\"time\":@,\"user_id\":\"u-1\",\"amount\":\"1.000,50\"}",
            b"{\"type\":\"error\",\"time\":@,\"code\":\"E1\",\"severity\":\"catastrophic\"}",
            b"{\"type\":\"error\",\"time\":@,\"code\":\"E1\",\"attributes\":{\"stack\":[1,2]}}",
        ],
    },
    Family {
        reason: "unknown_type",
        values: &[
            b"{\"type\":\"page_scrolled\",\"time\":@,\"user_id\":\"u-1\"}",
            b"{\"type\":\"\",\"time\":@}",
            b"{\"type\":\"Task_Started\",\"time\":@}",
        ],
    },
    Family {
        reason: "bad_time",
        values: &[
            b"{\"type\":\"interaction\",\"time\":\"yesterday\",\"action\":\"view\"}",
            b"{\"type\":\"interaction\",\"time\":\"2026-13-01T00:00:00Z\",\"action\":\"view\"}",
            b"{\"type\":\"interaction\",\"time\":\"2026-02-03T04:05:06\",\"action\":\"view\"}",
            b"{\"type\":\"interaction\",\"time\":\"2026-02-03T24:00:00Z\",\"action\":\"view\"}",
            b"{\"type\":\"interaction\",\"time\":-1,\"action\":\"view\"}",
            b"{\"type\":\"interaction\",\"time\":99999999999999,\"action\":\"view\"}",
        ],
    },
    Family {
        reason: "future_time",
        values: &[
            b"{\"type\":\"interaction\",\"time\":~,\"action\":\"view\",\"user_id\":\"u-1\"}",
            b"{\"type\":\"signed_up\",\"time\":~,\"user_id\":\"u-1\"}",
        ],
    },
];

/// Goes through the reasons in turn. It has its own randomness, so that the good records do not depend on it.
pub(super) struct Refused {
    random: Random,
    share: f64,
    partitions: u32,
    oversized: Option<usize>,
    count: u64,
}

impl Refused {
    pub(super) fn new(seed: u64, share: f64, partitions: u32, oversized: Option<usize>) -> Refused {
        Refused {
            random: Random::new(seed, 1),
            share,
            partitions,
            oversized,
            count: 0,
        }
    }

    /// Whether the next record is a refused one.
    pub(super) fn is_next(&mut self) -> bool {
        self.share > 0.0 && self.random.chance(self.share)
    }

    pub(super) fn write(&mut self, record: &mut GeneratedRecord, now: i64) {
        let random = &mut self.random;
        record.topic = random.pick(&TOPICS);
        record.timestamp = now + i64::from(random.below(60));
        record.key.clear();
        record.key.extend_from_slice(b"u-");
        hex(&mut record.key, random.bits() & 0xFFFF_FFFF, 12);
        record.partition = partition(&record.key, self.partitions);
        record.value.clear();
        record.tombstone = false;
        self.count += 1;
        if let Some(limit) = self.oversized.filter(|_| self.count.is_multiple_of(OVERSIZED_EVERY)) {
            record.refused = Some("too_large");
            return fill_beyond(&mut record.value, record.timestamp, limit);
        }
        let family = &FAMILIES[(self.count % FAMILIES.len() as u64) as usize];
        record.refused = Some(family.reason);
        match family.reason {
            "empty" => record.tombstone = random.chance(0.5),
            "not_json" if random.chance(0.1) => nest(&mut record.value, record.timestamp),
            _ => {
                let template = random.pick(family.values);
                expand(&mut record.value, template, record.timestamp);
            }
        }
    }
}

fn expand(out: &mut Vec<u8>, template: &[u8], timestamp: i64) {
    for &byte in template {
        match byte {
            b'@' => decimal(out, timestamp),
            b'~' => decimal(out, timestamp + FAR_AHEAD),
            _ => out.push(byte),
        }
    }
}

/// A good event but for a member that is nested too deep.
fn nest(out: &mut Vec<u8>, timestamp: i64) {
    expand(
        out,
        b"{\"type\":\"interaction\",\"time\":@,\"action\":\"view\",\"deep\":",
        timestamp,
    );
    out.resize(out.len() + 70, b'[');
    out.resize(out.len() + 70, b']');
    out.push(b'}');
}

/// A good event but for its length.
fn fill_beyond(out: &mut Vec<u8>, timestamp: i64, limit: usize) {
    out.extend_from_slice(b"{\"type\":\"feedback\",\"time\":");
    Clock::default().write(out, timestamp, TimeStyle::Utc, 0);
    Json(out).raw(key!("text"), "\"");
    let length = (limit + 1).saturating_sub(2).max(out.len() + 1);
    out.resize(length, b'x');
    out.extend_from_slice(b"\"}");
}
