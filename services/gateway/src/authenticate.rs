//! Authentication: the caller is known before a byte of a body is read, over either protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use registry_client::Caller;
use tonic::Status;

use crate::fault::{overloaded, unavailable};
use crate::json::HttpFault;
use crate::memory::{GrowingPermit, MemoryBudget};
use crate::server::Service;

/// Path of the gRPC calls.
pub(crate) const GRPC_PATH: &str = "/lienthong.exchange.v1.Exchange/";

impl Service {
    /// The application that a call's token belongs to.
    fn find_caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let directory = self.gateway.registry.directory();
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
        if caller.application.disabled {
            let id = &caller.application.id;
            return Err(Fault::new(&code::LT_GW_007).param("application", id));
        }
        Ok(caller)
    }
}

/// Passes a call on with its [`Caller`] among the extensions. Its body is counted against the
/// memory budget as it is read.
pub(crate) async fn authenticate(
    State(service): State<Service>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_grpc = request.uri().path().starts_with(GRPC_PATH);
    let refuse = |fault: Fault| match is_grpc {
        true => Status::from(fault).into_http(),
        false => HttpFault::from(fault).into_response(),
    };
    match service.find_caller(request.headers()) {
        Ok(caller) => request.extensions_mut().insert(caller),
        Err(fault) => return refuse(fault),
    };
    let is_refused = Arc::new(AtomicBool::new(false));
    let memory = service.gateway.memory.clone();
    let request = request.map(|it| count_memory(it, memory, is_refused.clone()));
    let response = next.run(request).await;
    if is_refused.load(Ordering::SeqCst) { refuse(overloaded()) } else { response }
}

/// A body that holds memory of the budget for the bytes that came, until it is dropped. When the
/// budget is used up it breaks off and sets `is_refused`, because the error of a body does not
/// reach the response by itself.
fn count_memory(body: Body, memory: MemoryBudget, is_refused: Arc<AtomicBool>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let mut permit = GrowingPermit::default();
    Body::from_stream(body.into_data_stream().map(move |piece| {
        let piece = piece?;
        memory.grow(&mut permit, piece.len()).map_err(|fault| {
            is_refused.store(true, Ordering::SeqCst);
            axum::Error::new(fault)
        })?;
        Ok::<_, axum::Error>(piece)
    }))
}
