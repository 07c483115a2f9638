//! Which rows of a column have a value.

use super::delta::varint;

/// The rows of a column since the row group began. Rows behind the last value are missing.
#[derive(Default)]
pub(super) struct Present {
    /// One bit a row, the lowest of a byte first.
    bits: Vec<u8>,
    /// Rows before those that are counted now.
    before: usize,
}

impl Present {
    /// The row has a value.
    #[inline]
    pub(super) fn set(&mut self, row: usize) {
        let row = self.before + row;
        if self.bits.len() <= row / 8 {
            self.bits.resize(row / 8 + 1, 0);
        }
        self.bits[row / 8] |= 1 << (row % 8);
    }

    /// Rows are counted anew after these.
    pub(super) fn next_batch(&mut self, rows: usize) {
        self.before += rows;
    }

    /// The bits of all rows.
    pub(super) fn rows(&mut self, rows: usize) -> &[u8] {
        self.bits.resize(rows.div_ceil(8), 0);
        &self.bits
    }

    pub(super) fn bytes(&self) -> usize {
        self.bits.len()
    }

    pub(super) fn clear(&mut self) {
        self.bits.clear();
        self.before = 0;
    }
}

/// How many of these rows have a value.
pub(super) fn count(bits: &[u8]) -> usize {
    bits.iter().map(|byte| byte.count_ones() as usize).sum()
}

/// Appends the definition levels of `rows` rows, of which `values` have a value, as a data page begins with them.
pub(super) fn write_levels(page: &mut Vec<u8>, bits: &[u8], rows: usize, values: usize) {
    let start = page.len();
    page.extend_from_slice(&[0; 4]);
    if values == 0 || values == rows {
        varint(page, (rows as u64) << 1);
        page.push(u8::from(values > 0));
    } else {
        varint(page, (bits.len() as u64) << 1 | 1);
        page.extend_from_slice(bits);
    }
    let length = (page.len() - start - 4) as u32;
    page[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
