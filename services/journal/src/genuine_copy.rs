//! What the copies of a stored message are compared with.

use journal_client::{CopyDigest, copy_digest, to_bus_message};
use prost::Message as _;
use proto::journal::v1::{Body, Envelope};

/// The digest that genuine copies of a message have; none when it cannot be published.
pub(crate) fn genuine_digest(envelope: &Envelope, body: Body) -> Option<CopyDigest> {
    let message = to_bus_message(envelope, Some(body)).ok()?;
    Some(copy_digest(&message, &envelope.application))
}

/// The same from the stored form of the body; none while there is no body.
pub(crate) fn genuine_digest_of_stored(envelope: &Envelope, body: &[u8]) -> Option<CopyDigest> {
    genuine_digest(envelope, Body::decode(body).ok()?)
}
