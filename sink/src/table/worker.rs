//! The tables of one worker thread.

use tidegauge_aggregate::event::{AttemptRow, Event};
use tidegauge_aggregate::record::{Record, Reject};
use tidegauge_aggregate::time::EventTime;

use super::attempts::AttemptColumns;
use super::encode::{EncodedRowGroup, Encoder};
use super::events::{EventColumns, LateColumns};
use super::rejects::RejectColumns;
use super::sheet::Sheet;
use super::{Hour, Table, TableError, TableOptions};

/// About what a row takes besides the record's own bytes: offsets, validity, fixed-width values.
const ROW_OVERHEAD: usize = 128;
/// Greatest record that goes into a row: well below the 2 GiB that a column of a row group may hold, with room for JSON text to grow.
const MAX_RECORD: usize = 1 << 30;

/// Everything one worker thread writes: rows in, compressed row groups out.
pub struct WorkerTables {
    events: Option<Sheet<EventColumns>>,
    late: Option<Sheet<LateColumns>>,
    rejects: Option<Sheet<RejectColumns>>,
    attempts: Option<Sheet<AttemptColumns>>,
    done: Vec<EncodedRowGroup>,
    counted: usize,
    done_bytes: usize,
    scratch: String,
}

impl WorkerTables {
    /// Empty tables.
    ///
    /// # Errors
    ///
    /// When two columns of a table would have the same name.
    pub fn new(options: &TableOptions) -> Result<WorkerTables, TableError> {
        let attributes = options.spec.attribute_names();
        let count = attributes.len();
        let wanted = |table| options.tables.contains(table);
        let encoder = |table, fields| Encoder::new(table, fields, options);
        let mut tables = WorkerTables {
            events: None,
            late: None,
            rejects: None,
            attempts: None,
            done: Vec::new(),
            counted: 0,
            done_bytes: 0,
            scratch: String::new(),
        };
        if wanted(Table::Events) {
            tables.events = Some(Sheet::new(
                encoder(Table::Events, EventColumns::fields())?,
                options,
                EventColumns::empty,
            ));
        }
        if wanted(Table::Late) {
            tables.late = Some(Sheet::new(
                encoder(Table::Late, LateColumns::fields())?,
                options,
                LateColumns::empty,
            ));
        }
        if wanted(Table::Rejects) {
            tables.rejects = Some(Sheet::new(
                encoder(Table::Rejects, RejectColumns::fields())?,
                options,
                RejectColumns::empty,
            ));
        }
        if wanted(Table::Attempts) {
            let encoder = encoder(Table::Attempts, AttemptColumns::fields(&attributes))?;
            tables.attempts = Some(Sheet::new(encoder, options, move || AttemptColumns::empty(count)));
        }
        Ok(tables)
    }

    /// Appends an accepted event.
    ///
    /// # Errors
    ///
    /// When the record does not fit into a row, or a full row group cannot be encoded.
    #[inline]
    pub fn append_event(&mut self, record: &Record<'_>, event: &Event<'_>) -> Result<(), TableError> {
        let Some(sheet) = &mut self.events else { return Ok(()) };
        let bytes = row_bytes(Table::Events, record)?;
        let (columns, row) = sheet.row(Hour::of(event.time), bytes, &mut self.done)?;
        columns.write(row, record, event, &mut self.scratch);
        Ok(())
    }

    /// Appends a late event, with the watermark of its partition before it.
    ///
    /// # Errors
    ///
    /// As [`WorkerTables::append_event`].
    pub fn append_late(&mut self, record: &Record<'_>, event: &Event<'_>, watermark: EventTime) -> Result<(), TableError> {
        let Some(sheet) = &mut self.late else { return Ok(()) };
        let bytes = row_bytes(Table::Late, record)?;
        let (columns, row) = sheet.row(arrival_hour(record, Some(watermark)), bytes, &mut self.done)?;
        columns.event.write(row, record, event, &mut self.scratch);
        columns.watermark.set(row, watermark);
        Ok(())
    }

    /// Appends a refused record, with the watermark of its partition if it has one.
    ///
    /// # Errors
    ///
    /// When a full row group cannot be encoded.
    pub fn append_reject(&mut self, record: &Record<'_>, reject: &Reject, watermark: Option<EventTime>) -> Result<(), TableError> {
        let Some(sheet) = &mut self.rejects else { return Ok(()) };
        let bytes = record_bytes(record).min(MAX_RECORD) + reject.detail.len();
        let (columns, row) = sheet.row(arrival_hour(record, watermark), bytes, &mut self.done)?;
        columns.write(row, record, reject, MAX_RECORD);
        Ok(())
    }

    /// Appends an attempt fact of a partition.
    ///
    /// # Errors
    ///
    /// When a full row group cannot be encoded.
    pub fn append_attempt(&mut self, topic: &str, partition: i32, attempt: &AttemptRow<'_>) -> Result<(), TableError> {
        let Some(sheet) = &mut self.attempts else { return Ok(()) };
        let (columns, row) = sheet.row(Hour::of(attempt.time), 2 * ROW_OVERHEAD, &mut self.done)?;
        columns.write(row, topic, partition, attempt);
        Ok(())
    }

    /// About how many bytes are held: rows being filled and row groups already compressed.
    pub fn buffered_bytes(&mut self) -> usize {
        self.done_bytes += self.done.iter().skip(self.counted).map(EncodedRowGroup::bytes).sum::<usize>();
        self.counted = self.done.len();
        self.done_bytes
            + self.events.as_ref().map_or(0, Sheet::buffered_bytes)
            + self.late.as_ref().map_or(0, Sheet::buffered_bytes)
            + self.rejects.as_ref().map_or(0, Sheet::buffered_bytes)
            + self.attempts.as_ref().map_or(0, Sheet::buffered_bytes)
    }

    /// Encodes what is left and hands over every row group since the last call.
    ///
    /// # Errors
    ///
    /// When a row group cannot be encoded.
    pub fn flush(&mut self) -> Result<Vec<EncodedRowGroup>, TableError> {
        let done = &mut self.done;
        if let Some(sheet) = &mut self.events {
            sheet.flush(done)?;
        }
        if let Some(sheet) = &mut self.late {
            sheet.flush(done)?;
        }
        if let Some(sheet) = &mut self.rejects {
            sheet.flush(done)?;
        }
        if let Some(sheet) = &mut self.attempts {
            sheet.flush(done)?;
        }
        self.counted = 0;
        self.done_bytes = 0;
        Ok(std::mem::take(&mut self.done))
    }

    /// Forgets every row that was not handed over: what was staged belongs to another writer now.
    pub fn discard(&mut self) {
        self.events.iter_mut().for_each(Sheet::discard);
        self.late.iter_mut().for_each(Sheet::discard);
        self.rejects.iter_mut().for_each(Sheet::discard);
        self.attempts.iter_mut().for_each(Sheet::discard);
        self.done.clear();
        self.counted = 0;
        self.done_bytes = 0;
    }
}

fn record_bytes(record: &Record<'_>) -> usize {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers: usize = record.headers.iter().map(|(key, value)| key.len() + length(*value) + 16).sum();
    ROW_OVERHEAD + length(record.key) + length(record.value) + headers
}

#[inline]
fn row_bytes(table: Table, record: &Record<'_>) -> Result<usize, TableError> {
    let bytes = record.value.map_or(0, <[u8]>::len);
    if bytes > MAX_RECORD {
        return Err(TableError::RowTooLarge {
            table,
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            bytes,
            limit: MAX_RECORD,
        });
    }
    Ok(bytes + ROW_OVERHEAD)
}

/// Where a record is filed whose event time does not count: by its own timestamp, else by the watermark, else by the epoch.
fn arrival_hour(record: &Record<'_>, watermark: Option<EventTime>) -> Hour {
    Hour::of(record.timestamp.map(EventTime).or(watermark).unwrap_or(EventTime(0)))
}
