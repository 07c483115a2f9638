//! Random names: nonces of entries and ids of writers. Written as 16 hexadecimal digits, since JSON numbers lose bits above 2^53.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::LogError;

macro_rules! hex_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// A new one from the operating system's random numbers.
            ///
            /// # Errors
            /// Where the operating system has none to give.
            pub fn random() -> Result<$name, LogError> {
                Names::default().next().map($name)
            }

            /// Reads exactly 16 lower-case hexadecimal digits.
            #[must_use]
            pub fn parse(text: &str) -> Option<$name> {
                let proper = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                if proper { u64::from_str_radix(text, 16).ok().map($name) } else { None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                $name::parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is not 16 hexadecimal digits")))
            }
        }
    };
}

/// Where a log takes its names from.
#[derive(Clone, Debug, Default)]
pub struct Names(Option<Arc<AtomicU64>>);

impl Names {
    /// Names that follow from a seed, for simulations: two logs of one pipeline must share one of these.
    #[must_use]
    pub fn seeded(seed: u64) -> Names {
        Names(Some(Arc::new(AtomicU64::new(seed))))
    }

    /// The next number; without a seed, the operating system's.
    ///
    /// # Errors
    /// Where the operating system has none to give.
    pub fn next(&self) -> Result<u64, LogError> {
        match &self.0 {
            // SplitMix64.
            Some(state) => {
                let mut z = state
                    .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
                    .wrapping_add(0x9E37_79B9_7F4A_7C15);
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                Ok(z ^ (z >> 31))
            }
            None => SysRng.try_next_u64().map_err(|error| LogError::Random { why: error.to_string() }),
        }
    }
}

hex_id! {
    /// Names one attempt to write one entry; file names carry it, so that they are never reused.
    Nonce
}

hex_id! {
    /// Names one start of one process; staged files lie below it.
    WriterId
}

impl Nonce {
    /// What the first entry names as its predecessor.
    pub const NONE: Nonce = Nonce(0);
}

/// A CRC-32 as 8 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Crc(pub u32);

impl Crc {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Crc {
        Crc(crc32fast::hash(bytes))
    }
}

impl fmt::Display for Crc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for Crc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Crc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Crc, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = if text.len() == 8 {
            u32::from_str_radix(&text, 16).ok()
        } else {
            None
        };
        value
            .map(Crc)
            .ok_or_else(|| de::Error::custom(format!("{text:?} is not 8 hexadecimal digits")))
    }
}
