//! Short texts as numbers: most values of dimensions are a few bytes long, and a number of fixed size is copied, hashed and compared in a
//! few instructions, where a call for each text costs more than all the rest.

/// Longest text that has a number.
const MAX: usize = 15;

/// The length of a text in the lowest byte and the text in those above; different for different texts. `None` if it is too long for that.
#[inline]
#[must_use]
pub fn short(text: &[u8]) -> Option<u128> {
    let length = text.len();
    let place = |part: u64, at: usize| u128::from(part) << (8 * at);
    // Two parts of fixed size that may overlap: where they do, they agree.
    let whole = match text {
        _ if length > MAX => return None,
        [] => 0,
        [first, .., last] if length < 4 => {
            place((*first).into(), 0) | place(text[length / 2].into(), length / 2) | place((*last).into(), length - 1)
        }
        [only] => (*only).into(),
        _ if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) => {
            place(u64::from_le_bytes(*first), 0) | place(u64::from_le_bytes(*last), length - 8)
        }
        _ => {
            let (first, last) = (text.first_chunk()?, text.last_chunk()?);
            place(u32::from_le_bytes(*first).into(), 0) | place(u32::from_le_bytes(*last).into(), length - 4)
        }
    };
    Some(whole << 8 | length as u128)
}

/// A hash of what has the hash `before` and one more number behind it.
#[inline]
#[must_use]
pub fn mix(before: u64, number: u128) -> u64 {
    let (low, high) = (number as u64, (number >> 64) as u64);
    let product = u128::from(before ^ low ^ 0x9E37_79B9_7F4A_7C15) * u128::from(high ^ 0xD6E8_FEB8_6659_FD93);
    // Where one factor is 0 the other half still tells numbers apart.
    (product >> 64) as u64 ^ product as u64 ^ low ^ high
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_number_is_the_length_and_the_bytes() {
        let text: Vec<u8> = (1..=16).collect();
        for length in 0..=MAX {
            let mut expected = [0; 16];
            expected[0] = length as u8;
            expected[1..=length].copy_from_slice(&text[..length]);
            assert_eq!(short(&text[..length]), Some(u128::from_le_bytes(expected)), "{length}");
        }
        assert_eq!(short(&text), None);
    }

    #[test]
    fn texts_that_differ_have_hashes_that_differ() {
        let texts = (0..100_000_u32).map(|n| format!("{}{n}", "v".repeat(n as usize % 9)));
        let hashes: HashSet<u64> = texts
            .filter_map(|text| short(text.as_bytes()))
            .map(|number| mix(0, number))
            .collect();
        assert_eq!(hashes.len(), 100_000);
        let pairs: HashSet<u64> = (0..300).flat_map(|a| (0..300).map(move |b| mix(mix(0, a), b))).collect();
        assert_eq!(pairs.len(), 90_000);
        let (zero_low, zero_high) = (0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93_u128 << 64);
        let products: HashSet<u64> = (0..100).flat_map(|n| [mix(0, zero_low | n << 64), mix(0, zero_high | n)]).collect();
        assert_eq!(products.len(), 200);
    }
}
