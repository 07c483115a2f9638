//! Room for so many connections. Whoever comes when all places are taken gets that of the connection that has been still for longest: a crowd of
//! clients that are slow on purpose displaces itself, and a probe of `/healthz`, which is done within milliseconds, is answered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;

/// All places.
pub(super) struct Places {
    most: usize,
    /// Counts what happens, as a clock that tells what came before what.
    clock: AtomicU64,
    taken: Mutex<Vec<Arc<State>>>,
}

#[derive(Default)]
struct State {
    /// When bytes last went either way.
    stirred: AtomicU64,
    lost: AtomicBool,
    waker: AtomicWaker,
}

/// One place, given back when it is dropped.
pub(super) struct Place {
    all: Arc<Places>,
    own: Arc<State>,
}

impl Places {
    pub(super) fn new(most: usize) -> Places {
        Places {
            most,
            clock: AtomicU64::new(0),
            taken: Mutex::default(),
        }
    }

    /// Takes a place, from another connection if need be.
    pub(super) fn take(all: &Arc<Places>) -> Place {
        let own = Arc::new(State::default());
        own.stirred.store(all.now(), Ordering::Relaxed);
        let mut taken = all.lock();
        while taken.len() >= all.most.max(1) {
            let stillest = (0..taken.len()).min_by_key(|index| taken.get(*index).map(|state| state.stirred.load(Ordering::Relaxed)));
            let state = taken.swap_remove(stillest.unwrap_or_default());
            state.lost.store(true, Ordering::Release);
            state.waker.wake();
        }
        taken.push(Arc::clone(&own));
        drop(taken);
        Place { all: Arc::clone(all), own }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<State>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Bytes went one way or the other.
    pub(super) fn stir(&self) {
        self.own.stirred.store(self.all.now(), Ordering::Relaxed);
    }

    /// Whether it went to another connection; if not, the task is woken when it does.
    pub(super) fn is_lost(&self, context: &Context<'_>) -> bool {
        self.own.waker.register(context.waker());
        self.own.lost.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.lock().retain(|state| !Arc::ptr_eq(state, &self.own));
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn the_place_that_was_still_for_longest_goes_to_the_newcomer() {
        let all = Arc::new(Places::new(2));
        let lost = |place: &Place| place.is_lost(&Context::from_waker(Waker::noop()));
        let (first, second) = (Places::take(&all), Places::take(&all));
        first.stir();
        let third = Places::take(&all);
        assert_eq!([&first, &second, &third].map(lost), [false, true, false]);
        drop(second);
        drop(third);
        let fourth = Places::take(&all);
        assert_eq!([&first, &fourth].map(lost), [false, false]);
    }
}
