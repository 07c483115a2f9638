//! The history, shared by who fills it and who shows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::Spec;

use super::history::History;

/// Rows added without letting others have a look.
const AT_ONCE: usize = 4_096;

/// A history behind a lock.
#[derive(Debug)]
pub struct Shared {
    history: Mutex<History>,
    loading: AtomicBool,
}

impl Shared {
    /// Empty, for so many points at most.
    #[must_use]
    pub fn new(spec: &Spec, most: usize) -> Shared {
        Shared {
            history: Mutex::new(History::new(spec, most)),
            loading: AtomicBool::new(false),
        }
    }

    /// The history as it is now; whoever holds it lets nobody add to it.
    pub fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds published rows.
    pub fn add(&self, rows: &[MetricRow]) {
        for rows in rows.chunks(AT_ONCE) {
            let mut history = self.lock();
            rows.iter().for_each(|row| history.add(row));
        }
    }

    /// Whether the tables are still being read.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.loading.load(Ordering::Acquire)
    }

    pub(crate) fn set_loading(&self, loading: bool) {
        self.loading.store(loading, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.set_loading(false);
    }
}
