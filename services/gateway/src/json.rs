//! Messages of the exchange contract and faults as JSON.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prost_reflect::{DeserializeOptions, DynamicMessage, SerializeOptions};
use proto::fault::Lang;
use proto::fault::v1::Fault;

use crate::fault::{internal, invalid_field, unavailable};

/// A fault as an HTTP response with JSON.
pub(crate) struct HttpFault(Fault);

impl From<Fault> for HttpFault {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for HttpFault {
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

/// Decodes a message of the contract from JSON. An unknown field is refused: it is a misspelled one.
pub(crate) fn from_json<M: prost::Message + Default>(name: &str, json: &[u8]) -> Result<M, Fault> {
    let invalid = |detail: String| {
        invalid_field("body", "JSON không đúng hợp đồng", "the JSON does not follow the contract")
            .detail(detail)
    };
    let descriptor = proto::descriptors()
        .get_message_by_name(&format!("lienthong.exchange.v1.{name}"))
        .ok_or_else(|| invalid(name.to_owned()))?;
    let mut json = serde_json::Deserializer::from_slice(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(descriptor, &mut json, &options)
        .map_err(|error| {
            let at = format!("{}:{}", error.line(), error.column());
            invalid_field(&at, "JSON không đúng hợp đồng", &error.to_string())
        })?;
    json.end().map_err(|error| invalid(error.to_string()))?;
    message.transcode_to().map_err(|error| invalid(error.to_string()))
}

/// Encodes a message of the contract as JSON, default values included, so that a client without
/// the contract sees every field.
pub(crate) fn to_json<M: prost::Message>(
    name: &str,
    message: &M,
) -> Result<serde_json::Value, Fault> {
    let unknown = || unavailable("gateway");
    let descriptor = proto::descriptors()
        .get_message_by_name(&format!("lienthong.exchange.v1.{name}"))
        .ok_or_else(unknown)?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).map_err(|error| internal(&error))?;
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| internal(&error))
}
