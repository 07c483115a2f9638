//! Ctrl-C and SIGTERM as a flag, for commands that are loops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;

/// A flag that becomes true when this process is asked to stop. Asked a second time, it ends at once.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let cannot = |error: std::io::Error| Failure::Running(format!("signals cannot be watched: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(cannot)?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::interrupt()).map_err(cannot)?,
            signal(SignalKind::terminate()).map_err(cannot)?,
        )
    };
    let flag = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&flag);
    let watch = move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if stop.swap(true, Ordering::AcqRel) {
                    std::process::exit(1);
                }
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map_err(cannot)?;
    Ok(flag)
}
