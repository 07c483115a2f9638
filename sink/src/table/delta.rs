//! Parquet's DELTA_BINARY_PACKED: integers by their differences, each block of them in as few bits as its widest needs.

/// Differences of a block, and of each of its parts, which have a width each.
const BLOCK: usize = 128;
const PART: usize = 32;

/// Appends `values`; `narrow` says that their Parquet type has 32 bits, in which the differences wrap around.
pub(super) fn pack(out: &mut Vec<u8>, mut values: impl ExactSizeIterator<Item = i64>, narrow: bool) {
    let count = values.len();
    let mut last = values.next().unwrap_or(0);
    varint(out, BLOCK as u64);
    varint(out, (BLOCK / PART) as u64);
    varint(out, count as u64);
    varint(out, zigzag(last));
    let mut block = [0_i64; BLOCK];
    loop {
        let mut filled = 0;
        for (delta, value) in block.iter_mut().zip(&mut values) {
            let difference = value.wrapping_sub(last);
            *delta = if narrow { i64::from(difference as i32) } else { difference };
            last = value;
            filled += 1;
        }
        if filled == 0 {
            return;
        }
        let least = block[..filled].iter().copied().min().unwrap_or(0);
        varint(out, zigzag(least));
        // Places behind the last value say nothing; as the least they cost nothing.
        block[filled..].fill(least);
        let widths = out.len();
        out.extend_from_slice(&[0; BLOCK / PART]);
        for (number, part) in block.chunks_exact(PART).enumerate() {
            let all = part.iter().fold(0, |all, delta| all | delta.wrapping_sub(least) as u64);
            let width = u64::BITS - all.leading_zeros();
            if width > 0 {
                out[widths + number] = width as u8;
                pack_part(out, part, least, width);
            }
        }
    }
}

fn pack_part(out: &mut Vec<u8>, part: &[i64], least: i64, width: u32) {
    let (mut bits, mut held) = (0_u64, 0);
    for delta in part {
        let delta = delta.wrapping_sub(least) as u64;
        bits |= delta << held;
        held += width;
        if held >= u64::BITS {
            out.extend_from_slice(&bits.to_le_bytes());
            held -= u64::BITS;
            bits = delta.checked_shr(width - held).unwrap_or(0);
        }
    }
    // Thirty-two values of any width end with a whole byte.
    out.extend_from_slice(&bits.to_le_bytes()[..held as usize / 8]);
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

/// Appends a number in groups of seven bits, the lowest first.
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
