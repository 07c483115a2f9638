//! The open row groups of one table in one worker, by hour.

use super::column::Columns;
use super::encode::{EncodedRowGroup, Encoder, OpenRowGroup};
use super::{Hour, TableError, TableOptions};

/// Rows that are collected before they are encoded: few enough to stay in the processor's cache until then.
const BATCH: usize = 4_096;

/// One table of one worker: an encoder and the columns of the hours that are being filled.
pub(super) struct Sheet<C> {
    encoder: Encoder,
    empty: Box<dyn Fn() -> C + Send>,
    open: Vec<Open<C>>,
    current: usize,
    clock: u64,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    rows: usize,
    bytes: usize,
    hours: usize,
}

/// One hour: the row group under way, and the columns of the rows that are not in it yet.
pub(super) struct Open<C> {
    hour: Hour,
    columns: C,
    /// Rows in `columns`.
    batch: usize,
    /// Rows in `columns` and in `group`.
    rows: usize,
    /// What those rows were said to take.
    bytes: usize,
    group: Option<OpenRowGroup>,
    /// What `columns` and `group` take.
    held: usize,
    /// When another hour was last left for this one: only the order of these matters.
    used: u64,
}

impl<C: Columns> Sheet<C> {
    pub(super) fn new(encoder: Encoder, options: &TableOptions, empty: impl Fn() -> C + Send + 'static) -> Sheet<C> {
        let limits = Limits {
            rows: options.row_group_rows.max(1),
            bytes: options.row_group_bytes.max(1),
            hours: options.open_hours.max(1),
        };
        Sheet {
            encoder,
            empty: Box::new(empty),
            open: Vec::new(),
            current: 0,
            clock: 0,
            limits,
        }
    }

    /// The columns for a new row of that hour, and the row's number. What is full is encoded first, into `done`. `bytes` is about what the row
    /// will take.
    #[inline]
    pub(super) fn row(&mut self, hour: Hour, bytes: usize, done: &mut Vec<EncodedRowGroup>) -> Result<(&mut C, usize), TableError> {
        if self.open.get(self.current).is_none_or(|open| open.hour != hour) {
            self.select(hour, done)?;
        }
        let limits = self.limits;
        let open = &mut self.open[self.current];
        if open.rows >= limits.rows || (open.rows > 0 && open.bytes.saturating_add(bytes) > limits.bytes) {
            done.push(open.encode(&mut self.encoder)?);
        }
        if open.batch >= BATCH {
            open.write(&self.encoder)?;
        }
        let row = open.batch;
        open.batch += 1;
        open.rows += 1;
        open.bytes = open.bytes.saturating_add(bytes);
        open.held = open.held.saturating_add(bytes);
        Ok((&mut open.columns, row))
    }

    #[cold]
    fn select(&mut self, hour: Hour, done: &mut Vec<EncodedRowGroup>) -> Result<(), TableError> {
        self.clock += 1;
        let found = self.open.iter().position(|open| open.hour == hour);
        self.current = match found {
            Some(at) => at,
            None if self.open.len() < self.limits.hours => {
                self.open.push(Open::new(hour, (self.empty)()));
                self.open.len() - 1
            }
            None => {
                let at = self
                    .open
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, open)| open.used)
                    .map_or(0, |(at, _)| at);
                let oldest = &mut self.open[at];
                if oldest.rows > 0 {
                    done.push(oldest.encode(&mut self.encoder)?);
                }
                oldest.hour = hour;
                at
            }
        };
        self.open[self.current].used = self.clock;
        Ok(())
    }

    /// About how many bytes the unfinished row groups take.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.open.iter().map(|open| open.held).sum()
    }

    /// Encodes everything; afterwards nothing is open.
    pub(super) fn flush(&mut self, done: &mut Vec<EncodedRowGroup>) -> Result<(), TableError> {
        let mut open = std::mem::take(&mut self.open);
        open.sort_by_key(|open| open.hour);
        for mut open in open {
            if open.rows > 0 {
                done.push(open.encode(&mut self.encoder)?);
            }
        }
        Ok(())
    }

    pub(super) fn discard(&mut self) {
        self.open.clear();
    }
}

impl<C: Columns> Open<C> {
    fn new(hour: Hour, columns: C) -> Open<C> {
        Open {
            hour,
            columns,
            batch: 0,
            rows: 0,
            bytes: 0,
            group: None,
            held: 0,
            used: 0,
        }
    }

    /// Moves the collected rows into the row group.
    fn write(&mut self, encoder: &Encoder) -> Result<(), TableError> {
        let rows = std::mem::take(&mut self.batch);
        let arrays = self.columns.finish(rows).map_err(|source| TableError::Arrow {
            table: encoder.table(),
            source,
        })?;
        let group = match &mut self.group {
            Some(group) => group,
            none => none.insert(encoder.start()?),
        };
        encoder.write(group, rows, &arrays)?;
        let kept: usize = self.columns.kept().iter().flatten().map(|column| column.bytes()).sum();
        self.held = group.bytes() + kept;
        Ok(())
    }

    /// Ends the row group.
    fn encode(&mut self, encoder: &mut Encoder) -> Result<EncodedRowGroup, TableError> {
        if self.batch > 0 {
            self.write(encoder)?;
        }
        (self.rows, self.bytes, self.held) = (0, 0, 0);
        let group = match self.group.take() {
            Some(group) => group,
            None => encoder.start()?,
        };
        encoder.finish(group, self.hour, self.columns.kept())
    }
}
