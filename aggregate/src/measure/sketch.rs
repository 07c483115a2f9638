//! Distinct users or sessions: a theta sketch, which keeps the k smallest hashes of the ids and with each what is known of its id.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::insert_all;

/// Lowest bit of the count of purchases: the two bits from here on are that count, all below are flags.
pub const PURCHASES_SHIFT: u32 = 14;
/// The bits of one purchase.
pub const ONE_PURCHASE: u16 = 1 << PURCHASES_SHIFT;
/// The bits that are flags.
pub const FLAGS: u16 = ONE_PURCHASE - 1;
/// Where the count of purchases stops.
const MOST_PURCHASES: u16 = 2;

/// The count of purchases in some bits, at most 2.
#[inline]
#[must_use]
pub fn purchases(bits: u16) -> u16 {
    (bits >> PURCHASES_SHIFT).min(MOST_PURCHASES)
}

/// What is known of an id from two parts: either's flags, and the sum of their purchases up to 2.
#[inline]
#[must_use]
pub fn combine_bits(a: u16, b: u16) -> u16 {
    ((a | b) & FLAGS) | ((purchases(a) + purchases(b)).min(MOST_PURCHASES) << PURCHASES_SHIFT)
}

/// The bound of a sketch: it holds every id whose hash is below it. The lesser of two bounds is good for both sketches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Theta(u128);

impl Theta {
    /// 2^64: every hash is below it.
    pub const ALL: Theta = Theta(1 << 64);

    /// The number of ids of which `sample` ids below this bound are a sample, rounded; exact when the bound is [`Theta::ALL`].
    #[must_use]
    pub fn estimate(self, sample: u64) -> u64 {
        if self == Theta::ALL {
            return sample;
        }
        (((u128::from(sample) << 64) + self.0 / 2) / self.0.max(1)).min(u128::from(u64::MAX)) as u64
    }
}

/// The k smallest hashes with their bits. What it holds of an id is complete: an id among the k smallest of a whole is among the k
/// smallest of each part that knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    k: u32,
    /// Ascending, each once.
    #[serde(serialize_with = "serialize_ascending", deserialize_with = "deserialize_ascending")]
    hashes: Vec<u64>,
    /// Of the hash at the same place.
    bits: Vec<u16>,
}

impl Sketch {
    /// An empty sketch of at most `k` ids (at least 1).
    #[must_use]
    pub fn new(k: usize) -> Self {
        Sketch {
            k: u32::try_from(k).unwrap_or(u32::MAX).max(1),
            hashes: Vec::new(),
            bits: Vec::new(),
        }
    }

    /// A sketch of these hashes with their bits, in any order; a hash that comes again is combined.
    #[must_use]
    pub fn from_unsorted(k: usize, mut ids: Vec<(u64, u16)>) -> Self {
        ids.sort_unstable_by_key(|(hash, _)| *hash);
        let mut sketch = Sketch::new(k);
        let room = ids.len().min(sketch.capacity());
        sketch.hashes.reserve_exact(room);
        sketch.bits.reserve_exact(room);
        for (hash, bits) in ids {
            if sketch.hashes.last() == Some(&hash) {
                sketch.combine_at(sketch.len() - 1, bits);
            } else if sketch.is_full() {
                break;
            } else {
                sketch.push(hash, combine_bits(bits, 0));
            }
        }
        sketch
    }

    /// A sketch of hashes that ascend, each once, with the bits at the same places; no more than `k`.
    #[must_use]
    pub(crate) fn from_ascending(k: usize, hashes: Vec<u64>, bits: Vec<u16>) -> Self {
        debug_assert!(hashes.is_sorted_by(|a, b| a < b) && hashes.len() == bits.len());
        let mut sketch = Sketch {
            hashes,
            bits,
            ..Sketch::new(k)
        };
        sketch.truncate();
        sketch
    }

    /// Adds one id. This moves all larger hashes, so many ids at once are better made a sketch and merged.
    pub fn add(&mut self, hash: u64, bits: u16) {
        match self.hashes.binary_search(&hash) {
            Ok(at) => self.combine_at(at, bits),
            Err(at) if at < self.capacity() => {
                self.hashes.insert(at, hash);
                self.bits.insert(at, combine_bits(bits, 0));
                self.truncate();
            }
            Err(_) => {}
        }
    }

    /// Adds what `other` holds. Of two sizes the lesser counts.
    pub fn merge(&mut self, other: &Self) {
        self.k = self.k.min(other.k);
        self.truncate();
        if other.hashes.is_empty() {
            return;
        }
        // A search a hash is worth it only where one side is much smaller.
        if other.len() < self.len() / 16 {
            self.merge_few(other);
        } else {
            self.merge_many(other);
        }
    }

    /// Merges by walking through both.
    fn merge_many(&mut self, other: &Self) {
        let room = (self.len() + other.len()).min(self.capacity());
        let mut merged = Sketch {
            k: self.k,
            hashes: Vec::with_capacity(room),
            bits: Vec::with_capacity(room),
        };
        let (mut i, mut j) = (0, 0);
        while merged.len() < room {
            match (self.id(i), other.id(j)) {
                (Some((a, x)), Some((b, y))) if a == b => {
                    merged.push(a, combine_bits(x, y));
                    i += 1;
                    j += 1;
                }
                (Some((a, x)), Some((b, _))) if a < b => {
                    merged.push(a, x);
                    i += 1;
                }
                (_, Some((b, y))) => {
                    merged.push(b, y);
                    j += 1;
                }
                (Some((a, x)), None) => {
                    merged.push(a, x);
                    i += 1;
                }
                (None, None) => break,
            }
        }
        *self = merged;
    }

    /// Merges by looking up each hash of `other`, then moving ours apart from the end to let in what is new.
    fn merge_few(&mut self, other: &Self) {
        let mut fresh: Vec<(usize, u64, u16)> = Vec::new();
        let mut from = 0;
        for (hash, bits) in other.ids() {
            if self.refuses(hash) {
                break;
            }
            from += self.hashes[from..].partition_point(|ours| *ours < hash);
            if self.hashes.get(from) == Some(&hash) {
                self.combine_at(from, bits);
            } else {
                fresh.push((from, hash, combine_bits(bits, 0)));
            }
        }
        insert_all(&mut self.hashes, fresh.iter().map(|(at, hash, _)| (*at, *hash)));
        insert_all(&mut self.bits, fresh.iter().map(|(at, _, bits)| (*at, *bits)));
        self.truncate();
    }

    /// Whether adding an id with this hash would change nothing: the sketch is full of smaller ones.
    #[inline]
    #[must_use]
    pub fn refuses(&self, hash: u64) -> bool {
        self.is_full() && self.hashes.last().is_some_and(|last| hash > *last)
    }

    /// The bound below which it holds every id: its k-th hash when it is full, else 2^64.
    #[must_use]
    pub fn bound(&self) -> Theta {
        match self.hashes.last() {
            Some(last) if self.is_full() => Theta(u128::from(*last)),
            _ => Theta::ALL,
        }
    }

    /// How many ids below `theta`, which must not exceed the sketch's own bound, have bits that satisfy `wanted`.
    #[must_use]
    pub fn count(&self, theta: Theta, mut wanted: impl FnMut(u16) -> bool) -> u64 {
        let below = self.below(theta);
        self.bits.iter().take(below).map(|bits| u64::from(wanted(*bits))).sum()
    }

    /// How many ids below `theta` are in both sketches and have bits, first these and then those of `other`, that satisfy `wanted`.
    #[must_use]
    pub fn count_joined(&self, other: &Self, theta: Theta, mut wanted: impl FnMut(u16, u16) -> bool) -> u64 {
        let (ours, theirs) = (self.below(theta), other.below(theta));
        let (mut i, mut j, mut count) = (0, 0, 0);
        while i < ours
            && j < theirs
            && let (Some((a, x)), Some((b, y))) = (self.id(i), other.id(j))
        {
            count += u64::from(a == b && wanted(x, y));
            // Both in one step and without a branch: which hash is less is a coin toss.
            i += usize::from(a <= b);
            j += usize::from(b <= a);
        }
        count
    }

    /// The hashes with their bits, ascending.
    pub fn ids(&self) -> impl Iterator<Item = (u64, u16)> {
        self.hashes.iter().copied().zip(self.bits.iter().copied())
    }

    /// Number of ids held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether it holds no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether it holds as many ids as it may, so that its counts are estimates.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity()
    }

    /// Whether it is one of `k` ids at most that ids were added to, as far as can be told of one that was read.
    pub(crate) fn fits(&self, k: usize) -> bool {
        self.k == Sketch::new(k).k
            && self.len() <= self.capacity()
            && self.hashes.len() == self.bits.len()
            && self.hashes.is_sorted_by(|a, b| a < b)
    }

    fn id(&self, at: usize) -> Option<(u64, u16)> {
        Some((*self.hashes.get(at)?, *self.bits.get(at)?))
    }

    pub(crate) fn capacity(&self) -> usize {
        self.k as usize
    }

    fn below(&self, theta: Theta) -> usize {
        self.hashes.partition_point(|hash| u128::from(*hash) < theta.0)
    }

    fn push(&mut self, hash: u64, bits: u16) {
        self.hashes.push(hash);
        self.bits.push(bits);
    }

    fn combine_at(&mut self, at: usize, bits: u16) {
        if let Some(ours) = self.bits.get_mut(at) {
            *ours = combine_bits(*ours, bits);
        }
    }

    fn truncate(&mut self) {
        let capacity = self.capacity();
        self.hashes.truncate(capacity);
        self.bits.truncate(capacity);
    }
}

/// Differences are shorter than hashes: near 7 bytes instead of 10 each in a full sketch of 65,536.
fn serialize_ascending<S: Serializer>(hashes: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    let mut last = 0;
    serializer.collect_seq(hashes.iter().map(|hash| hash.wrapping_sub(std::mem::replace(&mut last, *hash))))
}

fn deserialize_ascending<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    let mut hashes = Vec::<u64>::deserialize(deserializer)?;
    let mut last = 0_u64;
    for hash in &mut hashes {
        last = last.wrapping_add(*hash);
        *hash = last;
    }
    Ok(hashes)
}

#[cfg(test)]
#[path = "sketch_tests.rs"]
mod tests;
