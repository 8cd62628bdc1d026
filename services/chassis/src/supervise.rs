//! The restart loop of a process, and the signals that shut it down.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A write that passes the limit on the size of files sends this signal (POSIX).
const SIGXFSZ: i32 = 25;

/// Pause before the first restart.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Maximum pause: so soon after its dependency is back, a service is back too.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The same failure is an error in the log this often, and in between only for debugging.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// A service that ran this long was healthy: the next pause is the first one again.
const HEALTHY: Duration = Duration::from_secs(60);

/// Runs a service and restarts it after each error, until `shutdown` or until it returns `Ok`.
///
/// The pause doubles with each restart from 0.2 s to 2 s, and is reset after a healthy minute. This
/// is the only restart loop of the system: services do not reconnect by themselves.
pub async fn supervise<S, R>(name: &'static str, shutdown: &CancellationToken, mut start: S)
where
    S: FnMut() -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let mut pause = PAUSE_MIN;
    let mut logged: Option<(String, Instant)> = None;
    loop {
        let started = Instant::now();
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
                if started.elapsed() >= HEALTHY {
                    pause = PAUSE_MIN;
                }
                let error = format!("{error:#}");
                let pause_ms = pause.as_millis();
                let is_known = logged
                    .as_ref()
                    .is_some_and(|(text, at)| *text == error && at.elapsed() < LOG_INTERVAL);
                if is_known {
                    tracing::debug!(service = name, error, %pause_ms, "service failed again");
                } else {
                    tracing::error!(service = name, error, %pause_ms, "service failed and starts again");
                    logged = Some((error, Instant::now()));
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// A token that SIGINT or SIGTERM cancels. A second signal ends the process at once with exit code
/// 130, that of an interrupted program.
///
/// # Errors
///
/// The signal handlers cannot be installed.
pub fn shutdown_signal() -> std::io::Result<CancellationToken> {
    // At the limit on the size of files a write shall fail, as on a full disk, and not end the
    // process: a handler replaces the signal's default action.
    drop(signal(SignalKind::from_raw(SIGXFSZ))?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let wait = async move {
        for signals_before in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if signals_before == 0 {
                tracing::info!("stopping, a second signal ends at once");
                token.cancel();
            }
        }
        std::process::exit(130);
    };
    #[expect(clippy::disallowed_methods, reason = "it waits for signals until the process ends")]
    drop(tokio::spawn(wait));
    Ok(shutdown)
}
