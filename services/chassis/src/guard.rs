//! Admission of internal calls: the system's own token, and the certificate of the caller.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use subtle::ConstantTimeEq as _;
use tls::Identity;
use tonic::Status;

use crate::peer::Peer;
use crate::secret::Secret;
use crate::serve::ServedConnection;

/// Whose connections those with the internal token are.
const OWNER: &str = "internal";

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A process with this role.
    Role(&'static str),
    /// Every operator.
    Operator,
}

/// Paths of calls, `/package.Service/Method`, and who may make them. A call that is not in the
/// table is denied to everybody.
pub type AccessTable = &'static [(&'static str, &'static [Principal])];

/// Rejects calls without the token that [`Upstream::network`](crate::Upstream::network) sends, and,
/// with an access table, calls that the caller's certificate does not permit.
#[derive(Clone)]
pub struct Guard {
    header: Arc<str>,
    access: Option<AccessTable>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    /// Accepts calls with this token.
    pub fn new(token: &Secret) -> Self {
        Self { header: format!("Bearer {}", token.reveal()).into(), access: None }
    }

    /// Accepts only calls that the table permits to the caller's certificate. Needs a listener with
    /// mutual TLS; without a certificate every call is denied.
    #[must_use]
    pub fn access(mut self, table: AccessTable) -> Self {
        self.access = Some(table);
        self
    }

    /// The routes behind the guard.
    pub fn protect(self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self, admit))
    }

    fn check(&self, request: &Request) -> Result<(), Status> {
        let header = request.headers().get("authorization").map(|it| it.as_bytes());
        // Constant time: the duration of a rejection must not reveal how many bytes are right.
        if !header.is_some_and(|it| it.ct_eq(self.header.as_bytes()).into()) {
            return Err(Status::unauthenticated("the internal token is missing or wrong"));
        }
        self.check_access(request)?;
        let connection = request.extensions().get::<ServedConnection>();
        if connection.is_some_and(|it| !it.authenticate(OWNER)) {
            return Err(Status::resource_exhausted("too many internal connections are open"));
        }
        Ok(())
    }

    /// Checks the certificate of the caller.
    fn check_access(&self, request: &Request) -> Result<(), Status> {
        let Some(table) = self.access else { return Ok(()) };
        let path = request.uri().path();
        let identity = request.extensions().get::<Peer>().and_then(|it| it.identity.as_ref());
        if identity.is_some_and(|it| is_permitted(table, path, it)) {
            return Ok(());
        }
        let caller = identity.map_or_else(|| "nobody".to_owned(), ToString::to_string);
        tracing::warn!(caller, path, "call is denied");
        Err(Status::permission_denied(format!(
            "the certificate of {caller} does not permit {path}"
        )))
    }
}

/// True when the table permits the call to this caller.
fn is_permitted(table: AccessTable, path: &str, caller: &Identity) -> bool {
    let permits = |principal: &Principal| match (principal, caller) {
        (Principal::Role(role), Identity::Role(name)) => role == name,
        (Principal::Operator, Identity::Operator(_)) => true,
        _ => false,
    };
    table.iter().any(|(call, principals)| *call == path && principals.iter().any(permits))
}

async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(status) => status.into_http(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: AccessTable = &[
        ("/journal.Journal/Record", &[Principal::Role("mapping")]),
        ("/journal.Journal/Find", &[Principal::Role("gateway"), Principal::Operator]),
    ];

    #[test]
    fn a_call_is_permitted_only_to_those_that_the_table_names() {
        let (mapping, gateway) =
            (Identity::Role("mapping".to_owned()), Identity::Role("gateway".to_owned()));
        let operator = Identity::Operator("mapping".to_owned());
        let application = Identity::Application("mapping".to_owned());
        for (path, permitted) in [
            ("/journal.Journal/Record", vec![&mapping]),
            ("/journal.Journal/Find", vec![&gateway, &operator]),
            ("/journal.Journal/Command", vec![]),
            ("/journal.Journal/Find/", vec![]),
            ("", vec![]),
        ] {
            for caller in [&mapping, &gateway, &operator, &application] {
                let expected = permitted.contains(&caller);
                assert_eq!(is_permitted(TABLE, path, caller), expected, "{caller} {path}");
            }
        }
    }
}
