//! The bus of a process, connected anew whenever the broker was lost.
//!
//! One task connects ([`CurrentBus::keep_connected`]); the others run beside it as long as a connection
//! lasts ([`CurrentBus::run`]) and wait together for the next one. So a service goes on with whatever
//! needs no broker, and all of its parts are back at the same moment.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    channel::{Channel, partition},
    error::ConnectError,
    settings::Settings,
    transport::Bus,
};

/// Pause before a part that failed is started again, while the connection lasts.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A part that ran this long was healthy: its failures are counted anew.
const HEALTHY: Duration = Duration::from_secs(30);
/// Failures of one part after which the connection is taken for broken, although nothing says so.
const FAILURES_MAX: u32 = 3;
/// How often the connections are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The present bus of a process; none while the broker cannot be reached. Clones share it.
#[derive(Clone, Debug)]
pub struct CurrentBus {
    settings: Settings,
    connected: watch::Sender<Option<Connected>>,
    /// The number of the connection that a part has found broken.
    broken: watch::Sender<u64>,
    /// True: there is one bus for good. Where another one would be connected, its parts start again.
    is_fixed: bool,
}

/// One connection, and its number.
#[derive(Clone, Debug)]
struct Connected {
    bus: Bus,
    number: u64,
}

impl CurrentBus {
    /// A bus over the broker of these settings that is not connected yet; without a URL, one in the
    /// memory of this process.
    pub fn new(settings: Settings) -> Self {
        let connected = settings
            .url
            .is_empty()
            .then(|| Connected { bus: Bus::embedded(settings.clone()), number: 1 });
        let is_fixed = connected.is_some();
        let (connected, broken) = (watch::Sender::new(connected), watch::Sender::new(0));
        Self { settings, connected, broken, is_fixed }
    }

    /// A bus that is connected already, and never connected anew: its parts only start again.
    pub fn fixed(bus: Bus) -> Self {
        let settings = bus.settings().clone();
        let connected = watch::Sender::new(Some(Connected { bus, number: 1 }));
        Self { settings, connected, broken: watch::Sender::new(0), is_fixed: true }
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The partition of `intake` for a conversation.
    pub fn intake(&self, conversation: &str) -> Channel {
        Channel::intake(partition(conversation, self.settings.partitions))
    }

    /// Whether the channels are in the memory of this process.
    pub fn is_embedded(&self) -> bool {
        matches!(*self.connected.borrow(), Some(Connected { bus: Bus::Embedded(_), .. }))
    }

    /// The value of `messaging.system` in telemetry.
    pub fn system(&self) -> &'static str {
        if self.is_embedded() { "lienthong" } else { "rabbitmq" }
    }

    /// Waits for a connection.
    async fn connection(&self) -> Connected {
        let mut connected = self.connected.subscribe();
        let found = connected.wait_for(Option::is_some).await.ok().and_then(|it| it.clone());
        match found {
            Some(found) => found,
            // Unreachable, because `self` owns the sender.
            None => std::future::pending().await,
        }
    }

    /// Connects, prepares the broker, and keeps the connection until it is lost. In memory there is
    /// nothing to lose, and this only prepares.
    ///
    /// # Errors
    ///
    /// The broker is not reached, or `prepare` failed, or the connection is lost: call this again.
    pub async fn keep_connected<P>(
        &self,
        prepare: impl FnOnce(Bus) -> P,
        shutdown: &CancellationToken,
    ) -> Result<(), ConnectError>
    where
        P: Future<Output = Result<(), ConnectError>>,
    {
        if self.is_embedded() {
            let bus = self.connection().await.bus;
            prepare(bus).await?;
            shutdown.cancelled().await;
            return Ok(());
        }
        let connecting = async {
            let bus = Bus::connect(self.settings.clone()).await?;
            prepare(bus.clone()).await?;
            Ok::<_, ConnectError>(bus)
        };
        let bus = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            connected = connecting => connected?,
        };
        let number = *self.broken.borrow() + 1;
        let disconnect = Disconnect(self);
        self.connected.send_replace(Some(Connected { bus: bus.clone(), number }));
        let mut broken = self.broken.subscribe();
        let outcome = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            () = lost(&bus) => Err(ConnectError::Lost),
            _ = broken.wait_for(|it| *it >= number) => Err(ConnectError::Lost),
        };
        drop(disconnect);
        outcome
    }

    /// Runs a part for as long as each connection lasts, until it ends without an error or until
    /// `shutdown`. A part that fails starts again on the same connection; when it fails again and
    /// again, the connection is given up and every part starts on a new one.
    pub async fn run<R, E>(
        &self,
        what: &str,
        shutdown: &CancellationToken,
        mut part: impl FnMut(Bus) -> R,
    ) where
        R: Future<Output = Result<(), E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut failures, mut of_connection) = (0, 0);
        loop {
            let Connected { bus, number } = tokio::select! {
                () = shutdown.cancelled() => return,
                connected = self.connection() => connected,
            };
            if std::mem::replace(&mut of_connection, number) != number {
                failures = 0;
            }
            let begun = Instant::now();
            let mut connected = self.connected.subscribe();
            let is_over = |it: &Option<Connected>| it.as_ref().is_none_or(|it| it.number != number);
            let ended = tokio::select! {
                ended = part(bus) => Some(ended),
                _ = connected.wait_for(is_over) => None,
            };
            let error = match ended {
                Some(Ok(())) => return,
                Some(Err(_)) | None if shutdown.is_cancelled() => return,
                Some(Err(error)) => error,
                None => continue,
            };
            failures = if begun.elapsed() >= HEALTHY { 1 } else { failures + 1 };
            log_failure(what, &*error.into(), failures);
            if failures >= FAILURES_MAX {
                self.give_up(number);
            }
            let pause = (PAUSE_MIN * 2_u32.saturating_pow(failures - 1)).min(PAUSE_MAX);
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = connected.wait_for(is_over) => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Gives up the present connection, because what depends on it makes no progress.
    pub fn reconnect(&self) {
        let number = self.connected.borrow().as_ref().map(|it| it.number);
        number.into_iter().for_each(|it| self.give_up(it));
    }

    fn give_up(&self, number: u64) {
        if self.is_fixed {
            let present = |it: &&mut Connected| it.number == number;
            self.connected.send_if_modified(|connected| {
                connected.as_mut().filter(present).map(|it| it.number += 1).is_some()
            });
        }
        self.broken.send_if_modified(|broken| {
            let is_new = *broken < number;
            *broken = (*broken).max(number);
            is_new
        });
    }
}

/// Tells every part that the connection is over, however the task ends that connects.
struct Disconnect<'a>(&'a CurrentBus);

impl Drop for Disconnect<'_> {
    fn drop(&mut self) {
        let number = self.0.connected.send_replace(None).map(|it| it.number);
        number.into_iter().for_each(|it| self.0.give_up(it));
    }
}

fn log_failure(part: &str, error: &(dyn std::error::Error + Send + Sync + 'static), failures: u32) {
    let error = error as &(dyn std::error::Error + 'static);
    tracing::warn!(part, error, failures, "part that needs the broker failed and starts again");
}

/// Waits until a publisher or a connection of this bus ends.
async fn lost(bus: &Bus) {
    let disconnected = async {
        while bus.is_connected() {
            sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::select! {
        _failure = bus.publisher_failed() => {}
        () = disconnected => {}
    }
}
