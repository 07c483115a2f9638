//! `Table`: values found by a byte key that they carry themselves, in slots that never move, so that an entry costs its own size and
//! a few bytes of index, also while the table grows.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::slots::Slots;

/// A value that carries its key.
pub(crate) trait Keyed {
    /// The key, unique in a table.
    fn key(&self) -> &[u8];
}

#[derive(Clone, Debug)]
pub(crate) struct Table<V> {
    index: HashTable<u32>,
    slots: Slots<Option<V>>,
    len: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Table {
            index: HashTable::new(),
            slots: Slots::default(),
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
        self.slots.get(slot)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.slots.get_mut(slot)?.as_mut()
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
        let slot = self.slots.add(Some(value));
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |slot| {
            slots.get(*slot).and_then(Option::as_ref).map_or(0, |v| xxh3_64(v.key()))
        });
        self.len += 1;
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<V> {
        let hash = xxh3_64(self.get(slot)?.key());
        if let Ok(entry) = self.index.find_entry(hash, |s| *s == slot) {
            entry.remove();
        }
        let value = self.slots.get_mut(slot)?.take();
        if value.is_some() {
            self.len -= 1;
            self.slots.free(slot);
        }
        value
    }

    /// Every value with its slot, in the order of slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        self.slots.iter().filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
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
