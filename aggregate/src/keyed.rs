//! `Table`: values found by a byte key that they carry themselves, in chunked slots that never move, so that an entry costs its own size and
//! a few bytes of index, also while the table grows.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

const CHUNK: usize = 1024;

/// A value that carries its key.
pub(crate) trait Keyed {
    /// The key, unique in a table.
    fn key(&self) -> &[u8];
}

#[derive(Clone, Debug)]
pub(crate) struct Table<V> {
    index: HashTable<u32>,
    chunks: Vec<Vec<Option<V>>>,
    free: Vec<u32>,
    len: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Table {
            index: HashTable::new(),
            chunks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<V: Keyed> Table<V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&V> {
        self.chunks.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.chunks.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)?.as_mut()
    }

    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        self.index
            .find(xxh3_64(key), |slot| self.get(*slot).is_some_and(|v| v.key() == key))
            .copied()
    }

    /// Adds a value whose key is not there yet.
    pub(crate) fn insert(&mut self, value: V) -> u32 {
        let hash = xxh3_64(value.key());
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self
                    .chunks
                    .get_mut(slot as usize / CHUNK)
                    .and_then(|c| c.get_mut(slot as usize % CHUNK))
                {
                    *place = Some(value);
                }
                slot
            }
            None => {
                if self.chunks.last().is_none_or(|c| c.len() == CHUNK) {
                    self.chunks.push(Vec::with_capacity(CHUNK));
                }
                let full = (self.chunks.len() - 1) * CHUNK;
                let Some(chunk) = self.chunks.last_mut() else { return 0 };
                chunk.push(Some(value));
                (full + chunk.len() - 1) as u32
            }
        };
        let chunks = &self.chunks;
        self.index.insert_unique(hash, slot, |slot| {
            chunks
                .get(*slot as usize / CHUNK)
                .and_then(|c| c.get(*slot as usize % CHUNK))
                .and_then(Option::as_ref)
                .map_or(0, |v| xxh3_64(v.key()))
        });
        self.len += 1;
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<V> {
        let hash = xxh3_64(self.get(slot)?.key());
        if let Ok(entry) = self.index.find_entry(hash, |s| *s == slot) {
            entry.remove();
        }
        let value = self.chunks.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)?.take();
        if value.is_some() {
            self.len -= 1;
            self.free.push(slot);
        }
        value
    }

    /// Every value with its slot, in the order of slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        self.chunks.iter().enumerate().flat_map(|(c, chunk)| {
            chunk
                .iter()
                .enumerate()
                .filter_map(move |(i, v)| v.as_ref().map(|v| ((c * CHUNK + i) as u32, v)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Word(Box<[u8]>);

    impl Keyed for Word {
        fn key(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn slots_are_found_reused_and_never_confused() {
        let mut table = Table::default();
        let slots: Vec<u32> = (0..5000u32)
            .map(|i| table.insert(Word(i.to_string().into_bytes().into())))
            .collect();
        for i in (0..5000u32).step_by(2) {
            assert!(table.remove(slots[i as usize]).is_some());
        }
        for i in 0..5000u32 {
            assert_eq!(table.find(i.to_string().as_bytes()).is_some(), i % 2 == 1, "{i}");
        }
        let again = table.insert(Word(b"again".as_slice().into()));
        assert!(again < 5000, "a free slot is used first");
        assert_eq!(table.len(), 2501);
        assert_eq!(table.iter().count(), 2501);
    }
}
