//! The same operations over HTTP/1.1 with JSON, for who cannot speak gRPC.
//!
//! Bodies are the contract's messages in protobuf's JSON mapping.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use prost_reflect::{DeserializeOptions, DynamicMessage, SerializeOptions};
use proto::exchange::v1::track_request::By;
use proto::exchange::v1::{
    GetPartRequest, HelloRequest, LookupRequest, PutPartRequest, SettleBatchRequest, SettleRequest,
    SubmitBatchRequest, SubmitRequest, TrackRequest,
};
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};

use crate::context::Sent;
use crate::directory::Caller;
use crate::hello::{CHUNK, greet};
use crate::parts::field;
use crate::receive::poll;
use crate::server::Service;
use crate::settle::{answer, answers, part};
use crate::submit::{submit, submit_all};
use crate::track::track;

/// Longest wait of a long poll.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Bytes of a request: a chunk, or an inline body as base64 with room around it.
const REQUEST_BYTES_MAX: usize = 4 * CHUNK as usize;

type Answer = Result<Response, Refusal>;

/// A fault on its way out as JSON.
pub(crate) struct Refusal(Fault);

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let fault = self.0;
        let status = fault.entry().and_then(|it| StatusCode::from_u16(it.http).ok());
        let wait_ms =
            fault.wait().map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        let violations: Vec<_> = fault
            .violations
            .iter()
            .map(|it| {
                serde_json::json!({
                    "field": it.field,
                    "description_vi": it.description_vi,
                    "description_en": it.description_en,
                })
            })
            .collect();
        let body = serde_json::json!({
            "code": fault.code,
            "reason": fault.reason().as_str_name(),
            "retry": fault.entry().map_or("", |it| it.retry.as_str()),
            "title_vi": fault.title(Lang::Vi),
            "title_en": fault.title(Lang::En),
            "remedy_vi": fault.remedy(Lang::Vi),
            "remedy_en": fault.remedy(Lang::En),
            "params": fault.params,
            "violations": violations,
            "violations_left_out": fault.violations_left_out,
            "retry_after_ms": wait_ms,
        });
        let mut response = axum::Json(body).into_response();
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if wait_ms > 0 {
            let seconds = wait_ms.div_ceil(1_000);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The pages under `/v1`.
pub(crate) fn pages(service: Service) -> Router {
    Router::new()
        .route("/v1/hello", post(hello))
        .route("/v1/parts/{part}", put(put_part).get(part_progress))
        .route("/v1/submit", post(submit_item))
        .route("/v1/submit-batch", post(submit_batch))
        .route("/v1/receive", get(receive).post(receive))
        .route("/v1/deliveries/{message_id}/body", get(get_body))
        .route("/v1/deliveries/{message_id}/parts/{attachment}", get(get_part))
        .route("/v1/settle", post(settle))
        .route("/v1/settle-batch", post(settle_batch))
        .route("/v1/track", get(track_item))
        .route("/v1/lookup", get(lookup))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(axum::middleware::map_response(coded))
        .with_state(service)
}

type Asked = Query<HashMap<String, String>>;

/// Reads a message of the contract from JSON; unknown names are mistakes.
fn read<M: prost::Message + Default>(name: &str, json: &[u8]) -> Result<M, Fault> {
    let wrong = |words: String| {
        field("body", "JSON không đúng hợp đồng", "the JSON does not follow the contract")
            .detail(words)
    };
    let descriptor = proto::descriptors()
        .get_message_by_name(&format!("lienthong.exchange.v1.{name}"))
        .ok_or_else(|| wrong(name.to_owned()))?;
    let mut from = serde_json::Deserializer::from_slice(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(descriptor, &mut from, &options)
        .map_err(|error| {
            let at = format!("{}:{}", error.line(), error.column());
            field(&at, "JSON không đúng hợp đồng", &error.to_string())
        })?;
    from.end().map_err(|error| wrong(error.to_string()))?;
    message.transcode_to().map_err(|error| wrong(error.to_string()))
}

/// Writes a message of the contract as JSON, empty fields included.
fn value<M: prost::Message>(name: &str, message: &M) -> Result<serde_json::Value, Fault> {
    let broken = || crate::fault::away("gateway");
    let descriptor = proto::descriptors()
        .get_message_by_name(&format!("lienthong.exchange.v1.{name}"))
        .ok_or_else(broken)?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).map_err(|error| crate::fault::internal(&error))?;
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| crate::fault::internal(&error))
}

fn written<M: prost::Message>(name: &str, message: &M) -> Answer {
    Ok(axum::Json(value(name, message)?).into_response())
}

fn number(asked: &HashMap<String, String>, name: &str, default: u64) -> Result<u64, Fault> {
    asked.get(name).map_or(Ok(default), |it| {
        it.parse().map_err(|_odd| field(name, "cần một số", "must be a number"))
    })
}

async fn hello(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let request: HelloRequest = read("HelloRequest", &body)?;
    written("HelloResponse", &greet(&service.gateway, caller, request).await?)
}

async fn submit_item(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let request: SubmitRequest = read("SubmitRequest", &body)?;
    let sent = Sent::with(&request, |name| headers.get(name).and_then(|it| it.to_str().ok()));
    let answer = submit(&service.gateway, &caller.application, (request, sent)).await?;
    written("SubmitResponse", &answer)
}

async fn submit_batch(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let application = caller.application;
    let request: SubmitBatchRequest = read("SubmitBatchRequest", &body)?;
    written("SubmitBatchResponse", &submit_all(&service.gateway, &application, request).await?)
}

fn part_request(part: String, asked: &HashMap<String, String>) -> Result<PutPartRequest, Fault> {
    let sha256 = asked.get("sha256").map(String::as_str).unwrap_or_default();
    let claim = bus::Claim::from_hex(&sha256.to_ascii_lowercase(), 0)
        .ok_or_else(|| field("sha256", "cần 64 ký tự hex", "must be 64 hexadecimal digits"))?;
    Ok(PutPartRequest {
        part,
        offset: number(asked, "offset", 0)?,
        data: Bytes::new(),
        size: number(asked, "size", 0)?,
        sha256: Bytes::copy_from_slice(&claim.sha256),
    })
}

async fn put_part(
    State(service): State<Service>,
    (Path(name), Query(asked)): (Path<String>, Asked),
    Extension(caller): Extension<Caller>,
    data: Bytes,
) -> Answer {
    let application = caller.application;
    let request = PutPartRequest { data, ..part_request(name, &asked)? };
    written("PutPartResponse", &service.put(&application, request).await?)
}

async fn part_progress(
    State(service): State<Service>,
    (Path(name), Query(asked)): (Path<String>, Asked),
    Extension(caller): Extension<Caller>,
) -> Answer {
    let application = caller.application;
    let request = part_request(name, &asked)?;
    written("PutPartResponse", &service.put(&application, request).await?)
}

async fn receive(
    State(service): State<Service>,
    Query(asked): Asked,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let application = caller.application;
    let id = asked.get("session").map(String::as_str).unwrap_or_default();
    let in_hand_max = u32::try_from(number(&asked, "in_hand_max", 0)?).unwrap_or(u32::MAX);
    let session = service.receiver(&application, id, in_hand_max).await?;
    let wait = Duration::from_millis(number(&asked, "wait_ms", 0)?).min(WAIT_MAX);
    let most = usize::try_from(number(&asked, "max", 1)?.clamp(1, 100)).unwrap_or(1);
    let deliveries = poll(&service.gateway, &session, most, wait).await?;
    session.touch(service.gateway.clock.now_us());
    let deliveries: Result<Vec<_>, Fault> =
        deliveries.iter().map(|it| value("Delivery", it)).collect();
    Ok(axum::Json(serde_json::json!({ "deliveries": deliveries? })).into_response())
}

async fn get_body(
    state: State<Service>,
    Path(message_id): Path<String>,
    asked: Asked,
    caller: Extension<Caller>,
) -> Answer {
    get_part(state, Path((message_id, String::new())), asked, caller).await
}

async fn get_part(
    State(service): State<Service>,
    Path((message_id, attachment)): Path<(String, String)>,
    Query(asked): Asked,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let request = GetPartRequest {
        session: asked.get("session").cloned().unwrap_or_default(),
        message_id,
        attachment,
        offset: number(&asked, "offset", 0)?,
    };
    let session = service.session(&caller.application, &request.session).await?;
    let reader = part(&service.gateway, &session, &request).await?;
    let body = Body::from_stream(reader.into_stream());
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

async fn settle(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let application = caller.application;
    let request: SettleRequest = read("SettleRequest", &body)?;
    written("SettleResponse", &answer(&service.gateway, &application, request).await?)
}

async fn settle_batch(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let application = caller.application;
    let request: SettleBatchRequest = read("SettleBatchRequest", &body)?;
    written("SettleBatchResponse", &answers(&service.gateway, &application, request).await?)
}

async fn track_item(
    State(service): State<Service>,
    Query(asked): Asked,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let application = caller.application;
    let by = asked
        .get("message_id")
        .map(|it| By::MessageId(it.clone()))
        .or_else(|| asked.get("key").map(|it| By::Key(it.clone())))
        .or_else(|| asked.get("number").map(|it| By::Number(it.clone())));
    let found = track(&service.gateway, &application, TrackRequest { by }).await?;
    written("TrackResponse", &found)
}

async fn lookup(
    State(service): State<Service>,
    Query(asked): Asked,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let application = caller.application;
    let request = LookupRequest {
        text: asked.get("text").cloned().unwrap_or_default(),
        limit: u32::try_from(number(&asked, "limit", 0)?).unwrap_or(100),
    };
    written("LookupResponse", &service.look_up(&application, &request))
}

/// Gives a refusal of the HTTP layer itself (a body too long, a query that cannot be read) its
/// code, so that every refusal has one.
async fn coded(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
    if is_json || !response.status().is_client_error() {
        return response;
    }
    let fault = if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let most = REQUEST_BYTES_MAX.to_string();
        Fault::new(&code::LT_GW_001).param("size", format!("> {most}")).param("most", most)
    } else {
        field("query", "không đọc được lời gọi", "the call cannot be read")
    };
    Refusal(fault).into_response()
}

async fn nothing_here() -> Refusal {
    Fault::new(&code::LT_GW_008).into()
}

async fn wrong_method() -> Refusal {
    Fault::new(&code::LT_GW_009).into()
}
