//! `Name`: a column of few different texts. Each value becomes its number in the dictionary of the row group the moment it is set, so that
//! it is neither copied nor looked up a second time when the row group is encoded.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use hashbrown::HashTable;
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::schema::types::ColumnDescPtr;
use tidegauge_aggregate::short::{mix, short};
use xxhash_rust::xxh3::xxh3_64;

use super::column::Column;
use super::delta::varint;
use super::options::Compressor;
use super::pages::{self, Chunk, Kept};
use super::present::{Present, write_levels};

/// The rows of a column since the row group began.
#[derive(Default)]
pub(super) struct Name {
    known: HashTable<Known>,
    /// The texts in the order of their numbers as Parquet's PLAIN encoding has them: each after its length.
    dictionary: Vec<u8>,
    /// The numbers of the rows that have a value.
    numbers: Vec<u32>,
    present: Present,
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

/// The texts of a dictionary in the order of their numbers.
struct Texts<'d>(&'d [u8]);

impl<'d> Iterator for Texts<'d> {
    type Item = &'d [u8];

    fn next(&mut self) -> Option<&'d [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(text)
    }
}

impl Name {
    /// Sets the value of a row, or leaves it null; rows are set in ascending order.
    #[inline]
    pub(super) fn set<'v>(&mut self, row: usize, value: impl Into<Option<&'v str>>) {
        let Some(text) = value.into() else { return };
        let number = self.number(text);
        self.numbers.push(number);
        self.present.set(row);
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
}

impl Kept for Name {
    fn bytes(&self) -> usize {
        self.dictionary.len() + self.numbers.len() * size_of::<u32>() + self.present.bytes()
    }

    /// The dictionary and one page of numbers. Bounds are those of the dictionary, so they cost nothing by the row.
    fn encode(&mut self, rows: usize, column: &ColumnDescPtr, compressor: &mut Compressor) -> Result<Chunk> {
        let width = usize::BITS - self.known.len().saturating_sub(1).leading_zeros();
        let chunk = pages::chunk(rows, column, compressor, |chunk| {
            chunk.dictionary(&self.dictionary, self.known.len())?;
            chunk.data_page(Encoding::RLE_DICTIONARY, rows, |page| {
                if column.max_def_level() > 0 {
                    write_levels(page, self.present.rows(rows), rows, self.numbers.len());
                }
                page.push(width as u8);
                hybrid(page, &self.numbers, width);
            })?;
            let texts = Texts(&self.dictionary);
            chunk.texts(texts, rows - self.numbers.len());
            Ok(())
        });
        self.known.clear();
        self.dictionary.clear();
        self.numbers.clear();
        self.present.clear();
        chunk
    }
}

impl Column for Name {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn empty() -> Self {
        Name::default()
    }

    fn finish(&mut self, rows: usize) -> std::result::Result<Option<ArrayRef>, ArrowError> {
        self.present.next_batch(rows);
        Ok(None)
    }

    fn kept(&mut self) -> Option<&mut dyn Kept> {
        Some(self)
    }
}

/// Parquet's hybrid of runs of one number and packed groups of eight.
fn hybrid(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    let (mut packed, mut at) = (0, 0);
    while let Some(first) = numbers.get(at) {
        let same = numbers[at..].iter().take_while(|number| *number == first).count();
        if same >= 8 {
            pack(out, &numbers[packed..at], width);
            run(out, same, *first, width);
            at += same;
            packed = at;
        } else {
            at = numbers.len().min(at + 8);
        }
    }
    pack(out, &numbers[packed..], width);
}

fn run(out: &mut Vec<u8>, count: usize, number: u32, width: u32) {
    varint(out, (count as u64) << 1);
    out.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn pack(out: &mut Vec<u8>, numbers: &[u32], width: u32) {
    if numbers.is_empty() {
        return;
    }
    varint(out, (numbers.len().div_ceil(8) as u64) << 1 | 1);
    for group in numbers.chunks(8) {
        let (mut bits, mut held) = (0_u64, 0);
        for place in 0..8 {
            bits |= u64::from(group.get(place).copied().unwrap_or(0)) << held;
            held += width;
            while held >= 8 {
                out.push(bits as u8);
                bits >>= 8;
                held -= 8;
            }
        }
    }
}
