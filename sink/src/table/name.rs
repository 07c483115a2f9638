//! `Name`: a column of few different texts. Each value becomes its number in the dictionary of the row group the moment it is set, so that
//! it is neither copied nor looked up a second time when the row group is encoded.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use hashbrown::HashTable;
use tidegauge_aggregate::short::{mix, short};
use xxhash_rust::xxh3::xxh3_64;

use super::column::Column;

/// The rows of a column since the row group began.
#[derive(Default)]
pub(super) struct Name {
    known: HashTable<Known>,
    /// The texts in the order of their numbers as Parquet's PLAIN encoding has them: each after its length.
    pub(super) dictionary: Vec<u8>,
    /// The numbers of the rows that have a value.
    pub(super) numbers: Vec<u32>,
    /// One bit a row, the lowest of a byte first: whether it has a value. Rows behind the last value are missing.
    pub(super) present: Vec<u8>,
    /// Rows before those that are counted now.
    before: usize,
}

/// A text that has a number.
struct Known {
    /// See [`fingerprint`].
    fingerprint: u128,
    number: u32,
    /// Where its length starts in the dictionary.
    start: usize,
}

/// Lowest byte of the fingerprint of a text that is not short.
const LONG: u8 = 0xFF;

/// The whole text if it is short, else a hash with a mark that no short text has.
#[inline]
fn fingerprint(text: &str) -> u128 {
    short(text.as_bytes()).unwrap_or_else(|| u128::from(xxh3_64(text.as_bytes())) << 8 | u128::from(LONG))
}

/// The text whose length starts there.
fn at(dictionary: &[u8], start: usize) -> &[u8] {
    match dictionary.get(start..).and_then(<[u8]>::split_first_chunk) {
        Some((length, rest)) => rest.get(..u32::from_le_bytes(*length) as usize).unwrap_or_default(),
        None => &[],
    }
}

impl Name {
    /// Sets the value of a row, or leaves it null; rows are set in ascending order.
    #[inline]
    pub(super) fn set<'v>(&mut self, row: usize, value: impl Into<Option<&'v str>>) {
        let Some(text) = value.into() else { return };
        let number = self.number(text);
        self.numbers.push(number);
        let row = self.before + row;
        if self.present.len() <= row / 8 {
            self.present.resize(row / 8 + 1, 0);
        }
        self.present[row / 8] |= 1 << (row % 8);
    }

    #[inline]
    fn number(&mut self, text: &str) -> u32 {
        let fingerprint = fingerprint(text);
        let dictionary = &self.dictionary;
        let is_it = |known: &Known| {
            known.fingerprint == fingerprint && (fingerprint as u8 != LONG || at(dictionary, known.start) == text.as_bytes())
        };
        match self.known.find(mix(0, fingerprint), is_it) {
            Some(known) => known.number,
            None => self.add(text, fingerprint),
        }
    }

    #[cold]
    fn add(&mut self, text: &str, fingerprint: u128) -> u32 {
        let known = Known {
            fingerprint,
            number: self.known.len() as u32,
            start: self.dictionary.len(),
        };
        self.dictionary.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.dictionary.extend_from_slice(text.as_bytes());
        let entry = self
            .known
            .insert_unique(mix(0, fingerprint), known, |known| mix(0, known.fingerprint));
        entry.get().number
    }

    /// How many different texts there are.
    pub(super) fn distinct(&self) -> usize {
        self.known.len()
    }

    /// About how many bytes the rows take.
    pub(super) fn bytes(&self) -> usize {
        self.dictionary.len() + self.numbers.len() * size_of::<u32>() + self.present.len()
    }

    /// Forgets all rows, and keeps the room they took.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.dictionary.clear();
        self.numbers.clear();
        self.present.clear();
        self.before = 0;
    }
}

impl Column for Name {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn empty() -> Self {
        Name::default()
    }

    fn finish(&mut self, rows: usize) -> Result<Option<ArrayRef>, ArrowError> {
        self.before += rows;
        Ok(None)
    }

    fn name(&mut self) -> Option<&mut Name> {
        Some(self)
    }
}
