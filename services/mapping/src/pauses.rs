//! Pauses of intake: the messages of a paused partition stay in their channel.

use std::time::Duration;

use bus::{CurrentBus, Handle, Message, Verdicts};
use chassis::health::Health;
use journal_client::{JournalClient, StallWatch};
use proto::operate::v1::pause_target::Kind;
use tokio::sync::watch;

/// How often the journal is asked which pauses are in force, so that one holds within 2 seconds.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// All partitions.
const INTAKE: &str = "intake";

/// The channels that are paused, as the journal last answered. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct IntakePauses(watch::Sender<Option<Vec<String>>>);

impl IntakePauses {
    /// Not read yet: every channel waits, because a pause holds after a restart as well.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Reads the pauses again and again. While the journal does not answer, those it named last
    /// hold.
    ///
    /// The same answers name the partitions that make no progress: `bus` is then connected anew.
    ///
    /// # Errors
    ///
    /// New connections have not helped either.
    pub(crate) async fn follow(
        &self,
        journal: &JournalClient,
        (bus, health): (&CurrentBus, &Health),
    ) -> anyhow::Result<()> {
        let mut stall = StallWatch::new(bus.clone(), health.clone());
        let mut interval = tokio::time::interval(READ_INTERVAL);
        loop {
            interval.tick().await;
            let answer = match journal.pauses().await {
                Ok(answer) => answer,
                Err(status) => {
                    tracing::debug!(error = status.message(), "pauses were not read");
                    continue;
                }
            };
            let is_mine = |it: &String| it.starts_with("intake.");
            let stalled: Vec<_> = answer.stalled_channels.into_iter().filter(is_mine).collect();
            stall.note(&stalled)?;
            let targets = answer.pauses.into_iter().filter_map(|it| it.target);
            let channels: Vec<_> =
                targets.filter(|it| it.kind() == Kind::Channel).map(|it| it.name).collect();
            self.0.send_if_modified(|known| {
                let has_changed = known.as_ref() != Some(&channels);
                *known = Some(channels);
                has_changed
            });
        }
    }

    /// Waits while a channel is paused.
    async fn wait_while_paused(&self, channel: &str) {
        let is_running = |paused: &Option<Vec<String>>| {
            paused.as_ref().is_some_and(|it| !it.iter().any(|it| it == INTAKE || it == channel))
        };
        // Fails only when the sender is dropped, which `self` holds.
        drop(self.0.subscribe().wait_for(is_running).await);
    }
}

/// A handler of one partition that takes nothing while that is paused.
#[derive(Clone, Debug)]
pub(crate) struct PausableHandler<H> {
    pub(crate) handler: H,
    /// Name of the partition's channel.
    pub(crate) channel: String,
    pub(crate) pauses: IntakePauses,
}

impl<H: Handle> Handle for PausableHandler<H> {
    async fn capacity(&self) -> usize {
        self.pauses.wait_while_paused(&self.channel).await;
        self.handler.capacity().await
    }

    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        self.handler.handle(window).await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_partition_waits_until_the_pauses_are_known_and_while_it_is_paused() {
        let pauses = IntakePauses::new();
        let is_running = |channel: &str| pauses.wait_while_paused(channel).now_or_never().is_some();
        assert!(!is_running("intake.1"), "not read yet");
        for (paused, expected) in [
            (vec!["intake.1"], [false, true]),
            (vec!["intake"], [false, false]),
            (vec!["intake.10"], [true, true]),
            (vec![], [true, true]),
        ] {
            let paused: Vec<_> = paused.into_iter().map(str::to_owned).collect();
            pauses.0.send_replace(Some(paused));
            assert_eq!(["intake.1", "intake.2"].map(is_running), expected);
        }
    }
}
