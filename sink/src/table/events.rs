//! The `events` table, and `late`, which has the same columns and the watermark that made the event late.

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use tidegauge_aggregate::event::{Body, Effort, Event};
use tidegauge_aggregate::record::Record;
use tidegauge_aggregate::time::EventTime;

use super::attributes::write_json;
use super::column::{Column, Columns, Moment, columns, field};
use super::pages::Kept;

columns! {
    /// One row per accepted event; a column is null where the event's type has no such field or the event did not fill it.
    pub(super) struct EventColumns {
        kind: Name, required, "type", "", "Type of the event";
        time: PackedMoment, required, "time", "UTC", "When it happened";
        event_id: Id, nullable, "event_id", "", "Identity for de-duplication";
        user_id: Id, nullable, "user_id", "", "The person";
        session_id: Id, nullable, "session_id", "", "The visit";
        product: Name, nullable, "product", "", "What is measured: an app, a service, a site";
        platform: Name, nullable, "platform", "", "ios, android, web, ...";
        channel: Name, nullable, "channel", "", "app, web, phone, email, chat, store, ...";
        version: Name, nullable, "version", "", "Release of the product";
        country: Name, nullable, "country", "ISO 3166-1 alpha-2", "Country";
        segment: Name, nullable, "segment", "", "Persona, plan or cohort";
        task: Name, nullable, "task", "", "Task of an attempt, error or survey";
        attempt_id: Id, nullable, "attempt_id", "", "The task attempt";
        outcome: Name, nullable, "outcome", "", "success or failure, of task_finished";
        duration_ms: PackedLong, nullable, "duration_ms", "milliseconds", "Time on task as the producer measured it";
        clicks: PackedLong, nullable, "clicks", "clicks", "Clicks of the attempt";
        errors: PackedLong, nullable, "errors", "errors", "Errors of the attempt as the producer counted them";
        reason: Text, nullable, "reason", "", "Why the task was abandoned or the customer left";
        code: Text, nullable, "code", "", "Code of an error";
        severity: Name, nullable, "severity", "", "minor, major or fatal, of an error";
        message: Text, nullable, "message", "", "Message of an error";
        action: Name, nullable, "action", "", "impression, view, click, rage_click, dead_click or error_click";
        target: Name, nullable, "target", "", "What an interaction was with";
        latency_ms: PackedLong, nullable, "latency_ms", "milliseconds", "How long the user waited for an interaction";
        instrument: Name, nullable, "instrument", "", "nps, csat, ces, sus or seq";
        scope: Name, nullable, "scope", "", "brand, product, task or touchpoint: what a survey was about";
        score: Millionths, nullable, "score", "points", "Score of a survey response, on its instrument's scale";
        touchpoint: Name, nullable, "touchpoint", "", "Where a survey, feedback or ticket arose";
        comment: Text, nullable, "comment", "", "Comment of a survey response";
        text: Text, nullable, "text", "", "Text of feedback";
        sentiment: Millionths, nullable, "sentiment", "-1 to 1", "Sentiment of feedback";
        ticket_id: Text, nullable, "ticket_id", "", "The support ticket";
        category: Name, nullable, "category", "", "Category of a ticket";
        priority: Name, nullable, "priority", "", "Priority of a ticket";
        plan: Text, nullable, "plan", "", "Plan a customer converted to";
        amount: Amount, nullable, "amount", "currency", "Amount of a purchase, in the currency of its column";
        currency: Name, nullable, "currency", "ISO 4217", "Currency of the amount";
        attributes: Text, nullable, "attributes", "JSON", "Free attributes as a JSON object, numbers as written";
        topic: Name, required, "topic", "", "Topic of the record";
        partition: PackedInt, required, "partition", "", "Partition of the record";
        offset: PackedLong, required, "offset", "", "Offset of the record within its partition";
        record_timestamp: PackedMoment, nullable, "record_timestamp", "UTC", "Timestamp of the record; null where it has none";
    }
}

impl EventColumns {
    /// Writes one event into `row`; `scratch` is only there to be used again.
    pub(super) fn write(&mut self, row: usize, record: &Record<'_>, event: &Event<'_>, scratch: &mut String) {
        self.kind.set(row, event.event_type().as_str());
        self.time.set(row, event.time);
        self.topic.set(row, record.topic);
        self.partition.set(row, record.partition);
        self.offset.set(row, record.offset);
        self.record_timestamp.set(row, record.timestamp.map(EventTime));
        self.event_id.set(row, event.event_id);
        self.user_id.set(row, event.user_id);
        self.session_id.set(row, event.session_id);
        let [product, platform, channel, version, country, segment] = event.common;
        self.product.set(row, product);
        self.platform.set(row, platform);
        self.channel.set(row, channel);
        self.version.set(row, version);
        self.country.set(row, country);
        self.segment.set(row, segment);
        if !event.attributes.is_empty() {
            scratch.clear();
            write_json(scratch, event.attributes);
            self.attributes.set(row, scratch.as_str());
        }
        self.write_body(row, &event.body);
    }

    fn write_body(&mut self, row: usize, body: &Body<'_>) {
        match *body {
            Body::TaskStarted { task, attempt_id } => self.write_attempt(row, Some(task), Some(attempt_id)),
            Body::TaskFinished {
                task,
                attempt_id,
                success,
                effort,
            } => {
                self.write_attempt(row, Some(task), Some(attempt_id));
                self.outcome.set(row, if success { "success" } else { "failure" });
                self.write_effort(row, effort);
            }
            Body::TaskAbandoned {
                task,
                attempt_id,
                reason,
                effort,
            } => {
                self.write_attempt(row, Some(task), Some(attempt_id));
                self.reason.set(row, reason);
                self.write_effort(row, effort);
            }
            Body::Error {
                code,
                severity,
                task,
                attempt_id,
                message,
            } => {
                self.write_attempt(row, task, attempt_id);
                self.code.set(row, code);
                self.severity.set(row, severity.as_str());
                self.message.set(row, message);
            }
            Body::Interaction {
                action,
                target,
                latency_ms,
            } => {
                self.action.set(row, action.as_str());
                self.target.set(row, target);
                self.latency_ms.set(row, latency_ms);
            }
            Body::SurveyShown {
                instrument,
                scope,
                task,
                touchpoint,
            } => {
                self.instrument.set(row, instrument.as_str());
                self.scope.set(row, scope.as_str());
                self.task.set(row, task);
                self.touchpoint.set(row, touchpoint);
            }
            Body::SurveyResponse {
                instrument,
                score_micros,
                scope,
                task,
                touchpoint,
                comment,
            } => {
                self.instrument.set(row, instrument.as_str());
                self.score.set(row, score_micros);
                self.scope.set(row, scope.as_str());
                self.task.set(row, task);
                self.touchpoint.set(row, touchpoint);
                self.comment.set(row, comment);
            }
            Body::Feedback {
                text,
                sentiment_micros,
                touchpoint,
            } => {
                self.text.set(row, text);
                self.sentiment.set(row, sentiment_micros);
                self.touchpoint.set(row, touchpoint);
            }
            Body::Ticket {
                action: _,
                ticket_id,
                category,
                priority,
                touchpoint,
            } => {
                self.ticket_id.set(row, ticket_id);
                self.category.set(row, category);
                self.priority.set(row, priority);
                self.touchpoint.set(row, touchpoint);
            }
            Body::SignedUp | Body::Referred => {}
            Body::Converted { plan } => self.plan.set(row, plan),
            Body::Purchased { amount_micros, currency } => {
                self.amount.set(row, amount_micros);
                self.currency.set(row, currency);
            }
            Body::Churned { reason } => self.reason.set(row, reason),
        }
    }

    fn write_attempt(&mut self, row: usize, task: Option<&str>, attempt_id: Option<&str>) {
        self.task.set(row, task);
        self.attempt_id.set(row, attempt_id);
    }

    fn write_effort(&mut self, row: usize, effort: Effort) {
        self.duration_ms.set(row, effort.duration_ms);
        self.clicks.set(row, effort.clicks);
        self.errors.set(row, effort.errors);
    }
}

/// One row per late event.
pub(super) struct LateColumns {
    pub(super) event: EventColumns,
    pub(super) watermark: Moment,
}

impl LateColumns {
    pub(super) fn empty() -> LateColumns {
        LateColumns {
            event: EventColumns::empty(),
            watermark: Moment::empty(),
        }
    }

    pub(super) fn fields() -> Vec<Field> {
        let meaning = "Watermark of the partition when the event came; it was more than the lateness behind";
        let mut fields = EventColumns::fields();
        fields.push(field("watermark", Moment::data_type(), false, "UTC", meaning));
        fields
    }
}

impl Columns for LateColumns {
    fn finish(&mut self, rows: usize) -> Result<Vec<Option<ArrayRef>>, ArrowError> {
        let mut arrays = self.event.finish(rows)?;
        arrays.push(self.watermark.finish(rows)?);
        Ok(arrays)
    }

    fn kept(&mut self) -> Vec<Option<&mut dyn Kept>> {
        let mut kept = self.event.kept();
        kept.push(self.watermark.kept());
        kept
    }
}
