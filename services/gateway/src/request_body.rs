//! The body of an HTTP call: what kind of content it is, before anything of it is parsed.
//!
//! The content decides together with its declared type, because clients declare what they do not
//! mean: curl sends a form's type with every `-d`, and PowerShell none that matters. What is no JSON
//! in UTF-8 is answered with 415 and what to do instead.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::fault::{internal, invalid_field};
use crate::json::HttpFault;

/// The JSON text of a call's body, not parsed yet.
pub(crate) struct JsonText(Bytes);

impl JsonText {
    /// The text; empty only in a call that was refused.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = HttpFault;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpFault> {
        let headers = request.headers().clone();
        check_encoding(&headers)?;
        // The body is in memory already, within its limit; nothing else can fail.
        let body = Bytes::from_request(request, state).await.map_err(|error| internal(&error))?;
        Ok(json_text(&headers, &body).map(Self)?)
    }
}

/// The bytes of a file, as they are: their type is the sender's matter.
pub(crate) struct FileBytes(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for FileBytes {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        check_encoding(request.headers()).map_err(refuse)?;
        if media_type(request.headers()).starts_with("multipart/") {
            return Err(refuse(unsupported("multipart")));
        }
        let body = Bytes::from_request(request, state).await.map_err(|it| it.into_response())?;
        Ok(Self(body))
    }
}

fn refuse(fault: Fault) -> Response {
    HttpFault::from(fault).into_response()
}

/// The body is of another kind than the door takes; `found` is a term of no language.
fn unsupported(found: &str) -> Fault {
    Fault::new(&code::LT_EX_017).param("found", found).violation(
        "body",
        format!("là {found}, không phải JSON UTF-8 không nén"),
        format!("is {found}, not uncompressed JSON in UTF-8"),
    )
}

/// Compression is refused by its header, before the body is read: nothing that could unfold to
/// many times its size is ever unfolded.
fn check_encoding(headers: &HeaderMap) -> Result<(), Fault> {
    for it in headers.get_all(header::CONTENT_ENCODING) {
        let codings = it.to_str().unwrap_or("?");
        let mut named = codings.split(',').map(str::trim);
        if let Some(coding) =
            named.find(|it| !it.is_empty() && !it.eq_ignore_ascii_case("identity"))
        {
            let coding: String = coding.chars().take(20).collect();
            return Err(unsupported(&format!("content-encoding: {coding}")));
        }
    }
    Ok(())
}

/// The declared media type in lower case without parameters; empty when none is declared.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = value.unwrap_or_default().split([';', ',']).next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The declared charset in lower case; empty when none is declared.
fn charset(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let parameters = value.unwrap_or_default().split(';').skip(1);
    let mut named = parameters.filter_map(|it| it.split_once('='));
    let found = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    found.map_or_else(String::new, |(_, it)| it.trim().trim_matches('"').to_ascii_lowercase())
}

/// Checks that the body is JSON in UTF-8, and removes its byte order mark as the formats do.
fn json_text(headers: &HeaderMap, body: &Bytes) -> Result<Bytes, Fault> {
    if let Some(kind) = kind_by_bytes(body) {
        return Err(unsupported(kind));
    }
    let mark = if body.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 };
    let body = body.slice(mark..);
    let Some(first) = body.iter().copied().find(|it| !it.is_ascii_whitespace()) else {
        return Err(invalid_field(
            "body",
            "nội dung rỗng; cần một đối tượng JSON",
            "the body is empty; a JSON object is needed",
        ));
    };
    if first == b'<' {
        return Err(unsupported("XML/HTML"));
    }
    check_type(&media_type(headers), first)?;
    check_charset(&charset(headers), &body)?;
    match std::str::from_utf8(&body) {
        Ok(_) => Ok(body),
        Err(error) => {
            let at = error.valid_up_to() + mark;
            let vi = format!(
                "không phải UTF-8 ở byte {at}; với PowerShell: -ContentType 'application/json; charset=utf-8'"
            );
            let en = format!(
                "is not UTF-8 at byte {at}; in PowerShell: -ContentType 'application/json; charset=utf-8'"
            );
            Err(invalid_field("body", &vi, &en))
        }
    }
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// What the first bytes show whatever is declared. JSON has no NUL, so one in front is UTF-16 or
/// UTF-32 without a mark.
fn kind_by_bytes(body: &[u8]) -> Option<&'static str> {
    match body {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [0, ..] | [_, 0, ..] => Some("UTF-16/UTF-32"),
        _ => None,
    }
}

/// Types that say nothing against JSON are taken with it: text and bytes of any kind, and a form
/// whose content is JSON, which curl makes of `-d '{…}'`.
fn check_type(media_type: &str, first: u8) -> Result<(), Fault> {
    let takes = match media_type {
        "" | "application/json" | "text/json" | "text/plain" | "application/octet-stream" => true,
        "application/x-www-form-urlencoded" => matches!(first, b'{' | b'['),
        other => other.starts_with("application/") && other.ends_with("+json"),
    };
    if takes {
        return Ok(());
    }
    let media_type: String = media_type.chars().take(60).collect();
    Err(unsupported(&media_type))
}

/// Another charset than UTF-8 is refused, unless the content is the same in both.
fn check_charset(charset: &str, body: &[u8]) -> Result<(), Fault> {
    let is_same = matches!(charset, "" | "utf-8" | "utf8" | "us-ascii" | "ascii");
    let is_wide = charset.starts_with("utf-16")
        || charset.starts_with("utf-32")
        || charset.starts_with("ucs");
    if is_same || (!is_wide && body.is_ascii()) {
        return Ok(());
    }
    let charset: String = charset.chars().take(20).collect();
    Err(unsupported(&format!("charset={charset}")))
}
