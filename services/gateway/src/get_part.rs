//! Opens the body or a file of a delivery in flight.

use bus::claim::Reader;
use journal_client::to_bus_claim;
use proto::exchange::v1::GetPartRequest;
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::fault::{from_claim_error, internal, invalid_field};
use crate::gateway::Gateway;
use crate::session::Session;

/// Opens the body, or the attachment that the request names, at an offset. Only a delivery in
/// flight may be read, so that a session ends an adapter's access to files.
pub(crate) async fn open_part(
    gateway: &Gateway,
    session: &Session,
    request: &GetPartRequest,
) -> Result<Reader, Fault> {
    let missing = || Fault::new(&code::LT_EX_014).param("id", &request.message_id);
    let in_flight = session.in_flight(&request.message_id).ok_or_else(missing)?;
    let claim = if request.attachment.is_empty() {
        in_flight.body
    } else {
        let found = in_flight.attachments.into_iter().find(|it| it.id == request.attachment);
        found.and_then(|it| it.claim)
    };
    let claim = claim
        .ok_or_else(|| Fault::new(&code::LT_EX_015).param("attachment", &request.attachment))?;
    let claim = to_bus_claim(&claim).map_err(|error| internal(&error))?;
    if request.offset > claim.size {
        return Err(invalid_field("offset", "vượt quá kích thước tệp", "is beyond the file's end"));
    }
    let reader = gateway.claims.open(&claim, request.offset).await;
    reader.map_err(|error| from_claim_error(&error))
}
