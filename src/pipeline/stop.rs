//! A stop waits only so long: for a last commit, and for the group to be left.

use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::PipelineError;
use super::commit::Trouble;

/// Ends when a stop was asked for and has waited for as long as a stop may.
pub(super) async fn given_up(mut stop: watch::Receiver<bool>, patience: Duration) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(patience).await;
}

/// Drops what may be slow to go, such as a Kafka client whose brokers are away, on a thread of its own; ends when it is gone, or when a stop
/// has waited for as long as it may.
pub(super) async fn gone(slow: impl Send + 'static, stop: watch::Receiver<bool>, patience: Duration) {
    let (told, heard) = oneshot::channel();
    let dropping = move || {
        drop(slow);
        let _ = told.send(());
    };
    // Without a thread it is dropped here.
    if std::thread::Builder::new().name("farewell".to_owned()).spawn(dropping).is_err() {
        return;
    }
    tokio::select! {
        _ = heard => (),
        () = given_up(stop, patience) => (),
    }
}

/// What a stop says that could not commit.
pub(super) fn unwritten(trouble: Option<&Trouble>) -> PipelineError {
    let why = trouble.map_or("the output was too slow", |trouble| trouble.why.as_str());
    let message = format!(
        "stopped without a last commit, within runtime.shutdown_timeout it was not possible: {why}. Nothing is lost: the next start reads again \
         what is not committed"
    );
    PipelineError {
        message,
        usage: false,
        again: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes until the other end of a channel is gone.
    struct Slow(std::sync::mpsc::Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[tokio::test]
    async fn what_does_not_go_is_waited_for_until_a_stop_has_had_its_time() {
        let (stop, stopped) = watch::channel(false);
        let (held, slow) = std::sync::mpsc::channel();
        drop(held);
        gone(Slow(slow), stopped.clone(), Duration::ZERO).await;
        let (_held, slow) = std::sync::mpsc::channel();
        assert!(stop.send(true).is_ok());
        gone(Slow(slow), stopped, Duration::ZERO).await;
    }
}
