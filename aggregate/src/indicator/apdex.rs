//! The Apdex score of waits.

/// Satisfied waits and half of the tolerable ones, of all; `None` without waits.
#[must_use]
pub fn apdex(satisfied: u64, tolerating: u64, n: u64) -> Option<f64> {
    (n > 0).then(|| (satisfied as f64 + tolerating as f64 / 2.0) / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerable_wait_counts_half() {
        assert_eq!(apdex(5, 3, 10), Some(0.65));
        assert_eq!(apdex(0, 0, 4), Some(0.0));
        assert_eq!(apdex(0, 0, 0), None);
    }
}
