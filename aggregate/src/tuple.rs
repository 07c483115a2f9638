//! Interned tuples of dimension values: what a fact is grouped by, as one small number.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::short::{mix, short};

pub(crate) use crate::spec::MAX_ATTRIBUTE_DIMENSIONS;

/// Length byte of a null; every dimension value is at most 128 bytes long.
const NULL: u8 = u8::MAX;

/// The common fields and attribute dimensions of one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BaseDims<'a> {
    pub(crate) common: [Option<&'a str>; 6],
    pub(crate) attributes: [Option<&'a str>; MAX_ATTRIBUTE_DIMENSIONS],
    pub(crate) attribute_count: usize,
}

impl<'a> BaseDims<'a> {
    pub(crate) fn attributes(&self) -> &[Option<&'a str>] {
        self.attributes.get(..self.attribute_count).unwrap_or_default()
    }

    /// These values; where one is missing, the other's.
    pub(crate) fn or(&self, other: &BaseDims<'a>) -> BaseDims<'a> {
        let mut merged = *self;
        for (own, theirs) in merged.common.iter_mut().zip(other.common) {
            *own = own.or(theirs);
        }
        for (own, theirs) in merged.attributes.iter_mut().zip(other.attributes) {
            *own = own.or(theirs);
        }
        merged
    }
}

/// The common fields that some grouping uses, by [`crate::event::Common`].
pub(crate) type Grouped = [bool; 6];

impl BaseDims<'_> {
    /// Whether nothing is missing that facts are grouped by.
    pub(crate) fn complete(&self, by: Grouped) -> bool {
        self.common.iter().zip(by).all(|(value, used)| value.is_some() || !used) && self.attributes().iter().all(Option::is_some)
    }
}

/// An interned [`BaseDims`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BaseId(pub(crate) u32);

/// An interned base with a task and a touchpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TupleId(pub(crate) u32);

#[derive(Clone, Debug, Default)]
struct Interner {
    index: HashTable<u32>,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Entry {
    bytes: Box<[u8]>,
    hash: u64,
    /// How many entries of trackers (or tuples, of a base) hold this one.
    refs: u32,
}

impl Interner {
    #[inline]
    fn bytes(&self, id: u32) -> &[u8] {
        self.entries.get(id as usize).and_then(Option::as_ref).map_or(&[], |e| &e.bytes)
    }

    #[inline]
    fn intern(&mut self, Key { bytes, hash }: &Key) -> (u32, bool) {
        let hash = *hash;
        if let Some(id) = self.index.find(hash, |id| self.bytes(*id) == bytes.as_slice()) {
            return (*id, false);
        }
        let entry = Some(Entry {
            bytes: bytes.as_slice().into(),
            hash,
            refs: 0,
        });
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, id, |id| {
            entries.get(*id as usize).and_then(Option::as_ref).map_or(0, |e| e.hash)
        });
        (id, true)
    }

    fn count(&mut self, id: u32, by: i32) {
        if let Some(entry) = self.entries.get_mut(id as usize).and_then(Option::as_mut) {
            entry.refs = entry.refs.saturating_add_signed(by);
        }
    }

    /// Forgets every entry that nothing holds and returns the bytes of those forgotten.
    fn sweep(&mut self, mut forgotten: impl FnMut(&[u8])) {
        for id in 0..self.entries.len() {
            if self.entries[id].as_ref().is_some_and(|e| e.refs == 0)
                && let Some(entry) = self.entries[id].take()
            {
                if let Ok(found) = self.index.find_entry(entry.hash, |i| *i as usize == id) {
                    found.remove();
                }
                self.free.push(id as u32);
                forgotten(&entry.bytes);
            }
        }
    }

    fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

/// All tuples that a partition has in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tuples {
    bases: Interner,
    tuples: Interner,
    /// By base: its tuple without task and touchpoint, which most facts have; [`UNKNOWN`] where it was not asked for yet.
    plain: Vec<u32>,
    scratch: Key,
    /// Size after the last sweep, so that sweeping costs little per tuple however many are held.
    swept: usize,
}

const UNKNOWN: u32 = u32::MAX;

/// Values one after the other, each after its length, and a hash of them. It is made of the values as they come: read back from memory, they
/// would have to be waited for.
#[derive(Clone, Debug, Default)]
struct Key {
    bytes: Vec<u8>,
    hash: u64,
}

impl Key {
    fn clear(&mut self) {
        self.bytes.clear();
        self.hash = 0;
    }

    #[inline]
    fn mix(&mut self, value: u128) {
        self.hash = mix(self.hash, value);
    }

    #[inline]
    fn push(&mut self, value: Option<&str>) {
        let Some(text) = value.map(str::as_bytes) else {
            self.mix(NULL.into());
            self.bytes.push(NULL);
            return;
        };
        let end = self.bytes.len() + 1 + text.len();
        if let Some(whole) = short(text) {
            self.mix(whole);
            // With what follows, which the next value overwrites.
            self.bytes.extend_from_slice(&whole.to_le_bytes());
            self.bytes.truncate(end);
            return;
        }
        self.mix(xxh3_64(text).into());
        self.bytes.push(text.len().min(NULL as usize - 1) as u8);
        self.bytes.extend_from_slice(text);
    }
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = bytes.split_first()?;
    if *length == NULL {
        *bytes = rest;
        return None;
    }
    let (text, rest) = rest.split_at_checked(*length as usize)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

impl Tuples {
    #[inline]
    pub(crate) fn base(&mut self, dims: &BaseDims<'_>) -> BaseId {
        self.base_by(dims, [true; 6])
    }

    /// The base of these values, as far as facts are grouped by them: what no grouping uses would but multiply the tuples.
    #[inline]
    pub(crate) fn base_by(&mut self, dims: &BaseDims<'_>, by: Grouped) -> BaseId {
        self.scratch.clear();
        for (value, used) in dims.common.iter().zip(by) {
            self.scratch.push(value.filter(|_| used));
        }
        for value in dims.attributes() {
            self.scratch.push(*value);
        }
        BaseId(self.bases.intern(&self.scratch).0)
    }

    /// The tuple of a base without task and touchpoint.
    #[inline]
    pub(crate) fn plain(&mut self, base: BaseId) -> TupleId {
        match self.plain.get(base.0 as usize) {
            Some(tuple) if *tuple != UNKNOWN => TupleId(*tuple),
            _ => self.intern_plain(base),
        }
    }

    #[cold]
    fn intern_plain(&mut self, base: BaseId) -> TupleId {
        let tuple = self.intern_tuple(base, None, None);
        let place = base.0 as usize;
        if self.plain.len() <= place {
            self.plain.resize(place + 1, UNKNOWN);
        }
        self.plain[place] = tuple.0;
        tuple
    }

    #[inline]
    pub(crate) fn tuple(&mut self, base: BaseId, task: Option<&str>, touchpoint: Option<&str>) -> TupleId {
        if task.is_none() && touchpoint.is_none() {
            return self.plain(base);
        }
        self.intern_tuple(base, task, touchpoint)
    }

    fn intern_tuple(&mut self, base: BaseId, task: Option<&str>, touchpoint: Option<&str>) -> TupleId {
        self.scratch.clear();
        self.scratch.bytes.extend_from_slice(&base.0.to_le_bytes());
        self.scratch.mix(base.0.into());
        self.scratch.push(task);
        self.scratch.push(touchpoint);
        let (id, new) = self.tuples.intern(&self.scratch);
        if new {
            self.bases.count(base.0, 1);
        }
        TupleId(id)
    }

    /// The base of these values, where one is missing of the earlier base's, as far as facts are grouped by them.
    pub(crate) fn base_or(&mut self, dims: &BaseDims<'_>, earlier: BaseId, by: Grouped) -> BaseId {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let merged = dims.or(&self.dims(earlier));
        for (value, used) in merged.common.iter().zip(by) {
            scratch.push(value.filter(|_| used));
        }
        for value in merged.attributes() {
            scratch.push(*value);
        }
        let id = self.bases.intern(&scratch).0;
        self.scratch = scratch;
        BaseId(id)
    }

    /// The same tuple, as far as facts are grouped by its values.
    pub(crate) fn grouped(&mut self, tuple: TupleId, by: Grouped) -> TupleId {
        let empty = BaseDims {
            common: [None; 6],
            attributes: [None; MAX_ATTRIBUTE_DIMENSIONS],
            attribute_count: self.dims(self.base_of(tuple)).attribute_count,
        };
        let base = self.base_or(&empty, self.base_of(tuple), by);
        let own = |text: Option<&str>| text.map(str::to_owned);
        let (task, touchpoint) = self.particulars(tuple);
        let (task, touchpoint) = (own(task), own(touchpoint));
        self.tuple(base, task.as_deref(), touchpoint.as_deref())
    }

    /// The tuple of a base and a touchpoint; where that is missing, the earlier tuple's.
    pub(crate) fn tuple_or(&mut self, base: BaseId, touchpoint: Option<&str>, earlier: TupleId) -> TupleId {
        let touchpoint = touchpoint
            .map(str::to_owned)
            .or_else(|| self.particulars(earlier).1.map(str::to_owned));
        self.tuple(base, None, touchpoint.as_deref())
    }

    pub(crate) fn base_of(&self, tuple: TupleId) -> BaseId {
        let bytes = self.tuples.bytes(tuple.0);
        BaseId(bytes.first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b)))
    }

    /// Task and touchpoint of a tuple.
    pub(crate) fn particulars(&self, tuple: TupleId) -> (Option<&str>, Option<&str>) {
        let mut bytes = self.tuples.bytes(tuple.0).get(4..).unwrap_or_default();
        (take(&mut bytes), take(&mut bytes))
    }

    pub(crate) fn dims(&self, base: BaseId) -> BaseDims<'_> {
        let mut bytes = self.bases.bytes(base.0);
        let mut dims = BaseDims {
            common: [None; 6],
            attributes: [None; MAX_ATTRIBUTE_DIMENSIONS],
            attribute_count: 0,
        };
        for value in &mut dims.common {
            *value = take(&mut bytes);
        }
        for value in &mut dims.attributes {
            if bytes.is_empty() {
                break;
            }
            *value = take(&mut bytes);
            dims.attribute_count += 1;
        }
        dims
    }

    /// A tracker's entry holds this tuple from now on.
    pub(crate) fn hold(&mut self, tuple: TupleId) {
        self.tuples.count(tuple.0, 1);
    }

    /// A tracker's entry no longer holds this tuple.
    pub(crate) fn release(&mut self, tuple: TupleId) {
        self.tuples.count(tuple.0, -1);
    }

    /// Ids are below this.
    pub(crate) fn tuple_limit(&self) -> usize {
        self.tuples.entries.len()
    }

    /// Ids of bases are below this.
    pub(crate) fn base_limit(&self) -> usize {
        self.bases.entries.len()
    }

    /// Forgets what no tracker holds. Only to be called when no row refers to a tuple.
    pub(crate) fn sweep(&mut self) {
        if self.tuples.len() + self.bases.len() < 2 * self.swept + 4_096 {
            return;
        }
        let bases = &mut self.bases;
        self.tuples.sweep(|bytes| {
            if let Some(id) = bytes.first_chunk::<4>() {
                bases.count(u32::from_le_bytes(*id), -1);
            }
        });
        self.bases.sweep(|_| ());
        self.plain.clear();
        self.swept = self.tuples.len() + self.bases.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_length_come_back_as_they_were() {
        let text = "0123456789äöü".repeat(9);
        let values: Vec<Option<&str>> = (1..128).map(|n| text.get(..n)).collect();
        let mut key = Key::default();
        values.iter().for_each(|value| key.push(*value));
        let mut rest = key.bytes.as_slice();
        for value in &values {
            assert_eq!(take(&mut rest), *value);
        }
        assert!(rest.is_empty() && values.iter().any(Option::is_none));
    }

    #[test]
    fn what_nothing_is_grouped_by_makes_no_difference() {
        let dims = |country| BaseDims {
            common: [Some("shop"), None, None, None, country, None],
            attributes: [None; MAX_ATTRIBUTE_DIMENSIONS],
            attribute_count: 0,
        };
        let mut tuples = Tuples::default();
        let by = [true, true, true, true, false, false];
        let (de, fr) = (dims(Some("DE")), dims(Some("FR")));
        assert_eq!(tuples.base_by(&de, by), tuples.base_by(&fr, by));
        let (de, fr) = (tuples.base(&de), tuples.base(&fr));
        assert_ne!(de, fr);
        let whole = tuples.tuple(de, Some("buy"), None);
        let other = tuples.tuple(fr, Some("buy"), None);
        assert_eq!(tuples.grouped(whole, by), tuples.grouped(other, by));
        assert_eq!(tuples.grouped(whole, [true; 6]), whole);
        let grouped = tuples.grouped(whole, by);
        assert_eq!(tuples.particulars(grouped), (Some("buy"), None));
    }
}
