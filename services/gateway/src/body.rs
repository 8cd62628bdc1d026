//! The bytes of an item: reading them from the call or an upload, and storing them for the journal.

use bytes::Bytes;
use journal_client::to_journal_claim;
use proto::exchange::v1::SubmitRequest;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{Body as StoredBody, body::Place};
use proto::registry::v1::Application;
use sha2::{Digest as _, Sha256};

use crate::fault::{body_too_large, from_claim_error, invalid_field};
use crate::gateway::Gateway;
use crate::limits::CHUNK_BYTES_MAX;
use crate::memory::MemoryPermit;

/// The bytes of an item as they came, with their memory.
pub(crate) struct NativeBody {
    pub(crate) bytes: Bytes,
    pub(crate) sha256: [u8; 32],
    pub(crate) permit: MemoryPermit,
}

/// Reads the native bytes of an item, from the call itself or from an upload. `call_memory` is the
/// memory of the call, when an inline body is a part of it and not a copy.
pub(crate) async fn read_native_body(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
    call_memory: Option<MemoryPermit>,
) -> Result<NativeBody, Fault> {
    match &request.body {
        Some(SubmittedBody::Inline(bytes)) if bytes.len() > CHUNK_BYTES_MAX as usize => {
            Err(invalid_field(
                "inline",
                "nội dung quá 1 MiB phải tải lên bằng PutPart",
                "a body above 1 MiB is uploaded with PutPart",
            ))
        }
        Some(SubmittedBody::Inline(bytes)) => {
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let permit =
                call_memory.map_or_else(|| reserve(gateway, application, "inline", size), Ok)?;
            let sha256 = Sha256::digest(bytes).into();
            check_sha256(&request.body_sha256, sha256, "body_sha256")?;
            Ok(NativeBody { bytes: bytes.clone(), sha256, permit })
        }
        Some(SubmittedBody::Part(part)) => {
            let claim = gateway.uploads.claim(&application.id, part).await;
            let claim = claim.map_err(|fault| upload_fault(fault, "part"))?;
            check_sha256(&request.body_sha256, claim.sha256, "body_sha256")?;
            let permit = reserve(gateway, application, "part", claim.size)?;
            let bytes = gateway.uploads.read_all(&application.id, part, &gateway.claims).await?;
            Ok(NativeBody { bytes, sha256: claim.sha256, permit })
        }
        None => Err(invalid_field("body", "thiếu nội dung", "the body is missing")),
    }
}

/// Reserves the memory of a body, if a body may be as large.
fn reserve(
    gateway: &Gateway,
    application: &Application,
    path: &str,
    size: u64,
) -> Result<MemoryPermit, Fault> {
    let bytes_max = gateway.config.body_bytes_max;
    if size > bytes_max {
        return Err(body_too_large(size.to_string(), bytes_max).violation(
            path,
            format!("có {size} byte, nhiều nhất {bytes_max}"),
            format!("has {size} bytes, at most {bytes_max}"),
        ));
    }
    gateway.memory.reserve(&application.id, size)
}

/// Compares bytes with the digest that the item declares for them, if it declares one: a retry is
/// recognised by it, so it must be true.
pub(crate) fn check_sha256(declared: &[u8], sha256: [u8; 32], path: &str) -> Result<(), Fault> {
    if declared.is_empty() || declared == sha256 {
        return Ok(());
    }
    let (declared, found) = (hex::encode(declared), hex::encode(sha256));
    Err(Fault::new(&code::LT_EX_018).violation(
        path,
        format!("khai {declared}, nội dung có {found}"),
        format!("declares {declared}, the bytes have {found}"),
    ))
}

/// The fault of an upload that an item names, with the field that names it.
pub(crate) fn upload_fault(fault: Fault, path: impl Into<String>) -> Fault {
    let part = fault.params.get("part").cloned().unwrap_or_default();
    fault.violation(
        path,
        format!("tệp tải lên {part} chưa dùng được"),
        format!("the upload {part} cannot be used yet"),
    )
}

/// A body as the journal takes it: inline, or committed to the claim store when it is larger than a
/// message may be.
pub(crate) async fn store_body(gateway: &Gateway, bytes: Bytes) -> Result<StoredBody, Fault> {
    store_body_of_many(gateway, bytes, 1).await
}

/// A body as the journal takes it for this many messages: inline only when all of them together are
/// no larger than one may be.
pub(crate) async fn store_body_of_many(
    gateway: &Gateway,
    bytes: Bytes,
    messages: usize,
) -> Result<StoredBody, Fault> {
    if bytes.len().saturating_mul(messages) <= bus::INLINE_BYTES_MAX {
        return Ok(StoredBody { place: Some(Place::Inline(bytes)) });
    }
    let claim = gateway.claims.put(bytes).await.map_err(|error| from_claim_error(&error))?;
    Ok(StoredBody { place: Some(Place::Claim(to_journal_claim(&claim))) })
}
