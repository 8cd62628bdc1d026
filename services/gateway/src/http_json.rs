//! The operations of the exchange contract over HTTP/1.1 with JSON, for clients without gRPC.
//!
//! Bodies are the contract's messages in protobuf's JSON mapping.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use chassis::serve::ServedConnection;
use proto::exchange::v1::track_request::By;
use proto::exchange::v1::{
    GetPartRequest, HelloRequest, LookupRequest, PutPartRequest, SettleBatchRequest, SettleRequest,
    SubmitBatchRequest, SubmitRequest, TrackRequest,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use registry_client::Caller;

use crate::fault::{body_too_large, invalid_field};
use crate::get_part::open_part;
use crate::hello::open_session;
use crate::json::{HttpFault, from_json, to_json};
use crate::limits::HTTP_REQUEST_BYTES_MAX;
use crate::lookup::lookup;
use crate::poll_response::poll_response;
use crate::query::RawParams;
use crate::receive::poll;
use crate::refusals::note_refused_call;
use crate::request_body::{FileBytes, JsonText};
use crate::server::Service;
use crate::settle::{settle, settle_batch};
use crate::submit::{submit, submit_batch};
use crate::trace_context::TraceContext;
use crate::track::track;

/// Longest wait of a long poll, below the idle time limit of usual proxies.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Most deliveries of one poll.
const POLL_COUNT_MAX: u64 = 100;

type JsonResult = Result<Response, HttpFault>;

/// The routes under `/v1`.
pub(crate) fn http_routes(service: Service) -> Router {
    Router::new()
        .route("/v1/hello", post(hello_handler))
        .route("/v1/parts/{part}", put(put_part_handler).get(part_progress_handler))
        .route("/v1/submit", post(submit_handler))
        .route("/v1/submit-batch", post(submit_batch_handler))
        .route("/v1/receive", get(receive_handler).post(receive_handler))
        .route("/v1/deliveries/{message_id}/body", get(get_body_handler))
        .route("/v1/deliveries/{message_id}/parts/{attachment}", get(get_part_handler))
        .route("/v1/settle", post(settle_handler))
        .route("/v1/settle-batch", post(settle_batch_handler))
        .route("/v1/track", get(track_handler))
        .route("/v1/lookup", get(lookup_handler))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(HTTP_REQUEST_BYTES_MAX))
        .layer(axum::middleware::map_response(add_fault))
        .with_state(service)
}

fn respond<M: prost::Message>(name: &str, message: &M) -> JsonResult {
    Ok(axum::Json(to_json(name, message)?).into_response())
}

async fn hello_handler(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    connection: Option<Extension<ServedConnection>>,
    body: JsonText,
) -> JsonResult {
    let request: HelloRequest = from_json("HelloRequest", body.as_str())?;
    let address = connection.map(|Extension(it)| it.peer());
    respond("HelloResponse", &open_session(&service.gateway, caller, (request, address)).await?)
}

async fn submit_handler(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<JsonText, HttpFault>,
) -> JsonResult {
    let request: SubmitRequest = read_submitted(&service, &caller, ("SubmitRequest", body))?;
    let header = |name| headers.get(name).and_then(|it| it.to_str().ok());
    let context = TraceContext::from_request(&request, header);
    let response =
        submit(&service.gateway, &caller.application, (request, (context, None))).await?;
    respond("SubmitResponse", &response)
}

async fn submit_batch_handler(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    body: Result<JsonText, HttpFault>,
) -> JsonResult {
    let request: SubmitBatchRequest =
        read_submitted(&service, &caller, ("SubmitBatchRequest", body))?;
    respond(
        "SubmitBatchResponse",
        &submit_batch(&service.gateway, &caller.application, request, None).await?,
    )
}

/// Reads the request of a submit. One that cannot be read is recorded as refused.
fn read_submitted<M: prost::Message + Default>(
    service: &Service,
    caller: &Caller,
    (name, body): (&str, Result<JsonText, HttpFault>),
) -> Result<M, HttpFault> {
    let read = body.and_then(|it| from_json(name, it.as_str()).map_err(HttpFault::from));
    read.inspect_err(|it| note_refused_call(&service.gateway, &caller.application, it.fault()))
}

fn part_request(part: String, params: &RawParams) -> Result<PutPartRequest, Fault> {
    let params = params.read(&["offset", "size", "sha256"])?;
    let sha256 = params.text("sha256");
    let claim = bus::Claim::from_hex(&sha256.to_ascii_lowercase(), 0).ok_or_else(|| {
        invalid_field("sha256", "cần 64 ký tự hex", "must be 64 hexadecimal digits")
    })?;
    Ok(PutPartRequest {
        part,
        offset: params.number("offset", 0)?,
        data: Bytes::new(),
        size: params.number("size", 0)?,
        sha256: Bytes::copy_from_slice(&claim.sha256),
    })
}

async fn put_part_handler(
    State(service): State<Service>,
    (Path(name), params): (Path<String>, RawParams),
    Extension(caller): Extension<Caller>,
    FileBytes(data): FileBytes,
) -> JsonResult {
    let application = caller.application;
    let request = PutPartRequest { data, ..part_request(name, &params)? };
    respond("PutPartResponse", &service.receive_part(&application, request).await?)
}

async fn part_progress_handler(
    State(service): State<Service>,
    (Path(name), params): (Path<String>, RawParams),
    Extension(caller): Extension<Caller>,
) -> JsonResult {
    let application = caller.application;
    let request = part_request(name, &params)?;
    respond("PutPartResponse", &service.receive_part(&application, request).await?)
}

async fn receive_handler(
    State(service): State<Service>,
    params: RawParams,
    Extension(caller): Extension<Caller>,
) -> JsonResult {
    let application = caller.application;
    let params = params.read(&["session", "wait_ms", "max", "in_hand_max"])?;
    let in_hand_max = u32::try_from(params.number("in_hand_max", 0)?).unwrap_or(u32::MAX);
    let wait = Duration::from_millis(params.number("wait_ms", 0)?).min(WAIT_MAX);
    let count_max = usize::try_from(params.number("max", 1)?.clamp(1, POLL_COUNT_MAX)).unwrap_or(1);
    let session =
        service.find_receiving_session(&application, &params.text("session"), in_hand_max)?;
    let (deliveries, sent) = poll(&service.gateway, &session, count_max, wait).await?;
    session.touch(service.gateway.clock.now_us());
    let deliveries: Result<Vec<_>, Fault> =
        deliveries.iter().map(|it| to_json("Delivery", it)).collect();
    let json = serde_json::json!({ "deliveries": deliveries? }).to_string();
    Ok(poll_response(json.into(), sent))
}

async fn get_body_handler(
    state: State<Service>,
    Path(message_id): Path<String>,
    params: RawParams,
    caller: Extension<Caller>,
) -> JsonResult {
    get_part_handler(state, Path((message_id, String::new())), params, caller).await
}

async fn get_part_handler(
    State(service): State<Service>,
    Path((message_id, attachment)): Path<(String, String)>,
    params: RawParams,
    Extension(caller): Extension<Caller>,
) -> JsonResult {
    let params = params.read(&["session", "offset"])?;
    let request = GetPartRequest {
        session: params.text("session"),
        message_id,
        attachment,
        offset: params.number("offset", 0)?,
    };
    let session = service.find_session(&caller.application, &request.session)?;
    let reader = open_part(&service.gateway, &session, &request).await?;
    let body = Body::from_stream(reader.into_stream());
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

async fn settle_handler(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    body: JsonText,
) -> JsonResult {
    let application = caller.application;
    let request: SettleRequest = from_json("SettleRequest", body.as_str())?;
    respond("SettleResponse", &settle(&service.gateway, &application, request).await?)
}

async fn settle_batch_handler(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    body: JsonText,
) -> JsonResult {
    let application = caller.application;
    let request: SettleBatchRequest = from_json("SettleBatchRequest", body.as_str())?;
    respond("SettleBatchResponse", &settle_batch(&service.gateway, &application, request).await?)
}

async fn track_handler(
    State(service): State<Service>,
    params: RawParams,
    Extension(caller): Extension<Caller>,
) -> JsonResult {
    let application = caller.application;
    let params = params.read(&["message_id", "key", "number"])?;
    let text = |name| params.find(name).map(str::to_owned);
    let properties = [
        text("message_id").map(By::MessageId),
        text("key").map(By::Key),
        text("number").map(By::Number),
    ];
    let mut given = properties.into_iter().flatten();
    let by = given.next();
    if given.next().is_some() {
        return Err(invalid_field(
            "query",
            "chỉ được nêu một trong message_id, key, number",
            "only one of message_id, key and number may be given",
        )
        .into());
    }
    let found = track(&service.gateway, &application, TrackRequest { by }).await?;
    respond("TrackResponse", &found)
}

async fn lookup_handler(
    State(service): State<Service>,
    params: RawParams,
    Extension(caller): Extension<Caller>,
) -> JsonResult {
    let application = caller.application;
    let params = params.read(&["text", "limit"])?;
    let request = LookupRequest {
        text: params.text("text"),
        limit: u32::try_from(params.number("limit", 0)?).unwrap_or(100),
    };
    respond("LookupResponse", &lookup(&service.gateway, &application, &request))
}

/// Adds a fault to a response of axum itself (a body that is too long, a path that is no UTF-8), so
/// that every refusal has a code.
async fn add_fault(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
    if is_json || !response.status().is_client_error() {
        return response;
    }
    let fault = if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        body_too_large(format!("> {HTTP_REQUEST_BYTES_MAX}"), HTTP_REQUEST_BYTES_MAX as u64)
    } else {
        invalid_field(
            "path",
            "không đọc được địa chỉ; phần sau mã hóa % phải là UTF-8",
            "the address cannot be read; what is percent-encoded must be UTF-8",
        )
    };
    HttpFault::from(fault).into_response()
}

async fn unknown_path() -> HttpFault {
    Fault::new(&code::LT_GW_008).into()
}

async fn unknown_method() -> HttpFault {
    Fault::new(&code::LT_GW_009).into()
}
