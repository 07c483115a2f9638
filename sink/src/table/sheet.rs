//! The open row groups of one table in one worker, by hour.

use super::column::Columns;
use super::encode::{EncodedRowGroup, Encoder};
use super::{Hour, TableError, TableOptions};

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

/// The columns of one hour.
pub(super) struct Open<C> {
    hour: Hour,
    pub(super) columns: C,
    rows: usize,
    bytes: usize,
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
            done.push(open.encode(&self.encoder)?);
        }
        let row = open.rows;
        open.rows += 1;
        open.bytes = open.bytes.saturating_add(bytes);
        Ok((&mut open.columns, row))
    }

    #[cold]
    fn select(&mut self, hour: Hour, done: &mut Vec<EncodedRowGroup>) -> Result<(), TableError> {
        self.clock += 1;
        let found = self.open.iter().position(|open| open.hour == hour);
        self.current = match found {
            Some(at) => at,
            None if self.open.len() < self.limits.hours => {
                self.open.push(Open {
                    hour,
                    columns: (self.empty)(),
                    rows: 0,
                    bytes: 0,
                    used: 0,
                });
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
                    done.push(oldest.encode(&self.encoder)?);
                }
                oldest.hour = hour;
                at
            }
        };
        self.open[self.current].used = self.clock;
        Ok(())
    }

    /// About how many bytes the rows not yet encoded take.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.open.iter().map(|open| open.bytes).sum()
    }

    /// Encodes everything; afterwards nothing is open.
    pub(super) fn flush(&mut self, done: &mut Vec<EncodedRowGroup>) -> Result<(), TableError> {
        let mut open = std::mem::take(&mut self.open);
        open.sort_by_key(|open| open.hour);
        for mut open in open {
            if open.rows > 0 {
                done.push(open.encode(&self.encoder)?);
            }
        }
        Ok(())
    }

    pub(super) fn discard(&mut self) {
        self.open.clear();
    }
}

impl<C: Columns> Open<C> {
    fn encode(&mut self, encoder: &Encoder) -> Result<EncodedRowGroup, TableError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let arrays = self.columns.finish(rows).map_err(|source| TableError::Arrow {
            table: encoder.table(),
            source,
        })?;
        encoder.encode(self.hour, rows, &arrays)
    }
}
