//! The container of binary files: pane deltas, snapshots, the parts of a checkpoint, shares of the gauges.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `TIDEBLOB` |
//! | 8..10 | format version |
//! | 10..12 | kind |
//! | 12..16 | CRC-32 of everything from byte 16 on, after that of bytes 8..12 |
//! | 16..24 | length of the payload |
//! | 24..32 | length of the rest of the file |
//! | 32.. | the payload, one zstd frame |
//!
//! Numbers are little-endian.

use bytes::Bytes;

use super::LogError;
use super::id::Crc;
use crate::store::StoreError;

const MAGIC: &[u8; 8] = b"TIDEBLOB";
const VERSION: u16 = 1;
const HEADER: usize = 32;
/// Fast, and as good as higher levels on counters and hashes.
const LEVEL: i32 = 1;
/// The most that a payload can have: what a reader is ready to allocate.
pub const MAX_PAYLOAD: u64 = 4 << 30;

/// The most that a byte of a zstd frame can unpack to: a block of 128 KiB has four bytes at least.
const MOST_PACKED: u64 = (128 << 10) / 4;

/// What a binary file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum BlobKind {
    /// What an entry's records add to the panes.
    Delta = 1,
    /// The state of a partition.
    Snapshot = 2,
    /// A part of a checkpoint.
    State = 3,
    /// What a process has handled but not committed.
    Live = 4,
}

/// The file of a payload.
///
/// # Errors
/// Where the payload is larger than [`MAX_PAYLOAD`], or compression fails.
pub fn encode(kind: BlobKind, payload: &[u8]) -> Result<Bytes, LogError> {
    let invalid = |why: String| LogError::Invalid {
        what: format!("a file of kind {kind:?}"),
        why,
    };
    if payload.len() as u64 > MAX_PAYLOAD {
        return Err(invalid(format!(
            "its payload has {} bytes, {MAX_PAYLOAD} is the most",
            payload.len()
        )));
    }
    let packed = zstd::bulk::compress(payload, LEVEL).map_err(|error| invalid(error.to_string()))?;
    let mut file = Vec::with_capacity(HEADER + packed.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&(kind as u16).to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    file.extend_from_slice(&(packed.len() as u64).to_le_bytes());
    file.extend_from_slice(&packed);
    let crc = checksum(&file);
    file[12..16].copy_from_slice(&crc.to_le_bytes());
    Ok(Bytes::from(file))
}

/// The payload of a file, at most `limit` bytes.
///
/// # Errors
/// [`LogError::Newer`] for a later format; [`StoreError::Corrupt`] for everything that was not written like this.
pub fn decode(file: &[u8], kind: BlobKind, path: &str, limit: u64) -> Result<Vec<u8>, LogError> {
    let corrupt = |why: String| Err(LogError::Store(StoreError::corrupt(path, why)));
    if file.len() < HEADER {
        return corrupt(format!("it has {} bytes, fewer than its header", file.len()));
    }
    if &file[..8] != MAGIC {
        return corrupt("it does not begin like a state file of Tidegauge".to_owned());
    }
    let version = u16::from_le_bytes(array(file, 8));
    if version > VERSION {
        return Err(LogError::Newer {
            path: path.to_owned(),
            found: version.into(),
            known: VERSION.into(),
        });
    }
    if version != VERSION {
        return corrupt(format!("it says format {version}, which never existed"));
    }
    let (length, packed) = (u64::from_le_bytes(array(file, 16)), u64::from_le_bytes(array(file, 24)));
    if packed != (file.len() - HEADER) as u64 {
        return corrupt(format!("{} bytes follow its header instead of {packed}", file.len() - HEADER));
    }
    let (found, written) = (Crc(checksum(file)), Crc(u32::from_le_bytes(array(file, 12))));
    if found != written {
        return corrupt(format!("its checksum is {found} instead of {written}"));
    }
    let found = u16::from_le_bytes(array(file, 10));
    if found != kind as u16 {
        return corrupt(format!("it is of kind {found} instead of {} ({kind:?})", kind as u16));
    }
    if length > limit {
        return corrupt(format!("it unpacks to {length} bytes, more than the {limit} that it may have"));
    }
    if length / MOST_PACKED > packed {
        return corrupt(format!("{packed} bytes cannot unpack to {length}"));
    }
    let Ok(capacity) = usize::try_from(length) else {
        return corrupt(format!("{length} bytes do not fit in memory"));
    };
    match zstd::bulk::decompress(&file[HEADER..], capacity) {
        Ok(payload) if payload.len() == capacity => Ok(payload),
        Ok(payload) => corrupt(format!("it unpacks to {} bytes instead of {length}", payload.len())),
        Err(error) => corrupt(format!("it cannot be unpacked: {error}")),
    }
}

fn checksum(file: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&file[8..12]);
    hasher.update(&file[16..]);
    hasher.finalize()
}

/// `N` bytes of a header whose length was checked.
fn array<const N: usize>(file: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&file[at..at + N]);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_newer_format_is_refused_with_a_message() {
        let mut file = encode(BlobKind::Delta, b"x").unwrap().to_vec();
        file[8] = 2;
        let error = decode(&file, BlobKind::Delta, "x.delta", 10).unwrap_err();
        assert!(matches!(error, LogError::Newer { found: 2, known: 1, .. }));
        assert!(
            error.to_string().contains("x.delta") && error.to_string().contains("later"),
            "{error}"
        );
    }

    #[test]
    fn a_payload_above_the_limit_is_refused_before_it_is_unpacked() {
        let file = encode(BlobKind::Snapshot, &vec![0; 1 << 20]).unwrap();
        assert!(file.len() < 1_000);
        let error = decode(&file, BlobKind::Snapshot, "x", (1 << 20) - 1).unwrap_err().to_string();
        assert!(error.contains("1048576") && error.contains("1048575"), "{error}");
        assert_eq!(decode(&file, BlobKind::Snapshot, "x", 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_few_bytes_that_promise_gigabytes_are_refused_before_any_are_taken() {
        let zeros = encode(BlobKind::Delta, &vec![0; 64 << 20]).unwrap();
        assert_eq!(decode(&zeros, BlobKind::Delta, "x", MAX_PAYLOAD).unwrap().len(), 64 << 20);
        let mut file = zeros.to_vec();
        file[16..24].copy_from_slice(&MAX_PAYLOAD.to_le_bytes());
        let crc = checksum(&file);
        file[12..16].copy_from_slice(&crc.to_le_bytes());
        let error = decode(&file, BlobKind::Delta, "x", MAX_PAYLOAD).unwrap_err().to_string();
        assert!(error.contains("cannot unpack to 4294967296"), "{error}");
    }

    #[test]
    fn a_file_of_another_kind_is_not_taken_for_it() {
        let file = encode(BlobKind::Snapshot, b"abc").unwrap();
        assert!(
            decode(&file, BlobKind::Delta, "x", 10)
                .unwrap_err()
                .to_string()
                .contains("kind 2 instead of 1")
        );
    }

    proptest! {
        #[test]
        fn a_payload_comes_back_as_it_was(payload: Vec<u8>) {
            let file = encode(BlobKind::State, &payload).unwrap();
            prop_assert_eq!(decode(&file, BlobKind::State, "x", payload.len() as u64).unwrap(), payload);
        }

        #[test]
        fn arbitrary_bytes_are_refused_and_never_panic(bytes: Vec<u8>, header in any::<bool>()) {
            let file = if header { [MAGIC.as_slice(), &1_u16.to_le_bytes(), &1_u16.to_le_bytes(), &bytes].concat() } else { bytes };
            prop_assert!(decode(&file, BlobKind::Delta, "x", 1 << 20).is_err());
        }

        #[test]
        fn any_changed_or_missing_byte_is_noticed(payload in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, flip in 1_u8..) {
            let file = encode(BlobKind::Delta, &payload).unwrap().to_vec();
            let at = at.index(file.len());
            prop_assert!(decode(&file[..at], BlobKind::Delta, "x", 1 << 20).is_err());
            let mut changed = file;
            changed[at] ^= flip;
            prop_assert!(decode(&changed, BlobKind::Delta, "x", 1 << 20).is_err());
        }
    }
}
