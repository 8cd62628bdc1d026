//! Ends sessions. A delivery that was not sent goes back to the journal as `unsent`, so that it
//! does not count as an attempt.

use std::sync::Arc;

use proto::exchange::v1::Delivery;
use proto::journal::v1::settlement::Answer;
use proto::journal::v1::{EndRequest, Settlement};

use crate::gateway::Gateway;
use crate::session::{LeaseOwner, Session};

/// The settlement of a delivery that was not sent.
pub(crate) fn unsent_settlement(message_id: String, lease: u64) -> Settlement {
    Settlement { message_id, lease, answer: Some(Answer::Unsent(true)) }
}

impl Gateway {
    /// Ends a session in this gateway and in the journal.
    pub(crate) async fn close_session(&self, id: &str) {
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
    pub(crate) async fn end_session(&self, session: &Session) {
        let unsent = session.close();
        self.return_unsent(session, unsent).await;
    }

    /// Returns unsent deliveries to the journal.
    pub(crate) async fn return_unsent(&self, session: &Session, unsent: Vec<Delivery>) {
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

    /// Settles leases of a session as `unsent`. A settlement that fails is only logged: the lease
    /// ends by its time.
    pub(crate) async fn settle_unsent(&self, session: &Session, settlements: Vec<Settlement>) {
        if settlements.is_empty() {
            return;
        }
        let LeaseOwner { application, session } = session.lease_owner();
        let request = EndRequest { session, settlements, application };
        if let Err(status) = self.journal.end(request).await {
            tracing::warn!(error = status.message(), "unsent deliveries were not returned");
        }
    }
}
