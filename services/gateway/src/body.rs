//! The bytes of an item on their way through: their room in memory, and their place in the store.

use bus::{Body, Message};
use bytes::Bytes;
use proto::exchange::v1::SubmitRequest;
use proto::exchange::v1::submit_request::Body as Given;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{Body as StoredBody, Envelope, body::Place};
use proto::message::v1::Claim;
use proto::registry::v1::Application;
use sha2::{Digest as _, Sha256};

use crate::fault::internal;
use crate::gateway::{Gateway, Room, overloaded, units};
use crate::hello::CHUNK;
use crate::parts::field;

/// The bytes as given, with their room in memory.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) sha256: [u8; 32],
    pub(crate) room: Room,
}

/// The native bytes of an item, from the call itself or from an upload.
pub(crate) async fn native(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
) -> Result<Whole, Fault> {
    match &request.body {
        Some(Given::Inline(bytes)) if bytes.len() > CHUNK as usize => Err(field(
            "inline",
            "nội dung quá 1 MiB phải tải lên bằng PutPart",
            "a body above 1 MiB is uploaded with PutPart",
        )),
        Some(Given::Inline(bytes)) => {
            let room = room(gateway, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
            Ok(Whole { bytes: bytes.clone(), sha256: Sha256::digest(bytes).into(), room })
        }
        Some(Given::Part(part)) => {
            let claim = gateway.parts.claim(&application.id, part).await;
            let claim = claim.map_err(|fault| unready(fault, "part"))?;
            let room = room(gateway, claim.size)?;
            let bytes = gateway.parts.bytes(&application.id, part, &gateway.claims).await?;
            Ok(Whole { bytes, sha256: claim.sha256, room })
        }
        None => Err(field("body", "thiếu nội dung", "the body is missing")),
    }
}

fn room(gateway: &Gateway, size: u64) -> Result<Room, Fault> {
    let most = gateway.config.body_bytes_max;
    if size > most {
        let fault = Fault::new(&code::LT_GW_001).param("size", size.to_string());
        return Err(fault.param("most", most.to_string()));
    }
    let permit = gateway.room.clone().try_acquire_many_owned(units(size));
    permit.map(Room::new).map_err(|_full| overloaded())
}

/// An upload that an item names and that cannot be used, with the field that names it.
pub(crate) fn unready(fault: Fault, path: impl Into<String>) -> Fault {
    let part = fault.params.get("part").cloned().unwrap_or_default();
    fault.violation(
        path,
        format!("tệp tải lên {part} chưa dùng được"),
        format!("the upload {part} cannot be used yet"),
    )
}

/// Bytes as a contract carries them: in place, or under a claim once they are safe.
pub(crate) async fn placed(gateway: &Gateway, bytes: Bytes) -> Result<StoredBody, Fault> {
    if bytes.len() <= bus::INLINE_BYTES_MAX {
        return Ok(StoredBody { place: Some(Place::Inline(bytes)) });
    }
    let claim = gateway.claims.put(bytes).await.map_err(|error| internal(&error))?;
    Ok(StoredBody { place: Some(Place::Claim(stored(&claim))) })
}

/// A claim as contracts write it.
pub(crate) fn stored(claim: &bus::Claim) -> Claim {
    Claim { sha256: Bytes::copy_from_slice(&claim.sha256), size: claim.size }
}

/// A claim as the bus writes it.
pub(crate) fn opened(claim: &Claim) -> Option<bus::Claim> {
    Some(bus::Claim { sha256: claim.sha256.as_ref().try_into().ok()?, size: claim.size })
}

/// A message as the bus takes it.
pub(crate) fn sealed(envelope: &Envelope, body: Option<StoredBody>) -> Option<Message> {
    let body = match body?.place? {
        Place::Inline(bytes) => Body::Inline(bytes),
        Place::Claim(claim) => Body::Claim(opened(&claim)?),
    };
    Some(Message {
        id: envelope.id.parse().ok()?,
        conversation: envelope.conversation.clone(),
        attributes: envelope.attributes(),
        body,
    })
}
