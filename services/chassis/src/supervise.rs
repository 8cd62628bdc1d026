//! Starting again, and stopping: the one restart loop, and the signals that end it.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The first pause before a new start.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Who ran this long was healthy; the next pause is the first one again.
const HEALTHY: Duration = Duration::from_secs(60);

/// Runs a service, and starts it again whenever it fails, until `shutdown` or its own good end.
///
/// Pauses grow from 0.2 s to 15 s and are short again after a healthy minute. This is the only
/// reconnect loop in the system.
pub async fn supervise<S, R>(name: &'static str, shutdown: &CancellationToken, mut start: S)
where
    S: FnMut() -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let mut pause = PAUSE_MIN;
    loop {
        let begun = Instant::now();
        let outcome = start().await;
        if shutdown.is_cancelled() {
            if let Err(error) = outcome {
                let error = format!("{error:#}");
                tracing::warn!(service = name, error, "service failed while stopping");
            }
            return;
        }
        match outcome {
            Ok(()) => {
                tracing::info!(service = name, "service ended");
                return;
            }
            Err(error) => {
                if begun.elapsed() >= HEALTHY {
                    pause = PAUSE_MIN;
                }
                let error = format!("{error:#}");
                let pause_ms = pause.as_millis();
                tracing::error!(service = name, error, %pause_ms, "service failed and starts again");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// A token that SIGINT or SIGTERM cancels. A second signal ends the process at once, with the
/// exit code of an interrupted program.
///
/// # Errors
///
/// The signals cannot be listened to.
pub fn shutdown_signal() -> std::io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let wait = async move {
        for patience in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if patience == 0 {
                tracing::info!("stopping, a second signal ends at once");
                token.cancel();
            }
        }
        std::process::exit(130);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "signals are waited for as long as the process lives"
    )]
    drop(tokio::spawn(wait));
    Ok(shutdown)
}
