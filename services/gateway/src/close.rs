//! Ends sessions. A delivery that was not sent goes back to the journal as `unsent`, so that it
//! does not count as an attempt.

use std::sync::Arc;
use std::time::Duration;

use journal_client::to_fault;
use proto::exchange::v1::Delivery;
use proto::journal::v1::settlement::Answer;
use proto::journal::v1::{EndRequest, Settlement};

use crate::gateway::Gateway;
use crate::session::{LeaseOwner, Session};

/// Pause between two tries to return deliveries to a journal that cannot be reached.
const SETTLE_PAUSE: Duration = Duration::from_millis(500);

/// Tries, in ten minutes: the leases of most receivers have ended then.
const SETTLE_TRIES_MAX: u32 = 1_200;

/// The settlement of a delivery that was not sent.
pub(crate) fn unsent_settlement(message_id: String, lease: u64) -> Settlement {
    Settlement { message_id, lease, answer: Some(Answer::Unsent(true)) }
}

impl Gateway {
    /// Ends a session in this gateway and in the journal.
    pub(crate) async fn close_session(self: &Arc<Self>, id: &str) {
        let Some(session) = self.sessions.remove(id) else { return };
        self.end_session(&session).await;
        if let Err(status) = self.journal.close(session.id.clone()).await {
            tracing::warn!(
                session = session.id,
                error = status.message(),
                "session was not closed"
            );
        }
    }

    /// Does the same in a task of its own.
    pub(crate) fn spawn_close_session(self: &Arc<Self>, id: String) {
        let gateway = self.clone();
        self.open_work.spawn(async move { gateway.close_session(&id).await });
    }

    /// Ends a session in this gateway and returns its unsent deliveries to the journal.
    pub(crate) async fn end_session(self: &Arc<Self>, session: &Session) {
        let unsent = session.close();
        self.return_unsent(session, unsent).await;
    }

    /// Returns unsent deliveries to the journal.
    pub(crate) async fn return_unsent(self: &Arc<Self>, session: &Session, unsent: Vec<Delivery>) {
        let settlements = unsent.into_iter().map(|it| unsent_settlement(it.message_id, it.lease));
        self.settle_unsent(session, settlements.collect()).await;
    }

    /// Does the same in a task of its own.
    pub(crate) fn spawn_return_unsent(
        self: &Arc<Self>,
        session: &Arc<Session>,
        unsent: Vec<Delivery>,
    ) {
        if !unsent.is_empty() {
            let (gateway, session) = (self.clone(), session.clone());
            self.open_work.spawn(async move { gateway.return_unsent(&session, unsent).await });
        }
    }

    /// Settles leases of a session as `unsent`. While the journal cannot be reached it is tried again
    /// beside this: otherwise the messages would wait until the leases end.
    pub(crate) async fn settle_unsent(
        self: &Arc<Self>,
        session: &Session,
        settlements: Vec<Settlement>,
    ) {
        if settlements.is_empty() {
            return;
        }
        let LeaseOwner { application, session } = session.lease_owner();
        let request = EndRequest { session, settlements, application };
        if !self.has_settled(&request).await {
            let gateway = self.clone();
            self.open_work.spawn(async move { gateway.settle_again(request).await });
        }
    }

    /// Repeats a settlement until the journal answers, the gateway stops or the leases have ended.
    async fn settle_again(&self, request: EndRequest) {
        for _ in 0..SETTLE_TRIES_MAX {
            let is_last = tokio::select! {
                () = self.draining.cancelled() => true,
                () = tokio::time::sleep(SETTLE_PAUSE) => false,
            };
            if self.has_settled(&request).await || is_last {
                return;
            }
        }
    }

    /// Settles once. False: the journal cannot be reached.
    async fn has_settled(&self, request: &EndRequest) -> bool {
        let Err(status) = self.journal.end(request.clone()).await else { return true };
        tracing::warn!(error = status.message(), "unsent deliveries were not returned");
        !to_fault(&status).is_retryable()
    }
}
