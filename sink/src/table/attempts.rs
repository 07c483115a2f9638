//! The `attempts` table: one row per attempt fact.

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use tidegauge_aggregate::event::AttemptRow;

use super::column::{Column, Columns, Text, columns, field};
use super::pages::Kept;

columns! {
    /// The columns that every pipeline has.
    pub(super) struct FixedColumns {
        time: PackedMoment, required, "time", "UTC", "When the attempt ended";
        started: PackedMoment, nullable, "started", "UTC", "When it started; null where the start was not seen";
        attempt_id: Id, required, "attempt_id", "", "The attempt";
        task: Name, required, "task", "", "The task";
        user_id: Id, nullable, "user_id", "", "The person: the end's, else the start's";
        outcome: Name, required, "outcome", "", "success, failure or abandoned";
        inferred: Flag, required, "inferred", "", "Whether abandonment was inferred because no end came in time";
        duration_ms: PackedLong, nullable, "duration_ms", "milliseconds", "Time on task: as the producer measured it, else end minus start";
        clicks: PackedLong, nullable, "clicks", "clicks", "Clicks, where the end said";
        errors: PackedLong, required, "errors", "errors", "Errors: as the end said, else the error events of the attempt";
        product: Name, nullable, "product", "", "What is measured: an app, a service, a site";
        platform: Name, nullable, "platform", "", "ios, android, web, ...";
        channel: Name, nullable, "channel", "", "app, web, phone, email, chat, store, ...";
        version: Name, nullable, "version", "", "Release of the product";
        country: Name, nullable, "country", "ISO 3166-1 alpha-2", "Country";
        segment: Name, nullable, "segment", "", "Persona, plan or cohort";
        topic: Name, required, "topic", "", "Topic of the partition that the attempt is in";
        partition: PackedInt, required, "partition", "", "That partition";
        offset: PackedLong, nullable, "offset", "", "Offset of the record that ended it; null for an inferred end";
    }
}

/// The fixed columns and one per attribute that some grouping uses.
pub(super) struct AttemptColumns {
    fixed: FixedColumns,
    attributes: Vec<Text>,
}

impl AttemptColumns {
    pub(super) fn empty(attributes: usize) -> AttemptColumns {
        AttemptColumns {
            fixed: FixedColumns::empty(),
            attributes: std::iter::repeat_with(Text::empty).take(attributes).collect(),
        }
    }

    pub(super) fn fields(attributes: &[&str]) -> Vec<Field> {
        let mut fields = FixedColumns::fields();
        fields.extend(attributes.iter().map(|name| {
            field(
                &format!("attributes.{name}"),
                Text::data_type(),
                true,
                "",
                "Free attribute, as a dimension",
            )
        }));
        fields
    }

    pub(super) fn write(&mut self, row: usize, topic: &str, partition: i32, attempt: &AttemptRow<'_>) {
        let columns = &mut self.fixed;
        columns.time.set(row, attempt.time);
        columns.started.set(row, attempt.started);
        columns.attempt_id.set(row, attempt.attempt_id);
        columns.task.set(row, attempt.task);
        columns.user_id.set(row, attempt.user_id);
        columns.outcome.set(row, attempt.outcome.as_str());
        columns.inferred.set(row, attempt.inferred);
        columns.duration_ms.set(row, attempt.duration_ms);
        columns.clicks.set(row, attempt.clicks);
        columns.errors.set(row, attempt.errors);
        let [product, platform, channel, version, country, segment] = attempt.common;
        columns.product.set(row, product);
        columns.platform.set(row, platform);
        columns.channel.set(row, channel);
        columns.version.set(row, version);
        columns.country.set(row, country);
        columns.segment.set(row, segment);
        columns.topic.set(row, topic);
        columns.partition.set(row, partition);
        columns.offset.set(row, attempt.offset);
        for (column, value) in self.attributes.iter_mut().zip(attempt.attributes) {
            column.set(row, *value);
        }
    }
}

impl Columns for AttemptColumns {
    fn finish(&mut self, rows: usize) -> Result<Vec<Option<ArrayRef>>, ArrowError> {
        let mut arrays = self.fixed.finish(rows)?;
        for column in &mut self.attributes {
            arrays.push(column.finish(rows)?);
        }
        Ok(arrays)
    }

    fn kept(&mut self) -> Vec<Option<&mut dyn Kept>> {
        self.fixed.kept()
    }
}
