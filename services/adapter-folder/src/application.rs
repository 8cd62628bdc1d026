//! The wrapped application: a folder, as the SDK sees one.

use std::io;
use std::time::Duration;

use chassis::Clock;
use chassis::health::Health;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Receipt, ReceiverClass};
use sdk::{
    Application, CollectError, DeliverError, Delivery, Description, File, Item, SubmitError,
    SubmitHandle,
};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::inbox;
use crate::layout::Layout;
use crate::outbox::{Seen, Taken};

/// How often messages of long ago are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// A folder that sends and receives.
#[derive(Debug)]
pub(crate) struct Folder {
    config: Config,
    layout: Layout,
    health: Health,
    clock: Clock,
}

impl Folder {
    pub(crate) fn new(config: Config, layout: Layout, health: Health, clock: Clock) -> Self {
        Self { config, layout, health, clock }
    }

    /// Sends one document and files it by its answer.
    async fn send(&self, submit_handle: &SubmitHandle, taken: Taken) -> Result<(), CollectError> {
        let files = taken.files.iter().map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let content = path.clone().into();
            File { reference: name.clone(), name, media_type: String::new(), content }
        });
        let item = Item {
            // A folder has no keys: tomorrow's file may have the name of today's.
            key: String::new(),
            format: self.config.format.clone(),
            body: taken.body.clone().into(),
            files: files.collect(),
            recipients: Vec::new(),
        };
        let file = taken.name.to_string_lossy().into_owned();
        let layout = self.layout.clone();
        match fate(submit_handle.submit(&item).await) {
            Fate::Sent(receipt) => {
                tracing::info!(file, message_id = receipt.message_id, "document sent");
                blocking(move || taken.sent(&layout, &receipt)).await
            }
            Fate::Refused(fault) => {
                tracing::warn!(file, code = fault.code, "document refused");
                blocking(move || taken.refused(&layout, &fault)).await
            }
            Fate::Waits(error) => Err(error),
        }
    }
}

/// What becomes of a document by the bus's answer.
#[derive(Debug)]
enum Fate {
    Sent(Receipt),
    Refused(Fault),
    /// It says nothing about the document, which is sent again when collecting begins again.
    Waits(CollectError),
}

fn fate(outcome: Result<Receipt, SubmitError>) -> Fate {
    match outcome {
        Ok(receipt) => Fate::Sent(receipt),
        Err(SubmitError::Refused(fault)) => Fate::Refused(fault),
        Err(SubmitError::Unreadable(error)) => {
            Fate::Refused(Fault::new(&code::LT_FLD_001).detail(error.to_string()))
        }
        Err(error @ (SubmitError::Unavailable(_) | SubmitError::NotAdmitted(_))) => {
            Fate::Waits(CollectError(error.into()))
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, CollectError> {
    spawn_blocking(work)
        .await
        .map_err(|error| CollectError(error.into()))?
        .map_err(|error| CollectError(error.into()))
}

impl Application for Folder {
    fn describe(&self) -> Description {
        Description {
            application: self.config.application.clone(),
            adapter: self.config.adapter.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            receiver_class: ReceiverClass::Repeatable,
            ..Description::default()
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<sdk::Taken, DeliverError> {
        let placed = inbox::place(&self.layout, &delivery, self.clock.now_us()).await;
        placed.map_err(|error| DeliverError::Unavailable { source: error.into() })?;
        let id = delivery.message_id();
        tracing::info!(message_id = id, "message placed");
        Ok(sdk::Taken { reference: format!("inbox/{id}") })
    }

    async fn collect(
        &self,
        submit_handle: SubmitHandle,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        self.health.well("gateway");
        let mut seen = Seen::default();
        let mut forgotten_at: Option<Instant> = None;
        let mut looks =
            tokio::time::interval(Duration::from_millis(self.config.look_every_ms.max(10)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = looks.tick() => {}
            }
            if forgotten_at.is_none_or(|it| it.elapsed() >= FORGET_EVERY) {
                forgotten_at = Some(Instant::now());
                let (layout, now_us) = (self.layout.clone(), self.clock.now_us());
                let days = self.config.remember_days;
                blocking(move || inbox::forget(&layout, now_us, days)).await?;
            }
            let (layout, settle) = (self.layout.clone(), self.config.settle_ms);
            let times = (Instant::now().into_std(), Duration::from_millis(settle));
            let (back, taken) = blocking(move || {
                let taken = seen.take(&layout, times)?;
                Ok((seen, taken))
            })
            .await?;
            seen = back;
            for it in taken.into_iter().take_while(|_| !shutdown.is_cancelled()) {
                self.send(&submit_handle, it).await?;
            }
        }
    }

    async fn find_delivered(&self, message_id: &str) -> Result<Option<sdk::Taken>, DeliverError> {
        let was_placed = inbox::was_placed(&self.layout, message_id);
        Ok(was_placed.then(|| sdk::Taken { reference: format!("inbox/{message_id}") }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_about_the_document_files_it() {
        let fault = || Fault::new(&code::LT_MAP_002);
        let cases = [
            (Ok(Receipt::default()), "sent"),
            (Err(SubmitError::Refused(fault())), "refused LT-MAP-002"),
            (Err(SubmitError::Unreadable(io::Error::other("disk"))), "refused LT-FLD-001"),
            (Err(SubmitError::Unavailable(sdk::Status::unavailable("away"))), "waits"),
            (Err(SubmitError::NotAdmitted(Fault::new(&code::LT_GW_006))), "waits"),
        ];
        for (outcome, expected) in cases {
            let told = format!("{outcome:?}");
            let becomes = match fate(outcome) {
                Fate::Sent(_) => "sent".to_owned(),
                Fate::Refused(fault) => format!("refused {}", fault.code),
                Fate::Waits(_) => "waits".to_owned(),
            };
            assert_eq!(becomes, expected, "{told}");
        }
    }
}
