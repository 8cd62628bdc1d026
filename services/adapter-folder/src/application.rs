//! The folder as an application of the SDK.

use std::io;
use std::time::Duration;

use chassis::Clock;
use chassis::health::Health;
use proto::exchange::v1::SubmitResponse;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::ReceiverClass;
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
use crate::outbox::{OutboxDocument, OutboxScanner};
use crate::report::write_report;

/// Interval between two deletions of expired message ids.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(3_600);

/// An application that sends the documents of its outbox and receives messages in its inbox.
#[derive(Debug)]
pub(crate) struct FolderApplication {
    config: Config,
    layout: Layout,
    health: Health,
    clock: Clock,
}

impl FolderApplication {
    pub(crate) fn new(config: Config, layout: Layout, health: Health, clock: Clock) -> Self {
        Self { config, layout, health, clock }
    }

    /// Submits one document and moves it to `sent` or `refused`.
    async fn send(
        &self,
        submit_handle: &SubmitHandle,
        document: OutboxDocument,
    ) -> Result<(), CollectError> {
        let files = document.files.iter().map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let content = path.clone().into();
            File { reference: name.clone(), name, media_type: String::new(), content }
        });
        let item = Item {
            // A file name is no key: another document may have the same name later.
            key: String::new(),
            format: self.config.format.clone(),
            body: document.body.clone().into(),
            files: files.collect(),
            recipients: Vec::new(),
        };
        let file = document.name.to_string_lossy().into_owned();
        let layout = self.layout.clone();
        match disposition(submit_handle.submit_item(&item).await) {
            Disposition::Sent(response) => {
                let message_id = response.receipt.as_ref().map_or("", |it| &it.message_id);
                tracing::info!(file, message_id, "document sent");
                run_blocking(move || document.move_to_sent(&layout, &response)).await
            }
            Disposition::Refused(fault) => {
                tracing::warn!(file, code = fault.code, "document refused");
                run_blocking(move || document.move_to_refused(&layout, &fault)).await
            }
            Disposition::Retry(error) => Err(error),
        }
    }
}

/// What happens to a document after its submit.
#[derive(Debug)]
enum Disposition {
    Sent(SubmitResponse),
    Refused(Fault),
    /// The error does not concern the document: it is submitted again after the adapter restarts.
    Retry(CollectError),
}

fn disposition(outcome: Result<SubmitResponse, SubmitError>) -> Disposition {
    match outcome {
        Ok(response) => Disposition::Sent(response),
        Err(SubmitError::Refused(fault)) => Disposition::Refused(fault),
        Err(SubmitError::Unreadable(error)) => {
            Disposition::Refused(Fault::new(&code::LT_FLD_001).detail(error.to_string()))
        }
        Err(error @ (SubmitError::Unavailable(_) | SubmitError::NotAdmitted(_))) => {
            Disposition::Retry(CollectError(error.into()))
        }
    }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DeliverError {
    DeliverError::Unavailable { source: error.into() }
}

/// Runs file operations on the blocking thread pool.
async fn run_blocking<T: Send + 'static>(
    operation: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, CollectError> {
    spawn_blocking(operation)
        .await
        .map_err(|error| CollectError(error.into()))?
        .map_err(|error| CollectError(error.into()))
}

impl Application for FolderApplication {
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
        if let Some(report) = delivery.delivery_report().await.map_err(unavailable)? {
            let (layout, id) = (self.layout.clone(), delivery.message_id().to_owned());
            run_blocking(move || write_report(&layout, &id, &report)).await.map_err(unavailable)?;
            let id = delivery.message_id();
            tracing::info!(message_id = id, "delivery report written");
            return Ok(sdk::Taken { reference: format!("report/{id}") });
        }
        let placed = inbox::place(&self.layout, &delivery, self.clock.now_us()).await;
        placed.map_err(unavailable)?;
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
        let mut scanner = OutboxScanner::default();
        let mut expired_at: Option<Instant> = None;
        let mut scans =
            tokio::time::interval(Duration::from_millis(self.config.look_every_ms.max(10)));
        scans.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = scans.tick() => {}
            }
            if expired_at.is_none_or(|it| it.elapsed() >= EXPIRE_INTERVAL) {
                expired_at = Some(Instant::now());
                let (layout, now_us) = (self.layout.clone(), self.clock.now_us());
                let days = self.config.remember_days;
                run_blocking(move || inbox::expire_ids(&layout, now_us, days)).await?;
            }
            let (layout, settle) = (self.layout.clone(), self.config.settle_ms);
            let times = (Instant::now().into_std(), Duration::from_millis(settle));
            let (returned, documents) = run_blocking(move || {
                let documents = scanner.claim_settled(&layout, times)?;
                Ok((scanner, documents))
            })
            .await?;
            scanner = returned;
            for it in documents.into_iter().take_while(|_| !shutdown.is_cancelled()) {
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
    fn only_an_outcome_that_concerns_the_document_moves_it() {
        let fault = || Fault::new(&code::LT_MAP_002);
        let cases = [
            (Ok(SubmitResponse::default()), "sent"),
            (Err(SubmitError::Refused(fault())), "refused LT-MAP-002"),
            (Err(SubmitError::Unreadable(io::Error::other("disk"))), "refused LT-FLD-001"),
            (Err(SubmitError::Unavailable(sdk::Status::unavailable("away"))), "retry"),
            (Err(SubmitError::NotAdmitted(Fault::new(&code::LT_GW_006))), "retry"),
        ];
        for (outcome, expected) in cases {
            let text = format!("{outcome:?}");
            let actual = match disposition(outcome) {
                Disposition::Sent(_) => "sent".to_owned(),
                Disposition::Refused(fault) => format!("refused {}", fault.code),
                Disposition::Retry(_) => "retry".to_owned(),
            };
            assert_eq!(actual, expected, "{text}");
        }
    }
}
