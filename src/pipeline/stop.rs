//! A stop waits only so long for a last commit.

use std::time::Duration;

use tokio::sync::watch;

use super::PipelineError;
use super::commit::Trouble;

/// Ends when a stop was asked for and has waited for as long as a stop may.
pub(super) async fn given_up(mut stop: watch::Receiver<bool>, patience: Duration) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(patience).await;
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
