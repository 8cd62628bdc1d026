//! Authentication: which application a token belongs to, and whether it may call.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::registry::v1::Application;
use registry_client::{Caller, Directory, TokenDigest};

use crate::fault::unavailable;
use crate::gateway::Gateway;

impl Gateway {
    /// The application that a call's token belongs to.
    ///
    /// # Errors
    ///
    /// There is no token, the registry does not know it, or its application may not call.
    pub(crate) fn find_caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let directory = self.registry.directory();
        if directory.is_empty() {
            // Without a copy of the registry a valid token cannot be told from a wrong one.
            return Err(unavailable("registry"));
        }
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|it| it.to_str().ok())
            .and_then(|it| it.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .ok_or_else(|| Fault::new(&code::LT_GW_006))?
            .1;
        let caller =
            directory.authenticate(token.trim()).ok_or_else(|| Fault::new(&code::LT_GW_006))?;
        self.check_application(&directory, &caller.application)?;
        Ok(caller)
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
