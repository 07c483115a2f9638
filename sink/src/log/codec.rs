//! How files carry entries and checkpoints: one JSON object `{"format", "crc", "body"}`, where `crc` is the CRC-32 of the text of `body` as it
//! stands in the file. So fields that this version does not know are protected too, and need no canonical form.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::LogError;
use super::id::Crc;
use crate::store::StoreError;

/// Version of the file formats; a higher one in a file is refused.
pub const FORMAT: u32 = 1;
/// Version of the rules, compared with `least_reader` and `least_writer`.
pub const VERSION: u32 = 1;
/// The most that an entry or checkpoint file can have.
pub const MAX_BYTES: u64 = 64 << 20;

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    format: u32,
    crc: Crc,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The file of an entry or checkpoint.
///
/// # Errors
/// Where the body cannot be JSON, or is too large to be read back.
pub fn encode<T: Serialize>(body: &T, path: &str) -> Result<Bytes, LogError> {
    let invalid = |why: String| LogError::Invalid {
        what: path.to_owned(),
        why,
    };
    let body = serde_json::value::to_raw_value(body).map_err(|error| invalid(error.to_string()))?;
    let envelope = Envelope {
        format: FORMAT,
        crc: Crc::of(body.get().as_bytes()),
        body: &body,
    };
    let mut bytes = serde_json::to_vec(&envelope).map_err(|error| invalid(error.to_string()))?;
    bytes.push(b'\n');
    if bytes.len() as u64 > MAX_BYTES {
        return Err(invalid(format!("it would have {} bytes, {MAX_BYTES} is the most", bytes.len())));
    }
    Ok(Bytes::from(bytes))
}

/// Reads such a file back.
///
/// # Errors
/// [`LogError::Newer`] for a format of a later version; [`StoreError::Corrupt`] for everything that was not written like this.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], path: &str) -> Result<T, LogError> {
    let corrupt = |why: String| LogError::Store(StoreError::corrupt(path, why));
    let cut = |error: serde_json::Error| {
        let torn = if error.is_eof() { ", it ends too early" } else { "" };
        corrupt(format!("it cannot be read as JSON ({error}){torn}"))
    };
    let format = serde_json::from_slice::<Format>(bytes).map_err(cut)?.format;
    if format > FORMAT {
        return Err(LogError::Newer {
            path: path.to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    if format != FORMAT {
        return Err(corrupt(format!("it says format {format}, which never existed")));
    }
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(cut)?;
    let found = Crc::of(envelope.body.get().as_bytes());
    if found != envelope.crc {
        return Err(corrupt(format!("its checksum is {found} instead of {}", envelope.crc)));
    }
    serde_json::from_str(envelope.body.get()).map_err(|error| corrupt(format!("its content is not understood ({error})")))
}
