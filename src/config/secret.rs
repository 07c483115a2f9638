//! Values that must never be shown.

use std::fmt;
use std::ops::Deref;

/// What is shown in place of a secret.
pub(super) const REDACTED: &str = "***";

/// A password, a key or the like. Neither `Debug` nor `Display` shows it; [`Secret::expose`] hands it out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Guards `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// A value that is shown unless it came from the environment by `${NAME}` or from a file by `{ file = ... }`. It has no `Display`,
/// so that showing it is always a decision.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Guarded<T> {
    value: T,
    hidden: bool,
}

impl<T> Guarded<T> {
    /// A value that may be shown.
    pub fn shown(value: T) -> Guarded<T> {
        Guarded { value, hidden: false }
    }

    /// A value that must not be shown.
    pub fn hidden(value: T) -> Guarded<T> {
        Guarded { value, hidden: true }
    }

    pub(super) fn new(value: T, hidden: bool) -> Guarded<T> {
        Guarded { value, hidden }
    }

    /// Whether `Debug` hides it.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hidden { f.write_str(REDACTED) } else { self.value.fmt(f) }
    }
}
