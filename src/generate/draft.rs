//! The record that is being written.

use super::json::{Clock, Json, decimal, hex, key};
use super::people::Profile;
use super::random::{mix, mix48};
use super::record::{GeneratedRecord, partition};
use super::world::{EXPERIMENTS, PLANS};
use super::{FEEDBACK, TELEMETRY};

/// What a record is keyed by.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// `user_id`, of an anonymous visitor `session_id`.
    Visitor,
    Ticket(u64),
}

pub(super) struct Draft {
    pub(super) record: GeneratedRecord,
    clock: Clock,
    partitions: u32,
    salt: u64,
    events: u64,
    /// Whether the event got an id, without which a copy would be another event.
    pub(super) identified: bool,
}

impl Draft {
    pub(super) fn new(partitions: u32, seed: u64) -> Draft {
        let salt = mix(seed ^ 0x0065_7665_6E74);
        Draft {
            record: GeneratedRecord::new(),
            clock: Clock::default(),
            partitions,
            salt,
            events: 0,
            identified: false,
        }
    }

    /// Begins an event up to and including the dimensions; `time` is by the right clock.
    pub(super) fn begin(&mut self, kind: &'static str, key: Key, profile: &Profile, time: i64, channel: &str) -> Json<'_> {
        let product = profile.product();
        self.events += 1;
        let id = mix48(self.events ^ self.salt);
        // One producer in twenty forgets the id.
        self.identified = !id.is_multiple_of(20);
        self.address(kind, key, profile);
        let out = &mut self.record.value;
        out.clear();
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"time\":");
        self.clock.write(
            out,
            (time + i64::from(profile.skew)).max(0),
            product.style,
            profile.country().offset_minutes,
        );
        let mut json = Json(out);
        if self.identified {
            json.hex(key!("event_id"), "e", id, 12);
        }
        if !profile.anonymous {
            json.hex(key!("user_id"), "u-", profile.user, 12);
        }
        if profile.session != 0 {
            json.hex(key!("session_id"), "s-", profile.session, 12);
        }
        json.plain(key!("product"), product.name);
        json.plain(key!("platform"), profile.platform().name);
        json.plain(key!("channel"), channel);
        json.raw(key!("version"), "\"");
        decimal(json.0, i64::from(profile.release / 100));
        json.0.push(b'.');
        decimal(json.0, i64::from(profile.release % 100));
        json.0.extend_from_slice(b".0\"");
        // Interactions are most of the traffic, and SDKs keep them lean.
        if kind == "interaction" {
            return json;
        }
        json.plain(key!("country"), profile.country().code);
        if let Some(segment) = product.segments.get(usize::from(profile.segment)) {
            json.plain(key!("segment"), segment);
        }
        json
    }

    /// Topic, key and partition.
    fn address(&mut self, kind: &'static str, key: Key, profile: &Profile) {
        let record = &mut self.record;
        record.topic = match kind {
            "task_started" | "task_finished" | "task_abandoned" | "error" | "interaction" => TELEMETRY,
            _ => FEEDBACK,
        };
        let (prefix, id, digits) = match key {
            Key::Ticket(id) => ("T-", id, 9),
            Key::Visitor if profile.anonymous => ("s-", profile.session, 12),
            Key::Visitor => ("u-", profile.user, 12),
        };
        record.key.clear();
        record.key.extend_from_slice(prefix.as_bytes());
        hex(&mut record.key, id, digits);
        record.partition = partition(&record.key, self.partitions);
        record.tombstone = false;
        record.refused = None;
    }

    /// What else is known of the visitor.
    pub(super) fn attributes(&mut self, profile: &Profile, items: Option<u16>) {
        let mut json = Json(&mut self.record.value);
        json.raw(key!("attributes"), "{\"plan\":\"");
        json.0.extend_from_slice(PLANS[usize::from(profile.plan)].as_bytes());
        json.0.push(b'"');
        if profile.product == 0 {
            json.plain(key!("experiment"), EXPERIMENTS[usize::from(profile.experiment)]);
        }
        if let Some(items) = items {
            json.integer(key!("cart_items"), i64::from(items));
            json.raw(key!("gift"), if items % 7 == 0 { "true" } else { "false" });
        }
        json.0.push(b'}');
    }

    pub(super) fn end(&mut self) {
        self.record.value.push(b'}');
    }
}
