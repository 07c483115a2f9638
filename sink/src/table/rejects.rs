//! The `rejects` table: records that could not be used, with everything needed to send them again.

use tidegauge_aggregate::record::{Record, Reject};
use tidegauge_aggregate::time::EventTime;

use super::column::columns;

columns! {
    /// One row per rejected record.
    pub(super) struct RejectColumns {
        topic: Text, required, "topic", "", "Topic of the record";
        partition: Int, required, "partition", "", "Partition of the record";
        offset: Long, required, "offset", "", "Offset of the record within its partition";
        record_timestamp: Moment, nullable, "record_timestamp", "UTC", "Timestamp of the record; null where it has none";
        key: Blob, nullable, "key", "", "Key of the record, as it came";
        headers: Headers, required, "headers", "", "Headers of the record in their order; keys may repeat";
        value: Blob, nullable, "value", "", "Value of the record, as it came; null for a tombstone";
        reason: Text, required, "reason", "", "Why it was refused, of the closed list of the event contract";
        field: Text, nullable, "field", "", "The field at fault; null where the record as a whole is";
        detail: Text, required, "detail", "", "What was found and what was expected";
    }
}

impl RejectColumns {
    /// Writes one reject into `row`. A value longer than `limit` cannot be held by Parquet; it is left out, and the detail says so.
    pub(super) fn write(&mut self, row: usize, record: &Record<'_>, reject: &Reject, limit: usize) {
        self.topic.set(row, record.topic);
        self.partition.set(row, record.partition);
        self.offset.set(row, record.offset);
        self.record_timestamp.set(row, record.timestamp.map(EventTime));
        self.key.set(row, record.key);
        self.headers.push(record.headers);
        self.reason.set(row, reject.reason.as_str());
        self.field.set(row, (!reject.field.is_empty()).then_some(reject.field));
        match record.value {
            Some(value) if value.len() > limit => {
                let detail = format!(
                    "{} (its {} bytes do not fit into a table; the value is left out)",
                    reject.detail,
                    value.len()
                );
                self.detail.set(row, detail.as_str());
            }
            value => {
                self.value.set(row, value);
                self.detail.set(row, reject.detail.as_str());
            }
        }
    }
}
