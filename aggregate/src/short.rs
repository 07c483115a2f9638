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

#[cfg(test)]
mod tests {
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
}
