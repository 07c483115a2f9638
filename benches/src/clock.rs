//! Time that this thread was on a processor, so that what else runs on the machine counts as little as possible.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long `run` took of the processor; wall time where the system does not tell.
pub fn time<O>(run: impl FnOnce() -> O) -> (Duration, O) {
    let start = Instant::now();
    let before = on_processor();
    let output = black_box(run());
    let spent = match (before, on_processor()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => start.elapsed(),
    };
    (spent.max(Duration::from_nanos(1)), output)
}

/// The same over several runs, each on what `setup` makes; neither that nor dropping the outputs counts.
pub fn repeat<I, O>(iterations: u64, mut setup: impl FnMut() -> I, mut run: impl FnMut(I) -> O) -> Duration {
    (0..iterations)
        .map(|_| {
            let input = setup();
            time(|| run(input)).0
        })
        .sum()
}

fn on_processor() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
