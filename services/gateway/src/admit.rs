//! The door itself: who calls is known before a byte of a body is read, over either protocol.

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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::directory::Caller;
use crate::fault::away;
use crate::gateway::{overloaded, units};
use crate::http::Refusal;
use crate::server::Service;

/// Where the gRPC calls are.
pub(crate) const GRPC: &str = "/lienthong.exchange.v1.Exchange/";

impl Service {
    /// Whose token came with a call.
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let directory = self.gateway.registered.now();
        if directory.is_empty() {
            // Before the registry has spoken, nobody can be told that a token is wrong.
            return Err(away("registry"));
        }
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|it| it.to_str().ok())
            .and_then(|it| it.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .ok_or_else(|| Fault::new(&code::LT_GW_006))?
            .1;
        let caller = directory.caller(token.trim()).ok_or_else(|| Fault::new(&code::LT_GW_006))?;
        if caller.application.disabled {
            let id = &caller.application.id;
            return Err(Fault::new(&code::LT_GW_007).param("application", id));
        }
        Ok(caller)
    }
}

/// Lets a call in with its caller among the extensions. Its body takes room as it comes.
pub(crate) async fn admit(
    State(service): State<Service>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_grpc = request.uri().path().starts_with(GRPC);
    let refused = |fault: Fault| match is_grpc {
        true => Status::from(fault).into_http(),
        false => Refusal::from(fault).into_response(),
    };
    match service.caller(request.headers()) {
        Ok(caller) => request.extensions_mut().insert(caller),
        Err(fault) => return refused(fault),
    };
    let is_full = Arc::new(AtomicBool::new(false));
    let request = request.map(|it| bounded(it, service.gateway.room.clone(), is_full.clone()));
    let response = next.run(request).await;
    if is_full.load(Ordering::SeqCst) { refused(overloaded()) } else { response }
}

/// A body that takes room for what came of it, until it is read or dropped; where there is none it
/// breaks off and says so.
fn bounded(body: Body, room: Arc<Semaphore>, is_full: Arc<AtomicBool>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let mut taken: Option<OwnedSemaphorePermit> = None;
    Body::from_stream(body.into_data_stream().map(move |piece| {
        let piece = piece?;
        let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let Ok(more) = room.clone().try_acquire_many_owned(units(size)) else {
            is_full.store(true, Ordering::SeqCst);
            return Err(axum::Error::new(overloaded()));
        };
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
        Ok(piece)
    }))
}
