//! Authentication: which application a token belongs to, and whether it may call.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use chassis::peer::Peer;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::registry::v1::Application;
use registry_client::{Caller, Directory, TokenDigest};
use tls::Identity;

use crate::fault::unavailable;
use crate::gateway::Gateway;

impl Gateway {
    /// The application that a call's token belongs to.
    ///
    /// # Errors
    ///
    /// There is no token, the registry does not know it, its application may not call, or the
    /// connection's certificate is not that application's.
    pub(crate) fn find_caller(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Caller, Fault> {
        let directory = self.registry.directory();
        if directory.is_empty() {
            // Without a copy of the registry a valid token cannot be told from a wrong one.
            return Err(unavailable("registry"));
        }
        let token = bearer_token(headers).ok_or_else(|| Fault::new(&code::LT_GW_006))?;
        let caller = directory.authenticate(token).ok_or_else(|| Fault::new(&code::LT_GW_006))?;
        self.check_application(&directory, &caller.application)?;
        check_certificate(&caller, peer)?;
        Ok(caller)
    }

    /// The application that a refused call's token belongs to, if the registry has one.
    pub(crate) fn known_application(&self, headers: &HeaderMap) -> Option<Arc<Application>> {
        let caller = self.registry.directory().authenticate(bearer_token(headers)?)?;
        Some(caller.application)
    }

    /// True while the registry gives the token to this application, and the application may call.
    pub(crate) fn accepts_token(
        &self,
        directory: &Directory,
        token: &TokenDigest,
        application: &str,
    ) -> bool {
        let found = directory.application_of(token).filter(|it| it.id == application);
        found.is_some_and(|it| self.check_application(directory, it).is_ok())
    }

    /// Why calls with this caller's token are refused now.
    pub(crate) fn revocation(&self, caller: &Caller) -> Fault {
        let directory = self.registry.directory();
        match directory.application_of(&caller.token) {
            Some(it) if it.id == caller.application.id => {
                self.check_application(&directory, it).err().unwrap_or_else(|| {
                    Fault::new(&code::LT_GW_006).retry_after(Duration::from_secs(1))
                })
            }
            Some(_) | None => Fault::new(&code::LT_GW_006),
        }
    }

    fn check_application(
        &self,
        directory: &Directory,
        application: &Application,
    ) -> Result<(), Fault> {
        if application.disabled {
            return Err(Fault::new(&code::LT_GW_007).param("application", &application.id));
        }
        if !directory.is_in_force(&application.organisation, self.clock.now_us()) {
            let organisation = &application.organisation;
            return Err(Fault::new(&code::LT_GW_014).param("organisation", organisation));
        }
        Ok(())
    }
}

/// The token of a call (RFC 6750).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let credentials = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = credentials.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Refuses a certificate that does not name the token's application, so that a token that was copied
/// is of no use to the adapter of another one.
fn check_certificate(caller: &Caller, peer: Option<&Peer>) -> Result<(), Fault> {
    let Some(peer) = peer.filter(|it| it.has_certificate) else { return Ok(()) };
    let application = &caller.application.id;
    match &peer.identity {
        Some(Identity::Application(id)) if id == application => Ok(()),
        other => Err(Fault::new(&code::LT_GW_030)
            .param("application", application)
            .param("certificate", other.as_ref().map(ToString::to_string).unwrap_or_default())),
    }
}
