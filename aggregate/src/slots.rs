//! `Slots`: values that never move, each found by its number. They are kept in chunks, so that growing copies nothing; numbers that were
//! freed are used again.

const CHUNK: usize = 1024;

#[derive(Clone, Debug)]
pub(crate) struct Slots<V> {
    chunks: Vec<Vec<V>>,
    free: Vec<u32>,
}

impl<V> Default for Slots<V> {
    fn default() -> Self {
        Slots {
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<V> Slots<V> {
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&V> {
        self.chunks.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.chunks.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)
    }

    /// Keeps a value, in a free slot if there is one.
    #[inline]
    pub(crate) fn add(&mut self, value: V) -> u32 {
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.get_mut(slot) {
                *place = value;
            }
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let Some(chunk) = self.chunks.last_mut() else { return 0 };
        chunk.push(value);
        (full + chunk.len() - 1) as u32
    }

    /// Gives a slot back; what it holds stays there until another value takes its place.
    #[inline]
    pub(crate) fn free(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Every value with its slot, free ones too, in the order of slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        self.chunks.iter().flatten().enumerate().map(|(slot, value)| (slot as u32, value))
    }
}
