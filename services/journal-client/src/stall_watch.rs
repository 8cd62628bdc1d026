//! What a role does about its channels from which nothing leaves, as the journal names them.

use std::time::Duration;

use bus::CurrentBus;
use chassis::health::Health;
use tokio::time::Instant;

/// The condition in health.
const PROGRESS: &str = "progress";

/// Pause between two new connections, in which the journal sees whether the last one helped.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(15);

/// New connections after which the whole part is started again.
const RECONNECTS_MAX: u32 = 3;

/// Connects the bus anew while channels stand still, and says so in health.
#[derive(Debug)]
pub struct StallWatch {
    bus: CurrentBus,
    health: Health,
    reconnects: u32,
    reconnected_at: Option<Instant>,
}

/// New connections to the broker did not help.
#[derive(Debug, thiserror::Error)]
#[error("{channels} make no progress after {RECONNECTS_MAX} new connections")]
pub struct StillStalled {
    channels: String,
}

impl StallWatch {
    /// A watch over the channels that a role receives from.
    pub fn new(bus: CurrentBus, health: Health) -> Self {
        Self { bus, health, reconnects: 0, reconnected_at: None }
    }

    /// Notes which of the role's channels stand still: none is well.
    ///
    /// # Errors
    ///
    /// They still do after several new connections: the role must start again.
    pub fn note(&mut self, channels: &[String]) -> Result<(), StillStalled> {
        if channels.is_empty() {
            if self.reconnected_at.take().is_some() {
                self.reconnects = 0;
                self.health.well(PROGRESS);
            }
            return Ok(());
        }
        if self.reconnected_at.is_some_and(|it| it.elapsed() < RECONNECT_INTERVAL) {
            return Ok(());
        }
        let channels = channels.join(", ");
        self.health.unwell(PROGRESS, format!("no progress: {channels}"));
        if self.reconnects == RECONNECTS_MAX {
            return Err(StillStalled { channels });
        }
        tracing::error!(channels, "channels make no progress, the broker is connected to anew");
        self.reconnects += 1;
        self.reconnected_at = Some(Instant::now());
        self.bus.reconnect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_role_reconnects_then_starts_again_and_is_well_once_nothing_stands_still() {
        let health = Health::new();
        let mut watch = StallWatch::new(CurrentBus::new(bus::Settings::default()), health.clone());
        let stalled = ["intake.3".to_owned()];
        for _ in 0..RECONNECTS_MAX {
            watch.note(&stalled).unwrap();
            watch.note(&stalled).unwrap();
            assert!(!health.is_ready());
            tokio::time::advance(RECONNECT_INTERVAL).await;
        }
        assert!(watch.note(&stalled).unwrap_err().to_string().contains("intake.3"));
        watch.note(&[]).unwrap();
        assert!(health.is_ready());
        watch.note(&stalled).unwrap();
    }
}
