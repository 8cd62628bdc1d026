//! What a gateway answers to operators: its sessions.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::operate::v1::{EndSessionRequest, Session};

use crate::server::Service;

impl Service {
    /// The open sessions of an application; of all when it is empty.
    pub fn list_sessions(&self, application: &str) -> Vec<Session> {
        let gateway = &self.gateway;
        let sessions = gateway.sessions.all().into_iter();
        let of_application =
            sessions.filter(|it| application.is_empty() || it.application.id == application);
        of_application.map(|it| it.describe(&gateway.instance)).collect()
    }

    /// Ends a session: its stream or poll ends with LT-JNL-004, and what it had in flight is given
    /// back by the class of its receiver. Returns the session as it was.
    ///
    /// # Errors
    ///
    /// This gateway does not have the session.
    pub async fn end_session(&self, request: &EndSessionRequest) -> Result<Session, Fault> {
        let gateway = &self.gateway;
        let session = gateway
            .sessions
            .get(&request.session)
            .ok_or_else(|| Fault::new(&code::LT_OPS_004).param("session", &request.session))?;
        let described = session.describe(&gateway.instance);
        tracing::info!(
            session = session.id,
            adapter = session.adapter.name,
            actor = request.actor,
            reason = request.reason,
            "operator ends a session"
        );
        gateway.close_session(&request.session).await;
        Ok(described)
    }
}
