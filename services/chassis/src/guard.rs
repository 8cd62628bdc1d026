//! The door of internal services: only who shows the system's own token comes in.

use std::sync::Arc;

use tonic::{Request, Status, service::Interceptor};

/// Checks the token that [`Upstream::network`](crate::Upstream::network) sends.
#[derive(Clone)]
pub struct Guard {
    header: Option<Arc<str>>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    /// Lets in who shows this token.
    pub fn new(token: &str) -> Self {
        Self { header: Some(format!("Bearer {token}").into()) }
    }
}

impl Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let given = request.metadata().get("authorization").map(|it| it.as_bytes());
        match (&self.header, given) {
            (Some(header), Some(given)) if same(header.as_bytes(), given) => Ok(request),
            _ => Err(Status::unauthenticated("the internal token is missing or wrong")),
        }
    }
}

/// Takes as long for a wrong first byte as for a wrong last one.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |sum, (left, right)| sum | (left ^ right)) == 0
}
