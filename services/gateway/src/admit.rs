//! What every call passes before and after its handler, over either protocol: the caller is known
//! before a byte of the body is read, the body is read within its limits, and the call counts
//! against its application's share until its response was read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chassis::serve::{ReadAtLeisure, ServedConnection};
use http_body::{Frame, SizeHint};
use proto::fault::v1::Fault;
use registry_client::Caller;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Code, Status};

use crate::fault::share_used_up;
use crate::gateway::Gateway;
use crate::json::HttpFault;
use crate::limits::{GRPC_REQUEST_BYTES_MAX, HTTP_REQUEST_BYTES_MAX};
use crate::memory::MemoryPermit;
use crate::read_body::{BodyLimits, read_body};
use crate::refusals::note_refused_call;
use crate::server::Service;
use crate::shared_bound::Held;

/// Path of the gRPC calls.
pub(crate) const GRPC_PATH: &str = "/lienthong.exchange.v1.Exchange/";
/// Bytes before a gRPC message: a flag and its length.
const GRPC_PREFIX_BYTES: usize = 5;

/// The protocol of a call, and whether its answer may take long.
#[derive(Clone, Copy, Debug)]
struct CallKind {
    is_grpc: bool,
    /// It waits for deliveries.
    is_receive: bool,
    /// Its response is a stream.
    is_stream: bool,
}

impl CallKind {
    fn of(path: &str) -> Self {
        let method = path.strip_prefix(GRPC_PATH);
        let is_receive = method == Some("Receive") || path == "/v1/receive";
        let is_download = method == Some("GetPart") || path.starts_with("/v1/deliveries/");
        Self { is_grpc: method.is_some(), is_receive, is_stream: is_receive || is_download }
    }

    fn refuse(self, fault: Fault) -> Response {
        match self.is_grpc {
            true => Status::from(fault).into_http(),
            false => HttpFault::from(fault).into_response(),
        }
    }

    fn request_bytes_max(self) -> usize {
        if self.is_grpc {
            GRPC_REQUEST_BYTES_MAX + GRPC_PREFIX_BYTES
        } else {
            HTTP_REQUEST_BYTES_MAX
        }
    }
}

/// Passes a call on with its [`Caller`] among the extensions and its body read.
pub(crate) async fn admit(
    State(service): State<Service>,
    request: Request,
    next: Next,
) -> Response {
    let (gateway, kind) = (service.gateway, CallKind::of(request.uri().path()));
    let caller = match gateway.find_caller(request.headers(), request.extensions().get()) {
        Ok(caller) => caller,
        Err(fault) => {
            if let Some(application) = gateway.known_application(request.headers()) {
                note_refused_call(&gateway, &application, &fault);
            }
            return kind.refuse(fault);
        }
    };
    let application = caller.application.clone();
    let (response, call) = match start_call(&gateway, &caller, request.extensions().get()) {
        Ok(call) => {
            let response = answer(&gateway, caller, kind, (request, next, call.revoked.clone()));
            (response.await, Some(call))
        }
        Err(fault) => {
            note_refused_call(&gateway, &application, &fault);
            (kind.refuse(fault), None)
        }
    };
    if is_refusal(&response, kind) {
        gateway.failure_rate.note(&application.id, 1);
    }
    match call {
        Some(call) => finish_with_response(response, kind, call),
        None => response,
    }
}

/// A call in progress.
struct OpenCall {
    held: Held,
    gateway: Arc<Gateway>,
    caller: Caller,
    revoked: CancellationToken,
}

fn start_call(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    connection: Option<&ServedConnection>,
) -> Result<OpenCall, Fault> {
    let application = &caller.application.id;
    if connection.is_some_and(|it| !it.authenticate(application)) {
        return Err(share_used_up("kết nối (connections)"));
    }
    gateway.failure_rate.check(application)?;
    let held = gateway.open_calls.hold(application, 1)?;
    let revoked = gateway.active_tokens.revoked(caller);
    if !gateway.accepts_token(&gateway.registry.directory(), &caller.token, application) {
        // A snapshot that came in between may have been applied before the token was listed.
        return Err(gateway.revocation(caller));
    }
    Ok(OpenCall { held, gateway: gateway.clone(), caller: caller.clone(), revoked })
}

/// Reads the body and calls the handler. A call that waits ends when its token is taken back; any
/// other is finished, because what it does must not stop half-way.
async fn answer(
    gateway: &Gateway,
    caller: Caller,
    kind: CallKind,
    (request, next, revoked): (Request, Next, CancellationToken),
) -> Response {
    let (mut parts, body) = request.into_parts();
    let limits = BodyLimits::new(&gateway.config, kind.request_bytes_max());
    let mut memory = match gateway.memory.reserve_growing(&caller.application.id) {
        Ok(memory) => memory,
        Err(fault) => return kind.refuse(fault),
    };
    let read = if body.is_end_stream() {
        Ok(Bytes::new())
    } else {
        tokio::select! {
            read = read_body(body, &mut memory, limits) => read,
            () = revoked.cancelled() => Err(gateway.revocation(&caller)),
        }
    };
    let body = match read {
        Ok(body) => body,
        Err(fault) => {
            note_refused_call(gateway, &caller.application, &fault);
            return kind.refuse(fault);
        }
    };
    // Also held here, because the handler drops the extensions of its request.
    let memory = MemoryPermit::from(memory);
    parts.extensions.insert(memory.clone());
    parts.extensions.insert(caller.clone());
    let handling = next.run(Request::from_parts(parts, Body::from(body)));
    if !kind.is_receive {
        return handling.await;
    }
    tokio::select! {
        // In this order, because the end of its session ends the call too, and says less.
        biased;
        () = revoked.cancelled() => kind.refuse(gateway.revocation(&caller)),
        response = handling => response,
    }
}

/// True when the call was refused for what it says. Overload and failures of ours do not count.
fn is_refusal(response: &Response, kind: CallKind) -> bool {
    if !kind.is_grpc {
        let status = response.status();
        return status.is_client_error()
            && status != StatusCode::TOO_MANY_REQUESTS
            && status != StatusCode::REQUEST_TIMEOUT;
    }
    Status::from_header_map(response.headers()).is_some_and(|it| {
        matches!(
            it.code(),
            Code::InvalidArgument
                | Code::OutOfRange
                | Code::Unauthenticated
                | Code::PermissionDenied
                | Code::NotFound
                | Code::AlreadyExists
                | Code::Aborted
                | Code::FailedPrecondition
                | Code::Unimplemented
        )
    })
}

/// The response, which counts as a call in progress until the peer has read it.
fn finish_with_response(response: Response, kind: CallKind, call: OpenCall) -> Response {
    let OpenCall { held, gateway, caller, revoked } = call;
    let is_streaming = kind.is_stream && response.status().is_success();
    let end = is_streaming.then(|| StreamEnd {
        revoked: Box::pin(revoked.cancelled_owned()),
        is_grpc: kind.is_grpc,
        gateway,
        caller,
    });
    let mut response =
        response.map(|body| Body::new(CountedBody { body, end, is_ended: false, _call: held }));
    if kind.is_receive {
        response.extensions_mut().insert(ReadAtLeisure);
    }
    response
}

/// Ends a stream when the token of its call is taken back.
struct StreamEnd {
    revoked: Pin<Box<WaitForCancellationFutureOwned>>,
    is_grpc: bool,
    gateway: Arc<Gateway>,
    caller: Caller,
}

impl StreamEnd {
    /// The end of a gRPC stream is a status in trailers (the gRPC protocol over HTTP/2); an HTTP
    /// response can only break off.
    fn into_frame(self) -> Result<Frame<Bytes>, axum::Error> {
        let fault = self.gateway.revocation(&self.caller);
        if !self.is_grpc {
            return Err(axum::Error::new(fault));
        }
        let mut trailers = HeaderMap::new();
        Status::from(fault).add_header(&mut trailers).map_err(axum::Error::new)?;
        Ok(Frame::trailers(trailers))
    }
}

/// The body of a response whose call is in progress.
struct CountedBody {
    body: Body,
    /// None: no stream, which its handler ends.
    end: Option<StreamEnd>,
    is_ended: bool,
    _call: Held,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let is_revoked =
            self.end.as_mut().is_some_and(|it| it.revoked.as_mut().poll(context).is_ready());
        if let Some(end) = self.end.take_if(|_| is_revoked) {
            self.is_ended = true;
            self.body = Body::empty();
            return Poll::Ready(Some(end.into_frame()));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
