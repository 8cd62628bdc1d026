//! Authentication of internal calls by the system's own token.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use tonic::{Request, Status, service::Interceptor};

use crate::secret::Secret;
use crate::serve::Connection;

/// Whose connections those with the internal token are.
const OWNER: &str = "internal";

/// Rejects calls without the token that [`Upstream::network`](crate::Upstream::network) sends.
#[derive(Clone)]
pub struct Guard {
    header: Arc<str>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    /// Accepts calls with this token.
    pub fn new(token: &Secret) -> Self {
        Self { header: format!("Bearer {}", token.reveal()).into() }
    }
}

impl Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let header = request.metadata().get("authorization").map(|it| it.as_bytes());
        // Constant time: the duration of a rejection must not reveal how many bytes are right.
        if !header.is_some_and(|it| it.ct_eq(self.header.as_bytes()).into()) {
            return Err(Status::unauthenticated("the internal token is missing or wrong"));
        }
        let connection = request.extensions().get::<Connection>();
        if connection.is_some_and(|it| !it.authenticate(OWNER)) {
            return Err(Status::resource_exhausted("too many internal connections are open"));
        }
        Ok(request)
    }
}
