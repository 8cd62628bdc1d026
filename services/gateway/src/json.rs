//! Messages of the exchange contract and faults as JSON.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use proto::fault::v1::{Fault, FieldViolation};
use proto::fault::{Lang, code};
use serde_json::error::Category;

use crate::fault::{internal, invalid_field, unavailable};

mod message;
mod value;

/// A fault as an HTTP response with JSON.
pub(crate) struct HttpFault(Fault);

impl HttpFault {
    pub(crate) fn fault(&self) -> &Fault {
        &self.0
    }
}

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
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // What the door takes (RFC 9110, 12.5.1 and 12.5.3): clients that compress by
            // themselves turn it off on this answer.
            let headers = response.headers_mut();
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        response
    }
}

fn descriptor(name: &str) -> Result<MessageDescriptor, Fault> {
    proto::descriptors()
        .get_message_by_name(&format!("lienthong.exchange.v1.{name}"))
        .ok_or_else(|| unavailable("gateway"))
}

/// Decodes a message of the contract from JSON, as strictly as the formats read a body: a repeated
/// field (also as proto name and JSON name) and an unknown one are refused, each by its path.
pub(crate) fn from_json<M: prost::Message + Default>(name: &str, json: &str) -> Result<M, Fault> {
    let descriptor = descriptor(name)?;
    let value = value::parse(json).map_err(|error| malformed(&error))?;
    let message = message::to_message(&descriptor, &value).map_err(wrong_fields)?;
    message.transcode_to().map_err(|error| internal(&error))
}

/// The fault of several wrong fields; its title names the first.
fn wrong_fields(violations: Vec<FieldViolation>) -> Fault {
    let first = violations.first().map_or("body", |it| it.field.as_str());
    let fault = Fault::new(&code::LT_EX_011).param("field", first);
    violations
        .into_iter()
        .fold(fault, |fault, it| fault.violation(it.field, it.description_vi, it.description_en))
}

fn malformed(error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = match error.classify() {
        Category::Eof => ("JSON bị cắt cụt", "the JSON is cut off"),
        _ if text.starts_with("recursion limit") => {
            ("JSON lồng quá 128 tầng", "the JSON is nested deeper than 128 levels")
        }
        _ if text.starts_with("trailing characters") => {
            ("có thêm nội dung sau JSON", "something follows the JSON")
        }
        _ if text.starts_with("more than") => {
            ("JSON có quá nhiều giá trị", "the JSON holds too many values")
        }
        Category::Syntax | Category::Data | Category::Io => {
            ("JSON không đúng cú pháp", "the JSON is malformed")
        }
    };
    let vi = format!("{} ở dòng {line}, cột {column}", what.0);
    let en = format!("{} at line {line}, column {column}", what.1);
    invalid_field("body", &vi, &en).detail(text)
}

/// Encodes a message of the contract as JSON, default values included, so that a client without
/// the contract sees every field.
pub(crate) fn to_json<M: prost::Message>(
    name: &str,
    message: &M,
) -> Result<serde_json::Value, Fault> {
    let mut dynamic = DynamicMessage::new(descriptor(name)?);
    dynamic.transcode_from(message).map_err(|error| internal(&error))?;
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| internal(&error))
}

#[cfg(test)]
#[path = "json/tests.rs"]
mod tests;
