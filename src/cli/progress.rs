//! One line that says how far a command has come: on a terminal only, and never faster than can be read.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(100);

/// A line of progress on standard error.
pub(super) struct ProgressLine {
    visible: bool,
    started: Instant,
    drawn: Option<Instant>,
}

impl ProgressLine {
    /// A line that is shown unless `quiet`, or unless standard error is no terminal.
    pub(super) fn new(quiet: bool) -> ProgressLine {
        ProgressLine {
            visible: !quiet && io::stderr().is_terminal(),
            started: Instant::now(),
            drawn: None,
        }
    }

    /// Shows what `text` makes of the seconds since the start, if it is time to.
    pub(super) fn show(&mut self, text: impl FnOnce(f64) -> String) {
        if !self.visible || self.drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return;
        }
        let mut err = io::stderr().lock();
        // A line that cannot be shown is not worth failing for.
        let _ = write!(err, "\r\u{1b}[2K{}", text(self.started.elapsed().as_secs_f64()));
        let _ = err.flush();
        self.drawn = Some(Instant::now());
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[2K");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}
